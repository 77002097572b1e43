"""The identity of a process: on which host, boot and pid namespace it runs, its pid and when it started.

Together they distinguish a process from every other one, and let another process of this machine see whether it lives.
"""

import os
import socket
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from smithersd.posix.process.process_handle import process_start_time


@dataclass(frozen=True, slots=True)
class ProcessIdentity:
    """A process on a host. `start_time` (clock ticks since boot) distinguishes it from a later one with its pid."""

    host: str
    boot_id: str
    pid_namespace: str
    pid: int
    start_time: int

    @property
    def name(self) -> str:
        """The process's name in messages: its pid and its host."""
        return f"process {self.pid} on {self.host}"

    @property
    def is_local(self) -> bool:
        """Whether its pid means something to this process: same host, boot and pid namespace."""
        here = this_process()
        return (self.host, self.boot_id, self.pid_namespace) == (here.host, here.boot_id, here.pid_namespace)

    @property
    def is_alive(self) -> bool:
        """Whether a local process still runs; a zombie does not."""
        return process_start_time(self.pid) == self.start_time

    @property
    def may_be_predecessor(self) -> bool:
        """Whether it may have run here before a reboot, or in a container that this one replaces; if so, it is dead.

        The same host name with another boot id is this host before a reboot, unless two hosts have that name. The same
        boot id with another pid namespace is a container of this machine: the one that ours replaces, or a live one.
        """
        here = this_process()
        if self.boot_id == here.boot_id:
            return self.pid_namespace != here.pid_namespace
        return self.host == here.host


def this_process() -> ProcessIdentity:
    """Identify the calling process."""
    return _identity(os.getpid())


@lru_cache(maxsize=2)
def _identity(pid: int) -> ProcessIdentity:
    return ProcessIdentity(socket.gethostname(), _boot_id(), _pid_namespace(), pid, process_start_time(pid) or 0)


def _boot_id() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def _pid_namespace() -> str:
    try:
        return str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        return ""

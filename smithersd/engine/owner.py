"""Who holds a lease: this process, named so that others can tell whether it still lives.

Where host, boot and pid namespace are ours, a dead owner is seen at once; elsewhere the lease has to run out.
"""

import json
import os
import signal
import socket
import time
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path

from smithersd.core.log.states import Interruption
from smithersd.posix.process_handle import ProcessHandle, process_start_time

_END_TIMEOUT_S = 5.0
_END_POLL_S = 0.01


_NAMES = {
    "boot_id": "bootId",
    "pid_namespace": "pidNamespace",
    "start_time": "startTime",
    "has_crashed": "hasCrashed",
}


@dataclass(frozen=True, slots=True)
class Owner:
    """A process on a host. `start_time` tells it from a later process with the same pid (clock ticks since boot).

    `has_crashed` is what a driver leaves that found itself failing: its process may live on, but drives no more.
    """

    host: str
    boot_id: str
    pid_namespace: str
    pid: int
    start_time: int
    has_crashed: bool = False

    @property
    def name(self) -> str:
        """How people are told of it."""
        return f"process {self.pid} on {self.host}"

    @property
    def is_local(self) -> bool:
        """Whether its pid means something to us: same host, boot and pid namespace."""
        here = current_owner()
        return (self.host, self.boot_id, self.pid_namespace) == (here.host, here.boot_id, here.pid_namespace)

    @property
    def may_be_predecessor(self) -> bool:
        """Whether it may be us before a reboot or before our container was made anew; if so, it is dead.

        The same name under another boot is our host's, unless two have that name. The same boot with another pid
        namespace is a container of this machine: the one that ours replaces, or another that lives.
        """
        here = current_owner()
        if self.boot_id == here.boot_id:
            return self.pid_namespace != here.pid_namespace
        return self.host == here.host

    @property
    def is_alive(self) -> bool:
        """Whether a local owner's process still runs; a zombie does not."""
        return process_start_time(self.pid) == self.start_time


def current_owner() -> Owner:
    """Name this process."""
    return _owner(os.getpid())


@lru_cache(maxsize=2)
def _owner(pid: int) -> Owner:
    return Owner(socket.gethostname(), _boot_id(), _pid_namespace(), pid, process_start_time(pid) or 0)


def owner_text(owner: Owner) -> str:
    """Write an owner as the JSON that a lease holds."""
    return json.dumps({_NAMES.get(name, name): value for name, value in asdict(owner).items()})


def owner_from(text: str) -> Owner:
    """Read an owner from a lease."""
    v = json.loads(text)
    return Owner(v["host"], v["bootId"], v["pidNamespace"], v["pid"], v["startTime"], v.get("hasCrashed", False))


def is_owner_dead(text: str) -> bool:
    """Whether the named driver is known to have ended; False where that cannot be told from here."""
    owner = owner_from(text)
    return owner.has_crashed or (owner.is_local and not owner.is_alive)


def interruption_by(former_owner: str | None) -> Interruption:
    """Why the attempts of a run's former driver ended, None being one who gave the lease back.

    Only a driver that is known dead has crashed; from one that may live on the run was taken.
    """
    if former_owner is None:
        return Interruption.SUSPENDED
    return Interruption.CRASH if is_owner_dead(former_owner) else Interruption.LEASE_LOST


def end_owner(text: str) -> bool:
    """End a local owner's process: ask, then kill after 5 s. Return whether there was one to end.

    It is signalled through a handle that was opened while it was known to be the same process.
    """
    owner = owner_from(text)
    if not owner.is_local or owner.has_crashed or owner.pid == os.getpid():
        return False
    process = ProcessHandle.open(owner.pid)
    if process is None:
        return False
    with process:
        if not owner.is_alive:
            return False
        _end(process)
        return True


def _end(process: ProcessHandle) -> None:
    process.signal(signal.SIGTERM)
    deadline = time.monotonic() + _END_TIMEOUT_S
    while not process.has_ended and time.monotonic() < deadline:
        time.sleep(_END_POLL_S)
    if not process.has_ended:
        process.signal(signal.SIGKILL)


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

"""The owner of a lease: the process that drives the run, identified so that others can tell whether it is alive.

If host, boot and pid namespace are the same, a dead owner is recognised at once; otherwise its lease has to run out.
"""

import json
import os
import signal
import time
from dataclasses import dataclass

from smithersd.core.log.states import Interruption
from smithersd.posix.process.identity import ProcessIdentity, this_process
from smithersd.posix.process.process_handle import ProcessHandle

_END_TIMEOUT_S = 5.0
_END_POLL_S = 0.01


@dataclass(frozen=True, slots=True)
class Owner:
    """The process that holds a lease.

    `has_crashed` is set by a driver whose engine failed: its process may still be alive, but no longer drives the run.
    """

    process: ProcessIdentity
    has_crashed: bool = False

    @property
    def is_dead(self) -> bool:
        """Whether the process is known to drive the run no longer; False if that cannot be told from here."""
        return self.has_crashed or (self.process.is_local and not self.process.is_alive)

    def to_text(self) -> str:
        """Return the owner as JSON text for the lease."""
        process = self.process
        return json.dumps(
            {
                "host": process.host,
                "bootId": process.boot_id,
                "pidNamespace": process.pid_namespace,
                "pid": process.pid,
                "startTime": process.start_time,
                "hasCrashed": self.has_crashed,
            }
        )

    @staticmethod
    def from_text(text: str) -> "Owner":
        """Return the owner that the JSON text of a lease describes."""
        v = json.loads(text)
        process = ProcessIdentity(v["host"], v["bootId"], v["pidNamespace"], v["pid"], v["startTime"])
        return Owner(process, v.get("hasCrashed", False))


def own_text(*, has_crashed: bool = False) -> str:
    """Return this process as the owner's text for a lease."""
    return Owner(this_process(), has_crashed).to_text()


def is_owner_dead(text: str) -> bool:
    """Return whether an owner is known to drive its run no longer; False if that cannot be told from here."""
    return Owner.from_text(text).is_dead


def interruption_by(former_owner: str | None) -> Interruption:
    """Return why the attempts of a run's former driver were interrupted; None is a driver that gave the lease back.

    A driver that is known to be dead has crashed; one that may be alive has lost its lease.
    """
    if former_owner is None:
        return Interruption.SUSPENDED
    return Interruption.CRASH if is_owner_dead(former_owner) else Interruption.LEASE_LOST


def end_owner(text: str) -> bool:
    """End the process of an owner on this host: SIGTERM, then SIGKILL after 5 s. Return whether there was one to end.

    The process is signalled through a handle, so that no other process can be hit whose pid is the same.
    """
    owner = Owner.from_text(text)
    if not owner.process.is_local or owner.has_crashed or owner.process.pid == os.getpid():
        return False
    process = ProcessHandle.open(owner.process.pid)
    if process is None:
        return False
    with process:
        if not owner.process.is_alive:
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

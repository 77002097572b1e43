"""The owner of a lease: the process that drives the run, named so that others can tell whether it still does.

Where host, boot and pid namespace are ours, a dead owner is seen at once; elsewhere the lease has to run out.
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

    `has_crashed` is what a driver leaves that found itself failing: its process may live on, but drives no more.
    """

    process: ProcessIdentity
    has_crashed: bool = False

    @property
    def is_dead(self) -> bool:
        """Whether it is known to drive no more; False where that cannot be told from here."""
        return self.has_crashed or (self.process.is_local and not self.process.is_alive)

    def to_text(self) -> str:
        """Write the owner as the JSON that a lease holds."""
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
        """Read an owner from a lease."""
        v = json.loads(text)
        process = ProcessIdentity(v["host"], v["bootId"], v["pidNamespace"], v["pid"], v["startTime"])
        return Owner(process, v.get("hasCrashed", False))


def own_text(*, has_crashed: bool = False) -> str:
    """Name this process, as the text that a lease holds."""
    return Owner(this_process(), has_crashed).to_text()


def is_owner_dead(text: str) -> bool:
    """Whether the named driver is known to have ended; False where that cannot be told from here."""
    return Owner.from_text(text).is_dead


def interruption_by(former_owner: str | None) -> Interruption:
    """Return why the attempts of a run's former driver ended, None being one who gave the lease back.

    Only a driver that is known dead has crashed; from one that may live on the run was taken.
    """
    if former_owner is None:
        return Interruption.SUSPENDED
    return Interruption.CRASH if is_owner_dead(former_owner) else Interruption.LEASE_LOST


def end_owner(text: str) -> bool:
    """End a local owner's process: ask, then kill after 5 s. Return whether there was one to end.

    It is signalled through a handle that was opened while it was known to be the same process.
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

"""The streams that this process was started with, for what we have to say ourselves.

Whatever an author does to `sys.stdout` and `sys.stderr` (replaces them, closes them) is theirs: what we say goes
through descriptors of our own.
"""

import io
import os
import select
import sys
from contextlib import suppress
from dataclasses import dataclass
from fcntl import F_DUPFD_CLOEXEC, fcntl
from typing import TextIO

from smithersd.posix.descriptor_writer import DescriptorWriter

_FIRST_FREE = 3
"""The descriptors below are stdin, stdout and stderr."""


@dataclass(frozen=True, slots=True)
class Streams:
    """Stdout and stderr; None for one that was closed."""

    out: TextIO | None
    err: TextIO | None

    @staticmethod
    def of_process() -> "Streams":
        """Return streams to where `sys.stdout` and `sys.stderr` go; from now on those hold back no whole line.

        So what author code prints keeps its place among what we say.
        """
        return Streams(_copy(sys.stdout), _copy(sys.stderr))


def patient(stream: TextIO, descriptor: int) -> TextIO:
    """Return a stream as this one that writes to a descriptor, and waits where that does not block and is full.

    With PYTHONUNBUFFERED, as is usual in containers, streams write through: then so does this one.
    """
    writer = _PatientWriter(descriptor)
    writes_through = getattr(stream, "write_through", False)
    return io.TextIOWrapper(
        writer if writes_through else io.BufferedWriter(writer),  # type: ignore[type-var]  # as the interpreter does
        encoding=stream.encoding,
        errors=stream.errors,
        newline="\n",
        line_buffering=bool(stream.line_buffering),
        write_through=writes_through,
    )


class _PatientWriter(DescriptorWriter):
    """A descriptor that may have been set not to block, by whoever shares it."""

    def write(self, data: object) -> int:
        """Write it whole: nothing above this one need try again."""
        view = memoryview(data).cast("B")  # type: ignore[arg-type]  # bytes or a buffer, as the streams above hand down
        size = len(view)
        while view:
            try:
                view = view[os.write(self.descriptor, view) :]
            except BlockingIOError:
                ready = select.poll()
                ready.register(self.descriptor, select.POLLOUT)
                ready.poll()
        return size


def _copy(stream: TextIO | None) -> TextIO | None:
    if stream is None:
        return None
    with suppress(OSError, ValueError):  # a stream without a descriptor, or none is left: then it must do itself
        stream.flush()
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(line_buffering=True)
        return patient(stream, fcntl(stream.fileno(), F_DUPFD_CLOEXEC, _FIRST_FREE))
    return stream

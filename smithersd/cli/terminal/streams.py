"""The streams that this process was started with, for our own output.

Author code may replace or close `sys.stdout` and `sys.stderr`; our output uses copies of their descriptors.
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
        """Return streams to where `sys.stdout` and `sys.stderr` lead, and make those two line-buffered.

        Line buffering keeps what author code prints in order with our output.
        """
        return Streams(_copy(sys.stdout), _copy(sys.stderr))


def blocking_stream(stream: TextIO, descriptor: int) -> TextIO:
    """Return a stream like this one on another descriptor, which waits even if that is non-blocking and full.

    With PYTHONUNBUFFERED, as is usual in containers, streams write through: then so does this one.
    """
    writer = _BlockingWriter(descriptor)
    writes_through = getattr(stream, "write_through", False)
    return io.TextIOWrapper(
        writer if writes_through else io.BufferedWriter(writer),  # type: ignore[type-var]  # as the interpreter does
        encoding=stream.encoding,
        errors=stream.errors,
        newline="\n",
        line_buffering=bool(stream.line_buffering),
        write_through=writes_through,
    )


class _BlockingWriter(DescriptorWriter):
    """A writer to a descriptor that another process may have made non-blocking."""

    def write(self, data: object) -> int:
        """Write all the data, waiting while the descriptor is full."""
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
    with suppress(OSError, ValueError):  # the stream has no descriptor, or none is free: use the stream itself
        stream.flush()
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(line_buffering=True)
        return blocking_stream(stream, fcntl(stream.fileno(), F_DUPFD_CLOEXEC, _FIRST_FREE))
    return stream

"""Gather what attempts print into few pieces of bounded size."""

import asyncio
import codecs
import io
import threading
from collections.abc import Callable, Iterator

from smithersd.executors.loop_bridge import LoopBridge
from smithersd.executors.output.mask import Mask, MaskedStream
from smithersd.limits import NODE_OUTPUT_ATTEMPT_BYTES_MAX, NODE_OUTPUT_CHUNK_BYTES_MAX, NODE_OUTPUT_FLUSH_S

SPANS_MAX = 16
"""Changes between stdout and stderr that are kept between two flushes; later ones are merged, each stream in its order.

Otherwise a task that writes to both in turn would make an event of every write.
"""

_CONTINUATION_BYTES = range(0b1000_0000, 0b1100_0000)
"""The continuation bytes of UTF-8, which begin no character."""

Deliver = Callable[[str, str, bool], None]
"""Takes a piece of text, its stream, and whether it is the last because the limit is reached."""


class FlushTimer:
    """One timer for the buffers of all attempts; it runs only while one of them has text to deliver."""

    def __init__(self, bridge: LoopBridge) -> None:
        self.bridge = bridge
        self._waiting: dict[OutputBuffer, None] = {}
        self._timer: asyncio.TimerHandle | None = None

    def add(self, output_buffer: "OutputBuffer") -> None:
        """Flush a buffer after NODE_OUTPUT_FLUSH_S; in the loop's thread."""
        self._waiting[output_buffer] = None
        if self._timer is None:
            self._timer = self.bridge.later(NODE_OUTPUT_FLUSH_S, self._flush)

    def close(self) -> None:
        """Cancel the timer, and flush nothing more."""
        self._waiting.clear()
        if self._timer is not None:
            self._timer.cancel()

    def _flush(self) -> None:
        self._timer = None
        waiting, self._waiting = self._waiting, {}
        for output_buffer in waiting:
            output_buffer.flush()


class _Span:
    """Text that was written to one stream in a row."""

    __slots__ = ("_buffer", "stream")

    def __init__(self, stream: str) -> None:
        self.stream = stream
        self._buffer = io.StringIO()

    def add(self, text: str) -> None:
        self._buffer.write(text)

    def pieces(self) -> Iterator[tuple[str, str]]:
        for piece in _pieces(self._buffer.getvalue()):
            yield piece, self.stream


class OutputBuffer:
    """What one attempt printed and has not been delivered; writes may come from any thread.

    An unfinished line waits for its end, but only until the second flush after its beginning.
    """

    __slots__ = (
        "_bytes_left",
        "_decoders",
        "_deliver",
        "_is_awaiting_flush",
        "_is_full",
        "_is_urgent",
        "_lock",
        "_mask",
        "_masked_streams",
        "_overdue_lines",
        "_partial_lines",
        "_spans",
        "_timer",
        "_undelivered_bytes",
    )  # fmt: skip

    def __init__(self, timer: FlushTimer, deliver: Deliver, mask: Mask | None = None) -> None:
        self._timer = timer
        self._deliver = deliver
        # Reentrant: a signal handler or a finalizer may print during a print of the same thread.
        self._lock = threading.RLock()
        self._spans: list[_Span] = []
        self._partial_lines: dict[str, io.StringIO] = {}
        self._overdue_lines: set[str] = set()
        self._decoders: dict[str, codecs.IncrementalDecoder] = {}
        self._mask = mask
        self._masked_streams: dict[str, MaskedStream] = {}
        self._bytes_left = NODE_OUTPUT_ATTEMPT_BYTES_MAX
        self._undelivered_bytes = 0
        self._is_awaiting_flush = False
        self._is_urgent = False
        self._is_full = False

    def add(self, text: str, stream: str) -> None:
        """Add text; beyond the limit of an attempt it is dropped."""
        with self._lock:
            self._add(text, stream)

    def add_bytes(self, data: bytes, stream: str) -> None:
        """Add UTF-8 bytes, which may end inside a character."""
        with self._lock:
            if not self._is_full:
                self._add(self._decoder(stream).decode(data), stream)

    def flush(self) -> None:
        """Deliver the finished lines, and unfinished ones of an earlier flush; in the loop's thread."""
        with self._lock:
            for stream in tuple(self._overdue_lines):
                self._finish_partial_line(stream)
            self._overdue_lines = set(self._partial_lines)
        self._deliver_all()
        with self._lock:
            if self._partial_lines and not self._is_awaiting_flush:
                self._is_awaiting_flush = True
                self._timer.add(self)

    def close(self) -> None:
        """Deliver everything that is left, also incomplete characters."""
        for stream, decoder in self._decoders.items():
            self.add(decoder.decode(b"", final=True), stream)
        with self._lock:
            for stream, masked in self._masked_streams.items():
                self._add_masked(masked.close(), stream)
            self._finish_partial_lines()
        self._deliver_all()

    def _deliver_all(self) -> None:
        with self._lock:
            spans, self._spans = self._spans, []
            is_last = self._is_full
            self._undelivered_bytes = 0
            self._is_awaiting_flush = self._is_urgent = False
        pieces = [piece for span in spans for piece in span.pieces()]
        for number, (text, stream) in enumerate(pieces, start=1):
            self._deliver(text, stream, is_last and number == len(pieces))

    def _add(self, text: str, stream: str) -> None:
        self._add_masked(text if self._mask is None else self._masked_stream(stream, self._mask).add(text), stream)

    def _add_masked(self, text: str, stream: str) -> None:
        if self._is_full or not text:
            return
        text, size_bytes = _measured(text)
        if size_bytes > self._bytes_left:
            text = text.encode()[: self._bytes_left].decode(errors="ignore")
            size_bytes = self._bytes_left
            self._is_full = True
        self._bytes_left -= size_bytes
        self._undelivered_bytes += size_bytes
        self._append(text, stream)
        if self._is_full:
            self._finish_partial_lines()
            self._span(stream)  # there must be a last piece, even if it is empty
        self._request_flush()

    def _append(self, text: str, stream: str) -> None:
        lines, end, partial = text.rpartition("\n")
        if end:
            self._finish_partial_line(stream)
            self._span(stream).add(lines + end)
        if partial:
            line = self._partial_lines.setdefault(stream, io.StringIO())
            line.write(partial)
            if line.tell() >= NODE_OUTPUT_CHUNK_BYTES_MAX:
                self._finish_partial_line(stream)

    def _finish_partial_line(self, stream: str) -> None:
        self._overdue_lines.discard(stream)
        line = self._partial_lines.pop(stream, None)
        if line is not None:
            self._span(stream).add(line.getvalue())

    def _finish_partial_lines(self) -> None:
        for stream in tuple(self._partial_lines):
            self._finish_partial_line(stream)

    def _span(self, stream: str) -> _Span:
        spans = self._spans
        if spans and spans[-1].stream == stream:
            return spans[-1]
        if len(spans) >= SPANS_MAX:
            return spans[-2]  # there are two streams, so spans alternate: the last of this stream
        spans.append(_Span(stream))
        return spans[-1]

    def _masked_stream(self, stream: str, mask: Mask) -> MaskedStream:
        masked = self._masked_streams.get(stream)
        if masked is None:
            masked = self._masked_streams[stream] = MaskedStream(mask)
        return masked

    def _decoder(self, stream: str) -> codecs.IncrementalDecoder:
        decoder = self._decoders.get(stream)
        if decoder is None:
            decoder = self._decoders[stream] = codecs.getincrementaldecoder("utf-8")("replace")
        return decoder

    def _request_flush(self) -> None:
        if not self._is_awaiting_flush:
            self._is_awaiting_flush = True
            self._timer.bridge.run_in_loop(self._timer.add, self)
        if not self._is_urgent and self._undelivered_bytes >= NODE_OUTPUT_CHUNK_BYTES_MAX:
            self._is_urgent = True
            self._timer.bridge.run_in_loop(self._deliver_all)


def _measured(text: str) -> tuple[str, int]:
    """Return the text and its size in bytes; what UTF-8 cannot encode (lone surrogates) is replaced."""
    if text.isascii():
        return text, len(text)
    try:
        return text, len(text.encode())
    except UnicodeEncodeError:
        data = text.encode(errors="replace")
        return data.decode(), len(data)


def _pieces(text: str) -> Iterator[str]:
    """Yield the text in pieces of bounded size, each ending with a line if it contains one."""
    data = text.encode()
    start = 0
    while len(data) - start > NODE_OUTPUT_CHUNK_BYTES_MAX:
        end = _cut(data, start, start + NODE_OUTPUT_CHUNK_BYTES_MAX)
        yield data[start:end].decode()
        start = end
    yield data[start:].decode()


def _cut(data: bytes, start: int, end: int) -> int:
    """Return where a piece of at most `end - start` bytes ends: after a line, else between two characters."""
    line_end = data.rfind(b"\n", start, end) + 1
    if line_end > start:
        return line_end
    while data[end] in _CONTINUATION_BYTES:
        end -= 1
    return end

"""A raw stream over a borrowed descriptor: closing the stream leaves the descriptor open."""

import io
import os


class DescriptorWriter(io.RawIOBase):
    """All of a raw stream but `write`: how that goes on when the descriptor refuses is the subclass's to say."""

    def __init__(self, descriptor: int) -> None:
        super().__init__()
        self.descriptor = descriptor

    def fileno(self) -> int:
        """Return the descriptor."""
        return self.descriptor

    def writable(self) -> bool:
        """Return True."""
        return True

    def isatty(self) -> bool:
        """Whether the descriptor is a terminal's."""
        return os.isatty(self.descriptor)

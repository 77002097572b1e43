"""A raw stream over a borrowed descriptor: closing the stream leaves the descriptor open."""

import io
import os


class DescriptorWriter(io.RawIOBase):
    """A raw stream without `write`: a subclass says what happens when the descriptor takes no more."""

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
        """Return whether the descriptor is a terminal's."""
        return os.isatty(self.descriptor)

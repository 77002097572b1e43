"""A port for something that binds it later."""

import random
import socket
from contextlib import suppress

_RANDOM = random.SystemRandom()  # the plain one is seeded alike for every test and every worker


def free_port() -> int:
    """A port of 127.0.0.1 that nobody has at the moment, nor is given by chance while we do not hold it."""
    while True:
        port = _RANDOM.randrange(10_000, 30_000)  # below those that the kernel gives to whoever asks for any
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port

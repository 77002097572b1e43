"""A forked child has none of the descriptors that are kept from it, and whoever is gone is not asked."""

import os
from collections.abc import Callable

from smithersd.posix.process.forks import after_fork_in_child, keep_from_forks


class Pipe:
    def __init__(self) -> None:
        self.reading, self.writing = os.pipe()

    def descriptors(self) -> tuple[int, ...]:
        return (self.writing,)

    def greet(self) -> None:
        os.write(self.writing, b"child")

    def close(self) -> None:
        os.close(self.reading)
        os.close(self.writing)


def _exit_code_of_a_child(work: Callable[[], bool]) -> int:
    """Fork, and return 0 where `work` is true in the child."""
    pid = os.fork()
    if pid == 0:
        code = 2
        try:
            code = 0 if work() else 1
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def _is_nowhere(descriptor: int) -> bool:
    return os.path.samestat(os.fstat(descriptor), os.stat(os.devnull))  # noqa: PTH116 - no Path for a device's number


def test_a_child_finds_dev_null_where_a_kept_descriptor_was_and_the_parent_keeps_it() -> None:
    pipe = Pipe()
    keep_from_forks(pipe.descriptors)
    assert _exit_code_of_a_child(lambda: _is_nowhere(pipe.writing) and not _is_nowhere(pipe.reading)) == 0
    assert not _is_nowhere(pipe.writing)
    pipe.close()


def test_a_callback_in_the_child_still_has_what_is_kept_from_it() -> None:
    pipe = Pipe()
    keep_from_forks(pipe.descriptors)
    after_fork_in_child(pipe.greet)
    assert _exit_code_of_a_child(lambda: True) == 0
    assert os.read(pipe.reading, 100) == b"child"
    pipe.close()


def test_what_is_gone_is_not_asked() -> None:
    pipe = Pipe()
    reading, writing = pipe.reading, pipe.writing
    keep_from_forks(pipe.descriptors)
    after_fork_in_child(pipe.greet)
    del pipe
    assert _exit_code_of_a_child(lambda: not _is_nowhere(writing)) == 0
    os.close(writing)
    assert os.read(reading, 100) == b""
    os.close(reading)

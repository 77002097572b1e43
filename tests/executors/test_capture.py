"""What tasks print and log, while all else goes where it always went."""
# ruff: noqa: T201 - printing is what is tested

import asyncio
import contextlib
import io
import logging
import logging.config
import os
import random
import subprocess
import sys
import threading
from typing import Any

import pytest
from rich.console import Console
from rich.logging import RichHandler

from smithersd.errors import UserError
from smithersd.executors import Succeeded, task_context
from smithersd.limits import NODE_OUTPUT_ATTEMPT_BYTES_MAX, NODE_OUTPUT_CHUNK_BYTES_MAX
from tests.support.waiting import DEADLINE_S

logger = logging.getLogger("author.module")


class Streams:
    """Real text streams; within `with`, this process's stdout and stderr, with logging as in a fresh interpreter.

    Not put in place by a fixture, since pytest puts its own in place between the fixtures and the test.
    """

    def __init__(self):
        self.stdout, self.stderr = (
            io.TextIOWrapper(io.BytesIO(), encoding="utf-8", line_buffering=True) for _ in range(2)
        )

    def __enter__(self):
        self._before = sys.stdout, sys.stderr
        sys.stdout, sys.stderr = self.stdout, self.stderr
        self._root = logging.getLogger()
        self._handlers, self._level = self._root.handlers[:], self._root.level
        self._root.handlers[:] = []
        self._root.setLevel(logging.WARNING)
        return self

    def __exit__(self, *_exception):
        sys.stdout, sys.stderr = self._before
        self._root.handlers[:] = self._handlers
        self._root.setLevel(self._level)
        logging.getLogger("author").handlers[:] = []

    def seen(self):
        self.stdout.flush()
        self.stderr.flush()
        return self.stdout.buffer.getvalue().decode(), self.stderr.buffer.getvalue().decode()


@pytest.fixture
def streams():
    return Streams()


@pytest.fixture
def capturing(streams, open_bench):
    @contextlib.asynccontextmanager
    async def capturing():
        with streams:
            async with open_bench(captures_output=True) as bench:
                yield bench

    return capturing


@pytest.mark.parametrize("is_async", [True, False])
async def test_prints_of_a_task_are_told_and_go_nowhere_else(capturing, streams, is_async):
    async with capturing() as bench:

        def work():
            print("to stdout", 1)
            print("to stderr", file=sys.stderr)

        async def work_async():
            work()

        record = bench.function(work_async if is_async else work)
        await record.outcome()

        assert record.of("printed") == [("to stdout 1\n", "stdout", False), ("to stderr\n", "stderr", False)]
        assert streams.seen() == ("", "")


async def test_prints_outside_of_tasks_go_where_they_always_went(capturing, streams):
    async with capturing() as bench:

        async def work():
            await asyncio.sleep(0)

        record = bench.function(work)
        print("ours")
        await record.outcome()

        assert record.of("printed") == []
        assert streams.seen()[0] == "ours\n"


async def test_tasks_at_once_get_each_their_own(capturing):
    async with capturing() as bench:
        both = threading.Barrier(2)

        def in_thread(name):
            for _ in range(50):
                both.wait(DEADLINE_S)
                print(name)

        async def in_loop(name):
            for _ in range(50):
                print(name)
                await asyncio.sleep(0)

        functions = [(in_thread, "a"), (in_thread, "b"), (in_loop, "c"), (in_loop, "d")]
        records = [bench.function(function, name) for function, name in functions]
        for record in records:
            await record.outcome()

        assert [record.text() for record in records] == [f"{name}\n" * 50 for name in "abcd"]


async def test_without_capture_a_users_stdout_is_not_touched(bench, streams):
    with streams:

        async def work():
            print("mine")
            return sys.stdout is streams.stdout

        record = bench.function(work)

        assert await record.outcome() == Succeeded("true")
        assert record.of("printed") == []
        assert streams.seen()[0] == "mine\n"


async def test_close_puts_everything_back(streams, open_bench):
    with streams:
        call_handlers = logging.Logger.callHandlers
        async with open_bench(captures_output=True):
            assert sys.stdout is not streams.stdout
            assert "write" in vars(streams.stdout)
        assert (sys.stdout, sys.stderr) == (streams.stdout, streams.stderr)
        assert "write" not in vars(streams.stdout)
        assert logging.Logger.callHandlers is call_handlers


async def test_what_somebody_else_put_in_the_place_meanwhile_is_left_alone(streams, open_bench):
    with streams:
        theirs = io.StringIO()
        async with open_bench(captures_output=True):
            sys.stdout = theirs
        assert sys.stdout is theirs


async def test_two_engines_in_one_process_each_capture_their_own_in_any_order_of_closing(streams, open_bench):
    with streams:

        async def work():
            print("once")
            logging.getLogger("two").error("logged")

        first = open_bench(captures_output=True)
        second = open_bench(captures_output=True)
        bench_1, bench_2 = await first.__aenter__(), await second.__aenter__()
        for bench in (bench_1, bench_2):
            record = bench.function(work)
            await record.outcome()
            assert (record.text(), record.text("stderr").count("logged")) == ("once\n", 1)
        await first.__aexit__(None, None, None)
        record = bench_2.function(work)
        await record.outcome()
        assert record.text() == "once\n"
        await second.__aexit__(None, None, None)

        print("after")
        assert streams.seen()[0] == "after\n"


async def test_600_engines_opened_and_closed_in_any_order_leave_the_process_as_it_was(streams, open_bench):
    order = random.Random(600)
    with streams:
        handler = logging.StreamHandler(streams.stderr)
        logging.getLogger("author").addHandler(handler)
        before = process_state()

        async def work(number):
            print("printed by", number)
            logger.error("logged by %d", number)

        opened = []
        for number in range(600):
            bench = open_bench(captures_output=True)
            opened.append((number, bench, await bench.__aenter__()))
            if order.random() < 0.3:
                await opened.pop(order.randrange(len(opened)))[1].__aexit__(None, None, None)
        order.shuffle(opened)
        records = [(number, bench.function(work, number)) for number, _, bench in opened]
        for number, record in records:
            await record.outcome()
            assert (record.text(), record.text("stderr")) == (f"printed by {number}\n", f"logged by {number}\n")
        for _, bench, _ in opened:
            await bench.__aexit__(None, None, None)

        assert process_state() == before
        assert streams.seen() == ("", "")


def process_state():
    """All that a capture could leave changed."""
    root, author = logging.getLogger(), logging.getLogger("author")
    return (
        *(sys.stdout, dict(vars(sys.stdout)), sys.stderr, dict(vars(sys.stderr))),
        *(root.handlers[:], author.handlers[:], logging.getLogRecordFactory(), dict(vars(logging.Logger))),
    )


async def test_an_engine_captures_in_what_somebody_has_put_in_the_place_since_another_one_began(streams, open_bench):
    with streams:
        theirs = io.StringIO()

        async def work():
            print("told")

        async with open_bench(captures_output=True):
            sys.stdout = theirs
            async with open_bench(captures_output=True) as bench:
                record = bench.function(work)
                await record.outcome()
                print("theirs")
        assert record.text() == "told\n"
        assert theirs.getvalue() == "theirs\n"
        assert sys.stdout is theirs
        assert "write" not in vars(streams.stdout)


async def test_an_engine_that_does_not_capture_is_left_alone_beside_one_that_does(streams, open_bench):
    with streams:

        async def work():
            print("mine")

        async with open_bench(captures_output=True), open_bench() as bench:
            record = bench.function(work)
            await record.outcome()

        assert record.of("printed") == []
        assert streams.seen()[0] == "mine\n"


async def test_binary_writes_are_told_and_characters_are_never_cut(capturing, streams):
    async with capturing() as bench:

        async def work():
            sys.stdout.buffer.write("é".encode()[:1])
            sys.stdout.buffer.write("é".encode()[1:])
            sys.stdout.buffer.write(memoryview(b"x"))
            sys.stdout.buffer.flush()
            sys.stdout.writelines(["a", "b"])
            sys.stdout.flush()

        record = bench.function(work)
        await record.outcome()

        assert record.text() == "éxab"
        assert streams.seen()[0] == ""


async def test_the_stand_in_is_like_the_original(capturing, streams):
    async with capturing() as bench:

        async def work():
            with pytest.raises(TypeError, match="must be str, not int"):
                sys.stdout.write(1)  # type: ignore[arg-type] # what a task may get wrong
            return sys.stdout.isatty(), sys.stdout.encoding, sys.stdout.writable()

        assert await bench.function(work).outcome() == Succeeded('[false,"utf-8",true]')
        assert sys.stdout.buffer is streams.stdout.buffer
        assert sys.stdout.encoding == "utf-8"
        with pytest.raises(io.UnsupportedOperation):
            sys.stdout.fileno()
        sys.stdout.buffer.write(b"bytes")
        sys.stdout.write("text")
        assert streams.seen()[0] == "bytestext"


def test_a_terminal_is_none_within_a_task():
    program = """
import asyncio, sys
from smithersd.executors import *
class Sink:
    def __init__(self): self.future = asyncio.get_running_loop().create_future()
    def ended(self, outcome): self.future.set_result(outcome)
async def main():
    executors = Executors(captures_output=True)
    sink = Sink()
    async def work(): return sys.stdout.isatty(), sys.stdout.fileno()
    executors.start(Call(AttemptInfo("r", "n", 0, 1, None), FunctionCall(work, ()), repr), sink)
    print((await sink.future).output, sys.stdout.isatty(), sys.stdout.fileno())
asyncio.run(main())
"""
    leader, follower = os.openpty()
    done = subprocess.run([sys.executable, "-c", program], timeout=DEADLINE_S, check=True, stdout=follower)

    assert os.read(leader, 1_000).decode().strip() == "(False, 1) True 1"
    assert done.returncode == 0
    os.close(leader)
    os.close(follower)


async def test_a_stream_that_a_task_redirects_itself_is_its_own_affair(capturing):
    async with capturing() as bench:

        async def work():
            with contextlib.redirect_stdout(io.StringIO()) as mine:
                print("redirected")
            print("told")
            return mine.getvalue()

        record = bench.function(work)

        assert await record.outcome() == Succeeded('"redirected\\n"')
        assert record.text() == "told\n"


async def test_a_process_without_stdout_can_still_capture_logging(streams, open_bench):
    async def work():
        print("nowhere")
        logger.error("logged")

    with streams:
        sys.stdout = None
        async with open_bench(captures_output=True) as bench:
            record = bench.function(work)
            await record.outcome()
        assert sys.stdout is None
    assert record.text("stderr") == "logged\n"


def configure_nothing(_streams):
    return "an error\n"


def configure_basic(_streams):
    logging.basicConfig(format="%(levelname)s %(message)s")
    return "ERROR an error\n"


def configure_basic_by_force(_streams):
    logging.basicConfig(format="forced %(message)s", force=True)
    return "forced an error\n"


def configure_a_handler_on_the_original(streams):
    handler = logging.StreamHandler(streams.stderr)
    handler.setFormatter(logging.Formatter("original %(message)s"))
    logging.getLogger("author").addHandler(handler)
    return "original an error\n"


def configure_dict(_streams):
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {"f": {"format": "dict %(message)s"}},
            "handlers": {"h": {"class": "logging.StreamHandler", "formatter": "f"}},
            "root": {"handlers": ["h"], "level": "INFO"},
        }
    )
    return "dict an error\n"


def configure_rich(_streams):
    console = Console(width=200, stderr=True)
    handler = RichHandler(console=console, show_time=False, show_path=False)
    logging.getLogger().addHandler(handler)
    return "ERROR    an error\n"


def configure_something_elsewhere(_streams):
    logging.getLogger().addHandler(logging.StreamHandler(io.StringIO()))
    return "ERROR:author.module:an error\n"


def configure_a_null_handler(_streams):
    logging.getLogger().addHandler(logging.NullHandler())
    return "ERROR:author.module:an error\n"


CONFIGURATIONS = [
    configure_nothing,
    configure_basic,
    configure_basic_by_force,
    configure_a_handler_on_the_original,
    configure_dict,
    configure_rich,
    configure_something_elsewhere,
    configure_a_null_handler,
]


@pytest.mark.parametrize("moment", ["before", "after", "in the task"])
@pytest.mark.parametrize("configure", CONFIGURATIONS)
async def test_each_log_line_of_a_task_comes_once_however_logging_is_configured(streams, open_bench, configure, moment):
    with streams:
        expected = []

        def work():
            if moment == "in the task":
                expected.append(configure(streams))
            logger.error("an %s", "error")

        if moment == "before":
            expected.append(configure(streams))
        async with open_bench(captures_output=True) as bench:
            if moment == "after":
                expected.append(configure(streams))
            record = bench.function(work)
            await record.outcome()

        assert record.text("stderr").rstrip(" \n") == expected[0].rstrip("\n")
        assert record.text("stdout") == ""
        assert streams.seen() == ("", "")


async def test_basic_config_of_the_author_still_sets_the_level(capturing):
    async with capturing() as bench:

        async def work():
            logging.basicConfig(level=logging.INFO)
            logger.info("worth knowing")
            logger.debug("not worth it")

        record = bench.function(work)
        await record.outcome()

        assert record.text("stderr") == "INFO:author.module:worth knowing\n"


async def test_log_lines_outside_of_tasks_go_where_they_always_went(capturing, streams):
    async with capturing():
        logging.basicConfig(format="%(message)s", stream=streams.stderr)
        logger.error("ours")

        assert streams.seen()[1] == "ours\n"


async def test_our_own_log_lines_of_an_attempt_are_none_of_its_output(capturing, streams):
    async with capturing() as bench:
        logging.basicConfig(format="%(message)s", stream=streams.stderr, level=logging.INFO)

        async def work():
            raise ValueError("no such thing")

        record = bench.function(work)
        await record.outcome()

        assert record.of("printed") == []
        assert "Traceback" in streams.seen()[1]


async def test_each_log_line_comes_once_while_other_threads_of_the_task_print(capturing):
    async with capturing() as bench:

        def chatter():
            for _ in range(300):
                print("chatter")

        async def work():
            threads = [asyncio.to_thread(chatter) for _ in range(3)]
            await asyncio.gather(*threads, asyncio.to_thread(log))

        def log():
            for number in range(300):
                logger.error("line %d", number)

        logging.getLogger().addHandler(logging.NullHandler())
        record = bench.function(work)
        await record.outcome()

        assert record.text("stderr") == "".join(f"ERROR:author.module:line {number}\n" for number in range(300))
        # A print is two writes, so threads may mix their lines; no letter of them is lost.
    assert sorted(record.text("stdout")) == sorted("chatter\n" * 900)


async def test_a_print_is_told_soon_and_not_only_at_the_end(capturing):
    async with capturing() as bench:

        async def work():
            print("early")
            await asyncio.Event().wait()

        record = bench.function(work)
        await record.until(lambda r: r.text() == "early\n")

        assert record.outcomes == []


async def test_a_flood_from_a_thread_is_cut_once_and_memory_stays_bounded(capturing):
    async with capturing() as bench:

        def work():
            for _ in range(1_000):
                print("x" * 100_000)

        record = bench.function(work)
        await record.outcome()

        sizes = [len(text) for text, _, _ in record.of("printed")]
        assert sum(sizes) == NODE_OUTPUT_ATTEMPT_BYTES_MAX
        assert max(sizes) <= NODE_OUTPUT_CHUNK_BYTES_MAX
        assert [is_truncated for _, _, is_truncated in record.of("printed")] == [False] * (len(sizes) - 1) + [True]


async def test_what_a_task_prints_after_its_end_goes_to_the_process(capturing, streams):
    async with capturing() as bench:
        may_print = asyncio.Event()

        async def straggler():
            await may_print.wait()
            print("late")

        stragglers = []

        async def work():
            stragglers.append(asyncio.ensure_future(straggler()))
            print("in time")

        record = bench.function(work)
        await record.outcome()
        may_print.set()
        await stragglers[0]

        assert record.text() == "in time\n"
        assert streams.seen()[0] == "late\n"


async def test_a_print_amid_a_print_of_the_same_thread_does_not_deadlock(capturing):
    class PrintsWhenItIsMeasured(str):
        __slots__ = ()

        def isascii(self):
            print("inner")
            return True

    async def work():
        sys.stdout.write(PrintsWhenItIsMeasured("outer\n"))

    async with capturing() as bench:
        record = bench.function(work)
        await record.outcome()

    assert record.text() == "inner\nouter\n"


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
@pytest.mark.parametrize("is_async", [True, False])
async def test_a_process_that_a_task_forks_prints_to_the_process_and_is_in_no_task(capturing, is_async, tmp_path):
    def work():
        print("before")
        pid = os.fork()
        if pid == 0:
            with contextlib.suppress(UserError):
                task_context()
                os._exit(1)
            print("in the child")
            captured: Any = sys.stdout.buffer
            (tmp_path / "seen").write_text(captured.getvalue().decode())
            os._exit(0)
        return os.waitpid(pid, 0)[1]

    async def work_async():
        return work()

    async with capturing() as bench:
        record = bench.function(work_async if is_async else work)
        assert await record.outcome() == Succeeded("0")

    assert record.text() == "before\n"
    assert (tmp_path / "seen").read_text() == "in the child\n"


async def test_text_that_utf8_cannot_hold_is_made_to_fit(capturing):
    async with capturing() as bench:

        async def work():
            print("file \udcff é")

        record = bench.function(work)
        await record.outcome()

        assert record.text() == "file ? é\n"


async def test_a_stream_of_the_authors_that_takes_no_attribute_is_captured_all_the_same(monkeypatch, open_bench):
    class Slotted:
        __slots__ = ("lines",)

        def __init__(self):
            self.lines = []

        def write(self, text):
            self.lines.append(text)
            return len(text)

        def flush(self):
            pass

    stream = Slotted()
    monkeypatch.setattr(sys, "stdout", stream)

    async def work():
        print("told")

    async with open_bench(captures_output=True) as bench:
        record = bench.function(work)
        await record.outcome()
        print("ours")
    assert record.text() == "told\n"
    assert "".join(stream.lines) == "ours\n"
    assert sys.stdout is stream

"""What authors do to the process's streams, logging and warnings fails their attempts at most."""

import pytest

from tests.support.place import Place
from tests.support.waiting import until

FACTORY = """
def factory(*arguments, **options): raise RuntimeError("factory")
logging.setLogRecordFactory(factory)
"""
NO_RECORD = "logging.setLogRecordFactory(lambda *arguments, **options: None)"
HANDLER = """
class Handler(logging.Handler):
    def handle(self, record): raise RuntimeError("handler")
    emit = handle
for name in (None, "smithersd", "smithersd.executors", "asyncio"):
    logging.getLogger(name).addHandler(Handler())
"""
FILTER = """
def fail(record): raise RuntimeError("filter")
for name in (None, "smithersd", "smithersd.engine.engine", "smithersd.executors.attempt", "asyncio"):
    logging.getLogger(name).addFilter(fail)
    for handler in logging.getLogger(name).handlers: handler.addFilter(fail)
"""
FORMATTER = """
class Formatter(logging.Formatter):
    def format(self, record): raise RuntimeError("formatter")
logging.basicConfig(level=0)
for name in (None, "smithersd"):
    for handler in logging.getLogger(name).handlers: handler.setFormatter(Formatter())
"""
LOGGER_CLASS = """
class Bad(logging.Logger):
    def __init__(self, name): raise RuntimeError("class")
logging.setLoggerClass(Bad)
"""
CONFIG = "logging.config.dictConfig({'version': 1, 'disable_existing_loggers': True})"
WARNINGS = "warnings.simplefilter('error')"
SHOW_WARNING = """
def show(*arguments, **options): raise RuntimeError("show")
warnings.showwarning = show
warnings.simplefilter("always")
"""
STREAMS = """
class Stream:
    def __getattr__(self, name): raise RuntimeError(name)
sys.stdout = sys.stderr = Stream()
"""
BARE_STREAMS = "sys.stdout = sys.stderr = object()"
NO_STREAMS = "sys.stdout = sys.stderr = None"
CLOSED_STREAMS = "sys.stdout.close(); sys.stderr.close()"
HOOKS = """
def hook(*arguments): raise RuntimeError("hook")
sys.excepthook = sys.unraisablehook = threading.excepthook = hook
"""

FLOW = """
import logging, logging.config, threading, warnings

def hostile():
{hostile}
{at_import}

async def fails():
    asyncio.get_running_loop().call_soon(int, "no number")
    await asyncio.sleep(0)
    raise ValueError("as expected")

def speaks():
    logging.getLogger(__name__).warning("logged")
    warnings.warn("warned")
    print("printed")

@workflow
def attacked(ctx):
    return Sequence(
        Task("hostile", {function}),
        Task("fails", fails, continue_on_fail=True),
        Task("speaks", speaks, continue_on_fail=True),
        Shell("shell", "echo said"),
        Task("last", int),
        Approval("approval", title="Go?"),
    )
"""
ATTACKS = {name.lower(): text for name, text in dict(globals()).items() if name.isupper() and name != "FLOW"}


@pytest.mark.parametrize("attack", ATTACKS)
@pytest.mark.parametrize(("when", "flags"), [("import", ()), ("task", ()), ("import", ("-d",))])
def test_no_attack_on_the_process_ends_it(place: Place, attack: str, when: str, flags: tuple[str, ...]) -> None:
    code = "\n".join(f"    {line}" for line in ATTACKS[attack].strip().splitlines())
    call = "hostile()" if when == "import" else ""
    text = FLOW.format(hostile=code, at_import=call, function="int" if when == "import" else "hostile")
    (place.folder / "flow.py").write_text("import asyncio, os, sys\nfrom smithersd import *\n" + text)
    process = place.up("--run-id", "r", "--no-wait", *flags)
    assert process.wait() == (0 if "-d" in flags else 3), process.text
    until(lambda: place.types("r")[-1:] == ["RunSuspended"])
    states = {node.node_id: node.state.value for node in place.state("r").nodes.values()}
    assert states["hostile"] == states["shell"] == states["last"] == "finished"
    assert states["fails"] == "failed"
    assert states["approval"] == "waiting-approval"
    if flags == ():
        assert "Run suspended" in process.text
        assert "ValueError: as expected (flow.py:" in process.text

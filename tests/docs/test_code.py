"""README's Python runs: its workflows to their end, its tests as tests, its shell lines only name what there is."""

import asyncio
import inspect
from types import CodeType

import pytest

from smithersd import Workflow
from smithersd.testing import run_to_end
from tests.docs.documents import ROOT, blocks

PYTHON = [compile(code, f"README block {number}", "exec") for number, code in enumerate(blocks("python"), 1)]


def names_of(block: CodeType) -> dict[str, object]:
    """Execute a block after those before it, as a reader would read them."""
    names: dict[str, object] = {"__name__": "readme"}
    for code in PYTHON[: PYTHON.index(block) + 1]:
        exec(code, names)
    return names


@pytest.mark.parametrize("block", PYTHON, ids=lambda block: block.co_filename)
async def test_every_python_block_runs(block: CodeType) -> None:
    names = names_of(block)
    defined = set(block.co_names)
    for name, value in names.items():
        if name not in defined:
            continue
        if isinstance(value, Workflow):
            result = await run_to_end(value)
            assert result.status == "finished", result.error
        elif name.startswith("test_") and inspect.iscoroutinefunction(value):
            await asyncio.wait_for(value(), timeout=30)


def test_every_script_in_the_documents_exists() -> None:
    for line in "\n".join(blocks("console")).splitlines():
        words = line.removeprefix("$ ").split()
        if line.startswith("$ ./scripts/"):
            assert (ROOT / words[0]).is_file(), line
        for word in words:
            if word.startswith("examples/"):
                assert (ROOT / word).is_file(), line

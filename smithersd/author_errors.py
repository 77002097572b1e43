"""Describe an exception of an author's code: its message, its place in the code, notes, causes, and a group's members.

A description contains no stack trace, and no path outside the author's packages, so that it can be part of an event.
"""

import sysconfig
from collections.abc import Iterator
from pathlib import Path
from traceback import walk_tb
from types import FrameType

from smithersd.errors import MESSAGE_LENGTH_MAX, SmithersError

CAUSES_MAX = 5
LEAVES_MAX = 20
"""Causes of an exception, and exceptions of a group, that are described; further members are only counted."""

_OWN_LENGTH_MAX = MESSAGE_LENGTH_MAX * 3 // 4
"""Characters of one exception's own message, so that its place and causes fit after it."""

_LIBRARIES = tuple(
    f"{folder}/" for folder in {str(Path(__file__).parent), *map(sysconfig.get_path, ("stdlib", "platstdlib"))}
)
_LIBRARY_FOLDERS = frozenset({"site-packages", "dist-packages"})


def describe(error: BaseException) -> str:
    """Return an exception's message, where it was raised, and what caused it; not the name of its type.

    >>> try:
    ...     raise ValueError("the disk is full") from OSError("No space left on device")
    ... except ValueError as error:
    ...     error.add_note("While writing report.csv")
    ...     print(describe(error))
    the disk is full
    While writing report.csv
    caused by OSError: No space left on device
    """
    text = "\n".join([_message(error), *_lines_below(error)])
    return text[:MESSAGE_LENGTH_MAX].encode(errors="replace").decode()


def place_of(error: BaseException) -> str | None:
    """Return the innermost line of the author's code that an exception has passed: "flow.py:12 in fetch".

    None if it has passed none; the standard library, installed packages and smithersd are not the author's code.
    """
    if isinstance(error, SyntaxError) and error.filename is not None and error.lineno is not None:
        return f"{Path(error.filename).name}:{error.lineno}"
    found = None
    for frame, line in walk_tb(error.__traceback__):
        if _is_authors(frame.f_code.co_filename):
            found = frame, line
    if found is None:
        return None
    return place_of_frame(*found)


def author_frame(frame: FrameType) -> FrameType | None:
    """Return the innermost frame of the author's code in a stack, given the stack's own innermost one."""
    found: FrameType | None = frame
    while found is not None and not _is_authors(found.f_code.co_filename):
        found = found.f_back
    return found


def place_of_frame(frame: FrameType, line: int) -> str:
    """Return the place of a line in a frame: "flow.py:12 in fetch"."""
    function = frame.f_code.co_name
    return f"{_file_name(frame)}:{line}" + ("" if function == "<module>" else f" in {function}")


def with_place(text: str, error: BaseException) -> str:
    """Return a text with the place where an exception was raised, if that is known: "text (flow.py:12 in fetch)"."""
    place = place_of(error)
    return text if place is None else f"{text} ({place})"


def _is_authors(file: str) -> bool:
    if file.startswith("<") or file.startswith(_LIBRARIES):
        return False
    return _LIBRARY_FOLDERS.isdisjoint(Path(file).parts)


def _file_name(frame: FrameType) -> str:
    """Return the path of a frame's file from the folder of its outermost package on."""
    path = Path(frame.f_code.co_filename)
    module = str(frame.f_globals.get("__name__", ""))
    depth = module.count(".") + (1 if path.stem == "__init__" else 0)
    return "/".join(path.parts[-depth - 1 :]) if path.stem in {"__init__", module.rpartition(".")[2]} else path.name


def _message(error: BaseException) -> str:
    return with_place(text_of(error) or type(error).__name__, error)


def text_of(value: object) -> str:
    """Return an author's exception or other value as text, shortened; a `__str__` that raises is not an error."""
    try:
        text = str.__str__(str(value))
    except (Exception, SystemExit):  # noqa: BLE001 - whatever an author's __str__ raises
        return "(its message could not be read)"
    return text if len(text) <= _OWN_LENGTH_MAX else text[: _OWN_LENGTH_MAX - 1] + "…"


def _lines_below(error: BaseException) -> Iterator[str]:
    """Yield the lines below an exception's message."""
    yield from _notes(error)
    if isinstance(error, SmithersError):
        return  # its message names the cause
    if isinstance(error, BaseExceptionGroup):
        yield from _leaves(error)
    seen = {id(error)}
    while (cause := _cause(error)) is not None and id(cause[1]) not in seen and len(seen) <= CAUSES_MAX:
        how, error = cause
        seen.add(id(error))
        yield f"{how} {type(error).__name__}: {_message(error)}"
        yield from _notes(error)
        if isinstance(error, BaseExceptionGroup):
            yield from _leaves(error)


def _notes(error: BaseException) -> Iterator[str]:
    notes = getattr(error, "__notes__", ())
    if isinstance(notes, (list, tuple)):
        yield from map(text_of, notes)


def _cause(error: BaseException) -> tuple[str, BaseException] | None:
    """Return an exception's cause, and how it led to it; not a cancellation, which only shows how timeouts work."""
    if error.__cause__ is not None:
        how, cause = "caused by", error.__cause__
    elif error.__context__ is not None and not error.__suppress_context__:
        how, cause = "while handling", error.__context__
    else:
        return None
    return None if type(cause).__name__ == "CancelledError" else (how, cause)


def _leaves(group: BaseExceptionGroup[BaseException]) -> Iterator[str]:
    leaves = list(leaves_of(group))
    for leaf in leaves[:LEAVES_MAX]:
        yield f"- {type(leaf).__name__}: {_message(leaf)}"
        yield from (f"  {line}" for line in _lines_below(leaf))
    if len(leaves) > LEAVES_MAX:
        yield f"- and {len(leaves) - LEAVES_MAX} more"


def leaves_of(error: BaseException) -> Iterator[BaseException]:
    """Yield the exceptions that a group holds, in its groups too; of another exception itself."""
    waiting = [error]
    while waiting:
        error = waiting.pop()
        if isinstance(error, BaseExceptionGroup):
            waiting.extend(reversed(error.exceptions))
        else:
            yield error

"""Texts that an author gives: ids, labels, titles. What is kept is plain text, also of a `(str, Enum)` member."""

from enum import StrEnum
from typing import Any, TypeVar

from smithersd.errors import WorkflowError
from smithersd.limits import NODE_ID_LENGTH_MAX

POSITION_MARK = "@"
"""Begins the ids that elements without one get from their position; no author's id begins with it."""

_SHOWN_LENGTH_MAX = 60

Choice = TypeVar("Choice", bound=StrEnum)


def plain_text(text: str) -> str:
    """Return the text itself of a str, whatever its subclass makes of `str()`, `format()` and `hash()`."""
    return str.__str__(text)


def checked_text(text: object, what: str, *, bytes_max: int) -> str | None:
    """Return a text for people that every store and client can hold, or None.

    Raises:
        WorkflowError: it is neither; `what` names it.
    """
    if text is None:
        return None
    if not isinstance(text, str):
        raise WorkflowError(f"{what} is {shown(text)}.", remedy="Give a text.")
    try:
        size = len(plain_text(text).encode())
    except UnicodeEncodeError:
        raise WorkflowError(f"{what} holds half a surrogate pair.", remedy="Give a text that is UTF-8.") from None
    if size > bytes_max:
        raise WorkflowError(
            f"{what} has {size} bytes; at most {bytes_max} are kept.", remedy="Let a task put out what is longer."
        )
    if "\0" in text:
        raise WorkflowError(f"{what} holds the character NUL.", remedy="Leave it out: not every store can hold it.")
    return plain_text(text)


def chosen(choices: type[Choice], value: object, what: str) -> Choice:
    """Return the member that a text names.

    Raises:
        WorkflowError: it names none; `what` was to be chosen.
    """
    known = {one.value: one for one in choices}
    if isinstance(value, str) and (text := plain_text(value)) in known:
        return known[text]
    names = ", ".join(map(repr, known))
    raise WorkflowError(f"{what} is {shown(value)}.", remedy=f"Choose one of {names}.")


def checked_id(id: object, kind: str) -> str:
    """Return what can be an id: 1 to 200 printable characters, not "." or "..", not beginning with "@".

    Raises:
        WorkflowError: naming the element and the rule.
    """
    given = plain_text(id) if isinstance(id, str) else id
    problem = _id_problem(given)
    if isinstance(given, str) and problem is None:
        return given
    remedy = f"Give the {kind} an id of 1 to {NODE_ID_LENGTH_MAX} printable characters, such as {kind + '-1'!r}."
    raise WorkflowError(f"The {kind} id {shown(given)} {problem}.", remedy=remedy)


def _id_problem(id: object) -> str | None:  # noqa: PLR0911 - one line a rule
    if not isinstance(id, str):
        return f"is of type {type(id).__name__}, not a text"
    if not id:
        return "is empty"
    if len(id) > NODE_ID_LENGTH_MAX:
        return f"is {len(id)} characters long (at most {NODE_ID_LENGTH_MAX})"
    if not id.isprintable():
        return "holds characters that cannot be printed"
    if id in {".", ".."}:
        return "is a path's name for a folder"
    if id.startswith(POSITION_MARK):
        return f'begins with "{POSITION_MARK}", the mark of the ids that containers get from their place'
    return None


def shown(value: Any) -> str:
    """Show an author's value in a message, shortened; its own way to show itself may fail."""
    try:
        text = repr(value)
    except (Exception, SystemExit):  # noqa: BLE001 - the author's __repr__
        return f"a value of type {type(value).__name__}"
    return text if len(text) <= _SHOWN_LENGTH_MAX else text[:_SHOWN_LENGTH_MAX] + "..."

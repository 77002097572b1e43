"""Check an author's texts: ids, labels, titles. What is kept is a plain str, also of a `(str, Enum)` member."""

from enum import StrEnum
from typing import Any, TypeVar

from smithersd.errors import WorkflowError
from smithersd.limits import NODE_ID_LENGTH_MAX

POSITION_MARK = "@"
"""The first character of the ids that containers without one get from their position; no author's id has it there."""

_SHOWN_LENGTH_MAX = 60

Choice = TypeVar("Choice", bound=StrEnum)


def plain_text(text: str) -> str:
    """Return the characters of a str as a plain str, whatever `str()` returns for its subclass."""
    return str.__str__(text)


def checked_text(text: object, what: str, *, bytes_max: int) -> str | None:
    """Return a text that every store and client can hold, as a plain str; None for None.

    Raises:
        WorkflowError: it is not a text, longer than `bytes_max`, not UTF-8, or has a NUL; `what` names it.
    """
    if text is None:
        return None
    if not isinstance(text, str):
        raise WorkflowError(f"{what} is {shown(text)}.", remedy="Give a text.")
    try:
        size = len(plain_text(text).encode())
    except UnicodeEncodeError:
        raise WorkflowError(
            f"{what} has half of a surrogate pair, which UTF-8 cannot encode.", remedy="Give a text that is UTF-8."
        ) from None
    if size > bytes_max:
        raise WorkflowError(
            f"{what} has {size} bytes; at most {bytes_max} are allowed.", remedy="Let a task return longer texts."
        )
    if "\0" in text:
        raise WorkflowError(f"{what} has a NUL character.", remedy="Leave it out: not every store can hold it.")
    return plain_text(text)


def chosen(choices: type[Choice], value: object, what: str) -> Choice:
    """Return the member of an enum that a text names.

    Raises:
        WorkflowError: it names none; `what` is the option's name.
    """
    known = {choice.value: choice for choice in choices}
    if isinstance(value, str) and (text := plain_text(value)) in known:
        return known[text]
    names = ", ".join(map(repr, known))
    raise WorkflowError(f"{what} is {shown(value)}.", remedy=f"Choose one of {names}.")


def checked_id(id: object, kind: str) -> str:
    """Return an element's id: 1 to 200 printable characters, not "." or "..", not beginning with "@".

    Raises:
        WorkflowError: it breaks one of these rules; the message says which.
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
        return "has characters that cannot be printed"
    if id in {".", ".."}:
        return "means a folder in paths and URLs"
    if id.startswith(POSITION_MARK):
        return f'begins with "{POSITION_MARK}", as only the ids that containers get from their position may'
    return None


def shown(value: Any) -> str:
    """Return the repr of an author's value, shortened for a message; its type's name if its `__repr__` raises."""
    try:
        text = repr(value)
    except (Exception, SystemExit):  # noqa: BLE001 - the author's __repr__
        return f"a value of type {type(value).__name__}"
    return text if len(text) <= _SHOWN_LENGTH_MAX else text[:_SHOWN_LENGTH_MAX] + "..."

"""The kind of `Task`: an attempt calls the author's function."""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import pydantic_core

from smithersd.core.flow.values import Secrets, Texts, output_of
from smithersd.core.flow.work import FunctionCall
from smithersd.core.kinds.attempted import AttemptedKind, placeholder
from smithersd.elements import Element, Secret, Task, Value
from smithersd.elements.values.copies import Copies
from smithersd.limits import CALL_ARGUMENT_LENGTH_MAX, TEXT_READ_IN_LOOP_LENGTH_MAX


class TaskKind(AttemptedKind[Task[Any]]):
    """A call of a function."""

    name = Task.kind

    def call_text(self, element: Task[Any]) -> str:
        """Return the function and its arguments, shortened."""
        function, arguments = element.function, element.arguments
        keywords: dict[str, Any] = {}
        while isinstance(function, partial):
            arguments, keywords = (*function.args, *arguments), {**function.keywords, **keywords}
            function = function.func
        named = (f"{name}={_argument(value)}" for name, value in keywords.items())
        name = getattr(function, "__qualname__", type(function).__qualname__)
        return f"Calls: {name}({_listed((*map(_argument, arguments), *named))})"

    def values_given(self, element: Task[Any]) -> list[Any]:
        """Return its arguments."""
        return list(element.arguments)

    def work(self, element: Task[Any], texts: Texts, secrets: Secrets, tag: str) -> FunctionCall:  # noqa: ARG002
        """Return a call that reads the outputs and copies the arguments where the code runs."""
        is_large = sum(len(given.text) for given in texts.values()) > TEXT_READ_IN_LOOP_LENGTH_MAX
        return FunctionCall(element.function, element.arguments, partial(_bound, texts, secrets), is_large)


def _bound(texts: Texts, secrets: Secrets, function: Callable[..., Any], *arguments: Any) -> Callable[[], Any]:
    """Return a call of a task's function with copies of its arguments."""
    copies = Copies(lambda given: output_of(given, texts), secrets.__getitem__)
    own = [copies.of(argument) for argument in arguments]
    called = copies.of(function) if isinstance(function, partial) else function
    return partial(called, *own)


def _listed(texts: Iterable[str]) -> str:
    return ", ".join(texts)


def _argument(value: Any) -> str:
    if isinstance(value, (Element, Secret, Value)):
        return placeholder(value)
    try:
        text = pydantic_core.to_json(value, inf_nan_mode="constants", fallback=_named).decode()
    except (pydantic_core.PydanticSerializationError, ValueError):
        return f"<{type(value).__name__}>"
    return text if len(text) <= CALL_ARGUMENT_LENGTH_MAX else text[: CALL_ARGUMENT_LENGTH_MAX - 1] + "…"


def _named(value: Any) -> str:
    """Return a name, the same in every process, for a value that JSON cannot hold."""
    return placeholder(value) if isinstance(value, (Element, Secret, Value)) else f"<{type(value).__name__}>"

"""@workflow: turn an author's function into a workflow with a name and an input type."""

import inspect
import typing
from collections.abc import Callable
from difflib import get_close_matches
from typing import Any, Generic, TypeVar, overload

import pydantic_core

from smithersd.elements.call.functions import is_plain
from smithersd.elements.container import checked_limit
from smithersd.elements.context import Context
from smithersd.elements.element import Child
from smithersd.elements.options.duration import Duration, positive_s
from smithersd.elements.texts import checked_id, plain_text, shown
from smithersd.elements.values.same_input import is_given_again
from smithersd.elements.values.schema import Schema, schema_for
from smithersd.errors import InvalidInput, InvalidOutput, WorkflowError
from smithersd.limits import INPUT_BYTES_MAX, NODE_ID_LENGTH_MAX

InputT = TypeVar("InputT")

_KEYS_SHOWN_MAX = 12

WorkflowFunction = Callable[[Context[InputT]], Child]


class Workflow(Generic[InputT]):
    """A workflow function with its name, its input type, its `max_concurrency` (None: the default) and its `timeout`.

    `result` is the id of the element whose output is the result of a run; None: of what the function returns.

    Examples:
        >>> from smithersd import Context, Task
        >>> def greet(ctx: Context[str]):
        ...     return Task("hello", print, ctx.input)
        >>> Workflow(greet, name="greeting").input_text("Ann")
        '"Ann"'
    """

    def __init__(
        self,
        function: WorkflowFunction[InputT],
        *,
        name: str | None = None,
        max_concurrency: int | None = None,
        timeout: Duration | None = None,
        result: str | None = None,
    ) -> None:
        self.function = function
        self.name = _checked_name(name if name is not None else getattr(function, "__name__", ""))
        self.max_concurrency = checked_limit(max_concurrency, f"workflow {self.name!r}")
        what = f"timeout of workflow {self.name!r}"
        self.timeout_s = None if timeout is None else positive_s(timeout, what)
        self.result = None if result is None else checked_id(result, "result")
        self._input_schema = _input_schema(function, self.name)

    def __repr__(self) -> str:
        return f"Workflow({self.name!r})"

    def input_text(self, value: Any) -> str:
        """Return an input, given as plain data or as an object of the input type, as the JSON text that a run keeps.

        None means no input: a type whose fields all have defaults takes it as {}. The text has every default in it, so
        that a later change of the defaults does not change the run.

        Raises:
            InvalidInput: it does not fit the type, has a key that the type does not have, or is larger than 1 MiB.
        """
        self._check_keys(value)
        text = self._dumped(value)
        size = len(text.encode())
        if size > INPUT_BYTES_MAX:
            raise InvalidInput(
                f"The input of workflow {self.name!r} has {size} bytes; at most {INPUT_BYTES_MAX} are allowed.",
                remedy="Pass the path or the URL of the data instead.",
            )
        return text

    def load_input(self, text: str) -> InputT:
        """Return the input that the JSON text kept by a run stands for.

        Raises:
            InvalidInput: it does not fit the type.
        """
        try:
            value: InputT = self._input_schema.load(text)
        except InvalidOutput as error:
            raise self._invalid(error) from error
        return value

    def is_same_input(self, value: Any, kept: str) -> bool:
        """Return whether an input equals the one that a run keeps; fields that are not given count as equal.

        Raises:
            InvalidInput: it does not fit the type, or has a key that the type does not have.
        """
        self._check_keys(value)
        try:
            text = self._input_schema.given_text(value)
            given = self._input_schema.load(b"{}" if value is None and kept != "null" else text)
        except InvalidOutput as error:
            raise self._invalid(error) from error
        return is_given_again(given, pydantic_core.from_json(text), self.load_input(kept))

    def _check_keys(self, value: Any) -> None:
        found = self._input_schema.unknown_key(value)
        if found is not None:
            similar = get_close_matches(found.key, found.known)
            known = ", ".join(map(repr, similar or sorted(found.known)[:_KEYS_SHOWN_MAX])) or "nothing"
            raise InvalidInput(
                f"The input of workflow {self.name!r} has an unknown key {found.place!r}.",
                remedy=f"Did you mean {known}?" if similar else f"Known there: {known}.",
            )

    def _dumped(self, value: Any) -> str:
        try:
            return self._input_schema.dump(value)
        except InvalidOutput as error:
            if value is not None:
                raise self._invalid(error) from error
            first = error
        try:
            return self._input_schema.dump({})
        except InvalidOutput:
            remedy = "Give one with --input JSON or --input @file; from Python with input=."
            raise InvalidInput(
                f"Workflow {self.name!r} needs an input of type {self._input_schema.name}.", remedy=remedy
            ) from first

    def _invalid(self, error: InvalidOutput) -> InvalidInput:
        message = error.message.removeprefix("The output")
        return InvalidInput(f"The input of workflow {self.name!r}{message}")


@overload
def workflow(function: WorkflowFunction[InputT], /) -> Workflow[InputT]: ...
@overload
def workflow(
    *,
    name: str | None = None,
    max_concurrency: int | None = None,
    timeout: Duration | None = None,
    result: str | None = None,
) -> Callable[[WorkflowFunction[InputT]], Workflow[InputT]]: ...
def workflow(
    function: WorkflowFunction[Any] | None = None,
    /,
    *,
    name: str | None = None,
    max_concurrency: int | None = None,
    timeout: Duration | None = None,
    result: str | None = None,
) -> Any:
    """Turn a function from a context to an element tree into a `Workflow`.

    The function is pure: it reads through the context only, and is called again when something that it read has
    changed. The name is by default the function's.

    A run's result is the output of the element that the function returns: a sequence's is that of its last child, a
    branch's that of the child that was chosen; a parallel has none. `result` is the id of another element whose output
    it is instead.

    When `timeout` has passed since the run's start, the run fails with RUN_TIMEOUT. Time without a driver counts, too.

    Raises:
        WorkflowError: the function is not a plain one with one parameter, or name, timeout or input type are not valid.

    Examples:
        >>> from smithersd import Context, Task, workflow
        >>> @workflow(timeout="2h")
        ... def greet(ctx: Context[str]):
        ...     return Task("hello", "Hello, {}!".format, ctx.input)
        >>> greet.name
        'greet'
    """
    if function is not None:
        return Workflow(function)
    return lambda decorated: Workflow(
        decorated, name=name, max_concurrency=max_concurrency, timeout=timeout, result=result
    )


def _checked_name(name: object) -> str:
    if isinstance(name, str) and 1 <= len(name) <= NODE_ID_LENGTH_MAX and name.isprintable():
        return plain_text(name)
    raise WorkflowError(
        f"{shown(name)} is not a workflow name.",
        remedy=f'Give 1 to {NODE_ID_LENGTH_MAX} printable characters: @workflow(name="release").',
    )


def _input_schema(function: Callable[..., Any], name: str) -> Schema:
    parameters = _parameters(function, name)
    if len(parameters) != 1:
        raise WorkflowError(
            f"The function of workflow {name!r} has {len(parameters)} parameters.",
            remedy=f"Give it one, the context: def {name}(ctx).",
        )
    annotation = parameters[0].annotation
    if isinstance(annotation, str):
        annotation = _resolved(function, parameters[0].name)
    arguments = typing.get_args(annotation) if typing.get_origin(annotation) is Context else ()
    return schema_for(arguments[0] if arguments else Any, f"the input of workflow {name!r}")


def _parameters(function: Callable[..., Any], name: str) -> list[inspect.Parameter]:
    if not is_plain(function):
        raise WorkflowError(
            f"The function of workflow {name!r} is not a plain function.",
            remedy="Write def instead of async def, without yield: work and waiting belong in tasks.",
        )
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return [parameter for parameter in inspect.signature(function).parameters.values() if parameter.kind in positional]


def _resolved(function: Callable[..., Any], parameter: str) -> Any:
    try:
        return typing.get_type_hints(function)[parameter]
    except (NameError, AttributeError, TypeError) as error:
        raise WorkflowError(
            f"The annotation of {parameter!r} in workflow function {function.__name__!r} cannot be resolved: {error}.",
            remedy="Define the input type at the top of the module.",
        ) from error

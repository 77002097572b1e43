"""Call the author's functions with a context, scope by scope.

Author functions are called here and nowhere else in the core. What they raise becomes a WorkflowError that says where.
"""

from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from smithersd.author_errors import text_of, with_place
from smithersd.core.flow.outputs import Outputs
from smithersd.core.log.fold import RunState
from smithersd.core.tree.frames import ROOT_SCOPE
from smithersd.core.tree.reads import Evaluated, Lookup, Readers, ScopeReads, TrackedReads
from smithersd.elements import Child, Context, Element, Value, Workflow
from smithersd.elements.element import Condition, Lazy, is_child
from smithersd.elements.texts import shown
from smithersd.errors import InvalidOutput, OutputNotReady, ValueFailed, WorkflowError

T = TypeVar("T")

_MUST_NOT_RAISE = "Let tasks do what can fail: functions of the context must not raise."


class Renderer:
    """Renders the scopes of one run, and caches each rendering until something that it read changes."""

    def __init__(self, workflow: Workflow[Any], state: RunState, outputs: Outputs, input: Any) -> None:
        self._workflow = workflow
        self._state = state
        self._outputs = outputs
        self._input = input
        self._rendered: dict[str, tuple[object, Child]] = {}
        self.readers = Readers()

    def root(self, lookup: Lookup) -> Child:
        """Render the workflow function, or return the cached rendering.

        Raises:
            WorkflowError: it raised, or read an output that is not ready.
        """
        function = self._workflow.function
        try:
            return self._scope(ROOT_SCOPE, function, lookup, f"workflow function {self._workflow.name!r}")
        except OutputNotReady as error:
            raise WorkflowError(
                f"The workflow function {self._workflow.name!r} reads the output of {error.node_id!r}, "
                "which is not ready.",
                remedy="Read it in a lazy subtree (put a function of the context there instead of an element), "
                f"or with ctx.latest({error.node_id!r}).",
            ) from error

    def lazy(self, scope: str, function: Lazy, lookup: Lookup) -> Child:
        """Render a lazy subtree, or return the cached rendering.

        Raises:
            OutputNotReady: it reads an output that does not exist (yet).
            WorkflowError: it raised.
        """
        return self._scope(scope, function, lookup, f"lazy subtree at {scope}")

    def evaluate(self, condition: Condition, lookup: Lookup, what: str) -> Evaluated[bool]:
        """Evaluate a condition; `what` names it in errors.

        Raises:
            OutputNotReady: it reads an output that does not exist (yet).
            WorkflowError: it raised, or returned something that is not a bool.
        """
        if isinstance(condition, bool):
            return Evaluated(condition, ScopeReads())
        function = condition if callable(condition) else _reader_of(condition)
        found = self.call(function, lookup, what)
        if isinstance(found.value, bool):
            return Evaluated(found.value, found.reads)
        raise _no_bool(condition, found.value, what)

    def call(self, function: Callable[[Context[Any]], T], lookup: Lookup, what: str) -> Evaluated[T]:
        """Call an author's function of the context; `what` names it in errors.

        Raises:
            OutputNotReady: it reads an output that does not exist (yet).
            WorkflowError: it raised.
        """
        reads = TrackedReads(self._state, self._outputs, lookup)
        return Evaluated(self._call(function, reads, what), reads.noted)

    def collect_schemas(self, lookup: Lookup) -> Child:
        """Render the workflow function as at the run's start, without any output, for the schemas of its nodes."""
        reads = TrackedReads(RunState(self._state.run_id), Outputs(), lookup)
        return self._child(self._workflow.function, reads, f"workflow function {self._workflow.name!r}")

    def render_uncached(self, scope: str, function: Lazy, lookup: Lookup) -> Child:
        """Render a lazy subtree without caching it or tracking what it reads.

        Raises:
            OutputNotReady: it reads an output that does not exist (yet).
            WorkflowError: it raised.
        """
        reads = TrackedReads(self._state, self._outputs, lookup)
        return self._child(function, reads, f"lazy subtree at {scope}")

    def forget(self, scope: str) -> None:
        """Drop a scope's cached rendering, so that it is rendered again."""
        self._rendered.pop(scope, None)
        self.readers.forget(scope)

    def _scope(self, scope: str, function: Callable[..., Any], lookup: Lookup, what: str) -> Child:
        rendered = self._rendered.get(scope)
        if rendered is not None and rendered[0] is function:
            return rendered[1]
        reads = TrackedReads(self._state, self._outputs, lookup)
        child = self._child(function, reads, what)
        self._rendered[scope] = (function, child)
        self.readers.note(scope, reads.noted)
        return child

    def _child(self, function: Callable[..., Any], reads: TrackedReads, what: str) -> Child:
        child: object = self._call(function, reads, what)
        if is_child(child):
            return child
        raise WorkflowError(
            f"The {what} returned {shown(child)}, which is not an element.",
            remedy="Did you forget return?" if child is None else "Return a Task, a Sequence or another element.",
        )

    def _call(self, function: Callable[[Context[Any]], T], reads: TrackedReads, what: str) -> T:
        context = Context[Any](input=self._input, run_id=self._state.run_id, reads=reads)
        try:
            return _at_once(function(context), what)
        except (OutputNotReady, InvalidOutput):
            raise
        except ValueFailed as error:
            raise WorkflowError(f"The {what} has no value. {error.message}", remedy=_MUST_NOT_RAISE) from error
        except WorkflowError as error:
            place = with_place(error.message.removesuffix("."), error)
            raise WorkflowError(f"{place}.", remedy=error.remedy) from error
        except (Exception, SystemExit) as error:
            raise WorkflowError(
                with_place(f"The {what} raised {type(error).__name__}: {text_of(error)}", error) + ".",
                remedy=_MUST_NOT_RAISE,
            ) from error


def _reader_of(given: Element[T] | Value[T]) -> Callable[[Context[Any]], T]:
    return lambda ctx: ctx.output(given)


def _no_bool(condition: Condition, value: object, what: str) -> WorkflowError:
    if callable(condition):
        return WorkflowError(
            f"The {what} returned {shown(value)}, which is not a bool.",
            remedy="Read what it depends on with ctx.output, and return True or False: a comparison, or bool(...).",
        )
    return WorkflowError(
        f"The {what} is {condition!r}, {shown(value)}, which is not a bool.",
        remedy="Make True or False of the output: task.map(lambda output: ...).",
    )


def _at_once(value: T, what: str) -> T:
    """Return the value; if it is a coroutine, close it and raise a WorkflowError."""
    if isinstance(value, Coroutine):
        value.close()
        raise WorkflowError(
            f"The {what} returned a coroutine.",
            remedy="Write def instead of async def: work and waiting belong in tasks.",
        )
    return value

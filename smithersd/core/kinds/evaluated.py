"""The value of an option that may be given as an element, a value or a function, when the flow reaches the node."""

from typing import Any

from smithersd.core.kinds.kind import FlowActions
from smithersd.core.tree.places import Place
from smithersd.core.tree.reads import Evaluated, ScopeReads
from smithersd.elements import Element, Value


def evaluated(given: Any, place: Place, what: str, flow: FlowActions) -> Evaluated[Any]:
    """Return what was given, the output of an element, the result of a value or of a function of the context."""
    if isinstance(given, (Element, Value)):
        return flow.call(lambda ctx: ctx.output(given), place, what)
    return flow.call(given, place, what) if callable(given) else Evaluated(given, ScopeReads())

"""Functions that an author gives: what is behind one, and whether a call returns its result at once."""

import functools
import inspect
from collections.abc import Callable
from typing import Any


def unwrapped(function: Any) -> Any:
    """The function behind partials, or the __call__ of a callable object."""
    while isinstance(function, functools.partial):
        function = function.func
    if inspect.isroutine(function) or inspect.isclass(function):
        return function
    return type(function).__call__


def is_plain(function: Callable[..., Any]) -> bool:
    """Whether a call returns the result itself: neither a coroutine nor a generator, as far as can be seen."""
    others = (inspect.iscoroutinefunction, inspect.isgeneratorfunction, inspect.isasyncgenfunction)
    return not any(is_other(one) for is_other in others for one in (function, unwrapped(function)))

"""Inspect an author's functions: through partials and callable objects, and whether a call returns its result."""

import functools
import inspect
from collections.abc import Callable
from typing import Any


def unwrapped(function: Any) -> Any:
    """Return the function behind partials; of a callable object its __call__."""
    while isinstance(function, functools.partial):
        function = function.func
    if inspect.isroutine(function) or inspect.isclass(function):
        return function
    return type(function).__call__


def is_plain(function: Callable[..., Any]) -> bool:
    """Return whether a call returns the result itself: the function is neither async nor a generator function."""
    others = (inspect.iscoroutinefunction, inspect.isgeneratorfunction, inspect.isasyncgenfunction)
    return not any(is_other(called) for is_other in others for called in (function, unwrapped(function)))

"""Measure how deeply lists and dicts are nested."""

from typing import Any


def is_deeper_than(value: Any, depth: int) -> bool:
    """Return whether lists and dicts are nested more than `depth` deep, without recursion."""
    level = _containers([value])
    for _ in range(depth):
        level = [child for parent in level for child in _containers(parent)]
    return bool(level)


def _containers(value: Any) -> list[Any]:
    """Return the lists and dicts directly inside a container."""
    children = value.values() if isinstance(value, dict) else value
    return [child for child in children if isinstance(child, dict | list)]

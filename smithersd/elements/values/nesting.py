"""How deep lists and dicts lie in one another."""

from typing import Any


def is_deeper_than(value: Any, depth: int) -> bool:
    """Whether containers lie in one another more than `depth` deep; level by level, so that depth costs no stack."""
    level = _containers([value])
    for _ in range(depth):
        level = [child for parent in level for child in _containers(parent)]
    return bool(level)


def _containers(value: Any) -> list[Any]:
    """The containers right inside a container."""
    children = value.values() if isinstance(value, dict) else value
    return [child for child in children if isinstance(child, dict | list)]

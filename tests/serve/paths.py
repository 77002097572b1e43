"""Paths with a node id in them."""

from urllib.parse import quote

from yarl import URL


def path_of(route: str, node_id: str) -> URL:
    """The path of a node under a route, whatever characters its id has."""
    return URL(f"{route}/{quote(node_id, safe='')}", encoded=True)

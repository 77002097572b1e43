"""One run over HTTP: `create_serve_app` makes the application, `serving` runs it on a port."""

from smithersd.serve.app import create_serve_app
from smithersd.serve.transport.server import Server, serving

__all__ = ["Server", "create_serve_app", "serving"]

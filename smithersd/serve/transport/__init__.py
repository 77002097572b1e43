"""Connections, sockets and the server on them: what lies below HTTP handlers."""

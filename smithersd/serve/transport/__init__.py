"""The server under the HTTP handlers: sockets, connections and slow clients."""

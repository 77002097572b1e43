"""The read side: a run as it stands, read from its store by whoever looks at it."""

"""The read side: read a run from its store, and select, show and count what is in it."""

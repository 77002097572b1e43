"""Hold the lease of a run, and renew it from a thread while the event loop is blocked."""

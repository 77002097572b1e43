"""The lease that a driver holds, and the thread that keeps it while the event loop is held up."""

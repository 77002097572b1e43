"""The pure core: what happened, what it makes of a run, and what follows. No clock, loop, thread, socket or log."""

"""The process that drives and serves a run: its folder, its signals, its exit code."""

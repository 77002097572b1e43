"""The log of a run: its events, the state that they fold to, and how a run ends."""

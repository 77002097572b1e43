"""The log of a run: its events, the state that they lead to, and how a run ends."""

"""The state folder: which runs and processes there are on this machine, and what they left."""

"""Processes of the operating system: which they are, how they start and end, and what is theirs."""

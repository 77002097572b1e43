"""The commands, one file each; `cli/group.py` finds them by name."""

"""Reports of a running service: on a terminal, as plain lines, in a log."""

"""What follows from the log and the tree: which nodes start, wait, fail and end."""

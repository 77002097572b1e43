"""The start of a process that drives a run, and the life of the process around it."""

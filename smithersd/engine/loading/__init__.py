"""Load a workflow: find its file, import its module, and render it once to find faults."""

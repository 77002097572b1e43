"""Loading a workflow: its file, its module, and a first rendering that tells what the author must mend."""

"""What the operating system tells and does, one fact a file; knows nothing of runs."""

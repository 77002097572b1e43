"""Facts of the operating system, one in each file; nothing here knows of runs."""

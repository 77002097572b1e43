"""The state folder: the runs and processes of this machine, with their pidfiles, records and logs."""

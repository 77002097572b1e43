"""SQLite: one file, for one host."""

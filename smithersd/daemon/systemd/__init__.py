"""systemd: the report to the service manager, and unit files."""

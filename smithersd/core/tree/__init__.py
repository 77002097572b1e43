"""What the author's function returned: rendered, compiled into places, and kept as frames."""

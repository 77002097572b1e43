"""The terminal and the streams of this process: what is drawn, and who writes to it."""

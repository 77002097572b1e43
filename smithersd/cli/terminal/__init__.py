"""The terminal and the streams of this process, and what writes to them."""

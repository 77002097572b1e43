"""What an author's function is called with: its arguments, and whether they fit it."""

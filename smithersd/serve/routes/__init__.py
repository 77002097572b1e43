"""One file for each route of the app."""

"""The event streams of an app."""

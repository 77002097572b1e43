"""Telling people: the operator's commands, and what waits for a decision."""

"""Texts for people: phrases, tables, trees, and the status and next command of a run."""

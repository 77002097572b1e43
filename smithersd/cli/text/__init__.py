"""Texts for people: phrases, tables, trees, and how a run stands in words."""

"""Attempts of shell commands."""

"""Reuse of the outputs of an earlier run (`up --from`)."""

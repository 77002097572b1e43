"""The folder of the credentials that systemd passes to a service."""

import os
from pathlib import Path

CREDENTIALS_VARIABLE = "CREDENTIALS_DIRECTORY"

_taken: Path | None = None


def take_credentials_folder() -> Path | None:
    """Remove the folder from the environment, so that no command inherits it; `credentials_folder` still knows it."""
    global _taken  # noqa: PLW0603 - a fact about this process
    given = os.environ.pop(CREDENTIALS_VARIABLE, None)
    if given:
        _taken = Path(given)
    return None if not given else _taken


def credentials_folder() -> Path | None:
    """Return the folder of this process's credentials, None if systemd passed none."""
    given = os.environ.get(CREDENTIALS_VARIABLE)
    return Path(given) if given else _taken

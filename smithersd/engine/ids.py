"""Run ids that nobody gave: short, sortable, readable."""

import re
import secrets
from datetime import UTC, datetime

_LETTERS = "abcdefghjkmnpqrstuvwxyz"
_NAME_LENGTH_MAX = 40


def new_run_id(workflow_name: str, now_ms: int) -> str:
    """Make a run id of the workflow's name, the time (UTC) and four random letters.

    >>> new_run_id("Ship it!", 1_700_000_000_000)[:-4]
    'ship-it-20231114-221320-'
    """
    name = re.sub(r"[^a-z0-9]+", "-", workflow_name.lower()).strip("-")[:_NAME_LENGTH_MAX] or "run"
    time = datetime.fromtimestamp(now_ms / 1000, UTC).strftime("%Y%m%d-%H%M%S")
    return f"{name}-{time}-{''.join(secrets.choice(_LETTERS) for _ in range(4))}"

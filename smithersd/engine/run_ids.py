"""Run ids: check them, and make new ones that are short, sortable and readable."""

import re
import secrets
from datetime import UTC, datetime

from smithersd.errors import InvalidRequest
from smithersd.limits import RUN_ID_LENGTH_MAX

_LETTERS = "abcdefghjkmnpqrstuvwxyz"
_NAME_LENGTH_MAX = 40


def new_run_id(workflow_name: str, now_ms: int) -> str:
    """Return a new run id: the workflow's name, the time (UTC) and four random letters.

    >>> new_run_id("Ship it!", 1_700_000_000_000)[:-4]
    'ship-it-20231114-221320-'
    """
    name = re.sub(r"[^a-z0-9]+", "-", workflow_name.lower()).strip("-")[:_NAME_LENGTH_MAX] or "run"
    time = datetime.fromtimestamp(now_ms / 1000, UTC).strftime("%Y%m%d-%H%M%S")
    return f"{name}-{time}-{''.join(secrets.choice(_LETTERS) for _ in range(4))}"


def check_run_id(run_id: str) -> None:
    """Check that a text can be a run id, which names a folder and is typed in commands.

    Raises:
        InvalidRequest: it cannot.
    """
    is_plain = run_id.isascii() and all(c.isalnum() or c in "._-" for c in run_id)
    if not (is_plain and run_id[:1].isalnum() and len(run_id) <= RUN_ID_LENGTH_MAX):
        raise InvalidRequest(
            f"{run_id!r} cannot be a run id.",
            remedy=f"Use up to {RUN_ID_LENGTH_MAX} letters, digits, dots, dashes and underscores, "
            "with a letter or digit first.",
        )

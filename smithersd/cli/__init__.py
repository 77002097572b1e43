"""The command line: what people type and what they read."""

import sys
from typing import NoReturn

from smithersd.workflow_names import WorkflowFinder

sys.meta_path.append(WorkflowFinder)

_INTERRUPTED = 130
"""As the exit code of that name, whose module may not be there yet."""


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run a command and end the process with its exit code.

    Nothing is imported before, so that Ctrl+C amid the imports leaves no traceback.
    """
    try:
        from smithersd.cli.group import run  # noqa: PLC0415 - as said above
    except KeyboardInterrupt:
        sys.exit(_INTERRUPTED)
    run(arguments)

"""The command line: commands, their options and their output."""

import sys
from typing import NoReturn

from smithersd.workflow_names import WorkflowFinder

sys.meta_path.append(WorkflowFinder)

_INTERRUPTED = 130
"""`ExitCode.INTERRUPTED`, whose module may not be imported yet."""


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run a command, that of `sys.argv` if `arguments` is None, and exit with its code.

    The commands are imported here and not above, so that Ctrl+C during the import prints no traceback.
    """
    try:
        from smithersd.cli.group import run  # noqa: PLC0415 - see the docstring
    except KeyboardInterrupt:
        sys.exit(_INTERRUPTED)
    run(arguments)

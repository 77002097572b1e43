"""smithers deny: deny what waits for a person."""

from smithersd.cli.decision import decision_command

command = decision_command(
    "deny",
    summary="Deny what waits for a person.",
    description="What comes of it is the approval's own on_deny: the run fails, goes on, or skips the node.",
)

"""smithers deny: refuse a gate."""

from smithersd.cli.decision import decision_command

command = decision_command(
    "deny",
    summary="Refuse a gate.",
    description="What comes of it is the gate's own on_deny: the run fails, goes on, or skips the node.",
)

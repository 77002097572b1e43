"""smithers approve: approve what waits for a person."""

from smithersd.cli.decision import decision_command

command = decision_command(
    "approve", summary="Approve what waits for a person.", description="The run goes on at once."
)

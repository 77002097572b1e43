"""smithers approve: let a gate pass."""

from smithersd.cli.decision import decision_command

command = decision_command("approve", summary="Let a gate pass.", description="The run goes on at once.")

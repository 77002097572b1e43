"""Workflow files that several tests put on a host."""

GATED = """
@workflow
def gated(ctx):
    return Sequence(Task("first", int), Approval("gate", title="Go?"), Task("last", int))
"""

HANGS_ONCE = """
async def hangs_once():
    with open("effects", "a") as file: file.write(f"{task_context().attempt}\\n")
    if task_context().attempt == 1: await asyncio.sleep(300)

@workflow
def steps(ctx):
    return Sequence(Task("first", int), Task("second", hangs_once), Task("third", int))
"""

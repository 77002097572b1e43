"""Workflow files that several tests write."""

WAITS = """
@workflow
def waiting(ctx):
    return Approval("approval", title="Go?")
"""

ASKING = """
@workflow
def asking(ctx):
    return Sequence(Task("first", int), Approval("approval", title="Go?"), Task("last", int))
"""

HANGS_ONCE = """
async def hangs_once():
    with open("effects", "a") as file: file.write(f"{task_context().attempt}\\n")
    if task_context().attempt == 1: await asyncio.sleep(300)

@workflow
def steps(ctx):
    return Sequence(Task("first", int), Task("second", hangs_once), Task("third", int))
"""

HOLDS_LOOP = """
async def holds():
    while not Path("go").exists():
        time.sleep(0.01)

@workflow
def flow(ctx):
    return Task("holds", holds)
"""

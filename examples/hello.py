"""The smallest workflow: two steps, each done once, whatever happens in between."""

from smithersd import Context, Sequence, Task, workflow


def greet(name: str) -> str:
    return f"Hello, {name}!"


@workflow
def hello(ctx: Context[str | None]) -> Sequence:
    greeting = Task("greet", greet, ctx.input or "world")
    return Sequence(greeting, Task("say", print, greeting))

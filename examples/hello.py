"""The smallest workflow: two steps, each of which finishes only once, even after a crash."""

from smithersd import Context, Sequence, Task, workflow


def greet(name: str) -> str:
    return f"Hello, {name}!"


@workflow
def hello(ctx: Context[str | None]) -> Sequence:
    greeting = Task("greet", greet, ctx.input or "world")
    return Sequence(greeting, Task("say", print, greeting))

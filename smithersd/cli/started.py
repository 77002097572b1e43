"""What `smithers up -d` says when the daemon runs: where everything is, and what to type next."""

from smithersd.cli import invocations
from smithersd.daemon.detach import Started


def started_lines(started: Started, *, store: str | None) -> list[str]:
    """Say it to a person."""
    url = [f"  url       {started.url}"] if started.url is not None else []
    return [
        f"Run {started.run_id} goes on in the background.",
        *url,
        f"  pid       {started.pid}",
        f"  log       {started.log_file}",
        f"  pidfile   {started.pid_file}",
        "",
        f"Watch it    {invocations.follow(started.run_id, store=store)}",
        f"Stop it     {invocations.down(started.run_id, store=store)}",
    ]


def started_record(started: Started) -> dict[str, object]:
    """Say it to a script."""
    return {
        "runId": started.run_id,
        "url": started.url,
        "pid": started.pid,
        "logFile": started.log_file,
        "pidFile": started.pid_file,
    }

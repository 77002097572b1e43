"""smithers up: run a workflow, in this terminal."""

from typing import Any

import click
from click.core import ParameterSource

from smithersd.cli.inputs import read_input
from smithersd.cli.options import debug_option, store_option
from smithersd.config import HOST_DEFAULT, PORT_DEFAULT
from smithersd.daemon.folder import find_state_folder
from smithersd.daemon.options import ServeOptions, ServiceOptions
from smithersd.engine import StartMode, load_workflow
from smithersd.errors import InvalidRequest

_SERVE_FLAGS = ("host", "port", "auth_token", "metrics", "insecure", "allowed_hosts")


@click.command("up", short_help="Run a workflow, and serve it with --serve.")
@click.argument("workflow", metavar="WORKFLOW.py[:name]")
@click.option("--serve", is_flag=True, help="Serve the run over HTTP, also after it has ended.")
@click.option("--host", default=HOST_DEFAULT, show_default=True, help="The address to serve on.")
@click.option("--port", default=PORT_DEFAULT, show_default=True, type=click.IntRange(0, 65_535), help="0: a free one.")
@click.option("--auth-token", help="The token that clients must send [default: SMITHERS_API_KEY, else none].")
@click.option("--metrics/--no-metrics", default=True, show_default=True, help="Serve /metrics.")
@click.option("--insecure", is_flag=True, help="Without a token, answer other machines too.")
@click.option("--allowed-host", "allowed_hosts", multiple=True, help="Without a token, answer under this name too.")
@click.option("--run-id", help="The run's id [default: workflow, time and random letters].")
@click.option("-i", "--input", "given_input", metavar="JSON|@FILE|-", help="The workflow's input.")
@click.option("--resume", is_flag=True, help="Go on with the run of --run-id, or with the only live one.")
@click.option("--resume-or-start", is_flag=True, help="Go on with the run of --run-id, or start it.")
@click.option("--from", "from_run", metavar="RUN", help="Start a new run that takes over what this ended one has done.")
@click.option("--force", is_flag=True, help="With a resumption: take the run from a process that drives it.")
@click.option("-c", "--max-concurrency", type=click.IntRange(min=1), help="Attempts at once [default: 4].")
@click.option("--no-wait", is_flag=True, help="When only waits remain, suspend the run and exit with 3.")
@store_option
@debug_option
@click.pass_context
def command(context: click.Context, /, **flags: Any) -> None:
    """Run a workflow until it has ended.

    Ctrl+C cancels the run, SIGTERM suspends it so that --resume goes on; a second one ends at once.
    """
    _check_flags(context, flags)
    options = _options(flags)
    # Only from here on: --help and wrong flags need none of it.
    from smithersd.cli.reports import choose_report  # noqa: PLC0415
    from smithersd.daemon.process import leave, run_in_loop  # noqa: PLC0415
    from smithersd.daemon.service import run_service  # noqa: PLC0415

    source = load_workflow(options.workflow)
    with choose_report() as report:
        code, has_left_tasks = run_in_loop(run_service(options, source, report))
    leave(code, has_left_tasks=has_left_tasks)


def _options(flags: dict[str, Any]) -> ServiceOptions:
    return ServiceOptions(
        workflow=flags["workflow"],
        state_folder=str(find_state_folder().path),
        store=flags["store"] or None,
        run_id=flags["run_id"],
        mode=_mode(flags),
        from_run=flags["from_run"],
        input=read_input(flags["given_input"]),
        max_concurrency=flags["max_concurrency"],
        is_forced=flags["force"],
        exits_on_wait=flags["no_wait"],
        serve=_serve_options(flags) if flags["serve"] else None,
    )


def _serve_options(flags: dict[str, Any]) -> ServeOptions:
    from smithersd.serve.auth import token_of  # noqa: PLC0415 - brings the web server, which not every run needs

    return ServeOptions(
        host=flags["host"],
        port=flags["port"],
        auth_token=token_of(flags["auth_token"]),
        has_metrics=flags["metrics"],
        is_insecure=flags["insecure"],
        allowed_hosts=flags["allowed_hosts"],
    )


def _mode(flags: dict[str, Any]) -> StartMode:
    if flags["resume"]:
        return StartMode.RESUME
    return StartMode.EITHER if flags["resume_or_start"] else StartMode.NEW


def _check_flags(context: click.Context, flags: dict[str, Any]) -> None:
    """Refuse what contradicts itself, or would be without effect."""
    ways = [name for name in ("resume", "resume_or_start", "from_run") if flags[name]]
    if len(ways) > 1:
        raise InvalidRequest(
            f"{_flag(ways[0])} and {_flag(ways[1])} contradict each other.", remedy="Give one of them."
        )
    if flags["resume_or_start"] and flags["run_id"] is None:
        raise InvalidRequest("--resume-or-start does not say which run.", remedy="Name it with --run-id.")
    if flags["force"] and not (flags["resume"] or flags["resume_or_start"]):
        raise InvalidRequest("--force takes over a run that exists.", remedy="Give it with --resume.")
    idle = [name for name in _SERVE_FLAGS if context.get_parameter_source(name) is ParameterSource.COMMANDLINE]
    if idle and not flags["serve"]:
        raise InvalidRequest(f"{_flag(idle[0])} is for a run that is served.", remedy="Add --serve.")


def _flag(name: str) -> str:
    return {"from_run": "--from", "allowed_hosts": "--allowed-host"}.get(name, f"--{name.replace('_', '-')}")

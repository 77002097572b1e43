"""smithers up: run a workflow, in this terminal or in the background."""

import os
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

import click
from click.core import ParameterSource

from smithersd.cli.args.inputs import input_options, read_input
from smithersd.cli.args.options import (
    absolute_url,
    checked_path,
    checked_text,
    say_folder,
    storage_options,
    whole_number,
)
from smithersd.cli.args.sections import SectionedCommand
from smithersd.cli.args.serve_flags import SERVE_FLAGS, serve_flags, serve_options
from smithersd.daemon.launch.environment import Inherited, take_environment
from smithersd.daemon.options import Hooks, LogFormat, ServiceOptions
from smithersd.daemon.state.storage import Storage
from smithersd.engine.run_options import RunOptions, StartMode
from smithersd.errors import InvalidRequest
from smithersd.limits import LEASE_S, LEASE_S_MIN

_SECTIONS = {
    "Run": ("run_id", "given_input", "given_keys", "max_concurrency", "no_wait", "store", "state_folder"),
    "Notifications": ("on_wait", "on_fail", "on_end"),
    "Resuming, reusing, standing by": ("resume", "resume_or_start", "from_run", "redo", "standby", "force"),
    "Server": ("serve", *SERVE_FLAGS),
    "Process": ("detach", "is_json", "pid_file", "log_file", "log_format"),
}


@click.command("up", cls=SectionedCommand, sections=_SECTIONS, short_help="Run a workflow, and serve it with --serve.")
@click.argument("workflow", metavar="WORKFLOW.py[:name]")
@click.option("--serve", is_flag=True, help="Serve the run over HTTP, and keep serving it after its end.")
@serve_flags
@click.option("--run-id", metavar="ID", help="The run's id [default: workflow, time and random letters].")
@input_options
@click.option("--resume", is_flag=True, help="Resume the run of --run-id, or the only live run.")
@click.option("--resume-or-start", is_flag=True, help="Resume the run of --run-id, or start it.")
@click.option("--from", "from_run", metavar="RUN", help="Start a new run that reuses the outputs of this ended run.")
@click.option(
    "--redo", multiple=True, metavar="NODE", help="With --from: run this node again, and all that follows it."
)
@click.option("--force", is_flag=True, help="With --resume: take the run from the process that drives it.")
@click.option("--standby", is_flag=True, help="While another process drives the run of --run-id, wait to take over.")
@click.option("--lease", "lease_s", hidden=True, default=LEASE_S, type=click.FloatRange(min=LEASE_S_MIN))
@click.option(
    "-c", "--max-concurrency", metavar="N", type=whole_number(1), help="Attempts to run at once [default: 4]."
)
@click.option("--on-wait", metavar="COMMAND", help="Run this when the run waits for a person, with JSON on stdin.")
@click.option("--on-fail", metavar="COMMAND", help="Run this in the same way when the run has failed.")
@click.option("--on-end", metavar="COMMAND", help="Run this in the same way when the run has ended in any way.")
@click.option("--no-wait", is_flag=True, help="When only waits remain, suspend the run and exit with code 3.")
@click.option("-d", "--detach", is_flag=True, help="Continue in the background; `smithers down` stops it.")
@click.option("--pid-file", metavar="FILE", help="The pidfile of the process [default: in the run's folder].")
@click.option("--log-file", metavar="FILE", help="Write a log to this file [default with -d: in the run's folder].")
@click.option("--log-format", type=click.Choice([choice.value for choice in LogFormat]), help="Text or JSON lines.")
@click.option("--json", "is_json", is_flag=True, help="With -d: print run id, URL, pid and files as JSON.")
@storage_options
@click.option("--debug", "is_debugging", is_flag=True, help="Add the traceback to an error.")
@click.pass_context
def command(context: click.Context, /, **flags: Any) -> None:
    """Run a workflow until it has ended.

    Ctrl+C cancels the run. SIGTERM suspends it, so that --resume continues it. A second signal ends the process at
    once.
    """
    # Before the workflow file is imported, which must see none of it.
    inherited = take_environment()
    _check_flags(context, flags)
    options = _options(flags, inherited, is_debugging=flags["is_debugging"] or bool(context.obj))
    say_folder(flags["storage"])
    if flags["detach"]:
        _run_in_background(options, is_json=flags["is_json"])
    else:
        _run_here(options, inherited)


def _run_here(options: ServiceOptions, inherited: Inherited) -> NoReturn:
    # Imported here, because --help, a usage error and -d do not need it.
    from smithersd.cli.reports.reports import choose_log, choose_report  # noqa: PLC0415
    from smithersd.cli.terminal.streams import Streams  # noqa: PLC0415
    from smithersd.daemon.launch.early_exit import EarlyExit  # noqa: PLC0415
    from smithersd.daemon.launch.process import leave, run_process  # noqa: PLC0415
    from smithersd.daemon.service import Service  # noqa: PLC0415
    from smithersd.daemon.systemd.refused_clients import refusing_clients  # noqa: PLC0415
    from smithersd.engine import load_workflow  # noqa: PLC0415
    from smithersd.posix.standard_input import empty_stdin  # noqa: PLC0415

    with refusing_clients(inherited.sockets):
        early_exit = EarlyExit()
        # Before the workflow is imported, which may replace the streams.
        streams = Streams.of_process()
        log = choose_log(options, streams)
        source = load_workflow(options.workflow)
        empty_stdin()
        with choose_report(options, log, inherited, streams) as report:
            early_exit.report = report
            code, has_left_tasks = run_process(Service(options, source, report, log, sockets=inherited.sockets).run())
    leave(code, has_left_tasks=has_left_tasks)


def _run_in_background(options: ServiceOptions, *, is_json: bool) -> None:
    from smithersd.cli.text.started import say_started  # noqa: PLC0415 - only a daemon needs it
    from smithersd.daemon.launch.detach import start_daemon  # noqa: PLC0415 - as above

    say_started(start_daemon(options), storage=options.storage, is_json=is_json)


def _options(flags: dict[str, Any], inherited: Inherited, *, is_debugging: bool) -> ServiceOptions:
    checked_path(str(Path(flags["workflow"]).absolute()))
    for name in ("from_run", "on_wait", "on_fail", "on_end", "pid_file", "log_file"):
        checked_text(flags[name] or "", _flag(name))
    for node_id in flags["redo"]:
        checked_text(node_id, "--redo")
    return ServiceOptions(
        workflow=flags["workflow"],
        storage=_storage(flags["storage"]),
        run_id=flags["run_id"],
        input=read_input(flags["given_input"], flags["given_keys"]),
        run=RunOptions(
            mode=_mode(flags),
            from_run=flags["from_run"],
            redo=flags["redo"],
            is_forced=flags["force"],
            max_concurrency=flags["max_concurrency"],
            suspend_when_waiting=flags["no_wait"],
            captures_output=True,
        ),
        is_standby=flags["standby"],
        waits_for_store=flags["detach"] or flags["standby"] or flags["resume_or_start"] or inherited.is_supervised,
        lease_s=flags["lease_s"],
        hooks=Hooks(on_wait=flags["on_wait"], on_fail=flags["on_fail"], on_end=flags["on_end"]),
        serve=serve_options(flags, inherited_token=inherited.auth_token) if flags["serve"] else None,
        ends_when_failed=inherited.notify_address is not None,
        pid_file=_absolute(flags["pid_file"]),
        log_file=_absolute(flags["log_file"]),
        log_format=None if flags["log_format"] is None else LogFormat(flags["log_format"]),
        is_debugging=is_debugging,
    )


def _storage(given: Storage) -> Storage:
    """Check where runs are kept, and make it independent of the working directory."""
    checked_path(str(given.folder.path))
    return given if given.store is None else replace(given, store=absolute_url(checked_text(given.store, "--store")))


def _absolute(path: str | None) -> Path | None:
    return None if path is None else Path(path).absolute()


def _mode(flags: dict[str, Any]) -> StartMode:
    if flags["resume"]:
        return StartMode.RESUME
    return StartMode.EITHER if flags["resume_or_start"] or flags["standby"] else StartMode.NEW


def _check_flags(context: click.Context, flags: dict[str, Any]) -> None:
    """Refuse flags that contradict each other or would have no effect.

    Raises:
        InvalidRequest: naming the flag.
    """
    ways = [name for name in ("resume", "resume_or_start", "from_run") if flags[name]]
    if len(ways) > 1:
        raise InvalidRequest(
            f"{_flag(ways[0])} and {_flag(ways[1])} cannot be given together.", remedy="Give one of them."
        )
    if flags["resume_or_start"] and flags["run_id"] is None:
        raise InvalidRequest("--resume-or-start needs --run-id.", remedy="Name the run.")
    if flags["force"] and not (flags["resume"] or flags["resume_or_start"]):
        raise InvalidRequest("--force needs --resume.", remedy="Add --resume, or leave --force out.")
    if flags["redo"] and flags["from_run"] is None:
        raise InvalidRequest("--redo needs --from.", remedy="Name the earlier run with --from RUN.")
    if flags["standby"] and flags["run_id"] is None:
        raise InvalidRequest("--standby needs --run-id.", remedy="Name the run to stand by for.")
    excluded = next((name for name in ("from_run", "force") if flags["standby"] and flags[name]), None)
    if excluded is not None:
        raise InvalidRequest(f"--standby and {_flag(excluded)} cannot be given together.", remedy="Give one of them.")
    if flags["is_json"] and not flags["detach"]:
        raise InvalidRequest("--json needs -d.", remedy="Add -d, or leave --json out.")
    if flags["detach"] and flags["log_file"] is not None:
        _check_daemon_log(Path(flags["log_file"]).absolute())
    unused = [name for name in SERVE_FLAGS if context.get_parameter_source(name) is ParameterSource.COMMANDLINE]
    if unused and not flags["serve"]:
        raise InvalidRequest(f"{_flag(unused[0])} needs --serve.", remedy="Add --serve, or leave it out.")


def _check_daemon_log(path: Path) -> None:
    """Refuse a log that is not a regular file, such as /dev/stdout: a daemon's stdout is its log.

    Raises:
        InvalidRequest: naming the path.
    """
    is_device = path.parts[1:2] in (("dev",), ("proc",)) and path != Path(os.devnull)
    if is_device or (path.exists() and path != Path(os.devnull) and not path.is_file()):
        raise InvalidRequest(
            f"{str(path)!r} cannot be the log of a daemon: it is not a regular file.",
            remedy="Name a file, or leave -d out to log to this process's own output.",
        )


def _flag(name: str) -> str:
    return {"from_run": "--from", "allowed_hosts": "--allowed-host"}.get(name, f"--{name.replace('_', '-')}")

"""smithers systemd install: write systemd units that start, restart and stop a run."""

import os
import shlex
import sys
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import click

from smithersd.cli.args.options import debug_option, whole_number
from smithersd.cli.commands.up import command as up
from smithersd.cli.terminal.output import say
from smithersd.daemon.launch.environment import FOLDER_VARIABLE, may_hold_password
from smithersd.daemon.systemd.units import Instance, UnitFile, owner_of, unit_files
from smithersd.engine import check_run_id, find_workflow_file
from smithersd.errors import InvalidRequest
from smithersd.limits import HOST_DEFAULT, PORT_DEFAULT, PORT_MAX

_IPV6 = 6


@click.group("systemd", short_help="Install a run as a systemd service.")
def command() -> None:
    """Install a run as a systemd service."""


_EXAMPLE = """\b
Example:
  smithers systemd install release.py --run-id release-1 -- --input @release.json"""


@command.command("install", short_help="Write unit files, and print the next commands.", epilog=_EXAMPLE)
@click.argument("workflow", metavar="WORKFLOW.py[:name]")
@click.argument("up_options", metavar="[-- OPTION OF UP ...]", nargs=-1, type=click.UNPROCESSED)
@click.option("--run-id", metavar="ID", required=True, help="The run's id; the service is smithersd@ID.")
@click.option("--host", metavar="ADDRESS", default=HOST_DEFAULT, show_default=True, help="The address to serve on.")
@click.option(
    "--port", metavar="PORT", default=PORT_DEFAULT, show_default=True, type=whole_number(1, PORT_MAX), help="The port."
)
@click.option("--socket", "has_socket", is_flag=True, help="Let systemd keep the port open while the service restarts.")
@click.option("--token-file", metavar="FILE", help="Require the token in this file from clients.")
@click.option("--system", "is_system", is_flag=True, help="Install a system service, run by the owner of WORKFLOW.py.")
@click.option("--print", "is_printing", is_flag=True, help="Print the files and write nothing.")
@debug_option
def install(**flags: Any) -> None:
    """Write the unit files that make a run a service, and print the commands that start it.

    The service starts and resumes the run in the current directory. Options after `--` are those of `smithers up`.
    """
    instance = _instance(flags)
    files = unit_files(instance)
    if flags["is_printing"]:
        _print(files)
        return
    for file in files:
        file.write()
        say(f"Wrote {file.path}")
    _say_next(instance)


def _instance(flags: dict[str, Any]) -> Instance:
    check_run_id(flags["run_id"])
    workflow = find_workflow_file(flags["workflow"]).path
    arguments = (flags["workflow"], "--serve", "--run-id", flags["run_id"], "--resume-or-start")
    address = ("--host", flags["host"], "--port", str(flags["port"]))
    folder = os.environ.get(FOLDER_VARIABLE)  # a service does not inherit it
    state = ("--state-folder", str(Path(folder).absolute())) if folder else ()
    arguments = (*arguments, *(() if flags["has_socket"] else address), *state, *flags["up_options"])
    _check(arguments)
    token_file = flags["token_file"]
    return Instance(
        run_id=flags["run_id"],
        folder=Path.cwd(),
        command=(*_program(), "up", *arguments),
        search_path=os.environ.get("PATH", os.defpath),
        user=owner_of(workflow) if flags["is_system"] else None,
        address=_address(flags["host"], flags["port"]) if flags["has_socket"] else None,
        token_file=None if token_file is None else Path(token_file).expanduser().absolute(),
    )


def _program() -> tuple[str, ...]:
    """Return the words that start this program without a login shell's PATH."""
    script = Path(sys.executable).with_name("smithers")
    return (str(script),) if script.exists() else (sys.executable, "-P", "-m", "smithersd")


def _check(arguments: tuple[str, ...]) -> None:
    """Check the options of `up`, and refuse those that a unit file must not contain.

    Raises:
        InvalidRequest: naming the option.
    """
    flags = up.make_context("smithers up", list(arguments)).params
    if flags["auth_token"] is not None:
        raise InvalidRequest("A unit file must not contain a token.", remedy="Put it into a file: --token-file FILE.")
    if flags["detach"]:
        raise InvalidRequest(
            "-d cannot be given to a service.", remedy="Leave it out: systemd runs the process in the background."
        )
    if may_hold_password(flags["store"] or ""):
        raise InvalidRequest(
            "A unit file must not contain a password.", remedy="Leave it out of --store and put it into ~/.pgpass."
        )


def _address(host: str, port: int) -> str:
    try:
        address = ip_address(host)
    except ValueError as error:
        raise InvalidRequest(
            f"systemd cannot listen on {host!r}: it is not an IP address.",
            remedy="Give --host an address such as 127.0.0.1, 0.0.0.0 or ::1.",
        ) from error
    return f"[{address}]:{port}" if address.version == _IPV6 else f"{address}:{port}"


def _print(files: list[UnitFile]) -> None:
    for place, file in enumerate(files):
        say(*(["\n"] if place else []), f"# {file.path}\n")
        say(file.text.rstrip("\n"))


def _say_next(instance: Instance) -> None:
    systemctl = "systemctl" if instance.is_system else "systemctl --user"
    units = instance.service if instance.address is None else f"{instance.socket} {instance.service}"
    if instance.token_file is not None and not instance.token_file.exists():
        say("\nCreate the token:")
        file, folder = (shlex.quote(str(path)) for path in (instance.token_file, instance.token_file.parent))
        say(f"  (umask 077; mkdir -p {folder} && head -c 24 /dev/urandom | base64 > {file})")
    say("\nStart it, now and at every boot:")
    say(f"  {systemctl} daemon-reload")
    say(f"  {systemctl} enable --now {units}")
    if not instance.is_system:
        say("  loginctl enable-linger     # keeps the service running after you log out")
    say("\nRead its log:")
    say(f"  journalctl {'' if instance.is_system else '--user '}-u {instance.service} -f")
    say("\nStopping the service suspends the run, and starting it resumes the run. `smithers down` cancels the run.")
    if instance.token_file is None:
        say("Without a token only this machine is answered; see --token-file.")

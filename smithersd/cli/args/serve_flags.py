"""The options of the HTTP server, the same for `up` and `serve`."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

from smithersd.cli.args.options import hide_token, whole_number
from smithersd.daemon.options import ServeOptions
from smithersd.limits import HOST_DEFAULT, PORT_DEFAULT, PORT_MAX

C = TypeVar("C", bound=Callable[..., Any])

SERVE_FLAGS = ("host", "port", "auth_token", "metrics", "insecure", "allowed_hosts")
"""The parameter names of the options."""

_OPTIONS = (
    click.option("--host", metavar="ADDRESS", default=HOST_DEFAULT, show_default=True, help="The address to serve on."),
    click.option(
        "--port",
        metavar="PORT",
        default=PORT_DEFAULT,
        show_default=True,
        type=whole_number(0, PORT_MAX),
        help="The port to serve on, 0 for a free one.",
    ),
    click.option(
        "--auth-token",
        metavar="TOKEN",
        callback=hide_token,
        help="The token that clients must send [default: SMITHERS_API_KEY, else none].",
    ),
    click.option("--metrics/--no-metrics", default=True, show_default=True, help="Serve /metrics."),
    click.option("--insecure", is_flag=True, help="Without a token, answer other machines and host names too."),
    click.option(
        "--allowed-host",
        "allowed_hosts",
        metavar="NAME",
        multiple=True,
        help="Without a token, answer requests to this host name too.",
    ),
)


def serve_flags(command: C) -> C:
    """Add the options of the HTTP server to a command."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def serve_options(flags: dict[str, Any], *, inherited_token: str | None) -> ServeOptions:
    """Return the options of the HTTP server; `inherited_token` is used if no flag gives a token."""
    typed = flags["auth_token"]
    return ServeOptions(
        host=flags["host"],
        port=flags["port"],
        auth_token=inherited_token if typed is None else typed,
        has_metrics=flags["metrics"],
        is_insecure=flags["insecure"],
        allowed_hosts=flags["allowed_hosts"],
    )

"""The address of a PostgreSQL store: a libpq URL with a few options of smithersd's own.

    postgresql://user:password@host:5432,host2/database?schema=team&sslmode=verify-full&target_session_attrs=primary

`schema` names the schema of the tables. `pooling` says that the connection goes through a proxy, and of which kind:
with `transaction`, each transaction may get another session, and `listen_url` may name the server itself for
notifications; with `session`, a connection keeps its session.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import SplitResult, parse_qsl, unquote, urlencode, urlsplit

from smithersd.errors import StoreInvalid
from smithersd.limits import POSTGRES_CONNECT_TIMEOUT_S

_DRIVER_OPTIONS = frozenset(
    {
        "application_name", "dbname", "gsslib", "host", "krbsrvname", "passfile", "port", "service",
        "ssl_max_protocol_version", "ssl_min_protocol_version", "sslcert", "sslcrl", "sslkey", "sslmode",
        "sslnegotiation", "sslpassword", "sslrootcert", "target_session_attrs", "user",
    }
)  # fmt: skip
_OUR_OPTIONS = frozenset({"schema", "pooling", "listen_url", "connect_timeout", "password"})
_SECRET_OPTIONS = frozenset({"password", "sslpassword"})


@dataclass(frozen=True, slots=True)
class Address:
    """How to connect to a server. Secrets are not part of the repr; `shown` is the URL without them."""

    shown: str
    dsn: str = field(repr=False)
    """The URL for asyncpg, without the password and without smithersd's own options."""
    password: str | None = field(repr=False)
    schema: str | None
    """The schema of the tables; None for the first one on the role's search path."""
    connect_timeout_s: float
    pooling: str | None
    """The kind of proxy: "session" or "transaction"; None if there is none."""
    listen: "Address | None" = None
    """Another address of the same server, for notifications."""

    @property
    def is_pooled(self) -> bool:
        """Whether each transaction may get another session."""
        return self.pooling == "transaction"

    @property
    def direct(self) -> "Address | None":
        """The address for notifications, which need a session that lasts; None if only a pooling proxy is known."""
        if self.listen is not None:
            return self.listen
        return None if self.is_pooled else self


def parse_address(url: str) -> Address:
    """Parse a store URL.

    Raises:
        StoreInvalid: the URL is not valid, or has an unknown option. The message never contains the password.
    """
    parts = _split(url)
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    _check_options(options)
    credentials, at, hosts = parts.netloc.rpartition("@")
    user, colon, password = credentials.partition(":")
    bare = parts._replace(netloc=user + at + hosts)
    listen = parse_address(options["listen_url"]) if "listen_url" in options else None
    shown = {name: value for name, value in options.items() if name not in _SECRET_OPTIONS}
    return Address(
        shown=_with_query(bare, shown if listen is None else {**shown, "listen_url": listen.shown}),
        dsn=_with_query(bare, {name: value for name, value in options.items() if name in _DRIVER_OPTIONS}),
        password=unquote(password) if colon else options.get("password"),
        schema=options.get("schema") or None,
        connect_timeout_s=_timeout_s(options.get("connect_timeout")),
        pooling=_pooling(options.get("pooling")),
        listen=listen,
    )


def _split(url: str) -> SplitResult:
    """Split a URL into its parts; an error does not repeat the text, which may contain a part of the password."""
    try:
        parts = urlsplit(url)
    except ValueError:
        parts = None
    if parts is None or "@" in parts.path + parts.query or parts.fragment:
        raise StoreInvalid(
            "The PostgreSQL URL is not valid.",
            remedy="Percent-encode special characters (/ @ # ?) in user, password and options.",
        )
    return parts


def _check_options(options: Mapping[str, str]) -> None:
    unknown = sorted(options.keys() - _DRIVER_OPTIONS - _OUR_OPTIONS)
    if unknown:
        raise StoreInvalid(
            f"The PostgreSQL URL has unknown options: {', '.join(unknown)}.",
            remedy="Remove them. Allowed are libpq's options for hosts and TLS, schema, listen_url and pooling.",
        )


def _timeout_s(text: str | None) -> float:
    if text is None:
        return POSTGRES_CONNECT_TIMEOUT_S
    if text.isdecimal() and int(text) > 0:
        return float(text)
    raise StoreInvalid("The PostgreSQL URL's connect_timeout is not a number.", remedy="Give whole seconds.")


def _pooling(text: str | None) -> str | None:
    if text in {None, "session", "transaction"}:
        return text
    raise StoreInvalid("The PostgreSQL URL's pooling is not valid.", remedy="Use session or transaction.")


def _with_query(parts: SplitResult, options: Mapping[str, str]) -> str:
    """Join the parts of a URL; urlunsplit would drop the slashes of one without a host."""
    query = f"?{urlencode(options)}" if options else ""
    return f"{parts.scheme}://{parts.netloc}{parts.path}{query}"

"""Authentication: by a token if one is set; otherwise only requests that certainly come from this machine are allowed.

With a token nothing else is checked: no web page knows it. Without one, four sources are refused: a web page of another
site in the operator's own browser (by Origin and Sec-Fetch-Site), a foreign DNS name that points here (by Host), other
machines (by address), and a proxy on this machine, whose clients are unknown. `insecure` allows the last three.
"""

import hashlib
import hmac
import os
import re
from collections.abc import Iterable
from ipaddress import IPv6Address, ip_address
from urllib.parse import urlsplit

from aiohttp import HttpVersion11, hdrs, web

from smithersd.errors import InvalidRequest
from smithersd.serve.errors import Forbidden, Unauthorized

TOKEN_VARIABLE = "SMITHERS_API_KEY"  # noqa: S105 - the name of the variable, not a token
KEY_HEADER = "x-smithers-key"
_REMEDY = "Set a token with --auth-token, or allow all requests with --insecure."


def token_of(auth_token: str | None) -> str | None:
    """Return the token that clients must send: the given one, else that of SMITHERS_API_KEY, else None.

    Raises:
        InvalidRequest: the token is empty, or no header can carry it; that never means "no token".
    """
    token = os.environ.get(TOKEN_VARIABLE) if auth_token is None else auth_token
    if token is None:
        return None
    if not token:
        raise InvalidRequest(
            "The auth token is empty.", remedy=f"Give one, or none at all (and unset {TOKEN_VARIABLE})."
        )
    if token != token.strip() or not (token.isascii() and token.isprintable()):
        # Clients write what is not ASCII into a header in different ways, or not at all.
        raise InvalidRequest(
            "The auth token starts or ends with a blank, or has characters that no header can carry.",
            remedy="Use ASCII letters, digits and punctuation.",
        )
    return token


class RequestGuard:
    """Decides which requests are allowed, by token or by where they come from."""

    def __init__(self, *, token: str | None, is_insecure: bool, allowed_hosts: Iterable[str]) -> None:
        self._digest = None if token is None else _digest(token)
        self._is_insecure = is_insecure
        self._allowed_hosts = frozenset(_allowed(host) for host in allowed_hosts)

    def check(self, request: web.Request) -> None:
        """Allow the request.

        Raises:
            Unauthorized: a token is set and the request does not have it.
            Forbidden: no token is set and the request may come from elsewhere.
        """
        if self._digest is not None:
            self._check_token(request, self._digest)
            return
        self._check_site(request)
        if not self._is_insecure:
            self._check_peer(request)
            self._check_proxy(request)
            self._check_host(request)

    def _check_token(self, request: web.Request, digest: bytes) -> None:
        offered = [*request.headers.getall(KEY_HEADER, ()), *_bearers(request)]
        # Digests have one length, and compare_digest takes the same time wherever they differ.
        if not any([hmac.compare_digest(_digest(token), digest) for token in offered]):  # noqa: C419 - all, always
            raise Unauthorized(
                "The token is missing or wrong.", remedy=f"Send Authorization: Bearer <token> or {KEY_HEADER}."
            )

    def _check_site(self, request: web.Request) -> None:
        if _fetch(request, "Site") == "cross-site" and not _is_navigation(request):
            raise Forbidden("A page of another site may not use this run.", remedy="Set a token and send it.")
        for origin in request.headers.getall(hdrs.ORIGIN, ()):
            if not self._is_own(origin, request.headers.get(hdrs.HOST, "")):
                raise Forbidden("A page of another origin may not use this run.", remedy="Set a token and send it.")

    def _is_own(self, origin: str, host: str) -> bool:
        try:
            parts = urlsplit(origin.strip().lower())
        except ValueError:
            return False
        return parts.scheme in {"http", "https"} and (
            _authority(parts.netloc, parts.scheme) == _authority(host.strip().lower(), parts.scheme)
            or _hostname(parts.netloc) in self._allowed_hosts
        )

    def _check_peer(self, request: web.Request) -> None:
        peer = None if request.transport is None else request.transport.get_extra_info("peername")
        # A peer without an address came through a unix socket, which is this machine's.
        if isinstance(peer, tuple) and not is_loopback(str(peer[0])):
            raise Forbidden("Without a token only requests from this machine are allowed.", remedy=_REMEDY)

    def _check_proxy(self, request: web.Request) -> None:
        trace = next((name for name in request.headers if _is_of_proxy(name)), None)
        if trace is None and request.version < HttpVersion11 and _closes_connection(request):
            trace = "HTTP/1.0 with Connection: close"  # nginx in its default configuration
        if trace is not None:
            raise Forbidden(f"Without a token no proxy is allowed; the request has {trace}.", remedy=_REMEDY)

    def _check_host(self, request: web.Request) -> None:
        hosts = request.headers.getall(hdrs.HOST, ())
        name = _hostname(hosts[0]) if len(hosts) == 1 else ""
        if not is_loopback(name) and name not in self._allowed_hosts:
            raise Forbidden(
                "Without a token only requests to a loopback name are allowed.",
                remedy=f"{_REMEDY} A single name is allowed with --allowed-host.",
            )


_OF_PROXIES = frozenset({"forwarded", "via", "x-real-ip"})


def _is_of_proxy(header: str) -> bool:
    name = header.lower()
    return name in _OF_PROXIES or name.startswith("x-forwarded-")


def _closes_connection(request: web.Request) -> bool:
    return request.headers.get(hdrs.CONNECTION, "").strip().lower() == "close"


def is_preflight(request: web.Request) -> bool:
    """Return whether the request is a CORS preflight: it never has a token, and no route answers OPTIONS by itself."""
    return request.method == hdrs.METH_OPTIONS and hdrs.ACCESS_CONTROL_REQUEST_METHOD in request.headers


def _fetch(request: web.Request, name: str) -> str:
    """Return a Sec-Fetch header, which browsers set and pages cannot."""
    return request.headers.get(f"Sec-Fetch-{name}", "").strip().lower()


def _is_navigation(request: web.Request) -> bool:
    """Return whether the request follows a link: the page cannot read the response, and a GET changes nothing."""
    return (
        request.method in {hdrs.METH_GET, hdrs.METH_HEAD}
        and _fetch(request, "Mode") == "navigate"
        and _fetch(request, "Dest") == "document"
    )


def _bearers(request: web.Request) -> Iterable[str]:
    for value in request.headers.getall(hdrs.AUTHORIZATION, ()):
        scheme, _, token = value.strip().partition(" ")
        if scheme.lower() == "bearer":
            yield token.strip()


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode(errors="surrogateescape")).digest()


def _authority(netloc: str, scheme: str) -> str:
    """Return the host, with the port unless it is the scheme's default."""
    return netloc.removesuffix(":443" if scheme == "https" else ":80")


_HOST = re.compile(r"(?:\[(?P<address>[0-9a-f:.%]+)\]|(?P<name>[^\[\]:@/?#\s]+))(?::[0-9]*)?", re.ASCII)


def _hostname(host: str) -> str:
    """Return the name or address in `host`, `host:port` or `[address]:port`; empty if it is none of these."""
    match = _HOST.fullmatch(host.strip().lower())
    if match is None:
        return ""
    return (match["address"] or match["name"]).removesuffix(".")


def _allowed(host: str) -> str:
    name = _hostname(f"[{host}]" if host.count(":") > 1 and "[" not in host else host)
    if not name:
        raise InvalidRequest(f"{host!r} is not a host name that can be allowed.")
    return name


def is_loopback(name: str) -> bool:
    """Return whether a host name or address is reached from this machine only."""
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        address = ip_address(name)
    except ValueError:
        return False
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return address.is_loopback

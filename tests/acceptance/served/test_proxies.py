"""Behind real proxies, set up as documented: events come at once, decisions arrive, and strangers get nowhere."""

import http.client
import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.docs.documents import document
from tests.support.place import Place
from tests.support.ports import free_port
from tests.support.waiting import until

TOKEN = "sk-proxied"
FLOW = """
    @workflow
    def asking(ctx):
        return Sequence(Approval("ship/it now", title="Ship?"), Task("last", int))
    """
BARE_NGINX = "location / { proxy_pass http://127.0.0.1:7331; }"


def snippet(language: str, upstream: int) -> str:
    """The documented settings for a proxy, for a run on another port."""
    (text,) = document("docs/how-to/proxies.md").blocks(language)
    return text.replace("7331", str(upstream))


class Proxy:
    """A proxy that runs in a folder of its own, as a process of ours."""

    def __init__(self, folder: Path, port: int, command: list[str], configuration: str) -> None:
        self.port = port
        (folder / "proxy.conf").write_text(configuration)
        environment = {"PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin", "HOME": str(folder), "TMPDIR": str(folder)}
        with (folder / "proxy.log").open("w") as log:
            self.popen = subprocess.Popen(
                command, cwd=folder, stdout=log, stderr=log, stdin=subprocess.DEVNULL, env=environment
            )
        until(self._listens, (folder / "proxy.log").read_text)

    def request(self, method: str, path: str, body: str | None = None, **headers: str) -> tuple[int, str]:
        """Ask as somebody from outside does."""
        connection = self.open(method, path, body, **headers)
        answer = connection.getresponse()
        text = answer.read().decode()
        connection.close()
        return answer.status, text

    def open(self, method: str, path: str, body: str | None = None, **headers: str) -> http.client.HTTPConnection:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        connection.request(method, path, body, {"Host": "run.example.org", **headers})
        return connection

    def end(self) -> None:
        self.popen.terminate()
        self.popen.wait()

    def _listens(self) -> bool:
        assert self.popen.poll() is None
        try:
            self.request("GET", "/")
        except OSError:
            return False
        return True


def nginx(folder: Path, port: int, location: str) -> tuple[list[str], str]:
    temporary = "".join(
        f"{name}_temp_path {folder}/{name};" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    return (
        ["nginx", "-p", str(folder), "-c", f"{folder}/proxy.conf"],
        f"""
        daemon off; master_process off; pid {folder}/nginx.pid; error_log stderr;
        events {{}}
        http {{ access_log off; {temporary} server {{ listen 127.0.0.1:{port}; {location} }} }}
        """,
    )


def caddy(folder: Path, port: int, directives: str) -> tuple[list[str], str]:
    command = ["caddy", "run", "--adapter", "caddyfile", "--config", f"{folder}/proxy.conf"]
    return command, f"{{\nadmin off\nauto_https off\n}}\nhttp://:{port} {{\n{directives}}}\n"


def apache2(folder: Path, port: int, directives: str) -> tuple[list[str], str]:
    modules = "".join(
        f"LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so\n"
        for name in ("mpm_event", "authz_core", "proxy", "proxy_http")
    )
    return ["apache2", "-D", "FOREGROUND", "-f", f"{folder}/proxy.conf"], (
        f'ServerName localhost\nServerRoot "{folder}"\nPidFile "{folder}/pid"\nErrorLog "{folder}/errors"\n'
        f'{modules}DefaultRuntimeDir "{folder}"\nListen 127.0.0.1:{port}\n{directives}'
    )


def haproxy(folder: Path, port: int, backend: str) -> tuple[list[str], str]:
    return ["haproxy", "-db", "-f", f"{folder}/proxy.conf"], (
        f"defaults\n    mode http\n    timeout client 1m\nfrontend all\n    bind 127.0.0.1:{port}\n"
        f"    default_backend run\n{backend}"
    )


def lighttpd(folder: Path, port: int, settings: str) -> tuple[list[str], str]:
    return ["lighttpd", "-D", "-f", f"{folder}/proxy.conf"], (
        f'server.document-root = "{folder}"\nserver.port = {port}\nserver.bind = "127.0.0.1"\n'
        f'server.upload-dirs = ("{folder}")\n{settings}'
    )


Configure = Callable[[Path, int, str], tuple[list[str], str]]
PROXIES: dict[str, Configure] = {
    "nginx": nginx, "caddy": caddy, "apache": apache2, "haproxy": haproxy, "lighttpd": lighttpd
}  # fmt: skip

Behind = Callable[..., Proxy]


@pytest.fixture
def behind(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Behind]:
    """Start a proxy before a run on a port, with the documented settings for it or with others."""
    running: list[Proxy] = []

    def start(name: str, upstream: int, settings: str | None = None) -> Proxy:
        configure = PROXIES[name]
        if shutil.which(configure.__name__, path=f"{os.environ['PATH']}:/usr/sbin") is None:
            pytest.skip(f"{configure.__name__} is not installed")
        folder = tmp_path_factory.mktemp(name)
        folder.chmod(0o777)  # those that are started by root work as somebody else
        port = free_port()
        settings = snippet(name, upstream) if settings is None else settings.replace("7331", str(upstream))
        running.append(Proxy(folder, port, *configure(folder, port, settings)))
        return running[-1]

    yield start
    for proxy in running:
        proxy.end()


@pytest.mark.parametrize("name", PROXIES)
def test_behind_a_proxy_events_come_at_once_and_decisions_arrive(place: Place, behind: Behind, name: str) -> None:
    place.write(FLOW)
    up = place.up("--run-id", "r", "--serve", "--port", "0", SMITHERS_API_KEY=TOKEN)
    port = int(up.url.rpartition(":")[2])
    up.until_text("smithers approve")
    proxy = behind(name, port)
    key = {"x-smithers-key": TOKEN}

    assert proxy.request("POST", "/approve/ship%2Fit%20now")[0] == 401
    stream = proxy.open("GET", "/events", **key, **{"Accept-Encoding": "gzip"})
    events = stream.getresponse()
    assert (events.status, events.getheader("Content-Encoding")) == (200, None)
    while b"NodeWaitingApproval" not in events.readline():  # while the run waits: nobody held it back
        pass
    body = json.dumps({"note": "x" * 10_000})
    assert proxy.request("POST", "/approve/ship%2Fit%20now?runId=r", body, **key) == (200, '{"runId":"r"}')
    rest = events.read().decode()
    assert rest.rstrip().rpartition("\n")[0].endswith("}")
    assert "RunFinished" in rest
    stream.close()


@pytest.mark.parametrize("name", PROXIES)
def test_a_stranger_behind_a_proxy_decides_nothing_in_a_run_without_a_token(
    place: Place, behind: Behind, name: str
) -> None:
    place.write(FLOW)
    up = place.up("--run-id", "r", "--serve", "--port", "0")
    up.until_text("smithers approve")
    settings = BARE_NGINX if name == "nginx" else None
    proxy = behind(name, int(up.url.rpartition(":")[2]), settings)
    for host in ("run.example.org", "localhost"):
        status, text = proxy.request("POST", "/approve/ship%2Fit%20now", Host=host)
        assert (status, json.loads(text)["error"]["code"]) == (403, "FORBIDDEN")
    assert "ApprovalGranted" not in place.types("r")

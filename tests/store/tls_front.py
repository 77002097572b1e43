"""TLS before a server that speaks none: it answers as a PostgreSQL with a certificate would."""

import asyncio
import ssl
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

_SSL_REQUEST_BYTES = 8
_CHUNK_BYTES = 1 << 16


def make_certificate(folder: Path) -> tuple[Path, Path]:
    """Make a certificate for 127.0.0.1 that vouches for itself, and its key."""
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    subject = ("-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-days", "2")
    made = ("-newkey", "rsa:2048", "-noenc", "-keyout", key, "-out", certificate)
    subprocess.run(["openssl", "req", "-x509", *made, *subject], check=True, capture_output=True)
    return certificate, key


@asynccontextmanager
async def tls_front(server_port: int, certificate: Path, key: Path) -> AsyncIterator[int]:
    """Run it; the value is its port."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)

    async def serve(client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        await client.readexactly(_SSL_REQUEST_BYTES)
        to_client.write(b"S")
        try:
            await to_client.start_tls(context)
        except (ssl.SSLError, ConnectionError):  # the client does not trust us
            return
        server, to_server = await asyncio.open_connection("127.0.0.1", server_port)
        await asyncio.gather(_pass_on(client, to_server), _pass_on(server, to_client))

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with listening:
        yield listening.sockets[0].getsockname()[1]


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while data := await reader.read(_CHUNK_BYTES):
            writer.write(data)
    writer.close()

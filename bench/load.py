"""Sends prepared requests over kept connections: as fast as they are answered, or at scheduled instants."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import count

from bench.figures import VoidError

CONNECTIONS = 8
WARM_UP = 0.5
"""Seconds at the start of a load whose answers count in the ledger but not in the figures."""
ACCEPTED = b" 202 "


@dataclass
class Load:
    """What came of one load."""

    accepted: int = 0
    """Requests that were answered with 202, the warm-up included."""
    seconds: float = 0.0
    """How long the part after the warm-up took."""
    delays: list[float] = field(default_factory=list)
    """Seconds until the answer, without the warm-up."""

    @property
    def rate(self) -> float:
        return len(self.delays) / self.seconds


class Connection:
    """One kept connection."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=30)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def send(self, request: bytes) -> None:
        """Send a request and wait for its answer, which has no body.

        Raises:
            VoidError: it was not accepted.
        """
        self._socket.sendall(request)
        answer = b""
        while not answer.endswith(b"\r\n\r\n"):
            read = self._socket.recv(4096)
            if not read:
                raise VoidError("the server closed a connection instead of answering")
            answer += read
        if ACCEPTED not in answer[:16]:
            raise VoidError(f"a notification was answered with {answer[:40]!r}")

    def close(self) -> None:
        self._socket.close()


def at_full_rate(port: int, requests: Sequence[bytes], seconds: float) -> Load:
    """Keep every connection busy: the next request leaves when the answer has come."""
    load, numbers, start = Load(), count(), time.perf_counter()
    warm, end = start + WARM_UP, start + WARM_UP + seconds

    def work(connection: Connection) -> None:
        while (sent := time.perf_counter()) < end:
            connection.send(requests[next(numbers) % len(requests)])
            load.accepted += 1
            if sent >= warm:
                load.delays.append(time.perf_counter() - sent)

    _run(port, CONNECTIONS, work)
    load.seconds = time.perf_counter() - warm
    return load


def at_scheduled_rate(port: int, requests: Sequence[bytes], seconds: float, rate: float) -> Load:
    """Send at fixed instants, however slow the answers are; delays count from the scheduled instant."""
    load, numbers, start = Load(), count(), time.perf_counter() + 0.05
    last = int((WARM_UP + seconds) * rate)

    def work(connection: Connection) -> None:
        while (number := next(numbers)) < last:
            due = start + number / rate
            if (wait := due - time.perf_counter()) > 0:
                time.sleep(wait)
            connection.send(requests[number % len(requests)])
            load.accepted += 1
            if due >= start + WARM_UP:
                load.delays.append(time.perf_counter() - due)

    _run(port, CONNECTIONS * 3, work)
    load.seconds = time.perf_counter() - start - WARM_UP
    return load


def _run(port: int, connections: int, work: Callable[[Connection], None]) -> None:
    """Work in one thread for each connection; the first failure is raised here."""
    failures: list[BaseException] = []

    def guarded() -> None:
        connection = Connection(port)
        try:
            work(connection)
        except BaseException as error:
            failures.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=guarded) for _ in range(connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise VoidError(f"{type(failures[0]).__name__}: {failures[0]}") from failures[0]

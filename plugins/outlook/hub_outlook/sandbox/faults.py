"""Makes things go wrong on the wire, and keeps the ledger of calls: WSGI around the whole sandbox."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from werkzeug.wrappers import Response

KINDS = ("status", "reset_before", "reset_after", "hang", "late")
EVENT_PATH = re.compile(r"/events(/|$)|/calendar/events", re.IGNORECASE)


@dataclass
class Fault:
    """One wish for trouble; see `hub.plugin.control`."""

    kind: str
    times: int = 1
    method: str = ""
    path: str = ""
    status: int = 503
    body: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    seconds: float = 1.0

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"kind must be one of {', '.join(KINDS)}")
        re.compile(self.path)

    def hits(self, method: str, path: str) -> bool:
        return (
            self.times > 0
            and (not self.method or self.method.upper() == method)
            and (not self.path or re.search(self.path, path) is not None)
        )


class FaultyWire:
    """Plays faults upon provider calls; the control API is never hit."""

    def __init__(self, app: Any) -> None:
        self.app = app
        self.faults: list[Fault] = []
        self.calls: list[dict[str, Any]] = []
        self._lock = threading.Lock()
        self._closing = threading.Event()

    def close(self) -> None:
        self._closing.set()

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        path, method = environ.get("PATH_INFO", ""), environ["REQUEST_METHOD"]
        if path.startswith("/_control"):
            return self.app(environ, start_response)  # type: ignore[no-any-return]
        call = {
            "method": method,
            "path": path,
            "status": 0,
            "write": method in ("POST", "PATCH", "DELETE") and bool(EVENT_PATH.search(path)),
            "person": None,
        }
        environ["hub_outlook.call"] = call
        with self._lock:
            self.calls.append(call)
            fault = next((f for f in self.faults if f.hits(method, path)), None)
            if fault:
                fault.times -= 1
        return self._play(fault, call, environ, start_response)

    def _play(
        self, fault: Fault | None, call: dict[str, Any], environ: dict[str, Any], start_response: Any
    ) -> Iterable[bytes]:
        if fault and fault.kind == "status":
            call["write"] = False
            answer = Response(fault.body, fault.status, content_type="text/html")
            answer.headers.update(fault.headers)
            call["status"] = fault.status
            return answer(environ, start_response)
        if fault and fault.kind in ("reset_before", "hang"):
            call["write"] = False
            if fault.kind == "hang":
                self._closing.wait(fault.seconds)
            _cut(environ)
        answer = Response.from_app(self.app, environ, buffered=True)
        call["status"] = answer.status_code
        if fault and fault.kind == "reset_after":
            _cut(environ)
        if fault and fault.kind == "late":
            self._closing.wait(fault.seconds)
        return answer(environ, start_response)


def _cut(environ: dict[str, Any]) -> None:
    """End the connection without an answer; the server takes the error for a caller that went away."""
    connection = environ.get("werkzeug.socket") or environ.get("gunicorn.socket")
    if connection is not None:
        try:
            connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
    raise ConnectionAbortedError("cut by a fault")

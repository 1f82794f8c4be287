"""The layer between the socket and the sandbox: the ledger of calls, and faults to order.

Only calls of a provider's client count; the control API under `/_control` passes through.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from werkzeug.datastructures import Headers
from werkzeug.test import run_wsgi_app
from werkzeug.wrappers import Response

from hub_google.sandbox.state import State

KINDS = ("status", "reset_before", "reset_after", "hang", "late")
_EVENT_PATH = re.compile(r"/events(/|$)(?!watch$)")

WsgiApp = Callable[..., Iterable[bytes]]


@dataclass
class Fault:
    """One order to make calls go wrong (`hub.plugin.control` says what each kind does)."""

    kind: str
    times: int = 1
    method: str | None = None
    path: str | None = None
    status: int = 500
    body: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0

    def fits(self, method: str, path: str) -> bool:
        """Return whether a call is meant."""
        return self.method in (None, method) and (self.path is None or re.search(self.path, path) is not None)


class FaultyApp:
    """A WSGI app around the sandbox."""

    def __init__(self, app: WsgiApp, state: State) -> None:
        self._app, self._state = app, state
        self.faults: list[Fault] = []
        self._closing = threading.Event()

    def close(self) -> None:
        """Let the calls that hang go."""
        self._closing.set()

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        if environ["PATH_INFO"].startswith("/_control"):
            return self._app(environ, start_response)
        method, path = _override(environ), environ["PATH_INFO"]
        fault = self._take(method, path)
        status = 0
        try:
            if fault and fault.kind == "reset_before":
                raise ConnectionResetError
            if fault and fault.kind == "hang":
                self._closing.wait(fault.seconds)
                raise ConnectionResetError
            if fault and fault.kind == "status":
                status = fault.status
                return Response(fault.body, status, fault.headers)(environ, start_response)
            body, line, headers = run_wsgi_app(self._app, environ, buffered=True)
            status = int(line.split()[0])
            if fault and fault.kind == "late":
                self._closing.wait(fault.seconds)
            if fault and fault.kind == "reset_after":
                # The server drops the connection without a byte when an app raises this.
                raise ConnectionResetError
            start_response(line, list(Headers(headers)))
            return body
        finally:
            self._note(environ, method, path, status)

    def _take(self, method: str, path: str) -> Fault | None:
        with self._state.lock:
            found = next((f for f in self.faults if f.fits(method, path)), None)
            if found:
                found.times -= 1
                if found.times <= 0:
                    self.faults.remove(found)
            return found

    def _note(self, environ: dict[str, Any], method: str, path: str, status: int) -> None:
        token = environ.get("HTTP_AUTHORIZATION", "").removeprefix("Bearer ")
        with self._state.lock:
            access = self._state.access.get(token)
            write = method not in ("GET", "HEAD") and _EVENT_PATH.search(path) is not None
            self._state.calls.append(
                {
                    "method": method,
                    "path": path,
                    "query": environ.get("QUERY_STRING", ""),
                    "status": status,
                    "write": write,
                    "person": access.person if access else None,
                    "if_match": environ.get("HTTP_IF_MATCH"),
                }
            )


def _override(environ: dict[str, Any]) -> str:
    """Undo what Google's client does to addresses over 2048 characters: POST with a form body."""
    method = str(environ["REQUEST_METHOD"])
    if method == "POST" and environ.get("HTTP_X_HTTP_METHOD_OVERRIDE", "").upper() == "GET":
        size = int(environ.get("CONTENT_LENGTH") or 0)
        environ["QUERY_STRING"] = environ["wsgi.input"].read(size).decode()
        environ["REQUEST_METHOD"] = method = "GET"
        environ["CONTENT_LENGTH"] = "0"
    return method

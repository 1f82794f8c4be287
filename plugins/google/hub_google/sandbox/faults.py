"""The layer between the socket and the sandbox: the ledger of calls, and faults to order.

Only calls of a provider's client count; the control API under `/_control` passes through.
"""

from __future__ import annotations

import contextlib
import gzip
import io
import re
import socket
import threading
from collections.abc import Callable, Iterable
from typing import Any, NoReturn

from werkzeug.wrappers import Response

from hub.plugin.faults import Fault, noted, take
from hub_google.sandbox.state import State

_EVENT_PATH = re.compile(r"/events(/|$)(?!watch$)")

WsgiApp = Callable[..., Iterable[bytes]]


class FaultyApp:
    """A WSGI app around the sandbox."""

    def __init__(self, app: WsgiApp, state: State) -> None:
        self._app, self._state = app, state
        self.faults: list[Fault] = []
        self.check: Callable[[str, str, int, bytes], None] = lambda *_: None
        """Sees each answer before a fault bends it: method, path, status, body."""
        self._closing = threading.Event()

    def close(self) -> None:
        """Let the calls that hang go."""
        self._closing.set()

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        if environ["PATH_INFO"].startswith("/_control"):
            return self._app(environ, start_response)
        method, path = _override(environ), environ["PATH_INFO"]
        with self._state.lock:
            fault = take(self.faults, method, path, environ.get("QUERY_STRING", ""))
        sent = _read_body(environ)
        status = 0
        try:
            if fault and fault.kind == "hang":
                self._closing.wait(fault.seconds)
            if fault and fault.kind in ("reset_before", "hang"):
                _cut(environ)
            answer = self._answer(fault, environ, sent)
            status = answer.status_code
            if fault and fault.kind == "late":
                self._closing.wait(fault.seconds)
            if fault and fault.kind == "reset_after":
                _cut(environ)
            self._compress(environ, answer)
            return answer(environ, start_response)
        finally:
            self._note(environ, method, path, status, sent)

    def _answer(self, fault: Fault | None, environ: dict[str, Any], sent: bytes) -> Response:
        if fault and fault.kind == "status":
            return Response(fault.body, fault.refusal, fault.headers)
        _put_body(environ, fault.taken(sent) if fault else sent)
        answer = Response.from_app(self._app, environ, buffered=True)
        self.check(environ["REQUEST_METHOD"], environ["PATH_INFO"], answer.status_code, answer.get_data())
        if fault and fault.refusal:
            return Response(fault.body, fault.refusal, fault.headers)
        if fault:
            answer.set_data(fault.told(sent, answer.get_data()))
        return answer

    def _compress(self, environ: dict[str, Any], answer: Response) -> None:
        """Compress an answer for who names gzip twice, as Google asks for (guides/performance)."""
        named = [environ.get(f"HTTP_{name}", "") for name in ("ACCEPT_ENCODING", "USER_AGENT")]
        if self._state.switches["compresses"] and all("gzip" in text for text in named) and answer.data:
            answer.set_data(gzip.compress(answer.get_data(), 1))
            answer.headers["Content-Encoding"] = "gzip"

    def _note(self, environ: dict[str, Any], method: str, path: str, status: int, sent: bytes) -> None:
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
                    "body": noted(sent) if write else None,
                }
            )


def _cut(environ: dict[str, Any]) -> NoReturn:
    """End the connection without an answer; the server takes the error for a caller that went away."""
    connection = environ.get("werkzeug.socket") or environ.get("gunicorn.socket")
    if connection is not None:
        with contextlib.suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)
    raise ConnectionAbortedError("cut by a fault")


def _read_body(environ: dict[str, Any]) -> bytes:
    """Return what was sent; it is put back for the app by `_put_body`."""
    sent: bytes = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    return sent


def _put_body(environ: dict[str, Any], body: bytes) -> None:
    environ["wsgi.input"] = io.BytesIO(body)
    environ["CONTENT_LENGTH"] = str(len(body))


def _override(environ: dict[str, Any]) -> str:
    """Undo what Google's client does to addresses over 2048 characters: POST with a form body."""
    method = str(environ["REQUEST_METHOD"])
    if method == "POST" and environ.get("HTTP_X_HTTP_METHOD_OVERRIDE", "").upper() == "GET":
        size = int(environ.get("CONTENT_LENGTH") or 0)
        environ["QUERY_STRING"] = environ["wsgi.input"].read(size).decode()
        environ["REQUEST_METHOD"] = method = "GET"
        environ["CONTENT_LENGTH"] = "0"
    return method

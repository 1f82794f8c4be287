"""Makes things go wrong on the wire, and keeps the ledger of calls: WSGI around the whole sandbox."""

from __future__ import annotations

import io
import re
import socket
import threading
from collections.abc import Callable, Iterable
from typing import Any

from werkzeug.wrappers import Response

from hub.plugin.faults import Fault, noted, take

HEADERS = {
    "Authorization": "HTTP_AUTHORIZATION",
    "If-Match": "HTTP_IF_MATCH",
    "Prefer": "HTTP_PREFER",
    "client-request-id": "HTTP_CLIENT_REQUEST_ID",
}
"""What the ledger keeps of a call's headers, as WSGI names them."""
EVENT_PATH = re.compile(r"/events(/|$)|/calendar/events", re.IGNORECASE)


class FaultyWire:
    """Plays faults upon provider calls; the control API is never hit."""

    def __init__(self, app: Any) -> None:
        self.app = app
        self.faults: list[Fault] = []
        self.calls: list[dict[str, Any]] = []
        self.check: Callable[[str, str, int, bytes], None] = lambda *_: None
        """Sees each answer before a fault bends it: method, path, status, body."""
        self._lock = threading.Lock()
        self._closing = threading.Event()

    def close(self) -> None:
        self._closing.set()

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        path, method = environ.get("PATH_INFO", ""), environ["REQUEST_METHOD"]
        if path.startswith("/_control"):
            return self.app(environ, start_response)  # type: ignore[no-any-return]
        sent = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        write = method in ("POST", "PATCH", "DELETE") and bool(EVENT_PATH.search(path))
        call = {
            "method": method,
            "path": path,
            "query": environ.get("QUERY_STRING", ""),
            "status": 0,
            "write": write,
            "person": None,
            "if_match": environ.get("HTTP_IF_MATCH"),
            "headers": {name: environ[key] for name, key in HEADERS.items() if key in environ},
            "body": noted(sent) if write else None,
        }
        environ["hub_outlook.call"] = call
        with self._lock:
            self.calls.append(call)
            fault = take(self.faults, method, path, environ.get("QUERY_STRING", ""))
        return self._play(fault, call, sent, environ, start_response)

    def _play(
        self,
        fault: Fault | None,
        call: dict[str, Any],
        sent: bytes,
        environ: dict[str, Any],
        start_response: Any,
    ) -> Iterable[bytes]:
        if fault and fault.kind == "status":
            call["write"] = False
            return _refusal(fault, call)(environ, start_response)
        if fault and fault.kind in ("reset_before", "hang"):
            call["write"] = False
            if fault.kind == "hang":
                self._closing.wait(fault.seconds)
            _cut(environ)
        body = fault.taken(sent) if fault else sent
        environ |= {"wsgi.input": io.BytesIO(body), "CONTENT_LENGTH": str(len(body))}
        answer = Response.from_app(self.app, environ, buffered=True)
        call["status"] = answer.status_code
        self.check(call["method"], call["path"], answer.status_code, answer.get_data())
        if fault and fault.refusal:
            return _refusal(fault, call)(environ, start_response)
        if fault:
            answer.set_data(fault.told(sent, answer.get_data()))
        if fault and fault.kind == "reset_after":
            _cut(environ)
        if fault and fault.kind == "late":
            self._closing.wait(fault.seconds)
        return answer(environ, start_response)


def _refusal(fault: Fault, call: dict[str, Any]) -> Response:
    call["status"] = fault.refusal
    answer = Response(fault.body, fault.refusal, content_type="text/html")
    answer.headers.update(fault.headers)
    return answer


def _cut(environ: dict[str, Any]) -> None:
    """End the connection without an answer; the server takes the error for a caller that went away."""
    connection = environ.get("werkzeug.socket") or environ.get("gunicorn.socket")
    if connection is not None:
        try:
            connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
    raise ConnectionAbortedError("cut by a fault")

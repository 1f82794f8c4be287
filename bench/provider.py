"""A sandbox in a process of its own that notes when each change began and when it was made.

    python -m bench.provider NAME PORT FILE

prints the plugin's settings as one line of JSON. Each line of FILE is `method path status begun ended`,
the instants being those of the machine's monotonic clock. POST /_bench/fill makes many events at once.
"""

from __future__ import annotations

import json
import logging
import sys
import threading
import time
from collections.abc import Iterable
from datetime import datetime, timedelta
from importlib.metadata import entry_points
from typing import IO, Any

from werkzeug.test import Client
from werkzeug.wrappers import Request, Response

from hub.plugin import PROJECT
from hub.plugin.codec import to_json
from hub.plugin.control import serving
from hub.plugin.types import EventContent, Location, SandboxOptions, When

ZONE = "Europe/Berlin"
FIRST = (datetime.now().replace(hour=9, minute=0, second=0, microsecond=0)) + timedelta(days=1)  # noqa: DTZ005
"""Wall time of the first event: tomorrow, so that none lies in the past."""


def content(number: int) -> EventContent:
    """Return an event as calendars have them; one of twenty is a weekly series."""
    start = FIRST + timedelta(days=number % 360, minutes=15 * (number % 32))
    rule = ("RRULE:FREQ=WEEKLY;COUNT=10",) if number % 20 == 0 else ()
    return EventContent(
        when=When(start, start + timedelta(minutes=45), ZONE, ZONE, rule),
        title=f"Review of matter {number}",
        description=f"Agenda for number {number}:\nwhat was done, what is next, who does what by when.",
        location=Location(f"Room {number % 40}"),
    )


class Stopwatch:
    """A WSGI app around a sandbox: notes every request that changes something."""

    def __init__(self, app: Any, out: IO[str]) -> None:
        self._app, self._out = app, out
        self._lock = threading.Lock()

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        if environ["PATH_INFO"] == "/_bench/fill":
            return self._fill(Request(environ))(environ, start_response)
        if environ["REQUEST_METHOD"] == "GET":
            return self._app(environ, start_response)  # type: ignore[no-any-return]
        begun, told = time.monotonic(), []

        def note(status: str, *rest: Any) -> Any:
            told.append(status[:3])
            return start_response(status, *rest)

        answer: Iterable[bytes] = self._app(environ, note)
        self._note(environ, told[0], begun)
        return answer

    def _note(self, environ: dict[str, Any], status: str, begun: float) -> None:
        line = f"{environ['REQUEST_METHOD']} {environ['PATH_INFO']} {status} {begun} {time.monotonic()}\n"
        with self._lock:
            self._out.write(line)
            self._out.flush()

    def _fill(self, request: Request) -> Response:
        wanted = request.get_json()
        client = Client(self._app)
        for number in range(wanted["count"]):
            body = {"person": wanted["person"], "calendar": wanted["calendar"]}
            made = client.post("/_control/events", json=body | {"content": to_json(content(number))})
            assert made.status_code == 201, made.text
        return Response(status=204)


def main(name: str, port: int, path: str) -> None:
    """Serve the sandbox of one plugin until standard input ends."""
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    (point,) = entry_points(group=PROJECT, name=name)
    sandbox = point.load().sandbox(options=SandboxOptions(f"http://127.0.0.1:{port}"))
    with open(path, "a", encoding="utf-8") as out:
        watched = type(sandbox)(Stopwatch(sandbox.app, out), sandbox.settings, sandbox.close)
        with serving(watched, port):
            print(json.dumps(dict(sandbox.settings)), flush=True)
            sys.stdin.read()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3])

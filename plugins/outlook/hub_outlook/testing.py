"""Bare requests to the sandbox, for tests, and the times of the events that they make."""

from __future__ import annotations

from typing import Any

import requests

from hub.plugin.testing import Connected

TIMES = {
    "start": {"dateTime": "2027-01-04T09:00:00", "timeZone": "W. Europe Standard Time"},
    "end": {"dateTime": "2027-01-04T10:00:00", "timeZone": "W. Europe Standard Time"},
}
DAILY = {
    "pattern": {"type": "daily", "interval": 1},
    "range": {"type": "numbered", "startDate": "2027-01-04", "numberOfOccurrences": 5},
}
ENDLESS = DAILY | {"range": {"type": "noEnd", "startDate": "2027-01-04"}}
IMMUTABLE = {"Prefer": 'IdType="ImmutableId"'}
VIEW = {"startDateTime": "2027-01-01T00:00:00Z", "endDateTime": "2027-02-01T00:00:00Z"}


class Wire:
    """Bare HTTP to the sandbox's Graph, as one person."""

    def __init__(self, ann: Connected, token: str | None = None) -> None:
        self.base: str = ann.settings["API_URL"]
        self.token = token or ann.call.access_token

    def __call__(
        self, method: str, path: str, body: Any = None, headers: Any = None, **query: Any
    ) -> requests.Response:
        """Send one request; a path is one of Graph's, below its version, or a whole address."""
        url = path if path.startswith("http") else f"{self.base}/{path}"
        sent = {"Authorization": f"Bearer {self.token}", **(headers or {})}
        return requests.request(method, url, json=body, headers=sent, params=query, timeout=10)

    def code(self, *args: Any, **query: str) -> tuple[int, str]:
        """Send a request that is refused; return its status and the error's code."""
        answer = self(*args, **query)
        return answer.status_code, answer.json()["error"]["code"]


def made(wire: Wire, **more: Any) -> Any:
    """Make an event of these properties; return what Graph shows of it."""
    answer = wire("POST", "me/events", TIMES | more)
    assert answer.status_code == 201, answer.text
    return answer.json()

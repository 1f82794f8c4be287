"""How well addresses take their notices: slow ones are told later, very slow ones not at all for a while.

Graph: change-notifications-delivery-webhooks, "Throttling": by the share of answers within ten minutes
that took more than ten seconds.
"""

from __future__ import annotations

from collections import deque
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from hub_outlook.sandbox.model import Model

SPAN = timedelta(minutes=10)
SLOW, DROP = 0.10, 0.15


class Endpoints:
    """Keeps what each host has made of its notices."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self._answers: dict[str, deque[tuple[datetime, bool]]] = {}

    def note(self, url: str, seconds: float) -> None:
        """Note how long a host took to answer."""
        is_slow = seconds > float(self.model.switches["slow_after"])
        self._answers.setdefault(_host(url), deque()).append((self.model.clock.now(), is_slow))

    def state(self, url: str) -> str:
        """Return `ok`, `slow` or `drop`."""
        answers, now = self._answers.get(_host(url), deque()), self.model.clock.now()
        while answers and answers[0][0] <= now - SPAN:
            answers.popleft()
        if len(answers) < int(self.model.switches["endpoint_sample"]):
            return "ok"
        share = sum(is_slow for _, is_slow in answers) / len(answers)
        return "drop" if share > DROP else "slow" if share > SLOW else "ok"


def _host(url: str) -> str:
    return urlsplit(url).netloc.casefold()

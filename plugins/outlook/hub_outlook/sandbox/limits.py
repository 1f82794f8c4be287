"""How much a mailbox takes (Graph: throttling-limits): calls at once, and calls within ten minutes.

Calls that are refused count, too.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from hub_outlook.sandbox.model import Model, Person
from hub_outlook.sandbox.problems import GraphError

SPAN = timedelta(minutes=10)


class Limits:
    """Counts the calls of each mailbox."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self.busy: dict[str, int] = {}
        self._calls: dict[str, deque[datetime]] = {}

    @contextmanager
    def slot(self, person: Person) -> Iterator[int]:
        """Let one call of a mailbox pass; yields how many are in flight.

        Raises:
            GraphError: it is one too many.
        """
        switches = self.model.switches
        with self.model.lock:
            now = self.busy.get(person.email, 0)
            recent = self._recent(person)
            if switches["concurrency"] and now >= int(switches["concurrency"]):
                raise self._refusal("Application is over its MailboxConcurrency limit.")
            if switches["calls_per_ten_minutes"] and recent > int(switches["calls_per_ten_minutes"]):
                raise self._refusal("Application is over its RequestCount limit.")
            self.busy[person.email] = now + 1
        try:
            yield now + 1
        finally:
            with self.model.lock:
                self.busy[person.email] -= 1

    def _recent(self, person: Person) -> int:
        calls, now = self._calls.setdefault(person.email, deque()), self.model.clock.now()
        calls.append(now)
        while calls and calls[0] <= now - SPAN:
            calls.popleft()
        return len(calls)

    def _refusal(self, message: str) -> GraphError:
        wait = str(self.model.switches["retry_after"])
        headers = {"Retry-After": wait} if wait else {}
        return GraphError(
            int(self.model.switches["throttled_status"]), "ApplicationThrottled", message, headers=headers
        )

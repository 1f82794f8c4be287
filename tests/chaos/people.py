"""Persons at both providers and an application at the API, all editing at once; and what must come of it.

Each event is renamed and deleted by whoever made it, and the location of some is set by somebody else at
another place, so that what must be seen at the end is known for certain. A call whose answer was lost is
made again until it has one, as people and good clients do.
"""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol, TypeVar

import requests

from hub.plugin.codec import to_json
from hub.plugin.control import SandboxControl
from hub.plugin.testing import timed
from hub.plugin.types import EventContent, Location
from tests.chaos.plant import ANN, PROVIDERS, Plant

HUB = "hub"
PLACES = (*PROVIDERS, HUB)
PAUSE = (0.15, 0.6)
LONGEST_ANSWER = 8.0
PATIENCE = 90.0
T = TypeVar("T")
Seen = Counter[tuple[str, str]]
"""Title and location of what a place shows, with how often."""


class LostError(AssertionError):
    """Somebody was not answered for so long that the hub must be said to have lost them."""


@dataclass
class Wish:
    """What one event must look like at the end."""

    key: str
    home: str
    title: str
    location: str = ""
    mate: str | None = None
    """Where its location is set."""
    deleted: bool = False
    id: str = ""
    """Its id at home."""
    edits: int = 1


class Book:
    """All wishes."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.wishes: dict[str, Wish] = {}

    def new(self, home: str, rng: random.Random) -> Wish:
        with self.lock:
            key = f"E{len(self.wishes):04}"
            mate = rng.choice([p for p in PLACES if p != home]) if rng.random() < 0.4 else None
            wish = self.wishes[key] = Wish(key, home, f"{key} 1", mate=mate)
            return wish

    def of(self, home: str) -> list[Wish]:
        with self.lock:
            return [w for w in self.wishes.values() if w.home == home and not w.deleted and w.id]

    def shared_with(self, mate: str) -> list[Wish]:
        with self.lock:
            return [w for w in self.wishes.values() if w.mate == mate and not w.deleted and w.id]

    def expected(self) -> Seen:
        with self.lock:
            return Counter((w.title, w.location) for w in self.wishes.values() if not w.deleted)


def content(title: str) -> EventContent:
    number = int(title[1:5])
    day = datetime.now(UTC).replace(hour=8, minute=0, second=0, microsecond=0, tzinfo=None)
    return timed(title, day + timedelta(days=2 + number % 60, minutes=30 * (number % 16)), minutes=30)


def insist(call: Callable[[], T]) -> T:
    """Make a call until it is answered.

    Raises:
        LostError: it was not, for longer than anybody would wait.
    """
    until = time.monotonic() + PATIENCE
    while True:
        try:
            return call()
        except requests.HTTPError as error:
            if error.response.status_code not in (409, 429, 502, 503, 504):
                raise
            last: Exception = error
        except requests.RequestException as error:
            last = error
        if time.monotonic() > until:
            raise LostError(f"no answer for {PATIENCE:g} seconds: {last}")
        time.sleep(0.2)


class Place(Protocol):
    """One of the three places where events are seen and edited."""

    def seen(self) -> dict[str, tuple[str, str]]:
        """Return title and location by id."""

    def create(self, wish: Wish) -> str:
        """Make an event of the wish's title, once; return its id."""

    def rename(self, event_id: str, title: str) -> None: ...

    def move(self, event_id: str, location: str) -> None: ...

    def delete(self, event_id: str) -> None:
        """Delete an event; one that is gone already is no error."""


class ProviderPlace(Place):
    """A person at a provider, played over its sandbox's control API."""

    def __init__(self, control: SandboxControl, calendar: str) -> None:
        self.control = control
        self.calendar = calendar

    def seen(self) -> dict[str, tuple[str, str]]:
        events = insist(lambda: self.control.events(ANN, self.calendar))
        return {i: (c.title, c.location.name if c.location else "") for i, c in events.items()}

    def create(self, wish: Wish) -> str:
        def make() -> str:
            # The answer to the first try may have been lost.
            known = [i for i, (title, _) in self.seen().items() if title == wish.title]
            return known[0] if known else self.control.create(ANN, self.calendar, content(wish.title))

        return insist(make)

    def rename(self, event_id: str, title: str) -> None:
        insist(lambda: self.control.update(ANN, self.calendar, event_id, title=title))

    def move(self, event_id: str, location: str) -> None:
        insist(lambda: self.control.update(ANN, self.calendar, event_id, location=Location(location)))

    def delete(self, event_id: str) -> None:
        try:
            insist(lambda: self.control.delete(ANN, self.calendar, event_id))
        except requests.HTTPError as error:
            if error.response.status_code != 404:
                raise


class HubPlace(Place):
    """An application that uses the REST API."""

    def __init__(self, plant: Plant, calendar_id: str) -> None:
        self.url = f"{plant.stage.url}/v1/events"
        self.calendar_id = calendar_id
        self.session = plant.stage._session

    def _call(self, method: str, path: str = "", body: Any = None, **more: Any) -> Any:
        def call() -> Any:
            answer = self.session.request(
                method, f"{self.url}{path}", json=body, timeout=LONGEST_ANSWER, **more
            )
            answer.raise_for_status()
            return answer.json() if answer.content else None

        return insist(call)

    def seen(self) -> dict[str, tuple[str, str]]:
        found: dict[str, tuple[str, str]] = {}
        cursor: dict[str, str] = {}
        while True:
            query = {"calendar_id": self.calendar_id, "limit": "200"} | cursor
            page = self._call("GET", params=query)
            for event in page["items"]:
                found[event["id"]] = (event["title"], (event["location"] or {}).get("name", ""))
            if not page["next_cursor"]:
                return found
            cursor = {"cursor": page["next_cursor"]}

    def create(self, wish: Wish) -> str:
        when = content(wish.title).when
        body = {
            "calendar_id": self.calendar_id,
            "title": wish.title,
            "start": {"date_time": to_json(when.start), "time_zone": when.start_zone},
            "end": {"date_time": to_json(when.end), "time_zone": when.end_zone},
        }
        headers = {"Idempotency-Key": f"{self.calendar_id} {wish.key}"}
        return self._call("POST", body=body, headers=headers)["id"]  # type: ignore[no-any-return]

    def rename(self, event_id: str, title: str) -> None:
        self._call("PATCH", f"/{event_id}", {"title": title})

    def move(self, event_id: str, location: str) -> None:
        self._call("PATCH", f"/{event_id}", {"location": {"name": location}})

    def delete(self, event_id: str) -> None:
        try:
            self._call("DELETE", f"/{event_id}")
        except requests.HTTPError as error:
            if error.response.status_code not in (404, 410):
                raise


class Actor(threading.Thread):
    """Somebody who edits at one place until told to stop."""

    def __init__(self, name: str, place: Place, book: Book, seed: str) -> None:
        super().__init__(name=f"actor-{name}", daemon=True)
        self.home, self.place, self.book = name, place, book
        self.rng = random.Random(f"{seed} {name}")
        self.enough = threading.Event()
        self.error: BaseException | None = None
        self.done = 0

    def run(self) -> None:
        try:
            while not self.enough.wait(self.rng.uniform(*PAUSE)):
                self.act()
                self.done += 1
        except BaseException as error:
            self.error = error

    def act(self) -> None:
        own, shared = self.book.of(self.home), self.book.shared_with(self.home)
        choice = self.rng.random()
        if shared and choice < 0.25:
            self.set_location(self.rng.choice(shared))
        elif own and choice < 0.55:
            self.rename(self.rng.choice(own))
        elif own and choice < 0.7:
            self.delete(self.rng.choice(own))
        else:
            wish = self.book.new(self.home, self.rng)
            wish.id = self.place.create(wish)

    def rename(self, wish: Wish) -> None:
        wish.edits += 1
        wish.title = f"{wish.key} {wish.edits}"
        self.place.rename(wish.id, wish.title)

    def delete(self, wish: Wish) -> None:
        if wish.mate is None:
            wish.deleted = True
            self.place.delete(wish.id)

    def set_location(self, wish: Wish) -> None:
        there = [i for i, (title, _) in self.place.seen().items() if title.startswith(wish.key)]
        if len(there) == 1:
            wish.location = f"Room {self.rng.randrange(1000)}"
            self.place.move(there[0], wish.location)

"""One story: all edit, faults strike; at the end nothing is lost, nothing doubled, and all is quiet."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import requests
from sqlalchemy import func, select

from demo.stage import wait_until
from hub.models import Change, Conflict, Event, EventCopy
from tests.chaos.people import HUB, Actor, Book, HubPlace, Place, ProviderPlace, Seen
from tests.chaos.plant import ANN, PROVIDERS, Plant

SETTLE_WITHIN = 90.0
QUIET = 6.0
"""Longer than the longest poll interval: whoever would write without a reason has had the occasion."""


class Story:
    """A calendar of Ann's at each provider, linked through the hub, and three actors."""

    def __init__(self, plant: Plant, seed: str) -> None:
        self.plant, self.seed = plant, seed
        self.rng = random.Random(f"{seed} faults")
        self.book = Book()
        self.calendar_id = ""
        self.link_ids: list[str] = []
        self.places: dict[str, Place] = {}
        self._link()

    # --- setting up ---

    def _link(self) -> None:
        stage = self.plant.stage
        body = {"user_id": stage.me()["id"], "name": self.seed, "zone": "Europe/Berlin"}
        self.calendar_id = stage.api("POST", "/calendars", body)["id"]
        for provider in PROVIDERS:
            control = stage.sandboxes[provider]
            person = next(p for p in control.people() if p["email"] == ANN)
            remote_id = next(c["remote_id"] for c in person["calendars"] if c["primary"])
            self.places[provider] = ProviderPlace(control, remote_id)
            for event_id in control.events(ANN, remote_id):
                control.delete(ANN, remote_id, event_id)
            remote = stage.remote_calendar(self._account(provider))
            body = {"calendar_id": self.calendar_id, "remote_calendar_id": remote["id"]}
            self.link_ids.append(stage.api("POST", "/links", body)["id"])
        self.places[HUB] = HubPlace(self.plant, self.calendar_id)
        wait_until(lambda: self.states() == ["in_sync"] * 2, "the links to be in sync", SETTLE_WITHIN)

    def _account(self, provider: str) -> dict[str, Any]:
        found = self.plant.stage.api("GET", "/accounts", user_id=self.plant.stage.me()["id"])["items"]
        known = [a for a in found if a["provider"] == provider and a["state"] == "connected"]
        return known[0] if known else self.plant.stage.connect(provider, ANN)

    def close(self) -> None:
        for link_id in self.link_ids:
            self.plant.stage.api("DELETE", f"/links/{link_id}")

    # --- the story itself ---

    @contextmanager
    def editing(self) -> Iterator[list[Actor]]:
        """Let all actors edit while the block runs; whoever was never answered fails it."""
        actors = [Actor(name, place, self.book, self.seed) for name, place in self.places.items()]
        for actor in actors:
            actor.start()
        try:
            yield actors
        finally:
            for actor in actors:
                actor.enough.set()
            for actor in actors:
                actor.join(120)
        for actor in actors:
            assert not actor.is_alive(), f"{actor.name} still waits for an answer"
            if actor.error is not None:
                raise actor.error
            assert actor.done, f"{actor.name} could do nothing"

    def together(self, *plays: Callable[[], None]) -> None:
        """Play faults at once."""
        threads = [threading.Thread(target=play) for play in plays]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    # --- what must be true at the end ---

    def states(self) -> list[str]:
        try:
            return [self.plant.stage.api("GET", f"/links/{i}")["health"]["state"] for i in self.link_ids]
        except requests.RequestException:
            return []

    def seen(self) -> dict[str, Seen]:
        return {name: Counter(place.seen().values()) for name, place in self.places.items()}

    def assert_nothing_lost(self) -> None:
        """All three places show what was wished, once; the hub says so, and then writes no more."""
        expected = self.book.expected()
        until = time.monotonic() + SETTLE_WITHIN
        while any(seen != expected for seen in self.seen().values()) or self.states() != ["in_sync"] * 2:
            if time.monotonic() > until:
                raise AssertionError(self._explain(expected))
            time.sleep(0.5)
        self._assert_quiet()
        assert all(seen == expected for seen in self.seen().values()), self._explain(expected)
        # A poll may be under way just now.
        wait_until(lambda: self.states() == ["in_sync"] * 2, "the links to be in sync again", 20)
        with self.plant.ports.db.reading() as session:
            parked = session.scalar(
                select(func.count()).where(
                    EventCopy.link_id.in_(self.link_ids), EventCopy.parked_at.is_not(None)
                )
            )
        assert parked == 0

    def _assert_quiet(self) -> None:
        boxes = self.plant.stage.sandboxes
        for box in boxes.values():
            box.clear_ledger()
        time.sleep(QUIET)
        for name, box in boxes.items():
            assert box.writes() == [], f"{name} was written to although nobody edited"
            assert box.mails() == []

    def _explain(self, expected: Seen) -> str:
        """Tell who shows what wrongly, and what the hub has noted about those events."""
        lines = [f"seed {self.seed}: the places do not agree"]
        wrong: set[str] = set()
        for name, seen in self.seen().items():
            lines.append(f"{name} lacks {dict(expected - seen)}, has too much: {dict(seen - expected)}")
            wrong |= {title.split()[0] for title, _ in [*(expected - seen), *(seen - expected)]}
        for key in sorted(wrong):
            lines.append(f"{key} {self.book.wishes[key]}")
            with self.plant.ports.db.reading() as session:
                found = select(Event).where(
                    Event.calendar_id == self.calendar_id, Event.title.startswith(key)
                )
                for event in session.scalars(found):
                    lines.append(f"  {event.id} version {event.version} deleted {event.deleted_at}")
                    for table in (Change, Conflict, EventCopy):
                        rows = session.scalars(select(table).where(table.event_id == event.id)).all()
                        lines += [f"    {_told(row)}" for row in rows]
        for link_id in self.link_ids:
            lines.append(str(self.plant.stage.api("GET", f"/links/{link_id}")["health"]))
        return "\n".join(lines)


def _told(row: Any) -> str:
    values = {column.name: getattr(row, column.name) for column in row.__table__.columns}
    hidden = ("base", "synced", "web_link", "uid", "tenant_id")
    return (
        f"{type(row).__name__} { ({k: v for k, v in values.items() if v is not None and k not in hidden}) }"
    )

"""`make demo`: a person connects two accounts, links a calendar of each, and edits in three places.

Then a series is made, edited and split, and whole days cross time zones (`demo.series`).

Each step prints how long it took until the other two places showed it. The demo fails if something does
not arrive, arrives twice, or if a provider saw one write or mail too many.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from demo.series import SeriesPlay
from demo.stage import Stage, StageError, running_hub, wait_until
from hub.plugin.types import EventContent, When

PROVIDERS = ("google", "outlook")
PERSON = "ann@example.test"
ZONE = "Europe/Berlin"
QUIET = 2.0
"""Seconds without an edit, after which the providers must have seen no further write."""


@dataclass(frozen=True)
class Place:
    """One of the three places where an event can be edited and seen."""

    name: str
    titles: Callable[[], list[str]]
    create: Callable[[EventContent], str]
    rename: Callable[[str, str], None]
    delete: Callable[[str], None]


class Demo:
    """The play, on a running hub."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.worst = 0.0
        self.remote: dict[str, str] = {}
        self.calendar_id = ""

    def play(self) -> None:
        self._connect_and_link()
        places = [*(self._provider_place(name) for name in PROVIDERS), self._hub_place()]
        for box in self.stage.sandboxes.values():
            box.clear_ledger()
        start = (datetime.now(UTC) + timedelta(days=7)).replace(
            hour=9, minute=0, second=0, microsecond=0, tzinfo=None
        )
        for n, place in enumerate(places):
            begin = start + timedelta(hours=2 * n)
            content = EventContent(
                title=f"Made in {place.name}", when=When(begin, begin + timedelta(hours=1), ZONE, ZONE)
            )
            self._edit_everywhere(place, [p for p in places if p is not place], content)
        self._check_quiet()
        series = SeriesPlay(self.stage, self.calendar_id, self.remote)
        series.play()
        self.worst = max(self.worst, series.worst)

    def _connect_and_link(self) -> None:
        stage = self.stage
        calendar = stage.api(
            "POST", "/calendars", {"user_id": stage.me()["id"], "name": "Demo", "zone": ZONE}
        )
        self.calendar_id = calendar["id"]
        links = []
        for provider in PROVIDERS:
            account = stage.connect(provider, PERSON)
            print(f"connected {account['email']} at {provider}")
            remote = stage.remote_calendar(account)
            self.remote[provider] = self._remote_id(provider, remote["name"])
            body = {"calendar_id": self.calendar_id, "remote_calendar_id": remote["id"]}
            links.append(stage.api("POST", "/links", body)["id"])
            print(f"linked {remote['name']!r}")
        for link_id in links:
            wait_until(lambda link_id=link_id: self._is_live(link_id), f"link {link_id} to be in sync")

    def _remote_id(self, provider: str, name: str) -> str:
        people = self.stage.sandboxes[provider].people()
        person = next(p for p in people if p["email"] == PERSON)
        return next(c["remote_id"] for c in person["calendars"] if c["name"] == name)  # type: ignore[no-any-return]

    def _is_live(self, link_id: str) -> bool:
        health = self.stage.api("GET", f"/links/{link_id}")["health"]
        return health["state"] == "in_sync" and health["delivery"] == "push"

    def _provider_place(self, provider: str) -> Place:
        box, calendar = self.stage.sandboxes[provider], self.remote[provider]
        return Place(
            provider,
            lambda: [content.title for content in box.events(PERSON, calendar).values()],
            lambda content: box.create(PERSON, calendar, content),
            lambda event_id, title: box.update(PERSON, calendar, event_id, title=title),
            lambda event_id: box.delete(PERSON, calendar, event_id),
        )

    def _hub_place(self) -> Place:
        api = self.stage.api

        def events() -> list[dict[str, Any]]:
            now = datetime.now(UTC)
            bounds = {"start": now.isoformat(), "end": (now + timedelta(days=60)).isoformat()}
            found = api("GET", "/events", calendar_id=self.calendar_id, **bounds)
            return found["items"]  # type: ignore[no-any-return]

        def create(content: EventContent) -> str:
            body = {
                "calendar_id": self.calendar_id,
                "title": content.title,
                "start": {"date_time": content.when.start.isoformat(), "time_zone": ZONE},
                "end": {"date_time": content.when.end.isoformat(), "time_zone": ZONE},
            }
            return api("POST", "/events", body)["id"]  # type: ignore[no-any-return]

        return Place(
            "the hub",
            lambda: [event["title"] for event in events()],
            create,
            lambda event_id, title: api("PATCH", f"/events/{event_id}", {"title": title}),
            lambda event_id: api("DELETE", f"/events/{event_id}"),
        )

    def _edit_everywhere(self, place: Place, others: list[Place], content: EventContent) -> None:
        title, renamed = content.title, f"{content.title}, renamed"
        event_id = place.create(content)
        self._watch(f"created in {place.name}", others, lambda p: p.titles().count(title) == 1)
        place.rename(event_id, renamed)
        self._watch(f"renamed in {place.name}", others, lambda p: p.titles().count(renamed) == 1)
        place.delete(event_id)
        self._watch(f"deleted in {place.name}", others, lambda p: renamed not in p.titles())
        left_over = [p.name for p in [place, *others] if any(title in t for t in p.titles())]
        if left_over:
            raise StageError(f"the deleted event is still shown in {', '.join(left_over)}")

    def _watch(self, step: str, others: list[Place], arrived: Callable[[Place], bool]) -> None:
        start = time.monotonic()
        missing = list(others)
        times: dict[str, float] = {}

        def look() -> bool:
            for place in list(missing):
                if arrived(place):
                    times[place.name] = time.monotonic() - start
                    missing.remove(place)
            return not missing

        wait_until(look, f"what was {step} to arrive in {' and '.join(p.name for p in others)}")
        self.worst = max(self.worst, *times.values())
        seen = ", ".join(f"{name} after {seconds * 1000:.0f} ms" for name, seconds in times.items())
        print(f"{step}: seen in {seen}")

    def _check_quiet(self) -> None:
        """Each provider must have seen three writes for each of the two other places, and no mail."""
        wanted = 3 * (len(PROVIDERS) - 1) + 3
        time.sleep(QUIET)
        for name, box in self.stage.sandboxes.items():
            writes, mails = len(box.writes()), len(box.mails())
            print(f"{name} saw {writes} writes ({wanted} wanted) and {mails} mails (0 wanted)")
            if (writes, mails) != (wanted, 0):
                for call in box.writes():
                    print(f"  {call['method']} {call['path']} {call['status']}")
                raise StageError(f"{name} saw too many or too few writes or mails")


def main() -> int:
    try:
        with running_hub(PROVIDERS) as stage:
            demo = Demo(stage)
            demo.play()
    except StageError as error:
        print(f"The demo failed: {error}", file=sys.stderr)
        return 1
    print(f"Everything arrived, once. The slowest step took {demo.worst * 1000:.0f} ms.")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""The second part of the demo: a series that is edited in all three places, and all-day events across zones.

What is compared is when everything takes place and what it is called, day by day, in each place.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

from demo.stage import Stage, StageError, wait_until
from hub.domain.recurrence import as_it_takes_place, occurrences
from hub.plugin.types import EventContent, SeriesException, When

PERSON = "ann@example.test"
ZONE = "Europe/Berlin"
QUIET = 2.0
Agenda = list[tuple[str, str]]
"""When something begins (an instant, or a date) and what it is called, in order."""


class SeriesPlay:
    """Plays on two linked calendars that hold nothing yet.

    Args:
        remote: the ids of the linked calendars, by provider.
    """

    def __init__(self, stage: Stage, calendar_id: str, remote: dict[str, str]) -> None:
        self.stage = stage
        self.calendar_id = calendar_id
        self.remote = remote
        self.worst = 0.0
        self.monday = _next_monday()
        """Nine o'clock of the day on which the series begins."""

    def play(self) -> None:
        for box in self.stage.sandboxes.values():
            box.clear_ledger()
        self._series()
        self._all_day()
        self._check_quiet()

    # --- a series ---

    def _series(self) -> None:
        moved, off = self.monday + timedelta(days=1), self.monday + timedelta(days=2)
        exceptions = (
            SeriesException(moved, start=moved.replace(hour=14), end=moved.replace(hour=14, minute=30)),
            SeriesException(off, cancelled=True),
        )
        end, rule = self.monday + timedelta(minutes=30), ("RRULE:FREQ=DAILY;COUNT=6",)
        when = When(self.monday, end, ZONE, ZONE, rule, exceptions)
        content = EventContent(when, title="Stand-up")
        remote_id = self._box("outlook").create(PERSON, self.remote["outlook"], content)
        wanted = _agenda([content])
        assert len(wanted) == 5, "six days, of which one is called off"
        self._watch("a series made in outlook, one day moved and one called off", wanted)

        there = self._box("google").events(PERSON, self.remote["google"])
        (google_id,) = there
        renamed = replace(there[google_id], title="Daily stand-up")
        self._box("google").update(PERSON, self.remote["google"], google_id, title=renamed.title)
        wanted = _agenda([replace(content, title=renamed.title)])
        self._watch("the series renamed in google", wanted)
        if remote_id not in self._box("outlook").events(PERSON, self.remote["outlook"]):
            raise StageError("the series was made anew in outlook instead of being changed")

        cut = self.monday + timedelta(days=4)
        (event,) = self._hub_events()
        start, end = cut.replace(hour=16), cut.replace(hour=16, minute=30)
        body = {
            "title": "Late stand-up",
            "start": {"date_time": start.isoformat(), "time_zone": ZONE},
            "end": {"date_time": end.isoformat(), "time_zone": ZONE},
        }
        path = f"/events/{event['id']}/occurrences/{cut.isoformat()}"
        self.stage.api("PATCH", path, body, scope="this_and_following")
        earlier = [line for line in wanted if line[0] < _instant(cut)]
        wanted = earlier + [(_instant(at), "Late stand-up") for at in (start, start + timedelta(days=1))]
        self._watch("the series split in the hub, the rest later in the day", wanted)

    # --- all-day events ---

    def _all_day(self) -> None:
        series = self._agenda_at("google")
        first = self.monday.date() + timedelta(days=14)
        far = "Pacific Standard Time"
        raw = {
            "subject": "Fair",
            "isAllDay": True,
            "start": {"dateTime": f"{first}T00:00:00", "timeZone": far},
            "end": {"dateTime": f"{first + timedelta(days=2)}T00:00:00", "timeZone": far},
        }
        self._box("outlook").create_raw(PERSON, self.remote["outlook"], raw)
        wanted = sorted([*series, (first.isoformat(), "Fair")])
        self._watch(f"two whole days made in outlook in {far}", wanted)
        body = {
            "calendar_id": self.calendar_id,
            "title": "Holiday",
            "start": {"date": (first + timedelta(days=3)).isoformat()},
            "end": {"date": (first + timedelta(days=4)).isoformat()},
        }
        self.stage.api("POST", "/events", body)
        wanted = sorted([*wanted, (body["start"]["date"], "Holiday")])  # type: ignore[index]
        self._watch("a whole day made in the hub", wanted)
        box, calendar = self._box("google"), self.remote["google"]
        fair = next(i for i, content in box.events(PERSON, calendar).items() if content.title == "Fair")
        later = first + timedelta(days=1)
        box.update(PERSON, calendar, fair, when=When(later, later + timedelta(days=2)))
        wanted = sorted([line for line in wanted if line[1] != "Fair"] + [(later.isoformat(), "Fair")])
        self._watch("the two days moved in google by one", wanted)

    # --- looking ---

    def _box(self, provider: str) -> Any:
        return self.stage.sandboxes[provider]

    def _agenda_at(self, provider: str) -> Agenda:
        return _agenda(self._box(provider).events(PERSON, self.remote[provider]).values())

    def _hub_events(self, **more: str) -> list[dict[str, Any]]:
        start = self.monday.replace(tzinfo=UTC) - timedelta(days=2)
        bounds = {"start": start.isoformat(), "end": (start + timedelta(days=60)).isoformat()}
        return self.stage.api("GET", "/events", calendar_id=self.calendar_id, **bounds, **more)["items"]  # type: ignore[no-any-return]

    def _agenda_at_hub(self) -> Agenda:
        found = []
        for event in self._hub_events(expand="true"):
            start = event["occurrence"]["start"]
            begins = (
                start["date"] if "date" in start else _instant(datetime.fromisoformat(start["date_time"]))
            )
            found.append((begins, event["title"]))
        return sorted(found)

    def _watch(self, step: str, wanted: Agenda) -> None:
        """Wait until each place shows the same agenda, and tell how long that took."""
        looks: dict[str, Callable[[], Agenda]] = {"the hub": self._agenda_at_hub}
        looks |= {name: lambda name=name: self._agenda_at(name) for name in self.remote}  # type: ignore[misc]
        begun, times = time.monotonic(), {}

        def look() -> bool:
            for name in [n for n in looks if n not in times]:
                if looks[name]() == wanted:
                    times[name] = time.monotonic() - begun
            return len(times) == len(looks)

        try:
            wait_until(look, f"{step} to be the same in each place")
        except StageError as error:
            shown = {name: read() for name, read in looks.items() if name not in times}
            raise StageError(f"{error}: wanted {wanted}, but found {shown}") from None
        self.worst = max(self.worst, *times.values())
        print(f"{step}: " + ", ".join(f"{name} after {s * 1000:.0f} ms" for name, s in times.items()))

    def _check_quiet(self) -> None:
        """Nothing is written any more, and nobody was mailed."""
        time.sleep(QUIET)
        before = {name: len(box.writes()) for name, box in self.stage.sandboxes.items()}
        time.sleep(QUIET)
        for name, box in self.stage.sandboxes.items():
            if len(box.writes()) != before[name] or box.mails():
                raise StageError(f"{name} is still written to, or has mailed somebody")
            print(f"{name} saw {before[name]} writes for series and whole days, and is quiet since")


def _next_monday() -> datetime:
    today = datetime.now(UTC).date() + timedelta(days=7)
    monday = today + timedelta(days=-today.weekday() % 7)
    return datetime(monday.year, monday.month, monday.day, 9)


def _agenda(contents: Any) -> Agenda:
    now = datetime.now(UTC)
    found = []
    for content in contents:
        for o in occurrences(content.when, now, now + timedelta(days=60), ZONE):
            begins = o.start.isoformat() if not isinstance(o.start, datetime) else o.starts_at.isoformat()
            found.append((begins, as_it_takes_place(content, o).title))
    return sorted(found)


def _instant(wall: date | datetime) -> str:
    content = EventContent(When(wall, wall, ZONE, ZONE))
    (only,) = occurrences(
        content.when, datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC), ZONE
    )
    return only.starts_at.isoformat()

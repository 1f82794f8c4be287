"""Histories: what people and applications do, step by step, drawn from a seed and shrinkable by leaving out.

A step names no event: it takes the n-th of those that are there when it is played, so that it still
means something when earlier steps are left out.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from random import Random

from hub.plugin.types import EventContent, Location, SeriesException, When

ZONE = "Europe/Berlin"
FIRST = datetime(2026, 12, 7, 6)

KINDS = {
    "create": 5, "create_series": 3, "create_all_day": 1, "title": 4, "description": 2, "location": 2,
    "categories": 1, "move": 3, "cancel_day": 2, "change_day": 2, "rule": 1, "delete": 3, "two_fields": 1,
    "to_all_day": 1,
}  # fmt: skip
"""What a person does with an event, and how often."""
MOVES = {"create": 4, "create_series": 1, "title": 3, "location": 1, "other_calendar": 5, "delete": 1}
"""What people do between two calendars of one account that are linked to different ones of the hub."""
FITTING = KINDS | {"create_all_day": 3, "to_all_day": 5, "to_timed": 5}
"""What they do where all-day events are not copied."""
SELDOM = ("relist", "clear", "revoke", "pause")
"""What concerns a whole calendar, account or link."""


@dataclass(frozen=True)
class Step:
    """One thing that someone does.

    Attributes:
        at: seconds from the beginning.
        place: `hub`, or the name of a link (`left`, `right` …).
        kind: one of `KINDS`, or an act on a whole account or link.
        pick: which of the events there, counted around.
        n: a number of its own, from which its values are made.
    """

    at: float
    place: str
    kind: str
    pick: int = 0
    n: int = 0

    def __str__(self) -> str:
        return f"{self.at:8.2f} {self.place:8} {self.kind} pick={self.pick} n={self.n}"


def draw(
    rng: Random, places: list[str], *, acts: dict[str, int], length: int, span: float, seldom: bool = True
) -> list[Step]:
    """Return a history of about `length` steps within `span` seconds, in bursts as people work."""
    kinds, weights = list(acts), list(acts.values())
    steps: list[Step] = []
    at = 0.0
    for n in range(1, length + 1):
        at += rng.choice((0.0, 0.01, 0.3, 1.0, 4.0, span / length * 2)) * rng.random() * 2
        kind = "create" if n == 1 else rng.choices(kinds, weights)[0]
        if seldom and n > 1 and rng.random() < 0.06:
            kind = rng.choice(SELDOM)
        place = rng.choice(places if kind not in SELDOM else [p for p in places if p != "hub"])
        steps.append(Step(round(at, 3), place, kind, rng.randrange(8), n))
    return steps


def spread(steps: list[Step], apart: float) -> list[Step]:
    """Return the steps one after the other, so far apart that each is known everywhere before the next."""
    return [dataclasses.replace(step, at=round(apart * place, 3)) for place, step in enumerate(steps)]


def new_content(step: Step) -> EventContent:
    """Return the event that a create step makes: all its values are its own."""
    start = FIRST + timedelta(days=step.n % 5, minutes=step.n)
    if step.kind == "create_all_day":
        first = date(2026, 12, 7) + timedelta(days=step.n)
        when = When(first, first + timedelta(days=1))
    elif step.kind == "create_series":
        day = ("MO", "TU", "WE", "TH", "FR")[step.n % 5]
        weekly = f"RRULE:FREQ=WEEKLY;BYDAY={day}"
        rule = ("RRULE:FREQ=DAILY;COUNT=6", f"{weekly};COUNT=5", weekly)[step.n % 3]
        when = When(start, start + timedelta(minutes=30), ZONE, ZONE, (rule,))
    else:
        when = When(start, start + timedelta(minutes=30), ZONE, ZONE)
    return EventContent(
        when=when,
        title=f"T{step.n}",
        description=f"{step.n} D{step.n}",
        location=Location(f"L{step.n}"),
        categories=(f"C{step.n}",),
    )


def edited(step: Step, content: EventContent) -> EventContent | None:
    """Return what a step makes of an event; None if it does not fit it."""
    when, n = content.when, step.n
    if step.kind == "title":
        return dataclasses.replace(content, title=f"T{n}")
    if step.kind == "description":
        mark = content.description.partition(" ")[0]
        return dataclasses.replace(content, description=f"{mark} D{n}")
    if step.kind == "location":
        return dataclasses.replace(content, location=Location(f"L{n}"))
    if step.kind == "categories":
        return dataclasses.replace(content, categories=(f"C{n}",))
    if step.kind == "two_fields":
        return dataclasses.replace(content, title=f"T{n}", location=Location(f"L{n}"))
    changed = _other_time(step, when)
    return dataclasses.replace(content, when=changed) if changed and changed != when else None


def _other_time(step: Step, when: When) -> When | None:
    if step.kind == "move":
        if when.all_day:
            first = date(2026, 12, 7) + timedelta(days=200 + step.n)
            return dataclasses.replace(when, start=first, end=first + timedelta(days=1))
        assert isinstance(when.start, datetime)
        day = when.start.date() if when.is_series else (FIRST + timedelta(days=step.n % 5)).date()
        start = datetime.combine(day, time(16)) + timedelta(minutes=step.n)
        return dataclasses.replace(when, start=start, end=start + timedelta(minutes=20), exceptions=())
    if step.kind == "to_all_day" and not when.is_series and not when.all_day:
        first = date(2026, 12, 7) + timedelta(days=100 + step.n)
        return When(first, first + timedelta(days=1))
    if step.kind == "to_timed" and when.all_day:
        start = FIRST + timedelta(days=step.n % 5, minutes=step.n)
        return When(start, start + timedelta(minutes=25), ZONE, ZONE)
    if not when.is_series or when.all_day:
        return None
    assert isinstance(when.start, datetime)
    if step.kind == "rule":
        rule = f"RRULE:FREQ=DAILY;COUNT={5 + step.n}"
        return dataclasses.replace(when, recurrence=(rule,), exceptions=())
    step_days = 7 if "WEEKLY" in when.recurrence[0] else 1
    original = when.start + timedelta(days=step_days * (1 + step.pick % 4))
    if step.kind == "cancel_day":
        exception = SeriesException(original, cancelled=True)
    elif step.kind == "change_day":
        start = datetime.combine(original.date(), time(20)) + timedelta(minutes=step.n)
        exception = SeriesException(
            original, start=start, end=start + timedelta(minutes=15), title=f"X{step.n}"
        )
    else:
        return None
    others = [e for e in when.exceptions if e.original_start != original]
    return dataclasses.replace(
        when, exceptions=tuple(sorted((*others, exception), key=lambda e: str(e.original_start)))
    )

"""Short stories that are played once with each single fault at each boundary they pass."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

from tests.simulate.faults import MENU, Place
from tests.simulate.history import Step
from tests.simulate.simulation import Outcome, Plan, play
from tests.simulate.worlds import TOPOLOGIES

HOUR, DAY = 3600.0, 86400.0


def _story(
    topology: str,
    *steps: tuple[float, str, str],
    started: float = 0.0,
    page_size: int = 50,
    policy: str = "newest",
) -> Plan:
    told = tuple(Step(at, place, kind, 0, n) for n, (at, place, kind) in enumerate(steps, 1))
    links = len(TOPOLOGIES[topology].places)
    return Plan(0, topology, told, 0.0, {}, started, (policy,) * links, page_size, (0.0,) * links)


LEFT, RIGHT, TEAM, HUB = "left.Main", "right.Main", "left.Team", "hub"
STORIES: dict[str, Plan] = {
    "a person creates": _story("pair", (0, LEFT, "create")),
    "an application creates": _story("pair", (0, HUB, "create")),
    "a person edits": _story("pair", (0, LEFT, "create"), (3, LEFT, "title")),
    "an application edits": _story("pair", (0, LEFT, "create"), (3, HUB, "location")),
    "a person edits a copy": _story("pair", (0, LEFT, "create"), (3, RIGHT, "description")),
    "a person deletes": _story("pair", (0, HUB, "create"), (3, LEFT, "delete")),
    "an application deletes": _story("pair", (0, LEFT, "create"), (3, HUB, "delete")),
    "a person moves": _story("pair", (0, RIGHT, "create"), (3, RIGHT, "move")),
    "a series is made": _story("pair", (0, LEFT, "create_series")),
    "a day is cancelled": _story("pair", (0, LEFT, "create_series"), (3, RIGHT, "cancel_day")),
    "a day is changed": _story("pair", (0, HUB, "create_series"), (3, LEFT, "change_day")),
    "a rule is changed": _story("pair", (0, LEFT, "create_series"), (3, HUB, "rule")),
    "a day becomes all-day": _story("pair", (0, LEFT, "create"), (3, RIGHT, "to_all_day")),
    "both edit other fields": _story(
        "pair", (0, LEFT, "create"), (3, LEFT, "title"), (3.05, RIGHT, "location")
    ),
    "both edit one field": _story("pair", (0, LEFT, "create"), (3, LEFT, "title"), (3.05, RIGHT, "title")),
    "an edit meets a deletion": _story(
        "pair", (0, LEFT, "create"), (3, LEFT, "delete"), (3.05, HUB, "title")
    ),
    "a deletion meets an edit": _story(
        "pair", (0, LEFT, "create"), (3, HUB, "delete"), (3.05, LEFT, "title")
    ),
    "two delete at once": _story("pair", (0, LEFT, "create"), (3, LEFT, "delete"), (3.05, RIGHT, "delete")),
    "a quick second edit": _story("pair", (0, LEFT, "create"), (3, HUB, "title"), (3.1, HUB, "title")),
    "three calendars": _story("star", (0, LEFT, "create"), (3, "third.Main", "title")),
    "two calendars of one account": _story("two_of_one", (0, TEAM, "create"), (3, LEFT, "title")),
    "a provider that holds less": _story("lossy", (0, LEFT, "create"), (3, RIGHT, "title")),
    "only out": _story("export", (0, LEFT, "create"), (3, HUB, "title")),
    "only in": _story("import", (0, LEFT, "create"), (3, LEFT, "title")),
    "a sign-in runs out": _story("pair", (0, LEFT, "create"), started=HOUR),
    "channels are renewed": _story("single", (0, LEFT, "create"), started=5 * DAY),
    "several pages": _story(
        "pair", (0, LEFT, "create"), (0, LEFT, "create"), (0, LEFT, "create"), page_size=1
    ),
    "a calendar is cleared": _story(
        "pair", *((0.0, LEFT, "create") for _ in range(5)), (12, LEFT, "clear"), page_size=2
    ),
    "the hub's value stands": _story(
        "pair", (0, LEFT, "create"), (3, LEFT, "title"), (3.05, RIGHT, "title"), policy="hub"
    ),
    "the provider's value stands": _story(
        "pair", (0, LEFT, "create"), (3, HUB, "title"), (3.05, RIGHT, "title"), policy="provider"
    ),
    "a person edits again and again": _story(
        "pair", (0, LEFT, "create"), *((3 + n * 0.17, LEFT, "title") for n in range(5))
    ),
    "an application edits what it has just made": _story("pair", (0, HUB, "create"), (0.15, HUB, "title")),
    "an application deletes what it has just made": _story("pair", (0, HUB, "create"), (0.1, HUB, "delete")),
    "a person edits what was just made": _story("pair", (0, HUB, "create"), (0.6, LEFT, "title")),
    "a deletion before everything is read anew": _story(
        "pair", (0, LEFT, "create"), (3, LEFT, "delete"), (3, LEFT, "relist")
    ),
    "made while everything is read anew": _story(
        "pair", (0, LEFT, "create"), (2, LEFT, "title"), (4, LEFT, "relist"), (4.05, HUB, "create")
    ),
    "a changed day is cancelled": _story(
        "pair", (0, LEFT, "create_series"), (3, LEFT, "change_day"), (6, RIGHT, "cancel_day")
    ),
    "an application cancels a day": _story("pair", (0, LEFT, "create_series"), (3, HUB, "cancel_day")),
    "a series with a cancelled day moves": _story(
        "pair", (0, LEFT, "create_series"), (3, LEFT, "cancel_day"), (6, RIGHT, "move")
    ),
    "a sign-in of two calendars runs out": _story("two_of_one", (0, HUB, "create"), started=HOUR),
    "a consent is withdrawn": _story("pair", (0, LEFT, "create"), (3, LEFT, "revoke"), (5, LEFT, "title")),
    "an application edits during a listing": _story(
        "pair", (0, LEFT, "create"), (3, LEFT, "title"), (3.1, HUB, "location")
    ),
    "a link is told to rest during a listing": _story(
        "pair", *((0.0, LEFT, "create") for _ in range(8)), (0.4, LEFT, "pause"), page_size=1
    ),
    "a deletion comes before the edit is written": _story(
        "pair", (0, LEFT, "create"), (3, HUB, "title"), (3.01, LEFT, "delete")
    ),
    "an edit comes before the deletion is written": _story(
        "pair", (0, LEFT, "create"), (3, HUB, "delete"), (3.01, LEFT, "title")
    ),
    "an edit comes before another is written": _story(
        "pair", (0, LEFT, "create"), (3, HUB, "title"), (3.01, RIGHT, "title")
    ),
    "an edit while another waits": _story(
        "pair", (0, LEFT, "create"), (3, HUB, "title"), (3.5, RIGHT, "title")
    ),
    "an application edits and deletes": _story(
        "pair", (0, LEFT, "create"), (3, HUB, "title"), (3.6, HUB, "delete")
    ),
    "an application makes one after the other": _story("two_of_one", (0, HUB, "create"), (3, HUB, "create")),
    "a person edits during a listing": _story(
        "pair", (0, LEFT, "create"), (3, LEFT, "title"), (3.2, LEFT, "title")
    ),
    "a link rests": _story("pair", (0, LEFT, "create"), (3, LEFT, "pause"), (7, LEFT, "title")),
    "only in, and made elsewhere": _story("import", (0, RIGHT, "create"), (3, RIGHT, "title")),
    "after a long rest": _story("pair", (9, LEFT, "create"), (12, RIGHT, "title"), started=8 * DAY),
    "only when it is busy": _story(
        "busy", (0, LEFT, "create_series"), (3, LEFT, "change_day"), (6, HUB, "title")
    ),
    "an event that is not copied any more": _story(
        "filtered", (0, LEFT, "create"), (3, RIGHT, "title"), (6, LEFT, "to_all_day")
    ),
    "an event that is copied again": _story(
        "filtered", (0, HUB, "create_all_day"), (3, LEFT, "to_timed"), (6, RIGHT, "to_all_day")
    ),
    "an event that is copied to where others were made": _story(
        "filtered", (0, RIGHT, "create_all_day"), (3, HUB, "title"), (6, LEFT, "location")
    ),
    "a deletion of what is about to be taken away": _story(
        "filtered", (0, LEFT, "create"), (3, HUB, "to_all_day"), (3.01, RIGHT, "delete")
    ),
    "an event is moved": _story("two_hubs", (0, LEFT, "create"), (9, LEFT, "other_calendar")),
    "two move one event at once": _story(
        "two_hubs", (0, LEFT, "create"), (9, LEFT, "other_calendar"), (9, RIGHT, "other_calendar")
    ),
    "an event is edited here and moved there": _story(
        "two_hubs", (0, LEFT, "create"), (9, RIGHT, "title"), (9, LEFT, "other_calendar")
    ),
    "an event is moved there and edited here": _story(
        "two_hubs", (0, LEFT, "create"), (9, LEFT, "other_calendar"), (9.2, RIGHT, "title")
    ),
    "an event is moved and deleted": _story(
        "two_hubs", (0, LEFT, "create"), (9, RIGHT, "other_calendar"), (9, HUB, "delete")
    ),
    "everything is read anew": _story("pair", (0, LEFT, "create"), (3, LEFT, "title"), (3, LEFT, "relist")),
}


TRIED_BY_ALL = (
    "a person creates", "an application creates", "a person edits", "a person edits a copy",
    "a person deletes", "an application deletes", "a series is made", "a day is cancelled",
    "a day is changed", "a day becomes all-day", "both edit one field", "two delete at once",
    "an edit meets a deletion",
    "a provider that holds less", "only out", "only in, and made elsewhere", "a sign-in runs out",
    "channels are renewed", "several pages", "an application edits what it has just made",
    "a deletion before everything is read anew", "two move one event at once",
    "an event is edited here and moved there",
)  # fmt: skip
"""The stories that are played with every single fault."""


def single_faults(story: Plan, part: int = 0, parts: int = 1) -> Iterator[tuple[Place, str, Outcome]]:
    """Play a story with each kind of fault at each boundary that it passes without one.

    Args:
        part: which of so many `parts` of these plays.
    """
    places = [(b, number) for b, count in play(story).passed.items() for number in range(count)]
    faults = [(place, kind) for place in places for kind in MENU[place[0]]]
    for place, kind in faults[part::parts]:
        yield place, kind, play(dataclasses.replace(story, faults={place: kind}))

"""Short stories that are played once with each single fault at each boundary they pass."""

from __future__ import annotations

from tests.simulate.faults import Place
from tests.simulate.history import Step
from tests.simulate.simulation import Plan

HOUR, DAY = 3600.0, 86400.0


def _story(
    topology: str, *steps: tuple[float, str, str], started: float = 0.0, page_size: int = 50, pick: int = 0
) -> Plan:
    told = tuple(Step(at, place, kind, pick, n) for n, (at, place, kind) in enumerate(steps, 1))
    links = {"pair": 2, "lossy": 2, "export": 2, "import": 2, "single": 1}.get(topology, 3)
    return Plan(0, topology, told, 0.0, {}, started, ("newest",) * links, page_size, (0.0,) * links)


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
    "everything is read anew": _story("pair", (0, LEFT, "create"), (3, LEFT, "title"), (3, LEFT, "relist")),
}


def places_of(passed: dict[str, int]) -> list[Place]:
    """Return every place that a story passed."""
    return [(boundary, n) for boundary, count in passed.items() for n in range(count)]

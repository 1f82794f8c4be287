"""Makes a failing history smaller: leaves out faults and steps while the same property still breaks."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import TypeVar

from tests.simulate.simulation import Outcome, Plan, play

Item = TypeVar("Item")


def shrink(outcome: Outcome) -> Plan:
    """Return the smallest plan found that breaks the same property as `outcome` did."""
    broken = outcome.caught
    plan = dataclasses.replace(outcome.plan, faults=dict(outcome.played))

    def fails(candidate: Plan) -> bool:
        return play(candidate).caught == broken

    if not fails(plan):
        return outcome.plan
    for simpler in (
        {"skews": tuple(0.0 for _ in plan.skews)},
        {"policies": tuple("newest" for _ in plan.policies)},
        {"page_size": 50},
        {"started": 0.0},
    ):
        candidate = dataclasses.replace(plan, **simpler)  # type: ignore[arg-type]
        plan = candidate if fails(candidate) else plan
    places = list(dict(plan.faults or {}).items())
    kept = _least(places, lambda some: fails(dataclasses.replace(plan, faults=dict(some))))
    plan = dataclasses.replace(plan, faults=dict(kept))
    steps = _least(list(plan.steps), lambda some: fails(dataclasses.replace(plan, steps=tuple(some))))
    return dataclasses.replace(plan, steps=tuple(steps))


def _least(items: Sequence[Item], fails: Callable[[Sequence[Item]], bool]) -> Sequence[Item]:
    """Leave out ever smaller parts while it still fails (delta debugging)."""
    size = max(1, len(items) // 2)
    while items and size:
        place = 0
        while place < len(items):
            fewer = [*items[:place], *items[place + size :]]
            if fails(fewer):
                items = fewer
            else:
                place += size
        size //= 2
    return items

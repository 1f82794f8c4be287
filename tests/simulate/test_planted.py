"""Each planted bug is found, within a minute, by the property that it breaks."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from tests.simulate.planted import Bug, outbound, planted
from tests.simulate.simulation import Outcome, Plan, plan_of, play
from tests.simulate.stories import STORIES

BUGS = [*outbound.BUGS]
WITHIN = 60.0


def plans(bug: Bug) -> Iterator[Plan]:
    """Return the plans that are tried: known seeds first."""
    yield from map(plan_of, bug.seeds)
    yield from STORIES.values()
    yield from (plan_of(seed) for seed in range(100_000))


def find(bug: Bug) -> Outcome | None:
    """Return the first outcome that shows the bug; None if a minute did not suffice."""
    end = time.monotonic() + WITHIN
    with planted(bug):
        for plan in plans(bug):
            outcome = play(plan)
            if outcome.violations:
                return outcome
            if time.monotonic() > end:
                return None
    return None


@pytest.mark.timeout(180)
@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)
def test_a_planted_bug_is_found(bug: Bug) -> None:
    outcome = find(bug)
    assert outcome is not None, "not found within a minute"
    assert outcome.caught in bug.properties, outcome.violations


def test_there_are_fifty_and_each_is_named_once() -> None:
    assert len({bug.name for bug in BUGS}) == len(BUGS) >= 50

"""Every single fault, at every boundary that a story passes: all of them end well, with no operator."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.simulate.faults import MENU
from tests.simulate.simulation import play
from tests.simulate.stories import STORIES, TRIED_BY_ALL, single_faults

PARTS = 3
"""So many tests share the plays of one story, so that no process of the suite has the last one for long."""


@pytest.mark.parametrize("name", STORIES)
def test_a_story_ends_well_without_a_fault(name: str) -> None:
    assert play(STORIES[name]).violations == []


@pytest.mark.timeout(600)
@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("name", TRIED_BY_ALL)
def test_a_story_survives_each_single_fault(name: str, part: int) -> None:
    broken = [
        f"{kind} at passing {number} of {boundary}: {outcome.violations[0]}"
        for (boundary, number), kind, outcome in single_faults(STORIES[name], part, PARTS)
        if outcome.violations
    ]
    assert broken == []


ONLY_AFTER_FAULTS = {"subscribe", "unsubscribe"}
"""What a short story without a fault does not come to; the seeds do."""


def test_the_stories_pass_every_boundary() -> None:
    passed: Counter[str] = Counter()
    for name in TRIED_BY_ALL:
        passed.update(play(STORIES[name]).passed)
    assert {boundary for boundary in MENU if not passed[boundary]} == ONLY_AFTER_FAULTS

"""Every single fault, at every boundary that a story passes: all of them end well, with no operator."""

from __future__ import annotations

import dataclasses
from collections import Counter

import pytest

from tests.simulate.faults import MENU
from tests.simulate.simulation import play
from tests.simulate.stories import STORIES, places_of


@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", STORIES)
def test_a_story_survives_each_single_fault(name: str) -> None:
    story = STORIES[name]
    calm = play(story)
    assert calm.violations == []
    found = []
    for place in places_of(calm.passed):
        for kind in MENU[place[0]]:
            outcome = play(dataclasses.replace(story, faults={place: kind}))
            if outcome.violations:
                found.append(f"{kind} at passing {place[1]} of {place[0]}: {outcome.violations[0]}")
    assert found == []


def test_the_stories_pass_every_boundary() -> None:
    passed: Counter[str] = Counter()
    for story in STORIES.values():
        passed.update(play(story).passed)
    assert [boundary for boundary in MENU if not passed[boundary]] == []

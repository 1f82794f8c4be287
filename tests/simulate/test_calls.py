"""What one isolated change costs at the providers (C8): a listing, a write, a look at its echo."""

from __future__ import annotations

import dataclasses

import pytest

from tests.simulate.history import Step
from tests.simulate.simulation import play
from tests.simulate.stories import LEFT, STORIES

MOST = 3
START = STORIES["a person creates"]


@pytest.mark.parametrize("kind", ["title", "two_fields", "move", "to_all_day", "delete"])
def test_an_isolated_change_on_a_pair_costs_at_most_three_calls(kind: str) -> None:
    changed = dataclasses.replace(START, steps=(*START.steps, Step(10.0, LEFT, kind, 0, 2)))
    before, after = play(START), play(changed)
    assert before.violations == after.violations == []
    assert 0 < after.calls - before.calls <= MOST


def test_a_change_of_a_day_of_a_series_costs_as_much() -> None:
    series = STORIES["a series is made"]
    changed = dataclasses.replace(series, steps=(*series.steps, Step(10.0, LEFT, "cancel_day", 0, 2)))
    before, after = play(series), play(changed)
    assert before.violations == after.violations == []
    assert 0 < after.calls - before.calls <= MOST

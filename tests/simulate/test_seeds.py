"""Thousands of histories, each with its own faults: all of them end as the oracle demands."""

from __future__ import annotations

import pytest

from tests.simulate.simulation import plan_of, play

SEEDS = 5000
"""What a run of all tests has time for; `make simulate` plays as many as one likes."""
CHUNK = 125


@pytest.mark.timeout(600)
@pytest.mark.parametrize("first", range(0, SEEDS, CHUNK))
def test_no_seed_breaks_a_property(first: int) -> None:
    broken = {}
    for seed in range(first, first + CHUNK):
        violations = play(plan_of(seed)).violations
        if violations:
            broken[seed] = violations[0]
    assert broken == {}, "tell the story of one with: make replay SEED=…"

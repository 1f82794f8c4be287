"""Rounds of random faults while everybody edits: every fault of the menu comes up, at random points.

The last two of a round strike at once.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable

import pytest

from tests.chaos.conftest import rounds, seed
from tests.chaos.faults import MENU, describe
from tests.chaos.story import Story


def deal() -> list[list[str]]:
    """Return the faults of each round: the menu is shuffled and dealt out, again and again."""
    rng = random.Random(seed())
    hands: list[list[str]] = [[] for _ in range(rounds())]
    needed = max(3 * rounds(), len(MENU))
    cards: list[str] = []
    while len(cards) < needed:
        cards += rng.sample(sorted(MENU), len(MENU))
    for place, card in enumerate(cards[:needed]):
        hands[place % len(hands)].append(card)
    return hands


@pytest.mark.timeout(400)
@pytest.mark.parametrize("number", range(rounds()))
def test_round(number: int, begin: Callable[[str], Story]) -> None:
    hand = deal()[number]
    print(f"round {number}: {describe(hand)}", flush=True)
    story = begin(f"round-{number}")
    *first, one, other = hand
    with story.editing():
        for name in first:
            time.sleep(story.rng.uniform(0.5, 2.5))
            MENU[name](story.plant, story.rng)
        time.sleep(story.rng.uniform(0.5, 2.5))
        story.together(*(lambda name=name: MENU[name](story.plant, story.rng) for name in (one, other)))
        time.sleep(1)
    story.assert_nothing_lost()

"""One set of processes for all stories, since starting it takes seconds; each story links calendars anew."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator

import pytest

pytest.register_assert_rewrite("tests.chaos.story", "tests.chaos.faults")

from tests.chaos.plant import QUICK, Plant, running  # noqa: E402
from tests.chaos.story import Story  # noqa: E402


def seed() -> str:
    """Return the seed of this run: SEED, or a new one."""
    if not os.environ.get("SEED"):
        os.environ["SEED"] = str(random.SystemRandom().randrange(1_000_000))
    return os.environ["SEED"]


def rounds() -> int:
    return int(os.environ.get("ROUNDS") or 8)


def pytest_report_header() -> str:
    return f"chaos: make chaos SEED={seed()} ROUNDS={rounds()}"


@pytest.fixture(scope="session")
def plant(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plant]:
    with running(tmp_path_factory.mktemp("plant") / "home", HUB_GUARD_LEAST="10000", **QUICK) as made:
        yield made


@pytest.fixture
def begin(plant: Plant) -> Iterator[Callable[[str], Story]]:
    """Begin a story by its name; it ends with the test."""
    begun: list[Story] = []

    def make(name: str) -> Story:
        story = Story(plant, f"{seed()}-{name}")
        begun.append(story)
        return story

    yield make
    for story in begun:
        story.close()

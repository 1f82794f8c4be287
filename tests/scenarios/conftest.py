"""Worlds for the scenarios: both real plugins over their sandboxes, or two providers in memory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.register_assert_rewrite("tests.provider_world")

from tests.provider_world import ProviderWorld, provider_world  # noqa: E402
from tests.scenarios.play import mute  # noqa: E402
from tests.world import World  # noqa: E402


@pytest.fixture
def unlinked(tmp_path: Path, sqlite_url: str) -> Iterator[ProviderWorld]:
    """Both sandboxes with nobody connected yet; they notify nobody."""
    with provider_world(sqlite_url, tmp_path) as made:
        mute(made)
        yield made


@pytest.fixture
def world(unlinked: ProviderWorld) -> ProviderWorld:
    """Ann's calendars at Google and Outlook, linked through the hub; nobody notifies."""
    unlinked.link_both()
    return unlinked


@pytest.fixture
def memory(tmp_path: Path, database_url: str) -> World:
    """A hub between two providers in memory, on each kind of database."""
    return World(database_url, tmp_path)

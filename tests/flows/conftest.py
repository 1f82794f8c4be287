"""The world of both real providers, for the tests that want it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.register_assert_rewrite("tests.provider_world")

from tests.provider_world import ProviderWorld, provider_world  # noqa: E402


@pytest.fixture
def unlinked(tmp_path: Path, sqlite_url: str) -> Iterator[ProviderWorld]:
    """Both sandboxes, with nobody connected yet; the hub keeps SQLite."""
    with provider_world(sqlite_url, tmp_path) as made:
        yield made


@pytest.fixture
def world(unlinked: ProviderWorld) -> ProviderWorld:
    """Both sandboxes, linked through the hub."""
    unlinked.link_both()
    return unlinked

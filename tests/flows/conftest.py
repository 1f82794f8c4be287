"""The world of both real providers, for the tests that want it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.register_assert_rewrite("tests.provider_world")

from tests.provider_world import ProviderWorld, provider_world  # noqa: E402


@pytest.fixture
def world(tmp_path: Path, sqlite_url: str) -> Iterator[ProviderWorld]:
    """Both sandboxes, linked through the hub; the hub keeps SQLite."""
    with provider_world(sqlite_url, tmp_path) as made:
        made.link_both()
        yield made

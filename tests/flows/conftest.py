"""The world of both real providers, and the page over a linked pair, for the tests that want them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from flask.testing import FlaskClient

pytest.register_assert_rewrite("tests.provider_world")

from tests.provider_world import ProviderWorld, provider_world  # noqa: E402
from tests.unit.api.hub_app import HubApp  # noqa: E402


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


@pytest.fixture
def hub(sqlite_url: str, tmp_path: Path) -> HubApp:
    """The hub's app over two linked calendars, for people who sign in."""
    hub = HubApp(sqlite_url, tmp_path, page_access="signed")
    hub.world.linked_pair()
    return hub


@pytest.fixture
def ann(hub: HubApp) -> FlaskClient:
    """The browser of a person who has signed in."""
    return hub.signed_in()

"""A bad plugin costs only itself: what cannot be loaded is a status with its reason."""

from __future__ import annotations

from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from hub.plugin import hookimpl
from hub.plugin.types import ProviderInfo
from hub.providers.manager import Providers, UnknownProviderError, load_providers
from hub.settings import Settings
from tests.memory_provider import MemoryPlugin


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings.load({"HUB_HOME": str(tmp_path)})


class Incomplete:
    @hookimpl
    def provider(self) -> ProviderInfo:
        return ProviderInfo("incomplete", "Incomplete", ("events",))


class Mistyped(MemoryPlugin):
    @hookimpl
    def fetch_chnages(self) -> None:
        """A hook that nobody specified."""


def test_a_plugin_that_cannot_be_imported_is_told_and_the_others_load(settings: Settings) -> None:
    points = [
        EntryPoint("broken", "no_such_module", "hub.providers"),
        EntryPoint("memory", "tests.memory_provider:MemoryPlugin.__call__", "hub.providers"),
    ]
    providers = load_providers(settings, points[:1])
    providers.add("memory", "tests", MemoryPlugin(), settings)
    assert [(s.name, s.state) for s in providers.statuses] == [("broken", "failed"), ("memory", "loaded")]
    assert "no_such_module" in (providers.statuses[0].reason or "")
    with pytest.raises(UnknownProviderError, match="no_such_module"):
        providers.get("broken")


@pytest.mark.parametrize(
    ("plugin", "reason"),
    [
        (Incomplete(), "does not implement"),
        (Mistyped(), "fetch_chnages"),
        (MemoryPlugin("Bad Name"), "name"),
    ],
    ids=["hooks missing", "hook mistyped", "bad name"],
)
def test_a_plugin_that_breaks_the_specification_is_refused(
    settings: Settings, plugin: object, reason: str
) -> None:
    providers = Providers()
    providers.add("bad", "tests", plugin, settings)
    assert providers.infos() == ()
    assert reason in (providers.statuses[0].reason or "")


def test_two_plugins_cannot_answer_for_one_provider(settings: Settings) -> None:
    providers = Providers()
    providers.add("memory", "first", MemoryPlugin(), settings)
    providers.add("memory", "second", MemoryPlugin(), settings)
    assert [(s.distribution, s.state) for s in providers.statuses] == [
        ("first", "loaded"),
        ("second", "failed"),
    ]


def test_the_hub_works_with_no_plugin_at_all(settings: Settings) -> None:
    providers = load_providers(settings, [])
    assert providers.infos() == ()
    with pytest.raises(UnknownProviderError, match="nothing"):
        providers.get("nothing")

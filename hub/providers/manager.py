"""Finds provider plugins by entry point, one by one, so that a bad one costs only itself.

Each plugin gets a pluggy manager of its own: a hook can never reach another provider's plugin.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import Any

import pluggy

from hub.log import get_logger
from hub.plugin import PROJECT, spec
from hub.plugin.types import ProviderInfo
from hub.settings import Settings, SettingsError

log = get_logger()

HOOKS = tuple(name for name in vars(spec) if hasattr(getattr(spec, name), f"{PROJECT}_spec"))
_NAME = re.compile(r"[a-z][a-z0-9_]*")


class UnknownProviderError(Exception):
    """No plugin of that name is loaded; `reason` says why, if one is installed."""

    def __init__(self, name: str, reason: str | None = None) -> None:
        super().__init__(reason or f"no provider is called {name!r}")
        self.name = name
        self.reason = reason


@dataclass(frozen=True, slots=True)
class ProviderStatus:
    """What became of one entry point."""

    name: str
    distribution: str
    state: str
    """`loaded` or `failed`."""
    reason: str | None = None
    info: ProviderInfo | None = None


@dataclass(frozen=True, slots=True)
class LoadedProvider:
    """A plugin that answers hooks."""

    info: ProviderInfo
    hooks: Any
    settings: dict[str, str]


class Providers:
    """The loaded plugins, and a status for each that was found."""

    def __init__(self) -> None:
        self.statuses: list[ProviderStatus] = []
        self._loaded: dict[str, LoadedProvider] = {}

    def add(self, name: str, distribution: str, plugin: Any, settings: Settings) -> None:
        """Register a plugin object, or note why it cannot be used."""
        try:
            loaded = _register(name, plugin, settings)
            if loaded.info.name in self._loaded:
                raise ValueError(f"another plugin already answers for {loaded.info.name!r}")
        except Exception as error:
            self.note_failure(name, distribution, error)
            return
        self._loaded[loaded.info.name] = loaded
        self.statuses.append(ProviderStatus(loaded.info.name, distribution, "loaded", info=loaded.info))

    def note_failure(self, name: str, distribution: str, error: Exception) -> None:
        reason = "; ".join(error.faults) if isinstance(error, SettingsError) else str(error)
        reason = f"{type(error).__name__}: {reason}"
        self.statuses.append(ProviderStatus(name, distribution, "failed", reason))
        log.error("provider_not_loaded", provider=name, distribution=distribution, reason=reason)

    def get(self, name: str) -> LoadedProvider:
        """Raises UnknownProviderError."""
        if name not in self._loaded:
            failed = next((s.reason for s in self.statuses if s.name == name), None)
            raise UnknownProviderError(name, failed)
        return self._loaded[name]

    def infos(self) -> tuple[ProviderInfo, ...]:
        return tuple(self._loaded[name].info for name in sorted(self._loaded))


def load_providers(settings: Settings, found: Iterable[EntryPoint] | None = None) -> Providers:
    """Load every installed plugin. Never raises: what fails is a status.

    Args:
        settings: where the plugins' own settings are read from.
        found: the entry points to load; all of the group `hub.providers` if None.
    """
    providers = Providers()
    points = entry_points(group=PROJECT) if found is None else found
    for point in sorted(points, key=lambda p: p.name):
        distribution = point.dist.name if point.dist else "unknown"
        try:
            plugin = point.load()
        except Exception as error:
            providers.note_failure(point.name, distribution, error)
            continue
        providers.add(point.name, distribution, plugin, settings)
    return providers


def _register(name: str, plugin: Any, settings: Settings) -> LoadedProvider:
    manager = pluggy.PluginManager(PROJECT)
    manager.add_hookspecs(spec)
    manager.register(plugin, name)
    manager.check_pending()
    missing = [hook for hook in HOOKS if not getattr(manager.hook, hook).get_hookimpls()]
    if missing:
        raise ValueError(f"the plugin does not implement {', '.join(missing)}")
    info = manager.hook.provider()
    if not isinstance(info, ProviderInfo) or not _NAME.fullmatch(info.name):
        raise ValueError("provider() must return a ProviderInfo with a name of [a-z][a-z0-9_]*")
    return LoadedProvider(info, manager.hook, settings.provider_settings(info.name, info.settings))

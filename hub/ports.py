"""The ports: all that drivers may touch of the world, in one value that is handed to each of them.

The web app and the worker build it from the real parts, the simulator from its own.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol

from hub.clock import Clock
from hub.db import Database
from hub.ids import Ids
from hub.plugin.types import ProviderInfo
from hub.pulse import NoPulse, Pulse
from hub.settings import Settings
from hub.vault import Vault


class Gateway(Protocol):
    """Asks ONE provider a hook; see `hub.providers.gateway`."""

    def info(self, provider: str) -> ProviderInfo:
        """Raises `UnknownProviderError`."""

    def providers(self) -> tuple[ProviderInfo, ...]:
        """Return those that are loaded, in alphabetical order."""

    def settings(self, provider: str) -> dict[str, str]:
        """Return the plugin's own settings."""

    def plain(self, provider: str, hook: str, **arguments: Any) -> Any:
        """Call a hook that speaks for no account (authorization_url, exchange_code, receive, project)."""

    def call(self, account_id: str, hook: str, **arguments: Any) -> Any:
        """Call a hook for an account, with a fresh access token as `call`."""


class Queue(Protocol):
    """Carries hints to the workers. Losing one costs time, never a change."""

    def hint(self, task: str, *arguments: str) -> None:
        """Ask that a task of `hub.worker` runs soon. Never raises, never waits long."""


@dataclass(frozen=True)
class Ports:
    """What a driver is handed."""

    settings: Settings
    clock: Clock
    ids: Ids
    db: Database
    vault: Vault
    gateway: Gateway
    queue: Queue
    pulse: Pulse = field(default_factory=NoPulse)

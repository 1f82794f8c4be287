"""The hub's parts for work on the database alone: no plugin is imported, no broker is asked."""

from __future__ import annotations

from hub.ports import Ports
from hub.settings import Settings


class NoQueue:
    """Sends no hints: the sweep of the running workers finds what was left to do."""

    def hint(self, task: str, *arguments: str) -> None:
        """Do nothing."""


def ports_without_plugins(settings: Settings) -> Ports:
    """Return ports whose gateway knows no provider."""
    from hub.providers.manager import Providers
    from hub.wiring import build_ports

    return build_ports(settings, NoQueue(), Providers())

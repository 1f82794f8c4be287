"""Builds the ports from the real parts: what the web app, the worker and the console script stand on."""

from __future__ import annotations

import gc

from hub.clock import SystemClock
from hub.db import Database
from hub.ids import SystemIds
from hub.ports import Ports, Queue
from hub.providers.gateway import ProviderGateway
from hub.providers.manager import Providers, load_providers
from hub.pulse import ThreadPulse
from hub.settings import Settings
from hub.vault import Vault

BEATS = 4
"""Beats within the life of a lease: one that is late or fails does not cost it."""
OBJECTS = 50_000
"""How many new objects a search for garbage waits for: about as many as a long page makes, which all live
until it is stored."""


def build_ports(settings: Settings, queue: Queue, providers: Providers | None = None) -> Ports:
    """Return the ports of one process.

    Args:
        queue: where hints go.
        providers: the loaded plugins; all that are installed if None.
    """
    clock = SystemClock()
    ids = SystemIds(clock)
    db = Database(settings.database_url)
    vault = Vault({key.id: key.key for key in settings.secret_keys})
    loaded = providers or load_providers(settings)
    pulse = ThreadPulse(settings.lease_seconds / BEATS)
    gateway = ProviderGateway(loaded, settings, db, clock, ids, vault, pulse=pulse)
    return Ports(settings, clock, ids, db, vault, gateway, queue, pulse)


def settle_heap() -> None:
    """Leave out of searches for garbage what a process has at its start, and search seldom.

    For processes that apply pages: else they would look through the whole hub several times a page.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(OBJECTS)

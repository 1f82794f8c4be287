"""`hub restored`: after a backup was put back, every link adopts what its calendar holds."""

from __future__ import annotations

from hub.models import Link
from hub.outbound.linking import adopt_anew, locked
from hub.ports import Queue
from hub.settings import Settings
from hub.wiring import build_ports


class Nobody(Queue):
    """No worker runs yet: the first sweep finds the work."""

    def hint(self, task: str, *arguments: str) -> None:
        """Say nothing."""


def adopt_all(settings: Settings) -> int:
    """Have all links list their calendars as at the first time; return how many there are."""
    ports = build_ports(settings, Nobody())
    with ports.db.transaction() as session:
        links = locked(session, Link.deleted_at.is_(None))
        for link in links:
            adopt_anew(session, ports, link)
        return len(links)

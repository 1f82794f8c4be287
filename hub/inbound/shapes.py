"""How the providers of a calendar's links show an event: each may hold less of it than the others.

Two events that came from different providers are the same if one is what the other's provider could hold
of it.
"""

from __future__ import annotations

from functools import cached_property

from sqlalchemy import select
from sqlalchemy.orm import Session

from hub.models import Account, Link
from hub.plugin.types import EventContent
from hub.ports import Ports


class Shapes:
    """Projects events for one link, and for the other links of its calendar."""

    def __init__(self, session: Session, ports: Ports, link: Link, provider: str) -> None:
        self._session = session
        self._ports = ports
        self._link = link
        self.provider = provider

    def own(self, content: EventContent) -> EventContent:
        """Return an event as the link's own provider can show it."""
        return self._shape(self.provider, content)

    def all(self, content: EventContent) -> list[EventContent]:
        """Return an event as each provider of the calendar's links can show it, and as it is."""
        return [content, *(self._shape(provider, content) for provider in self._providers)]

    def _shape(self, provider: str, content: EventContent) -> EventContent:
        shown: EventContent = self._ports.gateway.plain(provider, "project", content=content).content
        return shown

    @cached_property
    def _providers(self) -> list[str]:
        query = (
            select(Account.provider)
            .distinct()
            .join(Link, Link.account_id == Account.id)
            .where(Link.calendar_id == self._link.calendar_id, Link.deleted_at.is_(None))
            .order_by(Account.provider)
        )
        return list(self._session.scalars(query))

"""The append-only change log, and conflicts whose losing value is kept whole."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from hub.db import Base


class ChangeKind(StrEnum):
    """What happened to an event."""

    CREATED = "created"
    UPDATED = "updated"
    DELETED = "deleted"
    RESTORED = "restored"


class Actor(StrEnum):
    """Who did it: an API key, a person at a provider, a person on the hub's page, or the hub itself."""

    API_KEY = "api_key"
    PROVIDER = "provider"
    PAGE = "page"
    HUB = "hub"


class Change(Base):
    """One line of a tenant's change log. `seq` has no gaps and follows the order of commits."""

    __tablename__ = "changes"
    __table_args__ = (Index("ix_changes_event", "event_id"), Index("ix_changes_run", "run_id", "event_id"))

    tenant_id: Mapped[str] = mapped_column(ForeignKey("tenants.id", ondelete="CASCADE"), primary_key=True)
    seq: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    kind: Mapped[str] = mapped_column(String(10))
    calendar_id: Mapped[str] = mapped_column(String(40))
    event_id: Mapped[str] = mapped_column(String(40))
    event_version: Mapped[int]
    fields: Mapped[dict[str, Any]]
    """`{field: {"before": …, "after": …}}` as `hub.plugin.codec` writes the values. Of a creation, a
    restoration and a deletion all that is not at its default, so that the log alone can bring the event back.
    `description_html` comes with `description`; `metadata` and `uid` are not merged with any provider."""
    actor: Mapped[str] = mapped_column(String(10))
    actor_id: Mapped[str | None] = mapped_column(String(40))
    """The key, the link or the user."""
    run_id: Mapped[str | None] = mapped_column(String(40))
    """The pull, request or undo that it belongs to."""
    at: Mapped[datetime]


class Conflict(Base):
    """Both sides changed the same field since the base (or one deleted what the other edited)."""

    __tablename__ = "conflicts"

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    tenant_id: Mapped[str] = mapped_column(ForeignKey("tenants.id", ondelete="CASCADE"), index=True)
    event_id: Mapped[str] = mapped_column(ForeignKey("events.id", ondelete="CASCADE"), index=True)
    link_id: Mapped[str] = mapped_column(ForeignKey("links.id", ondelete="CASCADE"), index=True)
    field: Mapped[str] = mapped_column(String(40))
    """The field of `EventContent`, or `deleted`."""
    kept: Mapped[str] = mapped_column(String(10))
    """`hub` or `provider`."""
    hub_value: Mapped[dict[str, Any]]
    """`{"value": …}`, of a description with its `html`; likewise `provider_value`."""
    provider_value: Mapped[dict[str, Any]]
    reason: Mapped[str] = mapped_column(Text)
    at: Mapped[datetime]
    event_version: Mapped[int] = mapped_column(default=0)
    """The event's version once this was decided, first by the rule and then by whoever resolved it."""
    resolution: Mapped[str | None] = mapped_column(String(10))
    """Whose value stands by a person's word, `hub` or `provider`; None: the conflict is open."""
    resolved_at: Mapped[datetime | None]
    resolved_by: Mapped[str | None] = mapped_column(String(10))
    """Who said so, as `Change.actor`; likewise `resolved_by_id` and `resolved_run_id`."""
    resolved_by_id: Mapped[str | None] = mapped_column(String(40))
    resolved_run_id: Mapped[str | None] = mapped_column(String(40))

    @property
    def stands(self) -> str:
        """Whose value stands now: `hub` or `provider`."""
        return self.resolution or self.kept

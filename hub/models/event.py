"""The hub's events: wall time and IANA zone are stored, instants are derived from them."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from sqlalchemy import ColumnElement, ForeignKey, Index, String, func, text
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm import Mapped, mapped_column

from hub.db import Base, WallTime
from hub.domain.plain import is_meeting
from hub.plugin.codec import from_json
from hub.plugin.types import When

_SPLIT = text("split_from IS NOT NULL")
_PART = text("part_of IS NOT NULL")
_DELETED = text("deleted_at IS NOT NULL")


class Event(Base):
    """A single event or a series, in the terms of RFC 5545."""

    __tablename__ = "events"
    __table_args__ = (
        Index("ix_events_window", "calendar_id", "starts_at", "ends_at"),
        Index("ix_events_uid", "calendar_id", "uid"),
        Index("ix_events_split_from", "split_from", sqlite_where=_SPLIT, postgresql_where=_SPLIT),
        Index("ix_events_part_of", "part_of", sqlite_where=_PART, postgresql_where=_PART),
        Index("ix_events_deleted_at", "deleted_at", sqlite_where=_DELETED, postgresql_where=_DELETED),
    )

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    tenant_id: Mapped[str] = mapped_column(ForeignKey("tenants.id", ondelete="CASCADE"))
    calendar_id: Mapped[str] = mapped_column(ForeignKey("calendars.id", ondelete="CASCADE"))
    uid: Mapped[str] = mapped_column(String(1024))
    """RFC 5545 UID."""
    split_from: Mapped[str | None] = mapped_column(String(40))
    """The series whose later occurrences these are since somebody changed *this and following*; only told,
    nothing follows from it. That event may be gone."""
    part_of: Mapped[str | None] = mapped_column(String(40))
    """Set: it stands for one occurrence of that series in a calendar that only one link has
    (`hub.outbound.singles`)."""
    original_start: Mapped[date | datetime | None] = mapped_column(WallTime)
    """Where the rule of that series puts the occurrence."""
    moved_to: Mapped[str | None] = mapped_column(String(40))
    """Set with `deleted_at`: the event that it goes on as in another calendar of the hub, since a person has
    moved it there. What is still said of this one is meant for that one (`hub.inbound.moves`)."""
    version: Mapped[int] = mapped_column(default=1)
    """Rises with every change, deletion included; the API's ETag, and what copies are measured by."""
    content: Mapped[dict[str, Any]]
    """What it means: all of `EventContent` that is not at its default, as `hub.plugin.codec` writes it. It is
    the same text as a copy's `base` where the two are in step."""
    extra: Mapped[dict[str, Any]]
    """The consumer's own key-value metadata; never sent to a provider."""
    starts_at: Mapped[datetime]
    """The first start, and below the last end, as instants, for windows; None: the series has no end."""
    ends_at: Mapped[datetime | None]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    deleted_at: Mapped[datetime | None]
    """Set: a tombstone, so that late news cannot revive the event."""

    @hybrid_property
    def title(self) -> str:
        """The title; in a query, too."""
        title: str = self.content.get("title", "")
        return title

    @title.inplace.expression
    @classmethod
    def _title(cls) -> ColumnElement[str]:
        return func.coalesce(cls.content["title"].as_string(), "")

    @property
    def when(self) -> When:
        return from_json(When, self.content["when"])

    @property
    def is_series(self) -> bool:
        return "recurrence" in self.content["when"]

    @property
    def is_meeting(self) -> bool:
        """Whether others have the event too, so that its invitation may come to several calendars."""
        return is_meeting(self.content)

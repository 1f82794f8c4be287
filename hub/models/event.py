"""The hub's events: wall time and IANA zone are stored, instants are derived from them."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from sqlalchemy import Boolean, ForeignKey, Index, String, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from hub.db import Base, WallTime
from hub.domain.plain import is_meeting

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
    version: Mapped[int] = mapped_column(default=1)
    """Rises with every change, deletion included; the API's ETag, and what copies are measured by."""
    title: Mapped[str] = mapped_column(Text, default="")
    description: Mapped[str] = mapped_column(Text, default="")
    description_html: Mapped[str | None] = mapped_column(Text)
    start: Mapped[date | datetime] = mapped_column(WallTime)
    end: Mapped[date | datetime] = mapped_column(WallTime)
    start_zone: Mapped[str | None] = mapped_column(String(64))
    end_zone: Mapped[str | None] = mapped_column(String(64))
    recurrence: Mapped[list[str]]
    """RFC 5545 lines RRULE and RDATE; empty for a single event."""
    has_exceptions: Mapped[bool] = mapped_column(Boolean, default=False)
    details: Mapped[dict[str, Any]]
    """The other fields of `EventContent` that are not at their default, as `hub.plugin.codec` writes them."""
    extra: Mapped[dict[str, Any]]
    """The consumer's own key-value metadata; never sent to a provider."""
    starts_at: Mapped[datetime]
    """The first start, and below the last end, as instants, for windows; None: the series has no end."""
    ends_at: Mapped[datetime | None]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    deleted_at: Mapped[datetime | None]
    """Set: a tombstone, so that late news cannot revive the event."""

    exceptions: Mapped[list[SeriesExceptionRow]] = relationship(
        cascade="all, delete-orphan", order_by="SeriesExceptionRow.original_start", lazy="raise"
    )

    @property
    def is_meeting(self) -> bool:
        """Whether others have the event too, so that its invitation may come to several calendars."""
        return is_meeting(self.details)


class SeriesExceptionRow(Base):
    """A changed or cancelled occurrence, keyed by series and original start."""

    __tablename__ = "series_exceptions"
    __table_args__ = (UniqueConstraint("event_id", "original_start"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    event_id: Mapped[str] = mapped_column(ForeignKey("events.id", ondelete="CASCADE"))
    original_start: Mapped[date | datetime] = mapped_column(WallTime)
    cancelled: Mapped[bool] = mapped_column(Boolean)
    content: Mapped[dict[str, Any]]
    """The whole SeriesException, as `hub.plugin.codec` writes it."""

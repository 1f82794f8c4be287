"""The hub's own calendars."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from hub.db import Base


class Calendar(Base):
    """The hub's own calendar; the events in it are the hub's own records."""

    __tablename__ = "calendars"

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    tenant_id: Mapped[str] = mapped_column(ForeignKey("tenants.id", ondelete="CASCADE"), index=True)
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    name: Mapped[str] = mapped_column(String(200))
    zone: Mapped[str] = mapped_column(String(64), default="UTC")
    """IANA zone for floating times and for people who look at it."""
    color: Mapped[str | None] = mapped_column(String(20))
    created_at: Mapped[datetime]
    deleted_at: Mapped[datetime | None]

"""Undos: what is to be taken back, and how far that has come."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from hub.db import Base


class UndoState(StrEnum):
    """A large undo is carried on in steps until it is done."""

    RUNNING = "running"
    DONE = "done"


class Undo(Base):
    """One undo: of a whole run, of one change, or of all changes of an event beyond a version."""

    __tablename__ = "undos"
    __table_args__ = (
        Index("ix_undos_of_run", "of_run"),
        Index(
            "ix_undos_running",
            "state",
            sqlite_where=text("state = 'running'"),
            postgresql_where=text("state = 'running'"),
        ),
    )

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    """The run that its own changes belong to, so that an undo can be undone."""
    tenant_id: Mapped[str] = mapped_column(ForeignKey("tenants.id", ondelete="CASCADE"), index=True)
    of_run: Mapped[str | None] = mapped_column(String(40))
    of_seq: Mapped[int | None] = mapped_column(BigInteger)
    of_event: Mapped[str | None] = mapped_column(String(40))
    to_version: Mapped[int | None]
    """With `of_event`: the version that it goes back to."""
    force: Mapped[bool] = mapped_column(default=False)
    """Take it back over what others have changed since."""
    actor: Mapped[str] = mapped_column(String(10))
    """Who asked for it, as `Change.actor`."""
    actor_id: Mapped[str | None] = mapped_column(String(40))
    state: Mapped[str] = mapped_column(String(10), default=UndoState.RUNNING)
    after_event: Mapped[str] = mapped_column(String(40), default="")
    """The events are taken in the order of their ids; up to this one it is done."""
    counts: Mapped[dict[str, Any]] = mapped_column(default=dict)
    """How many events were updated, deleted, restored, left as they are, kept in part, or out of reach."""
    created_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]

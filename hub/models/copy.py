"""An event in a link, and what a provider sent that could not be understood."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, String, Text, UniqueConstraint, false, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from hub.db import Base
from hub.models.event import Event

_OUTBOX = text("wanted_version > pushed_version AND parked_at IS NULL")
_MISSING = text("missing_at IS NOT NULL")
_NAMED = text("uid IS NOT NULL")


class EventCopy(Base):
    """One event in one link. The outbox is every copy whose wanted version is ahead of its pushed one.

    What is not known of a new copy is left to the database (`hub.domain.drafts.NEW_COPY` names the same):
    pages bring thousands of them, and to hand over each of their values takes as long as to store them.
    """

    __tablename__ = "event_copies"
    __table_args__ = (
        UniqueConstraint("link_id", "remote_id"),
        UniqueConstraint("event_id", "link_id"),
        Index("ix_event_copies_outbox", "link_id", "due_at", sqlite_where=_OUTBOX, postgresql_where=_OUTBOX),
        Index("ix_event_copies_uid", "link_id", "uid", sqlite_where=_NAMED, postgresql_where=_NAMED),
        # Each run asks for these, and mostly there are none.
        Index("ix_event_copies_missing", "link_id", sqlite_where=_MISSING, postgresql_where=_MISSING),
        Index(
            "ix_event_copies_doubted",
            "link_id",
            "remote_id",
            sqlite_where=text("doubted = 1"),
            postgresql_where=text("doubted"),
        ),
    )

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    event_id: Mapped[str] = mapped_column(ForeignKey("events.id", ondelete="CASCADE"))
    link_id: Mapped[str] = mapped_column(ForeignKey("links.id", ondelete="CASCADE"))
    remote_id: Mapped[str | None] = mapped_column(String(1024))
    """The provider's id, byte for byte; None until it has one."""
    remote_version: Mapped[str] = mapped_column(Text, server_default="")
    uid: Mapped[str | None] = mapped_column(String(1024))
    web_link: Mapped[str | None] = mapped_column(Text)
    is_ours: Mapped[bool] = mapped_column(server_default=false())
    """The hub has made it there; what people have made is never taken away for a link's options."""
    left_out: Mapped[bool] = mapped_column(server_default=false())
    """Set with `removed_at`: it is not there because, and as long as, the link copies no such events."""
    read_only: Mapped[str | None] = mapped_column(Text)
    """Why the hub must not write to it. Set with `removed_at`: a person has taken somebody else's meeting out
    of that calendar, and the event lives on in others: it stays away."""
    own_fields: Mapped[list[str]] = mapped_column(server_default="[]")
    """What it may write to it all the same."""
    notify_only: Mapped[str | None] = mapped_column(Text)
    """Why the hub must not write to it unless its guests are to be told."""
    partial_fields: Mapped[list[str]] = mapped_column(server_default="[]")
    """Of what the provider shows a part only: `base` keeps what it showed before."""
    notice: Mapped[str | None] = mapped_column(Text)
    """What of it could not be understood, in a sentence for people."""
    base: Mapped[dict[str, Any] | None]
    """The event as that provider last showed it to us (`hub.plugin.codec`)."""
    shown_at: Mapped[datetime | None]
    """When what `base` shows was last changed, by the provider's clock: older news is stale."""
    synced: Mapped[dict[str, Any]] = mapped_column(server_default="{}")
    """By field, the fingerprint of the hub's own value that `base` stands for, where it shows another: what
    the provider cannot hold. Elsewhere the two are in step where they are equal."""
    tried: Mapped[dict[str, Any]] = mapped_column(server_default="{}")
    """Field by field, the fingerprints of what writes with unknown outcome may have left at the provider:
    seen there, they are our own and no person's edit. `deleted`: a deletion of ours may have been done."""
    replaced: Mapped[dict[str, Any]] = mapped_column(server_default="{}")
    """Field by field, the fingerprint of what our last write replaced, until a listing has shown it: seen
    there again, it was not kept."""
    unkept: Mapped[int] = mapped_column(server_default="0")
    """How often the provider took a write and did not keep it."""
    doubted: Mapped[bool] = mapped_column(server_default=false())
    """The provider has a newer version than `remote_version`: read it before the next write."""
    notify_version: Mapped[int] = mapped_column(server_default="0")
    """Above 0: the event's version of which its guests are to be told from here; 0 once that is done."""
    reply: Mapped[dict[str, Any] | None]
    """What the owner has answered in the hub to the invitation that this is, until the provider has it:
    by occurrence ("" for all), `answer`, `comment` and `notify`."""
    wanted_version: Mapped[int] = mapped_column(server_default="0")
    pushed_version: Mapped[int] = mapped_column(server_default="0")
    create_id: Mapped[str | None] = mapped_column(String(64))
    """What a create is asked for with; kept until the provider's answer is stored."""
    uncertain: Mapped[bool] = mapped_column(server_default=false())
    """A create was sent and its answer is not known: read before anything else."""
    attempts: Mapped[int] = mapped_column(server_default="0")
    due_at: Mapped[datetime | None]
    """Not before this instant (back-off); None: now."""
    parked_at: Mapped[datetime | None]
    """Set: failed too often or was refused; waits for a change of the event, or for a person."""
    problem: Mapped[str | None] = mapped_column(Text)
    """Why the last try failed, in a sentence for people."""
    seen_generation: Mapped[int] = mapped_column(server_default="0")
    """The last full listing that showed it."""
    missing_at: Mapped[datetime | None]
    """Set: the provider holds it no more, and the deletion is not yet believed (`hub.inbound.guard`)."""
    removed_at: Mapped[datetime | None]
    """Set: it does not exist in that calendar any more; the row stays as a tombstone."""

    event: Mapped[Event] = relationship(lazy="raise")
    """Tells the unit of work to insert an event before its copies; always loaded by query."""


class ParkedChange(Base):
    """An item of a listing that could not be understood: shown, and forgotten when it can be."""

    __tablename__ = "parked_changes"

    link_id: Mapped[str] = mapped_column(ForeignKey("links.id", ondelete="CASCADE"), primary_key=True)
    remote_id: Mapped[str] = mapped_column(String(1024), primary_key=True)
    reason: Mapped[str] = mapped_column(Text)
    at: Mapped[datetime]

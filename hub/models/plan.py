"""A plan: what a new or changed link would do, worked out before anything is done."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from hub.db import Base


class PlanState(StrEnum):
    """The life of a plan. One that failed says why; a new one has to be made."""

    READING = "reading"
    READY = "ready"
    FAILED = "failed"
    APPLIED = "applied"


class LinkPlan(Base):
    """What would become of one calendar if some links of it were made or changed.

    It holds the whole intent, so that any worker can go on where another one died.
    """

    __tablename__ = "link_plans"

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    tenant_id: Mapped[str] = mapped_column(ForeignKey("tenants.id", ondelete="CASCADE"), index=True)
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    calendar_id: Mapped[str] = mapped_column(String(40), index=True)
    """The calendar; one that applying the plan makes if `calendar_name` is set."""
    calendar_name: Mapped[str | None] = mapped_column(String(200))
    calendar_zone: Mapped[str | None] = mapped_column(String(64))
    state: Mapped[str] = mapped_column(String(10), default=PlanState.READING, index=True)
    problem: Mapped[str | None] = mapped_column(Text)
    """Why it failed, or why the last try did, in a sentence for people."""
    problem_code: Mapped[str | None] = mapped_column(String(100))
    created_at: Mapped[datetime]
    """The instant that windows are reckoned from, here and when it is applied."""
    ready_at: Mapped[datetime | None]
    applied_at: Mapped[datetime | None]
    expires_at: Mapped[datetime] = mapped_column(index=True)

    seq: Mapped[int] = mapped_column(BigInteger, default=0)
    """The change log's number up to which the plan knows of the calendar's events."""
    inputs: Mapped[dict[str, Any]] = mapped_column(default=dict)
    """Digests of what the plan was worked out from: another one when it is applied makes it outdated."""
    summary: Mapped[dict[str, Any]] = mapped_column(default=dict)
    """How many actions of which kind, and which fields would be lost."""

    lease_until: Mapped[datetime | None]
    """Until when a worker reads; still set when that is over: it died."""
    fence: Mapped[int] = mapped_column(BigInteger, default=0)
    due_at: Mapped[datetime | None]
    failures: Mapped[int] = mapped_column(default=0)


class PlannedLink(Base):
    """One link of a plan: what it would be, and how far its remote calendar has been read."""

    __tablename__ = "planned_links"

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    """The plan's id, a full stop and the place: links are listed in this order."""
    plan_id: Mapped[str] = mapped_column(ForeignKey("link_plans.id", ondelete="CASCADE"), index=True)
    place: Mapped[int]
    remote_calendar_id: Mapped[str] = mapped_column(ForeignKey("remote_calendars.id", ondelete="CASCADE"))
    account_id: Mapped[str] = mapped_column(ForeignKey("accounts.id", ondelete="CASCADE"))
    link_id: Mapped[str | None] = mapped_column(String(40))
    """The link that is changed, or that came of applying the plan."""
    is_new: Mapped[bool]
    options: Mapped[dict[str, Any]]
    """What the link is made with, or what changes of it."""
    cursor: Mapped[str | None] = mapped_column(Text)
    """Where the complete listing ended."""
    page: Mapped[str | None] = mapped_column(Text)
    """Where a listing that is under way goes on."""
    pages: Mapped[int] = mapped_column(default=0)
    listed: Mapped[int] = mapped_column(default=0)
    """How many events the pages read so far show."""


class PlannedPage(Base):
    """One page of a remote calendar as it was read for a plan: the link's first listing, if applied."""

    __tablename__ = "planned_pages"

    planned_id: Mapped[str] = mapped_column(
        ForeignKey("planned_links.id", ondelete="CASCADE"), primary_key=True
    )
    number: Mapped[int] = mapped_column(primary_key=True)
    content: Mapped[dict[str, Any]]
    """A `ChangePage`, as `hub.plugin.codec` writes it."""


class PlannedAction(Base):
    """One thing that applying a plan would do, or would leave undone for a reason."""

    __tablename__ = "planned_actions"

    plan_id: Mapped[str] = mapped_column(ForeignKey("link_plans.id", ondelete="CASCADE"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    side: Mapped[str] = mapped_column(String(10))
    """`hub` or `remote`: where it would happen."""
    kind: Mapped[str] = mapped_column(String(10))
    """See `hub.planning.actions.Kind`."""
    remote_calendar_id: Mapped[str | None] = mapped_column(String(40))
    """The remote calendar that is written, or that the news comes from."""
    event_id: Mapped[str | None] = mapped_column(String(40))
    """The hub's event, if it is there already."""
    remote_id: Mapped[str | None] = mapped_column(String(1024))
    title: Mapped[str] = mapped_column(Text)
    start: Mapped[str | None] = mapped_column(String(32))
    """A date or a wall time."""
    fields: Mapped[dict[str, Any]]
    """`{field: {"before": …, "after": …}}`; of a conflict `hub`, `provider` and `kept`."""
    losses: Mapped[list[dict[str, Any]]]
    reason: Mapped[str | None] = mapped_column(Text)

"""Links between calendars, what was asked of them, and the providers' push subscriptions."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, ForeignKey, Index, String, Text, or_, text
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm import Mapped, mapped_column, relationship

from hub.db import Base
from hub.models.account import RemoteCalendar
from hub.models.calendar import Calendar


class Direction(StrEnum):
    """Which way changes travel, seen from the hub."""

    TWO_WAY = "two_way"
    IMPORT = "import"
    EXPORT = "export"


class Detail(StrEnum):
    """How much of an event is written to the remote calendar."""

    FULL = "full"
    BUSY_ONLY = "busy_only"


class Policy(StrEnum):
    """Who wins when both sides changed the same field since the base."""

    NEWEST = "newest"
    HUB = "hub"
    PROVIDER = "provider"


class Unholdable(StrEnum):
    """What becomes of a series whose rule the provider cannot hold: never another rule."""

    HOLD = "hold"
    SINGLES = "singles"


class LinkState(StrEnum):
    """Whether the hub works on a link. A stopped one waits for a person; the reason stands in `problem`."""

    ACTIVE = "active"
    PAUSED = "paused"
    STOPPED = "stopped"


class Verdict(StrEnum):
    """What a person says about held deletions."""

    APPLY = "apply"
    REJECT = "reject"


class Link(Base):
    """Ties one Calendar to one RemoteCalendar.

    The row is written by whoever holds the lease (`WHERE fence = mine`) and by the API; what others
    ask of the link stands in `LinkSignal`, so that a notification never waits for a running pull.
    """

    __tablename__ = "links"
    __table_args__ = (
        Index(
            "uq_links_remote_calendar",
            "remote_calendar_id",
            unique=True,
            sqlite_where=text("deleted_at IS NULL"),
            postgresql_where=text("deleted_at IS NULL"),
        ),
    )

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    tenant_id: Mapped[str] = mapped_column(ForeignKey("tenants.id", ondelete="CASCADE"), index=True)
    calendar_id: Mapped[str] = mapped_column(ForeignKey("calendars.id", ondelete="CASCADE"), index=True)
    remote_calendar_id: Mapped[str] = mapped_column(ForeignKey("remote_calendars.id", ondelete="CASCADE"))
    account_id: Mapped[str] = mapped_column(ForeignKey("accounts.id", ondelete="CASCADE"), index=True)
    direction: Mapped[str] = mapped_column(String(10), default=Direction.TWO_WAY)
    detail: Mapped[str] = mapped_column(String(10), default=Detail.FULL)
    busy_title: Mapped[str] = mapped_column(String(200), default="Busy")
    """What the copies of a busy-only link are called (`hub.domain.lens.PLACEHOLDERS`)."""
    filters: Mapped[dict[str, Any]] = mapped_column(default=dict)
    """Which events are copied to the remote calendar, where it differs from `hub.domain.lens.Filters`."""
    leave_alone: Mapped[list[str]] = mapped_column(default=list)
    """Fields that are neither written there nor taken over from there."""
    unholdable: Mapped[str] = mapped_column(String(10), default=Unholdable.HOLD)
    """Series that cannot be held there: parked with the reason, or as single events in the window."""
    singles_id: Mapped[str | None] = mapped_column(String(40))
    """The calendar of such single events (`hub.outbound.singles`), once there were any."""
    singles_at: Mapped[datetime | None]
    """When they were last brought to the window."""
    policy: Mapped[str] = mapped_column(String(10), default=Policy.NEWEST)
    past_days: Mapped[int] = mapped_column(default=90)
    """Events that ended longer ago are not brought in; those already here stay."""
    future_days: Mapped[int] = mapped_column(default=400)
    state: Mapped[str] = mapped_column(String(10), default=LinkState.ACTIVE)

    cursor: Mapped[str | None] = mapped_column(Text)
    """Where the last complete listing ended; None: list everything."""
    page: Mapped[str | None] = mapped_column(Text)
    """Where a listing goes on that was cut off or made way for others; None: at its beginning."""
    window_start: Mapped[datetime | None]
    """The span that `cursor` covers, if the provider binds listings to one; likewise `window_end`."""
    window_end: Mapped[datetime | None]
    generation: Mapped[int] = mapped_column(default=0)
    """Counts full listings: what a finished one did not show is suspected gone."""
    confirmed: Mapped[int] = mapped_column(default=0)
    """The last generation whose missing events the provider was asked about."""
    imported_at: Mapped[datetime | None]
    """When the first full listing was complete; None again while the link adopts what is there anew."""
    pulled: Mapped[int] = mapped_column(BigInteger, default=0)
    """Up to which `LinkSignal.notified` the listings have caught up."""

    listed: Mapped[int] = mapped_column(BigInteger, default=0)
    """Up to which mark the last listing was begun: a higher mark is sure to be listed after it was set."""
    fresh_mark: Mapped[int] = mapped_column(BigInteger, default=0)
    """The mark that last asked for a full listing: above `pulled`, everything is listed anew, and the old
    cursor stays good until that is done."""

    planned_id: Mapped[str | None] = mapped_column(String(40))
    """The part of a plan (`PlannedLink`) whose stored pages are listed next in place of the provider's."""
    planned_at: Mapped[datetime | None]
    """The instant that this listing's window is reckoned from."""

    removals_from: Mapped[datetime | None]
    """Since when `removals` counts the events that this link's calendar has deleted in the hub."""
    removals: Mapped[int] = mapped_column(default=0)
    held_at: Mapped[datetime | None]
    """Set: so many events are missing that their deletion waits for a person."""
    verdict: Mapped[str | None] = mapped_column(String(10))
    """What the person said about the held deletions (`Verdict`), until the next run has carried it out."""
    verdict_at: Mapped[datetime | None]
    """What went missing later is not covered by the verdict."""

    lease_owner: Mapped[str | None] = mapped_column(String(40))
    lease_until: Mapped[datetime | None]
    fence: Mapped[int] = mapped_column(BigInteger, default=0)
    """Rises with every lease; every write of a run checks it."""
    lost_runs: Mapped[int] = mapped_column(default=0)
    """Runs in a row that ended without giving their lease back: their worker died."""
    is_long: Mapped[bool] = mapped_column(default=False)
    """The last run had to stop for others before its work was done."""

    due_at: Mapped[datetime | None] = mapped_column(index=True)
    """Not before this instant (back-off); None: now."""
    poll_at: Mapped[datetime | None] = mapped_column(index=True)
    """When to look even if nobody notified."""
    failures: Mapped[int] = mapped_column(default=0)
    """Runs that failed in a row."""
    heard_at: Mapped[datetime | None]
    """When the last listing succeeded; likewise `pushed_at` for a write."""
    pushed_at: Mapped[datetime | None]
    problem: Mapped[str | None] = mapped_column(Text)
    """What is wrong and what to do, in a sentence for people; None: nothing."""
    problem_code: Mapped[str | None] = mapped_column(String(100))
    problem_at: Mapped[datetime | None]
    created_at: Mapped[datetime]
    deleted_at: Mapped[datetime | None]

    calendar: Mapped[Calendar] = relationship()
    remote_calendar: Mapped[RemoteCalendar] = relationship()

    @hybrid_property
    def wants_all(self) -> bool:
        """Whether the next listing to be completed is a full one."""
        return self.cursor is None or self.fresh_mark > self.pulled

    @wants_all.inplace.expression
    @classmethod
    def _wants_all(cls) -> ColumnElement[bool]:
        return or_(cls.cursor.is_(None), cls.fresh_mark > cls.pulled)


class LinkSignal(Base):
    """What others asked of a link: `notified` above `Link.pulled` means that a pull is owed."""

    __tablename__ = "link_signals"

    link_id: Mapped[str] = mapped_column(ForeignKey("links.id", ondelete="CASCADE"), primary_key=True)
    notified: Mapped[int] = mapped_column(BigInteger, default=0)
    notified_at: Mapped[datetime | None]


class ChannelState(StrEnum):
    """The life of a push subscription."""

    OPENING = "opening"
    LIVE = "live"
    CLOSING = "closing"


class Channel(Base):
    """A provider's push subscription: of one link, or of a whole account where `link_id` is None."""

    __tablename__ = "channels"

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    """Told to the provider: `chn` and 26 characters, no underscore."""
    account_id: Mapped[str] = mapped_column(ForeignKey("accounts.id", ondelete="CASCADE"), index=True)
    link_id: Mapped[str | None] = mapped_column(ForeignKey("links.id", ondelete="CASCADE"), index=True)
    secret_digest: Mapped[str] = mapped_column(String(64))
    remote_id: Mapped[str | None] = mapped_column(String(512))
    """The provider's id of it; None until its answer came."""
    state: Mapped[str] = mapped_column(String(10), default=ChannelState.OPENING)
    expires_at: Mapped[datetime | None]
    due_at: Mapped[datetime] = mapped_column(index=True)
    """When the keeper must look at it next: to renew, to close, or to try again."""
    failures: Mapped[int] = mapped_column(default=0)
    created_at: Mapped[datetime]

"""Linking calendars: make, change, pause, resume and end a link.

Comes after the API or the page; the first pull brings in what the remote calendar holds, and only when
it is complete are the hub's own events written there (adopt before create).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from sqlalchemy import ColumnElement, and_, bindparam, case, delete, func, select, update
from sqlalchemy.orm import Session

from hub.db import after_commit, forget
from hub.domain.lens import Filters
from hub.domain.merge import STRANGERS
from hub.models import (
    Account,
    Calendar,
    Channel,
    ChannelState,
    Direction,
    Event,
    EventCopy,
    Link,
    LinkSignal,
    LinkState,
    RemoteCalendar,
)
from hub.outbound import kept, owed
from hub.outbound.edit import want_copies
from hub.outbound.lease import Lease, held
from hub.outbound.spread import ANEW, FRESH, wait_for_writers, want
from hub.outbound.window import window_of
from hub.ports import Ports

_FORGET_WAIT = (
    update(Link).where(Link.id == bindparam("link_id"), Link.due_at.is_not(None)).values(due_at=None)
)
_OF_LINKS = EventCopy.link_id.in_(bindparam("link_ids", expanding=True))
_KEEP_EVENTS = select(func.count()).select_from(
    select(Event.id)
    .where(Event.id.in_(select(EventCopy.event_id).where(_OF_LINKS)))
    .order_by(Event.id)
    .with_for_update(read=True, key_share=True)
    .subquery()
)
_LOCK_COPIES = select(func.count()).select_from(
    select(EventCopy.id).where(_OF_LINKS).order_by(EventCopy.id).with_for_update().subquery()
)
_NOTIFY = (
    update(LinkSignal)
    .where(LinkSignal.link_id == bindparam("of_link"))
    .values(notified=LinkSignal.notified + 1)
    .returning(LinkSignal.notified)
)


class LinkingError(Exception):
    """The two calendars cannot be linked so; `field` names the field of the request at fault."""

    def __init__(self, message: str, field: str) -> None:
        super().__init__(message)
        self.field = field


def create_link(
    session: Session,
    ports: Ports,
    calendar: Calendar,
    remote: RemoteCalendar,
    *,
    direction: str = Direction.TWO_WAY,
    detail: str = "full",
    busy_title: str = "Busy",
    filters: Mapping[str, Any] = MappingProxyType({}),
    leave_alone: Collection[str] = (),
    unholdable: str = "hold",
    policy: str = "newest",
    past_days: int = 90,
    future_days: int = 400,
) -> Link:
    """Link a remote calendar to a calendar of the same user; its first pull starts after the commit.

    Args:
        filters: those of `hub.domain.lens.Filters` that are not as usual.

    Raises:
        LinkingError: it is linked already, is seen twice, or may not be written to.
    """
    account = session.get_one(Account, remote.account_id)
    check(session, calendar, remote, account, direction)
    now = ports.clock.now()
    link = Link(
        id=ports.ids.new("lnk"),
        tenant_id=calendar.tenant_id,
        calendar_id=calendar.id,
        remote_calendar_id=remote.id,
        account_id=account.id,
        direction=direction,
        detail=detail,
        busy_title=busy_title,
        filters=Filters.of(filters).stored(),
        leave_alone=sorted(leave_alone),
        unholdable=unholdable,
        singles_id=_former_singles(session, calendar, remote),
        policy=policy,
        past_days=past_days,
        future_days=future_days,
        created_at=now,
    )
    session.add(link)
    session.flush()
    session.add(LinkSignal(link_id=link.id, notified=1))
    start(session, ports, link)
    return link


def _former_singles(session: Session, calendar: Calendar, remote: RemoteCalendar) -> str | None:
    """Return where an earlier link of the same calendars kept its single events: they are there still."""
    former = select(Link.singles_id).where(
        Link.calendar_id == calendar.id, Link.remote_calendar_id == remote.id, Link.singles_id.is_not(None)
    )
    return session.scalars(former.order_by(Link.created_at.desc()).limit(1)).first()


def check(
    session: Session, calendar: Calendar, remote: RemoteCalendar, account: Account, direction: str
) -> None:
    """Check that two calendars may be linked.

    Raises:
        LinkingError: they belong to different users, it is linked already, or may not be written to.
    """
    if account.user_id != calendar.user_id:
        raise LinkingError("the remote calendar belongs to another user", "remote_calendar_id")
    for link, other in _twins(session, remote, account):
        if other.user_id == account.user_id:
            raise LinkingError(
                f"{remote.name!r} is already linked (link {link.id}, through {other.email}): "
                "a remote calendar is linked once",
                "remote_calendar_id",
            )
    check_direction(session, remote, direction)


def check_direction(session: Session, remote: RemoteCalendar, direction: str) -> None:
    """Check that a remote calendar may be linked in this direction.

    Only one link of the whole hub may write to a remote calendar: two that both write would take each
    other's copies for new events and copy them for ever.

    Raises:
        LinkingError: it is read-only, or another user's link writes to it.
    """
    if direction == Direction.IMPORT:
        return
    account = session.get_one(Account, remote.account_id)
    if remote.access_role not in ("owner", "writer"):
        raise LinkingError(
            f"{remote.name!r} is read-only for {account.email}: link it with direction 'import'", "direction"
        )
    twins = _twins(session, remote, account)
    if any(o.user_id != account.user_id and link.direction != Direction.IMPORT for link, o in twins):
        raise LinkingError(
            f"another user of this hub already keeps {remote.name!r} in step, and only one link may write "
            "to a calendar: link it with direction 'import'",
            "direction",
        )


def _twins(session: Session, remote: RemoteCalendar, account: Account) -> list[tuple[Link, Account]]:
    """Return the live links of the same calendar, through whichever account, and those accounts."""
    rows = session.execute(
        select(Link, Account)
        .join(RemoteCalendar, Link.remote_calendar_id == RemoteCalendar.id)
        .join(Account, Account.id == RemoteCalendar.account_id)
        .where(
            Link.deleted_at.is_(None),
            Account.provider == account.provider,
            RemoteCalendar.remote_id == remote.remote_id,
        )
        .order_by(Link.id)
    )
    return [(link, other) for link, other in rows]


def start(session: Session, ports: Ports, link: Link) -> None:
    """Hint the first pull and the subscription, once the transaction has committed."""
    link_id = link.id
    task = "import" if link.wants_all else "pull"
    after_commit(session, lambda: ports.queue.hint(task, link_id))
    after_commit(session, lambda: ports.queue.hint("subscribe", link_id))


def locked(session: Session, *conditions: ColumnElement[bool]) -> Sequence[Link]:
    """Return links, locked against runs and whoever else changes them, in the order of their ids.

    Whoever changes links takes them first, then events, then copies, so that nobody waits in a circle. Who
    only makes copies of them may go on: it holds events that are wanted next.
    """
    session.flush()
    query = select(Link).where(*conditions).order_by(Link.id).with_for_update(of=Link, key_share=True)
    return session.scalars(query.execution_options(populate_existing=True)).all()


def lock_copies(session: Session, links: Collection[Link]) -> None:
    """Lock all copies of locked links before many of them are written: in the order of their ids.

    Their events come first. PostgreSQL takes them for a copy that is written twice, and for a conflict.
    """
    values = {"link_ids": [link.id for link in links]}
    session.execute(_KEEP_EVENTS, values)
    session.execute(_LOCK_COPIES, values)


def resume(session: Session, ports: Ports, link: Link) -> None:
    """Set a paused or stopped link to work again, beginning with a pull."""
    link.state = LinkState.ACTIVE
    link.problem = link.problem_code = link.problem_at = link.due_at = None
    link.failures = 0
    kept.forget_unkept(session, link)
    ask_for_pull(session, ports, link.id)
    start(session, ports, link)


def pause(link: Link) -> None:
    """Let a link rest: nothing is fetched or written until it is resumed."""
    link.state = LinkState.PAUSED


def ask_for_pull(session: Session, ports: Ports, link_id: str, *, fresh: bool = False) -> None:
    """Mark that a pull is owed now and hint it; `fresh`: everything is to be listed."""
    if fresh:
        locked(session, Link.id == link_id)
    connection = session.connection()
    connection.execute(_FORGET_WAIT, {"link_id": link_id})
    mark = connection.execute(_NOTIFY, {"of_link": link_id}).scalar_one()
    if fresh:
        session.get_one(Link, link_id).fresh_mark = mark
    owed.hint_after(session, ports, "pull", [link_id])


def adopt_anew(session: Session, ports: Ports, link: Link) -> None:
    """List everything as at the first time: nothing is written until what is there has been recognised.

    For a database that was restored, a calendar or an account that has moved, a wider window, and a person
    who wants it. A run of before loses its lease; the old cursor stays good, if it is of this calendar.
    """
    link.imported_at = link.page = None
    take_away(session, link)
    ask_for_pull(session, ports, link.id, fresh=True)


def compare_anew(session: Session, link: Link, *, one_sided: bool) -> None:
    """Have the next listing compare every copy, even if the provider shows it unchanged.

    Args:
        one_sided: the hub took nothing over from there, so that what it shows is no common ground.
    """
    forgotten: dict[str, Any] = {"remote_version": "", "shown_at": None, "replaced": {}}
    session.execute(
        update(EventCopy)
        .where(EventCopy.link_id == link.id, EventCopy.remote_id.is_not(None), EventCopy.removed_at.is_(None))
        .values(forgotten | ({"synced": dict(STRANGERS)} if one_sided else {}))
    )


def look_again(session: Session, ports: Ports, link: Link) -> None:
    """Have the push look at each copy of a link once more, since what the link shows has changed.

    It writes what differs, takes away what is not copied any more, and makes what now is.
    """
    if link.direction == Direction.IMPORT:
        return
    version = select(Event.version).where(Event.id == EventCopy.event_id).scalar_subquery()
    homes = [link.calendar_id, *([link.singles_id] if link.singles_id else [])]
    live = select(Event.id).where(Event.calendar_id.in_(homes), Event.deleted_at.is_(None))
    own = (EventCopy.link_id == link.id, EventCopy.event_id.in_(live))
    session.execute(
        update(EventCopy)
        .where(*own, EventCopy.left_out.is_(True))
        .values({**ANEW, **FRESH, "wanted_version": version, "create_id": None})
    )
    session.execute(
        update(EventCopy)
        .where(*own, EventCopy.removed_at.is_(None))
        .values({
            **FRESH,
            "wanted_version": version,
            "pushed_version": case(
                (EventCopy.pushed_version < version, EventCopy.pushed_version), else_=version - 1
            ),
        })
    )  # fmt: skip
    forget(session, EventCopy)
    take_away(session, link)
    after_commit(session, lambda: ports.queue.hint("push", link.id))


def take_away(session: Session, link: Link) -> None:
    """Have a run that works on a link stop, since what it was begun for has changed."""
    link.fence += 1
    link.lease_owner = link.lease_until = None
    session.flush()


def forget_wishes(session: Session, link: Link) -> None:
    """Let go of what is still to be written in a link that does not write any more."""
    own = EventCopy.link_id == link.id
    never_made = [
        EventCopy.remote_id.is_(None),
        EventCopy.missing_at.is_(None),
        EventCopy.removed_at.is_(None),
    ]
    session.execute(delete(EventCopy).where(own, *never_made, EventCopy.uncertain.is_(False)))
    session.execute(
        update(EventCopy)
        .where(own, EventCopy.wanted_version > EventCopy.pushed_version)
        .values(
            pushed_version=EventCopy.wanted_version, attempts=0, due_at=None, parked_at=None, problem=None
        )
    )


def delete_link(session: Session, ports: Ports, link: Link) -> None:
    """End a link: both calendars keep their events, nothing travels any more."""
    now = ports.clock.now()
    link.deleted_at = now
    link.state = LinkState.PAUSED
    link.fence += 1
    link.lease_owner = link.lease_until = None
    close_channels(session, ports, Channel.link_id == link.id)


def close_channels(session: Session, ports: Ports, condition: ColumnElement[bool]) -> None:
    """Ask the keeper to end the subscriptions that meet an SQL condition."""
    session.execute(
        update(Channel)
        .where(condition)
        .values(state=ChannelState.CLOSING, due_at=ports.clock.now(), failures=0)
    )
    after_commit(session, lambda: ports.queue.hint("renew"))


def end_plan(session: Session, ports: Ports, link: Link) -> None:
    """Go on without the stored listing, which has been brought in, and wake those who waited for that."""
    link.planned_id = link.planned_at = None
    owed.hint_owed_after(session, ports, None, link.calendar_id, all_of_both=True)


def go_live(ports: Ports, lease: Lease) -> None:
    """Want what the link lacks, now that a listing has shown what is there already.

    Whoever changes an event from now on can see that, and wishes for its copy here. Who could not yet is
    waited for, so that no event falls between the two.
    """
    with ports.db.transaction() as session:
        wait_for_writers(session, lease.link_id)
    with ports.db.transaction() as session:
        link = held(session, ports, lease)
        if link.wants_all:
            return
        link.imported_at = ports.clock.now()
        want_missing(session, ports, link)
        if link.planned_id is not None:
            end_plan(session, ports, link)


def want_missing(session: Session, ports: Ports, link: Link, *, chunk: int = 500) -> bool:
    """Make the calendar's events that the link has no copy of wanted there; return whether any was.

    Called when the first listing is complete: what both sides already had is paired by then. The events are
    locked, so that who has changed one of them meanwhile has wished for its copy before this looks.
    """
    if link.direction == Direction.IMPORT:
        return False
    stranded = _stranded(session, link)
    oldest, _ = window_of(session, ports, link)
    copied = select(EventCopy.event_id).where(EventCopy.link_id == link.id)
    missing = session.scalars(
        select(Event)
        .where(
            Event.calendar_id == link.calendar_id,
            Event.deleted_at.is_(None),
            Event.id.not_in(copied),
            (Event.ends_at.is_(None)) | (Event.ends_at >= oldest),
        )
        .order_by(Event.id)
        .with_for_update(of=Event)
    ).all()
    for i in range(0, len(missing), chunk):
        want_copies(session, ports, link, list(missing[i : i + chunk]))
    for copy, event in stranded:
        copy.pushed_version = 0
        want(ports, copy, event.version)
    return bool(missing or stranded)


def _stranded(session: Session, link: Link) -> list[tuple[EventCopy, Event]]:
    """Return copies of live events that are not there and not wanted, left over from another direction.

    What a person has removed from a calendar that is only written to stays away from it, and so does an
    invitation that was taken out of any (`hub.outbound.spread`).
    """
    absent = and_(
        EventCopy.remote_id.is_(None), EventCopy.missing_at.is_(None), EventCopy.removed_at.is_(None)
    ) | EventCopy.left_out.is_(True)
    if link.direction == Direction.TWO_WAY:
        absent |= and_(EventCopy.removed_at.is_not(None), EventCopy.read_only.is_(None))
    rows = session.execute(
        select(EventCopy, Event)
        .join(Event, Event.id == EventCopy.event_id)
        .where(
            EventCopy.link_id == link.id,
            EventCopy.wanted_version <= EventCopy.pushed_version,
            Event.deleted_at.is_(None),
            absent,
        )
    )
    return [(copy, event) for copy, event in rows]

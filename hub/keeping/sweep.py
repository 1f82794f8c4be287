"""The sweep: finds in the tables what a lost hint, a dead worker or a silent provider left undone.

Everything that the hub owes can be read from the database, so losing all of the broker costs at most
one sweep interval. Two sweeps at once do no harm: they only hint.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta

from sqlalchemy import ColumnElement, Select, and_, bindparam, delete, exists, not_, or_, select
from sqlalchemy.orm import Session

from hub.accounts.calendars import LIST_LIFE, is_stale
from hub.db import after_commit
from hub.log import get_logger
from hub.models import (
    Account,
    AccountState,
    Channel,
    ChannelState,
    Consent,
    Direction,
    Event,
    EventCopy,
    IdempotentReply,
    Link,
    LinkState,
    PageSession,
    RemoteCalendar,
)
from hub.outbound import owed, singles, undo
from hub.outbound.linking import ask_for_pull, lock_copies, locked, look_again
from hub.planning import reading
from hub.plugin.types import Coverage, ProviderInfo
from hub.ports import Ports

log = get_logger()

TOMBSTONE_LIFE = timedelta(days=30)
REPLY_LIFE = timedelta(days=1)

_NOW = bindparam("now", type_=Link.due_at.type)
_IS_ACTIVE = (Link.state == LinkState.ACTIVE, Link.deleted_at.is_(None))
_IS_SILENT = (*_IS_ACTIVE, Link.poll_at <= _NOW, or_(Link.due_at.is_(None), Link.due_at <= _NOW))
_SILENT_LINKS = (
    select(Link)
    .where(*_IS_SILENT)
    .order_by(Link.id)
    .limit(500)
    .with_for_update(of=Link, key_share=True, skip_locked=True)
)
_WORN = (
    select(Link.id)
    .join(Account, Account.id == Link.account_id)
    .where(
        *_IS_ACTIVE,
        Account.provider == bindparam("provider"),
        not_(Link.wants_all),
        Link.window_end < bindparam("worn"),
    )
    .limit(20)
)
_STALE_LISTS = select(Account.id).where(
    Account.state == AccountState.CONNECTED, is_stale(bindparam("before"))
)


def _without(channel: ColumnElement[bool]) -> Select[str]:
    """Return the query for links of some providers that can be watched and have no such channel."""
    return (
        select(Link.id)
        .join(Account, Account.id == Link.account_id)
        .join(RemoteCalendar, RemoteCalendar.id == Link.remote_calendar_id)
        .where(
            *_IS_ACTIVE,
            Account.provider.in_(bindparam("providers", expanding=True)),
            Account.state == AccountState.CONNECTED,
            RemoteCalendar.can_watch.is_(True),
            ~exists().where(channel, Channel.state != ChannelState.CLOSING),
        )
        .order_by(Link.id)
    )


_OVER = (
    select(EventCopy)
    .join(Link, Link.id == EventCopy.link_id)
    .join(Event, Event.id == EventCopy.event_id)
    .where(
        *_IS_ACTIVE,
        Link.direction != Direction.IMPORT,
        Link.filters["past"].as_boolean().is_(False),
        EventCopy.is_ours,
        EventCopy.remote_id.is_not(None),
        EventCopy.removed_at.is_(None),
        EventCopy.parked_at.is_(None),
        EventCopy.wanted_version <= EventCopy.pushed_version,
        Event.deleted_at.is_(None),
        Event.ends_at <= _NOW,
    )
    .order_by(EventCopy.id)
    .limit(500)
)
"""The copies of events that are over, where a link copies only coming ones."""
_GLANCE = select(
    _OVER.with_only_columns(EventCopy.id).order_by(None).exists().label("is_over"),
    select(Link.id).where(*_IS_SILENT).exists().label("is_silent"),
    select(Channel.id).where(Channel.due_at <= _NOW).exists().label("channels_due"),
    _STALE_LISTS.exists().label("stale_lists"),
    undo.RUNNING.exists().label("undos"),
    reading.OWED.exists().label("plans"),
    singles.DUE.exists().label("singles"),
)
"""What there mostly is nothing of."""
_UNWATCHED_LINKS = _without(Channel.link_id == Link.id)
_UNWATCHED_ACCOUNTS = _without(and_(Channel.account_id == Link.account_id, Channel.link_id.is_(None)))


def sweep(ports: Ports) -> None:
    """Hint all the work that is owed now.

    It only looks, and begins to write where a link was silent too long, or an event is over.
    """
    now = ports.clock.now()
    with ports.db.reading() as session:
        connection = session.connection()
        times = {"now": now, "before": now - LIST_LIFE, "moved_before": now - singles.EVERY}
        glance = connection.execute(_GLANCE, times).one()
        worn = [link_id for info in ports.gateway.providers() for link_id in _worn(session, ports, info)]
        work = owed.owed(session, ports)
        undos = undo.running(session) if glance.undos else []
        plans = reading.owed(session, now) if glance.plans else []
        unwatched = _unwatched(session, ports)
        stale_lists = connection.execute(_STALE_LISTS, times).scalars().all() if glance.stale_lists else ()
    if glance.is_silent:
        _poll_silent_links(ports)
    if worn:
        _move_windows(ports, worn)
    if glance.is_over:
        _take_away_what_is_over(ports)
    if glance.singles:
        _move_singles_on(ports)
    owed.send(ports, work)
    for undo_id in undos:
        ports.queue.hint("undo", undo_id)
    for plan_id in plans:
        ports.queue.hint("plan", plan_id)
    for link_id in unwatched:
        ports.queue.hint("subscribe", link_id)
    if glance.channels_due:
        ports.queue.hint("renew")
    for account_id in stale_lists:
        ports.queue.hint("refresh_calendars", account_id)


def _poll_silent_links(ports: Ports) -> None:
    """Owe a pull to each link that has not been looked at for a poll interval."""
    now = ports.clock.now()
    with ports.db.transaction() as session:
        for link in session.scalars(_SILENT_LINKS, {"now": now}).all():
            spread = 0.75 + ports.ids.jitter() / 2
            link.poll_at = now + timedelta(seconds=ports.settings.poll_interval * spread)
            ask_for_pull(session, ports, link.id)


def _take_away_what_is_over(ports: Ports) -> None:
    """Have the push look again at copies that are there only until their event is over."""
    with ports.db.transaction() as session:
        copies = session.scalars(_OVER.with_for_update(of=EventCopy), {"now": ports.clock.now()}).all()
        for copy in copies:
            copy.pushed_version = copy.wanted_version - 1
        links = sorted({copy.link_id for copy in copies})
        after_commit(session, lambda: owed.send(ports, [("push", link_id) for link_id in links]))


def _move_singles_on(ports: Ports) -> None:
    """Have the push look again at series that stand as single events, since their window has moved on."""
    now = ports.clock.now()
    with ports.db.transaction() as session:
        waiting = singles.DUE.with_for_update(of=Link, key_share=True, skip_locked=True).limit(100)
        found = session.scalars(waiting, {"moved_before": now - singles.EVERY}).all()
        links = locked(session, Link.id.in_(found))
        lock_copies(session, links)
        for link in links:
            link.singles_at = now
            look_again(session, ports, link)


def _worn(session: Session, ports: Ports, info: ProviderInfo) -> Sequence[str]:
    """Return links whose provider binds listings to a window that is about to be outlived."""
    if info.window_days is None:
        return ()
    future = info.window_days[1]
    worn = ports.clock.now() + timedelta(days=future) - timedelta(days=max(7, future // 10))
    found = session.connection().execute(_WORN, {"provider": info.name, "worn": worn})
    return found.scalars().all()


def _move_windows(ports: Ports, link_ids: Iterable[str]) -> None:
    """List anew what is listed in a window that is about to be outlived."""
    with ports.db.transaction() as session:
        for link_id in sorted(link_ids):
            log.info("window_moves_on", link_id=link_id)
            ask_for_pull(session, ports, link_id, fresh=True)


def _unwatched(session: Session, ports: Ports) -> list[str]:
    """Return one link for each subscription that should exist and does not."""
    found: list[str] = []
    names: dict[bool, list[str]] = {True: [], False: []}
    for info in ports.gateway.providers():
        names[info.coverage is Coverage.ACCOUNT].append(info.name)
    for query, providers in ((_UNWATCHED_ACCOUNTS, names[True]), (_UNWATCHED_LINKS, names[False])):
        if providers:
            found += session.connection().execute(query, {"providers": providers}).scalars()
    return found


def expire(ports: Ports) -> None:
    """Forget what has served its time: consents, sessions, stored replies, plans, old tombstones."""
    now = ports.clock.now()
    with ports.db.transaction() as session:
        session.execute(delete(Consent).where(Consent.expires_at < now))
        session.execute(delete(PageSession).where(PageSession.expires_at < now))
        session.execute(delete(IdempotentReply).where(IdempotentReply.created_at < now - REPLY_LIFE))
        reading.expire(session, now)
        session.execute(delete(Event).where(Event.deleted_at < now - TOMBSTONE_LIFE))

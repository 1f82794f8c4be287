"""The sweep: finds in the tables what a lost hint, a dead worker or a silent provider left undone.

Everything that the hub owes can be read from the database, so losing all of the broker costs at most
one sweep interval. Two sweeps at once do no harm: they only hint.
"""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import ColumnElement, delete, not_, or_, select
from sqlalchemy.orm import Session

from hub.accounts.calendars import is_stale
from hub.log import get_logger
from hub.models import (
    Account,
    AccountState,
    Channel,
    ChannelState,
    Consent,
    Event,
    IdempotentReply,
    Link,
    LinkState,
    PageSession,
    RemoteCalendar,
)
from hub.outbound import undo
from hub.outbound.lease import hint_owed
from hub.outbound.linking import ask_for_pull
from hub.planning import reading
from hub.plugin.types import Coverage
from hub.ports import Ports

log = get_logger()

TOMBSTONE_LIFE = timedelta(days=30)
REPLY_LIFE = timedelta(days=1)


def sweep(ports: Ports) -> None:
    """Hint all the work that is owed now."""
    now = ports.clock.now()
    _poll_silent_links(ports)
    _move_windows(ports)
    with ports.db.reading() as session:
        unwatched = _unwatched(session, ports)
        undos = undo.running(session)
        channels_due = session.scalar(select(Channel.id).where(Channel.due_at <= now).limit(1))
        stale_lists = session.scalars(
            select(Account.id).where(Account.state == AccountState.CONNECTED, is_stale(now))
        ).all()
        plans = reading.owed(session, now)
    hint_owed(ports)
    for undo_id in undos:
        ports.queue.hint("undo", undo_id)
    for plan_id in plans:
        ports.queue.hint("plan", plan_id)
    for link_id in unwatched:
        ports.queue.hint("subscribe", link_id)
    if channels_due:
        ports.queue.hint("renew")
    for account_id in stale_lists:
        ports.queue.hint("refresh_calendars", account_id)


def _active(*conditions: ColumnElement[bool]) -> list[ColumnElement[bool]]:
    return [Link.state == LinkState.ACTIVE, Link.deleted_at.is_(None), *conditions]


def _poll_silent_links(ports: Ports) -> None:
    """Owe a pull to each link that has not been looked at for a poll interval."""
    now = ports.clock.now()
    with ports.db.transaction() as session:
        due = session.scalars(
            select(Link)
            .where(*_active(Link.poll_at <= now, or_(Link.due_at.is_(None), Link.due_at <= now)))
            .limit(500)
            .with_for_update(of=Link, skip_locked=True)
        ).all()
        for link in due:
            spread = 0.75 + ports.ids.jitter() / 2
            link.poll_at = now + timedelta(seconds=ports.settings.poll_interval * spread)
            ask_for_pull(session, ports, link.id)


def _move_windows(ports: Ports) -> None:
    """List anew where a provider's listings are bound to a window that is about to be outlived."""
    now = ports.clock.now()
    with ports.db.transaction() as session:
        for info in ports.gateway.providers():
            if info.window_days is None:
                continue
            worn = (
                now + timedelta(days=info.window_days[1]) - timedelta(days=max(7, info.window_days[1] // 10))
            )
            links = session.scalars(
                select(Link)
                .join(Account, Account.id == Link.account_id)
                .where(*_active(Account.provider == info.name, not_(Link.wants_all), Link.window_end < worn))
                .limit(20)
            ).all()
            for link in links:
                log.info("window_moves_on", link_id=link.id)
                ask_for_pull(session, ports, link.id, fresh=True)


def _unwatched(session: Session, ports: Ports) -> list[str]:
    """Return one link for each subscription that should exist and does not."""
    found: list[str] = []
    for info in ports.gateway.providers():
        of_link = Channel.link_id == Link.id
        of_account = (Channel.account_id == Link.account_id) & Channel.link_id.is_(None)
        watched = select(Channel.id).where(
            of_account if info.coverage is Coverage.ACCOUNT else of_link,
            Channel.state != ChannelState.CLOSING,
        )
        found += session.scalars(
            select(Link.id)
            .join(Account, Account.id == Link.account_id)
            .join(RemoteCalendar, RemoteCalendar.id == Link.remote_calendar_id)
            .where(
                *_active(
                    Account.provider == info.name,
                    Account.state == AccountState.CONNECTED,
                    RemoteCalendar.can_watch.is_(True),
                    ~watched.exists(),
                )
            )
        ).all()
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

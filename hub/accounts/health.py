"""How well a link does, in words for people and figures for programs.

"In sync" is said only when it is so: the last listing succeeded in time and left no question open, nothing
is owed in either direction and nothing is parked; otherwise the lag and the reason are told.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import BindParameter, Connection, Row, and_, bindparam, func, or_, select
from sqlalchemy.orm import Session

from hub.models import (
    Account,
    AccountState,
    Channel,
    ChannelState,
    Event,
    EventCopy,
    Link,
    LinkSignal,
    LinkState,
    ParkedChange,
)
from hub.outbound import advice
from hub.outbound.owed import DOUBTED
from hub.ports import Ports

PATIENCE = timedelta(seconds=20)
"""Work that is owed for longer counts as being behind."""
MOST_PARKED = 50

_IDS: BindParameter[Any] = bindparam("ids", expanding=True)
_SIGNALS = select(LinkSignal.link_id, LinkSignal.notified, LinkSignal.notified_at).where(
    LinkSignal.link_id.in_(_IDS)
)
_ACCOUNTS = select(Account.id, Account.state, Account.email, Account.problem, Account.problem_at).where(
    Account.id.in_(_IDS)
)
_Signal = Row[str, int, datetime | None]
_Account = Row[str, str, str, str | None, datetime | None]
_IS_PARKED = EventCopy.parked_at.is_not(None)
_IS_MISSING = and_(EventCopy.missing_at.is_not(None), EventCopy.removed_at.is_(None))
_IS_WAITING = and_(EventCopy.wanted_version > EventCopy.pushed_version, ~_IS_PARKED)
_IS_DOUBTED = and_(EventCopy.removed_at.is_(None), *DOUBTED)
_OWED = (
    select(
        EventCopy.link_id,
        func.count().filter(_IS_WAITING),
        func.min(Event.updated_at).filter(_IS_WAITING),
        func.count().filter(_IS_PARKED),
        func.count().filter(_IS_MISSING),
        func.count().filter(_IS_DOUBTED),
        func.max(EventCopy.problem).filter(_IS_WAITING),
    )
    .join(Event, Event.id == EventCopy.event_id)
    .where(EventCopy.link_id.in_(_IDS), or_(_IS_WAITING, _IS_PARKED, _IS_MISSING, _IS_DOUBTED))
    .group_by(EventCopy.link_id)
)
_PARKED_COPIES = (
    select(EventCopy, Event)
    .join(Event, Event.id == EventCopy.event_id)
    .where(EventCopy.link_id.in_(_IDS), EventCopy.parked_at.is_not(None))
    .order_by(EventCopy.parked_at.desc())
    .limit(MOST_PARKED)
)
_PARKED_CHANGES = (
    select(ParkedChange.link_id, ParkedChange.remote_id, ParkedChange.reason, ParkedChange.at)
    .where(ParkedChange.link_id.in_(_IDS))
    .limit(MOST_PARKED)
)
_LIVE = select(Channel.link_id, Channel.account_id).where(
    Channel.account_id.in_(_IDS),
    Channel.state == ChannelState.LIVE,
    Channel.expires_at > bindparam("now", type_=Channel.expires_at.type),
)


@dataclass(frozen=True, slots=True)
class Parked:
    """An event that does not travel, and why."""

    event_id: str | None
    """None: it came from the provider and could not be understood."""
    remote_id: str | None
    title: str
    reason: str
    advice: str
    """What helps, for people."""
    at: datetime


@dataclass(frozen=True, slots=True)
class Health:
    """The health of one link."""

    state: str
    """in_sync, syncing, behind, held, paused, stopped or needs_reconnect."""
    lag_seconds: float
    """For how long something has been owed; 0 if nothing is."""
    heard_at: datetime | None
    """When the provider's calendar was last read."""
    waiting: int
    """Events that are still to be written there."""
    waiting_since: datetime | None
    delivery: str
    """`push` if the provider notifies, `poll` if it is asked from time to time."""
    poll_seconds: float
    problem: str | None
    """What is wrong and what to do, for people."""
    problem_at: datetime | None
    held_deletions: int
    """Deletions that wait for a person."""
    parked_count: int
    parked: tuple[Parked, ...]


@dataclass(frozen=True, slots=True)
class _Owed:
    waiting: int = 0
    oldest: datetime | None = None
    parked: int = 0
    held: int = 0
    doubted: int = 0
    reason: str | None = None
    """Why something is waiting, if a provider has said it."""


def health_of(session: Session, ports: Ports, links: Sequence[Link]) -> dict[str, Health]:
    """Return the health of each link by its id, in a handful of queries however many there are."""
    connection = session.connection()
    ids = [link.id for link in links]
    account_ids = sorted({link.account_id for link in links})
    signals = {row.link_id: row for row in connection.execute(_SIGNALS, {"ids": ids})}
    accounts = {row.id: row for row in connection.execute(_ACCOUNTS, {"ids": account_ids})}
    owed, parked = _owed(connection, ids), _parked(session, ports, ids)
    channels = connection.execute(_LIVE, {"ids": account_ids, "now": ports.clock.now()})
    live = {link_id or account_id for link_id, account_id in channels}  # Links, and whole accounts.
    return {
        link.id: _assess(
            ports,
            link,
            accounts[link.account_id],
            signals.get(link.id),
            owed.get(link.id, _Owed()),
            parked.get(link.id, []),
            notified=link.id in live or link.account_id in live,
        )
        for link in links
    }


def _owed(connection: Connection, ids: list[str]) -> dict[str, _Owed]:
    return {row[0]: _Owed(*row[1:]) for row in connection.execute(_OWED, {"ids": ids})}


def _parked(session: Session, ports: Ports, ids: list[str]) -> dict[str, list[Parked]]:
    found: dict[str, list[Parked]] = {}
    rows = session.execute(_PARKED_COPIES, {"ids": ids}).all()
    for copy, event in rows:
        reason, at = copy.problem or "It was refused.", copy.parked_at or event.updated_at
        helps = advice.on_copy(session, ports, copy, event)
        found.setdefault(copy.link_id, []).append(
            Parked(event.id, copy.remote_id, event.title, reason, helps, at)
        )
    for change in session.connection().execute(_PARKED_CHANGES, {"ids": ids}):
        unread = Parked(None, change.remote_id, "", change.reason, advice.CHANGE_THERE, change.at)
        found.setdefault(change.link_id, []).append(unread)
    return found


def _assess(
    ports: Ports,
    link: Link,
    account: _Account,
    signal: _Signal | None,
    owed: _Owed,
    parked: list[Parked],
    *,
    notified: bool,
) -> Health:
    now = ports.clock.now()
    since = _behind_since(ports, link, signal, owed)
    problem, problem_at = link.problem, link.problem_at
    if account.state != AccountState.CONNECTED:
        state = "needs_reconnect" if account.state == AccountState.NEEDS_RECONNECT else "stopped"
        problem = account.problem or f"{account.email} must be connected again."
        problem_at = account.problem_at
    elif link.state != LinkState.ACTIVE:
        state = str(link.state)
    elif link.held_at is not None:
        state = "held"
        problem, problem_at = _explain_held(link, owed.held), link.held_at
    elif link.problem is not None or link.failures or parked:
        state = "behind"
        problem = problem or _explain_parked(len(parked))
    elif since is not None:
        state = "syncing" if link.imported_at is None or now - since < PATIENCE else "behind"
        problem = owed.reason
    else:
        state = "in_sync"
    oldest = min([at for at in (since, *(p.at for p in parked), problem_at) if at is not None], default=now)
    return Health(
        state=state,
        lag_seconds=0.0 if state == "in_sync" else max(0.0, round((now - oldest).total_seconds(), 3)),
        heard_at=link.heard_at,
        waiting=owed.waiting,
        waiting_since=owed.oldest and max(owed.oldest, link.imported_at or link.created_at),
        delivery="push" if notified else "poll",
        poll_seconds=ports.settings.poll_interval,
        problem=problem,
        problem_at=problem_at,
        held_deletions=owed.held if link.held_at is not None else 0,
        parked_count=max(owed.parked, len(parked)),
        parked=tuple(parked),
    )


def _explain_held(link: Link, count: int) -> str:
    if link.verdict is not None:
        return f"The decision about {count} deletions is being carried out."
    return (
        f"{count} events of the hub are missing from this calendar. So many at once may be a mishap: nothing "
        "was deleted. Apply the deletions if a person meant them, or reject them to put the events back."
    )


def _explain_parked(count: int) -> str | None:
    if count == 0:
        return None
    what = "One event does not travel" if count == 1 else f"{count} events do not travel"
    return f"{what}: see below why, and what helps."


def _behind_since(ports: Ports, link: Link, signal: _Signal | None, owed: _Owed) -> datetime | None:
    """Return since when something is owed in either direction, or None."""
    since = []
    if link.imported_at is None:
        since.append(link.created_at)
    elif signal is not None and signal.notified > link.pulled:
        since.append(max(signal.notified_at or link.created_at, link.heard_at or link.created_at))
    elif link.cursor is None or link.confirmed < link.generation or owed.doubted:
        # The provider has yet to be asked about what the last listing left open.
        since.append(link.heard_at or link.created_at)
    if owed.oldest is not None:
        since.append(max(owed.oldest, link.imported_at or link.created_at))
    silent = timedelta(seconds=2 * ports.settings.poll_interval) + PATIENCE
    if link.heard_at is not None and ports.clock.now() - link.heard_at > silent:
        since.append(link.heard_at)
    return min(since, default=None)

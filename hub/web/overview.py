"""Everything that the page shows a person, read in one short transaction."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.orm import Session, joinedload

from hub.accounts.agenda import TooManyError, list_entries
from hub.accounts.health import Health, health_of
from hub.models import (
    Account,
    AccountState,
    Calendar,
    Change,
    Link,
    RemoteCalendar,
    User,
)
from hub.plugin.types import ProviderInfo
from hub.ports import Ports
from hub.web.lines import ChangeLine, ConflictLine, labels_of, lines_of, open_conflicts
from hub.web.live import signature
from hub.web.option_views import told
from hub.web.week import Day, bounds, layout, monday

RECENT = 12
MOST_EACH = 240
"""Occurrences of one event in a week that are shown: an hourly one is whole, and no other hides the rest."""


@dataclass(frozen=True, slots=True)
class LinkLine:
    """A link as people see it."""

    link: Link
    account: Account
    health: Health
    provider: str
    options: str
    """What it does otherwise than usual, in words."""


@dataclass(frozen=True, slots=True)
class Overview:
    """What the page is made of."""

    providers: tuple[ProviderInfo, ...]
    labels: dict[str, str]
    accounts: list[Account]
    remote_calendars: dict[str, list[RemoteCalendar]]
    calendars: list[Calendar]
    colors: dict[str, int]
    links: dict[str, list[LinkLine]]
    linked: set[str]
    days: list[Day]
    first: date
    today: date
    zone: str
    too_many: bool
    changes: list[ChangeLine]
    conflicts: list[ConflictLine]
    now: datetime
    signature: str


def calendars_of(session: Session, user: User) -> list[Calendar]:
    query = select(Calendar).where(Calendar.user_id == user.id, Calendar.deleted_at.is_(None))
    return list(session.scalars(query.order_by(Calendar.created_at, Calendar.id)))


def read(session: Session, ports: Ports, user: User, wanted: date | None) -> Overview:
    """Return the page's content for the week of a day (today's if None); the session is of a snapshot."""
    calendars = calendars_of(session, user)
    accounts = list(
        session.scalars(
            select(Account)
            .where(Account.user_id == user.id, Account.state != AccountState.DISCONNECTED)
            .order_by(Account.created_at)
        )
    )
    providers = ports.gateway.providers()
    labels = labels_of(ports)
    links = _links(session, ports, accounts, labels)
    zone = ZoneInfo(calendars[0].zone if calendars else "UTC")
    today = ports.clock.now().astimezone(zone).date()
    first = monday(wanted or today)
    days, too_many = _days(session, calendars, first, zone, today)
    return Overview(
        providers=providers,
        labels=labels,
        accounts=accounts,
        remote_calendars=_remote_calendars(session, accounts),
        calendars=calendars,
        colors={calendar.id: i % 6 for i, calendar in enumerate(calendars)},
        links=links,
        linked={line.link.remote_calendar_id for lines in links.values() for line in lines},
        days=days,
        first=first,
        today=today,
        zone=str(zone),
        too_many=too_many,
        changes=_changes(session, calendars, labels),
        conflicts=open_conflicts(session, calendars, labels),
        now=ports.clock.now(),
        signature=signature(session, user),
    )


def _days(
    session: Session, calendars: list[Calendar], first: date, zone: ZoneInfo, today: date
) -> tuple[list[Day], bool]:
    """Return the days of a week, and whether there was more than is shown."""
    start, end = bounds(first, zone)
    # All-day events begin at another instant in each zone: look a day further on both sides.
    around = start - timedelta(days=1), end + timedelta(days=1)
    try:
        entries = list_entries(session, calendars, *around, cancelled=True, most_each=MOST_EACH)
    except TooManyError:
        return layout([], first, zone, today), True
    most = max(Counter(entry.event.id for entry in entries).values(), default=0)
    return layout(entries, first, zone, today), most == MOST_EACH


def _remote_calendars(session: Session, accounts: list[Account]) -> dict[str, list[RemoteCalendar]]:
    found: dict[str, list[RemoteCalendar]] = {account.id: [] for account in accounts}
    query = select(RemoteCalendar).where(RemoteCalendar.account_id.in_(found))
    order = (RemoteCalendar.primary.desc(), RemoteCalendar.name, RemoteCalendar.id)
    for row in session.scalars(query.order_by(*order)):
        found[row.account_id].append(row)
    return found


def _links(
    session: Session, ports: Ports, accounts: list[Account], labels: dict[str, str]
) -> dict[str, list[LinkLine]]:
    owners = {account.id: account for account in accounts}
    rows = list(
        session.scalars(
            select(Link)
            .where(Link.account_id.in_(owners), Link.deleted_at.is_(None))
            .options(joinedload(Link.remote_calendar))
            .order_by(Link.created_at, Link.id)
        )
    )
    health = health_of(session, ports, rows)
    found: dict[str, list[LinkLine]] = {}
    for link in rows:
        account = owners[link.account_id]
        label = labels.get(account.provider, account.provider)
        line = LinkLine(link, account, health[link.id], label, told(link))
        found.setdefault(link.calendar_id, []).append(line)
    return found


def _changes(session: Session, calendars: list[Calendar], labels: dict[str, str]) -> list[ChangeLine]:
    if not calendars:
        return []
    query = select(Change).where(
        Change.tenant_id == calendars[0].tenant_id, Change.calendar_id.in_([c.id for c in calendars])
    )
    rows = session.scalars(query.order_by(Change.seq.desc()).limit(RECENT)).all()
    return lines_of(session, rows, labels)

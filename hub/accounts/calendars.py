"""The list of calendars that an account can see, kept as the provider last told it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import BindParameter, ColumnElement, bindparam, or_, select, update
from sqlalchemy.orm import Session

from hub.accounts import relink
from hub.domain.recurrence import is_known_zone
from hub.log import get_logger
from hub.models import Account, AccountState, Link, LinkState, RemoteCalendar
from hub.plugin import types
from hub.plugin.errors import ProviderError
from hub.ports import Ports
from hub.providers.manager import UnknownProviderError

log = get_logger()

LIST_LIFE = timedelta(hours=12)
"""After this time a list of calendars is read again."""
NO_CALENDARS = (
    "The provider shows no calendars for this account. Make one there, or connect an account that has some; "
    "then refresh the list."
)
RETRY_AFTER = timedelta(minutes=10)


def refresh(ports: Ports, account_id: str) -> int:
    """Read the account's calendars from its provider; return how many it shows.

    A calendar that is not shown any more is marked, never deleted: its links and events stay. An empty
    list after a full one is taken for a mishap of the provider, and nothing is marked.

    Raises:
        ProviderError: the provider could not tell; what we know stays as it is.
    """
    shown: tuple[types.RemoteCalendar, ...] = ports.gateway.call(account_id, "list_calendars")
    with ports.db.transaction() as session:
        account = session.get_one(Account, account_id)
        store(session, ports, account, shown)
    return len(shown)


def keep_fresh(ports: Ports, account_id: str) -> None:
    """Read the account's calendars because the list has grown old; a failure waits for a while.

    The wait is written down first: of two workers with the same hint one does it, and an account whose
    list kills its worker is not asked for again and again.
    """
    now = ports.clock.now()
    with ports.db.transaction() as session:
        values = {"account_id": account_id, "before": now - LIST_LIFE}
        values["again_at"] = now - LIST_LIFE + RETRY_AFTER
        is_mine = session.connection().execute(_CLAIM, values).rowcount > 0
    if not is_mine:
        return
    try:
        refresh(ports, account_id)
        relink.heal(ports, account_id)
    except (ProviderError, UnknownProviderError) as error:
        log.warning("calendars_not_listed", account_id=account_id, reason=str(error))


def is_stale(before: datetime | BindParameter[Any]) -> ColumnElement[bool]:
    """Return the condition for accounts whose list of calendars was last read before an instant."""
    return or_(Account.calendars_at.is_(None), Account.calendars_at < before)


_OF_ACCOUNT = select(RemoteCalendar).where(RemoteCalendar.account_id == bindparam("account_id"))
_CLAIM = (
    update(Account)
    .where(
        Account.id == bindparam("account_id"),
        is_stale(bindparam("before", type_=Account.calendars_at.type)),
    )
    .values(calendars_at=bindparam("again_at"))
)


def store(session: Session, ports: Ports, account: Account, shown: tuple[types.RemoteCalendar, ...]) -> None:
    """Bring the rows of an account's calendars to what the provider shows."""
    now = ports.clock.now()
    rows = {row.remote_id: row for row in session.scalars(_OF_ACCOUNT, {"account_id": account.id})}
    for calendar in shown:
        row = rows.pop(calendar.remote_id, None)
        if row is None:
            row = RemoteCalendar(
                id=ports.ids.new("rcal"), account_id=account.id, remote_id=calendar.remote_id
            )
            session.add(row)
        _update(session, ports, row, calendar)
    for row in rows.values() if shown else ():
        row.missing_since = row.missing_since or now
    account.calendars_at = now
    if account.state == AccountState.CONNECTED:
        account.problem = None if shown else NO_CALENDARS
        account.problem_at = None if shown else account.problem_at or now


def _update(session: Session, ports: Ports, row: RemoteCalendar, calendar: types.RemoteCalendar) -> None:
    lost_right = row.access_role in ("owner", "writer") and not calendar.writable
    row.name, row.access_role = calendar.name, calendar.access_role.value
    row.zone, row.color = calendar.zone if is_known_zone(calendar.zone) else None, calendar.color
    row.primary, row.can_watch, row.missing_since = calendar.primary, calendar.can_watch, None
    if lost_right:
        _tell_lost_right(session, ports, row)


def _tell_lost_right(session: Session, ports: Ports, row: RemoteCalendar) -> None:
    """Stop the link that can write no longer: one message instead of a failure for each event."""
    link = session.scalars(
        select(Link).where(
            Link.remote_calendar_id == row.id, Link.deleted_at.is_(None), Link.direction != "import"
        )
    ).one_or_none()
    if link is not None and link.state == LinkState.ACTIVE:
        link.state = LinkState.STOPPED
        link.problem = (
            f"{row.name} has become read-only for this account. Ask its owner for the right to make changes "
            "and resume the link, or set its direction to import."
        )
        link.problem_code, link.problem_at = "read_only", ports.clock.now()

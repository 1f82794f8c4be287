"""Finds rows by id for the calling tenant: another tenant's id is a 404, like one that does not exist."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

from sqlalchemy import select
from sqlalchemy.orm import Session, joinedload

from hub.api.context import ports, tenant_id
from hub.api.errors import Problem, not_found
from hub.api.schemas.standing import standing_in
from hub.models import Account, Calendar, Conflict, Event, Link, LinkPlan, RemoteCalendar, User
from hub.outbound.edit import get_event, heir_of

Row = TypeVar("Row")


def _or_404(row: Row | None, what: str) -> Row:
    if row is None:
        raise not_found(what)
    return row


def user(session: Session, user_id: str) -> User:
    query = select(User).where(User.id == user_id, User.tenant_id == tenant_id())
    return _or_404(session.scalars(query).one_or_none(), "user")


def account(session: Session, account_id: str) -> Account:
    query = select(Account).where(Account.id == account_id, Account.tenant_id == tenant_id())
    return _or_404(session.scalars(query).one_or_none(), "account")


def calendar(session: Session, calendar_id: str) -> Calendar:
    query = select(Calendar).where(
        Calendar.id == calendar_id, Calendar.tenant_id == tenant_id(), Calendar.deleted_at.is_(None)
    )
    return _or_404(session.scalars(query).one_or_none(), "calendar")


def remote_calendar(session: Session, remote_calendar_id: str) -> RemoteCalendar | None:
    query = (
        select(RemoteCalendar)
        .join(Account, Account.id == RemoteCalendar.account_id)
        .where(RemoteCalendar.id == remote_calendar_id, Account.tenant_id == tenant_id())
    )
    return session.scalars(query).one_or_none()


def link(session: Session, link_id: str) -> Link:
    query = (
        select(Link)
        .where(Link.id == link_id, Link.tenant_id == tenant_id(), Link.deleted_at.is_(None))
        .options(joinedload(Link.remote_calendar))
    )
    return _or_404(session.scalars(query).one_or_none(), "link")


def link_plan(session: Session, plan_id: str) -> LinkPlan:
    query = select(LinkPlan).where(LinkPlan.id == plan_id, LinkPlan.tenant_id == tenant_id())
    return _or_404(session.scalars(query).one_or_none(), "plan")


def event(session: Session, event_id: str, *, lock: bool = False, or_deleted: bool = False) -> Event:
    found = get_event(session, event_id, lock=lock)
    if found is None or found.tenant_id != tenant_id():
        raise not_found("event")
    calendar(session, found.calendar_id)
    if found.deleted_at and not or_deleted:
        raise _moved(session, event_id) or not_found("event")
    return found


def over_what_stands(view: Callable[..., Any]) -> Callable[..., Any]:
    """Have a view of a PATCH take what stands in its event; goes above flask-smorest's decorators."""

    @wraps(view)
    def taking(*args: Any, event_id: str, **kwargs: Any) -> Any:
        with standing_in(lambda: _content_or_nothing(event_id)):
            return view(*args, event_id=event_id, **kwargs)

    return taking


def _content_or_nothing(event_id: str) -> dict[str, Any]:
    with ports().db.reading() as session:
        try:
            return event(session, event_id).content
        except Problem:
            return {}  # The view tells.


def _moved(session: Session, event_id: str) -> Problem | None:
    """Return where a deleted event goes on, if a person has moved it to another calendar."""
    heir = heir_of(session.connection(), event_id)
    if heir is None:
        return None
    detail = f"This event was moved to calendar {heir[1]}, where it goes on as event {heir[0]}."
    return Problem(404, detail, kind="moved")


def calendar_of(session: Session, event_id: str) -> Calendar:
    """Return the calendar of an event, deleted or not: what a deleted calendar holds is out of reach."""
    found = session.get(Event, event_id)
    if found is None or found.tenant_id != tenant_id():
        raise not_found("event")
    return calendar(session, found.calendar_id)


def conflict(session: Session, conflict_id: str, *, lock: bool = False) -> Conflict:
    query = select(Conflict).where(Conflict.id == conflict_id, Conflict.tenant_id == tenant_id())
    return _or_404(session.scalars(query.with_for_update() if lock else query).one_or_none(), "conflict")

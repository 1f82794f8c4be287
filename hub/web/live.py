"""Tells an open page that something moved (server-sent events); the page then fetches itself anew."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import timedelta
from hashlib import sha256

from flask import Response, request
from sqlalchemy import BindParameter, ColumnExpressionArgument, Select, bindparam, func, select
from sqlalchemy.orm import Session

from hub.models import (
    Account,
    Calendar,
    Channel,
    Conflict,
    Event,
    EventCopy,
    Link,
    LinkSignal,
    ParkedChange,
    Tenant,
    User,
)
from hub.outbound.owed import DOUBTED
from hub.ports import Ports
from hub.web.site import blp, ports, visitor

LIFE = timedelta(seconds=55)
LOOK_EVERY = 0.3
_streams = threading.Semaphore(24)
"""Each stream holds a thread of the server: beyond this, pages ask again every few seconds instead."""

_USER: BindParameter[str] = bindparam("user_id")
_OWN_LINKS = select(Link.id).join(Account, Account.id == Link.account_id).where(Account.user_id == _USER)


def _copies(*conditions: ColumnExpressionArgument[bool]) -> Select[str, int]:
    """Return the query for how many copies of each link are so; there is an index for each of these."""
    return (
        select(EventCopy.link_id, func.count())
        .where(EventCopy.link_id.in_(_OWN_LINKS), *conditions)
        .group_by(EventCopy.link_id)
        .order_by(EventCopy.link_id)
    )


_PARTS: tuple[Select[*tuple[object, ...]], ...] = (
    select(Account.id, Account.state, Account.problem, Account.calendars_at)
    .where(Account.user_id == _USER)
    .order_by(Account.id),
    select(
        Link.id,
        Link.state,
        Link.direction,
        Link.problem,
        Link.failures,
        Link.imported_at,
        Link.deleted_at,
        Link.held_at,
        Link.verdict,
        Link.cursor.is_(None),
        Link.confirmed < Link.generation,
        LinkSignal.notified > Link.pulled,
    )
    .outerjoin(LinkSignal, LinkSignal.link_id == Link.id)
    .where(Link.id.in_(_OWN_LINKS))
    .order_by(Link.id),
    _copies(EventCopy.wanted_version > EventCopy.pushed_version, EventCopy.parked_at.is_(None)),
    _copies(EventCopy.missing_at.is_not(None), EventCopy.removed_at.is_(None)),
    _copies(EventCopy.removed_at.is_(None), *DOUBTED),
    select(ParkedChange.link_id, func.count())
    .where(ParkedChange.link_id.in_(_OWN_LINKS))
    .group_by(ParkedChange.link_id)
    .order_by(ParkedChange.link_id),
    select(Channel.id, Channel.state)
    .join(Account, Account.id == Channel.account_id)
    .where(Account.user_id == _USER)
    .order_by(Channel.id),
    select(Calendar.id, Calendar.name, Calendar.deleted_at)
    .where(Calendar.user_id == _USER)
    .order_by(Calendar.id),
    select(func.count(), func.max(Conflict.at))
    .join(Event, Event.id == Conflict.event_id)
    .join(Calendar, Calendar.id == Event.calendar_id)
    .where(Calendar.user_id == _USER, Conflict.resolution.is_(None)),
)
"""All that the page shows of a person but the events: what `hub.accounts.health` looks at, above all."""
_SEQ = select(Tenant.change_seq).where(Tenant.id == bindparam("tenant_id"))


def signature(session: Session, user: User) -> str:
    """Return a short text that is another whenever the page would show something else.

    Who compares it with what is shown reads both in one snapshot.
    """
    seq = session.scalar(_SEQ, {"tenant_id": user.tenant_id})
    parts = [session.execute(query, {"user_id": user.id}).all() for query in _PARTS]
    return f"{seq}-{sha256(repr(parts).encode()).hexdigest()[:16]}"


@blp.get("/live")
def live() -> Response:
    """Stream a line whenever the page is out of date; end before proxies do, the browser comes again."""
    known = request.headers.get("Last-Event-ID") or request.args.get("since", "")
    response = Response(_stream(ports(), visitor(), known), mimetype="text/event-stream")
    response.headers["X-Accel-Buffering"] = "no"
    return response


def _stream(ports: Ports, user: User, known: str) -> Iterator[str]:
    has_place = _streams.acquire(blocking=False)
    try:
        yield f"retry: {500 if has_place else 4000}\n\n"
        end = ports.clock.now() + LIFE
        while True:
            with ports.db.snapshot() as session:
                found = signature(session, user)
            if found != known:
                known = found
                yield f"id: {found}\nevent: moved\ndata: {found}\n\n"
            if not has_place or ports.clock.now() >= end:
                return
            ports.clock.sleep(LOOK_EVERY)
    finally:
        if has_place:
            _streams.release()

"""Tells an open page that something moved (server-sent events); the page then fetches itself anew."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import timedelta
from hashlib import sha256

from flask import Response, request
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from hub.models import Account, Calendar, Conflict, Event, EventCopy, Link, LinkSignal, Tenant, User
from hub.ports import Ports
from hub.web.site import blp, ports, visitor

LIFE = timedelta(seconds=55)
LOOK_EVERY = 0.3
_streams = threading.Semaphore(24)
"""Each stream holds a thread of the server: beyond this, pages ask again every few seconds instead."""


def signature(session: Session, user: User) -> str:
    """Return a short text that changes whenever something that the page shows has changed."""
    seq = session.scalar(select(Tenant.change_seq).where(Tenant.id == user.tenant_id))
    accounts = select(Account.id, Account.state, Account.problem, Account.calendars_at)
    links = (
        select(
            Link.id,
            Link.state,
            Link.direction,
            Link.problem,
            Link.failures,
            Link.imported_at,
            Link.deleted_at,
        )
        .add_columns(LinkSignal.notified > Link.pulled)
        .join(Account, Account.id == Link.account_id)
        .outerjoin(LinkSignal, LinkSignal.link_id == Link.id)
        .where(Account.user_id == user.id)
        .order_by(Link.id)
    )
    waiting = (
        select(EventCopy.link_id, func.count())
        .join(Link, Link.id == EventCopy.link_id)
        .join(Account, Account.id == Link.account_id)
        .where(Account.user_id == user.id, EventCopy.wanted_version > EventCopy.pushed_version)
        .group_by(EventCopy.link_id)
        .order_by(EventCopy.link_id)
    )
    calendars = select(Calendar.id, Calendar.name, Calendar.deleted_at).where(Calendar.user_id == user.id)
    conflicts = (
        select(func.count(), func.max(Conflict.at))
        .join(Event, Event.id == Conflict.event_id)
        .join(Calendar, Calendar.id == Event.calendar_id)
        .where(Calendar.user_id == user.id, Conflict.resolution.is_(None))
    )
    parts = [
        session.execute(query).all()
        for query in (
            accounts.where(Account.user_id == user.id).order_by(Account.id),
            links,
            waiting,
            calendars.order_by(Calendar.id),
            conflicts,
        )
    ]
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
            with ports.db.reading() as session:
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

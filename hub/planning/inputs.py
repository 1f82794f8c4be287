"""What a plan was worked out from, in short digests: if they are the same, the plan still holds."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from sqlalchemy import Executable, select
from sqlalchemy.orm import Session

from hub.models import Account, Calendar, Event, EventCopy, Link, RemoteCalendar

REASONS = {
    "calendar": "the calendar itself was changed",
    "events": "events of the calendar were changed",
    "links": "links of the calendar were made, changed or ended",
    "rights": "what the account may do with a calendar has changed",
    "copies": "events were written to, or read from, a linked calendar",
}


def digests(session: Session, calendar_id: str) -> dict[str, Any]:
    """Return a digest of all that the plan for a calendar depends on."""
    links = select(Link.id).where(Link.calendar_id == calendar_id)
    rights = (
        select(RemoteCalendar.id, RemoteCalendar.access_role, RemoteCalendar.missing_since, Account.state)
        .join(Account, Account.id == RemoteCalendar.account_id)
        .join(Link, Link.remote_calendar_id == RemoteCalendar.id)
        .where(Link.calendar_id == calendar_id, Link.deleted_at.is_(None))
    )
    return {
        "calendar": _digest(
            session, select(Calendar.id, Calendar.zone, Calendar.deleted_at).where(Calendar.id == calendar_id)
        ),
        "events": _digest(
            session,
            select(Event.id, Event.version).where(
                Event.calendar_id == calendar_id, Event.deleted_at.is_(None)
            ),
        ),
        "links": _digest(session, _links(calendar_id)),
        "rights": _digest(session, rights),
        "copies": _digest(
            session,
            select(
                EventCopy.id,
                EventCopy.remote_id,
                EventCopy.remote_version,
                EventCopy.wanted_version,
                EventCopy.pushed_version,
                EventCopy.removed_at,
                EventCopy.missing_at,
                EventCopy.parked_at,
                EventCopy.uncertain,
            ).where(EventCopy.link_id.in_(links)),
        ),
    }


def _links(calendar_id: str) -> Executable:
    return select(
        Link.id,
        Link.direction,
        Link.detail,
        Link.busy_title,
        Link.filters,
        Link.leave_alone,
        Link.unholdable,
        Link.policy,
        Link.past_days,
        Link.state,
        Link.imported_at,
        Link.held_at,
        Link.verdict,
    ).where(Link.calendar_id == calendar_id, Link.deleted_at.is_(None))


def _digest(session: Session, query: Executable) -> str:
    total = hashlib.blake2b(digest_size=12)
    # What is stored as JSON comes back in an order that is the database's own.
    for line in sorted(json.dumps(list(row), sort_keys=True, default=repr) for row in session.execute(query)):
        total.update(line.encode())
    return total.hexdigest()

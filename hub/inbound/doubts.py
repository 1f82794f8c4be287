"""What a page says that is no proof: deletions that a provider is not sure of, and news older than ours.

Comes between the fetching of a page and its storing: the pull asks the provider about each of them.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from hub.models import EventCopy, Link, ParkedChange
from hub.plugin.types import RemoteChange, RemoteEvent

MOST_STALE = 50
"""So much old news on one page tells of a clock that was set back."""

_KNOWN = select(EventCopy.remote_id, EventCopy.remote_version, EventCopy.shown_at).where(
    EventCopy.link_id == bindparam("link_id"),
    EventCopy.remote_id.in_(bindparam("ids", expanding=True)),
    EventCopy.removed_at.is_(None),
)
_PARKED = select(ParkedChange.remote_id).where(
    ParkedChange.link_id == bindparam("link_id"),
    ParkedChange.remote_id.in_(bindparam("ids", expanding=True)),
)


def doubtful(
    changes: Iterable[RemoteChange], shown: dict[str, tuple[str, datetime | None]]
) -> frozenset[str]:
    """Return what is no proof: deletions that the provider is not sure of, and news older than ours.

    Such a deletion of an event that we do not know is left out; the others are asked about.
    """
    gone = {c.remote_id for c in changes if _is_doubtful(c)}
    stale = {
        c.remote_id for c in changes if c.event is not None and _is_stale(c.event, shown.get(c.remote_id))
    }
    if len(stale) > MOST_STALE:
        stale.clear()  # The provider's clock was set back.
    return frozenset(gone | stale)


def _is_doubtful(change: RemoteChange) -> bool:
    return change.event is None and change.fault is None and not change.certain


def _is_stale(event: RemoteEvent, ours: tuple[str, datetime | None] | None) -> bool:
    """Whether a listing shows an older state than the provider has shown us before."""
    version, shown_at = ours or ("", None)
    return bool(event.version != version and shown_at and event.updated_at and event.updated_at < shown_at)


def known(
    session: Session, link: Link, changes: Iterable[RemoteChange]
) -> dict[str, tuple[str, datetime | None]]:
    """Return version and date of those events of a page that have a copy or are parked, where it matters."""
    ids = [
        c.remote_id
        for c in changes
        if _is_doubtful(c) or (c.event is not None and c.event.updated_at is not None)
    ]
    if not ids:
        return {}
    rows = session.connection().execute(_KNOWN, {"link_id": link.id, "ids": ids})
    found = {row.remote_id: (row.remote_version, row.shown_at) for row in rows}
    if gone := [c.remote_id for c in changes if _is_doubtful(c)]:
        parked = session.connection().execute(_PARKED, {"link_id": link.id, "ids": gone})
        found = {row.remote_id: ("", None) for row in parked} | found
    return found

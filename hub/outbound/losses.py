"""What a linked calendar shows otherwise than the hub has it, and why, for whoever looks at an event."""

from __future__ import annotations

from sqlalchemy.orm import Session

from hub.domain.lens import pinned
from hub.domain.merge import ALL_FIELDS
from hub.models import Account, Event, EventCopy, Link, RemoteCalendar
from hub.models.view import lens_of
from hub.plugin.codec import content_from_json
from hub.plugin.types import EventContent, Loss
from hub.ports import Ports
from hub.providers.manager import UnknownProviderError


def of_copy(session: Session, ports: Ports, copy: EventCopy, event: Event) -> list[Loss]:
    """Return what the hub has of an event and its copy does not show, once the two are in step."""
    names = sorted(copy.synced.keys() & ALL_FIELDS)
    if not names or copy.base is None or copy.removed_at is not None:
        return []
    link = session.get_one(Link, copy.link_id)
    told = _told(session, ports, link, copy, event)
    place = session.get_one(RemoteCalendar, link.remote_calendar_id).name
    return [Loss(name, told.get(name, f"“{place}” keeps its own value of this.")) for name in names]


def wanted_there(link: Link, copy: EventCopy, event: Event) -> EventContent:
    """Return what the hub wants to be seen of an event in a link, before projection."""
    is_ours = copy.is_ours or copy.remote_id is None
    seen = lens_of(link).shown(pinned(event.content, link.calendar.zone), copy.base, is_ours=is_ours)
    return content_from_json(seen)


def _told(session: Session, ports: Ports, link: Link, copy: EventCopy, event: Event) -> dict[str, str]:
    """Return by field what the provider says that it cannot hold."""
    provider = session.get_one(Account, link.account_id).provider
    try:
        projection = ports.gateway.plain(provider, "project", content=wanted_there(link, copy, event))
    except UnknownProviderError:
        return {}
    return {loss.field: loss.reason for loss in projection.losses}

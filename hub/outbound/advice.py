"""What helps an event that waits for a person in one link, in words for people.

A provider's plugin says why an event is parked; it knows nothing of the options of links, nor of what can
be asked for in the hub. Comes after the outbox has parked a copy: the API and the page show this beside its
reason.
"""

from __future__ import annotations

from sqlalchemy.orm import Session

from hub.models import Account, Event, EventCopy, Link, RemoteCalendar
from hub.outbound import asked, singles
from hub.outbound.losses import wanted_there
from hub.plugin.errors import ProviderError
from hub.plugin.types import AccessRole
from hub.ports import Ports
from hub.providers.manager import UnknownProviderError

AGAIN = "Change the event, or sync again to have it tried again."
DELETED = "Sync again to have it tried again."
CHANGE = "Change the event: as it is, it cannot be held there."
SHARE = "Have that calendar shared with this account so that it may write, or let the link only read there."
UNDO = "It can only be changed there: undo the change that was made here, or leave it."
GUESTS = "The guests can only be changed there: undo the change that was made here, or leave it."
TELL = "Save it once more and have its guests told (`notify`): then it is written."
TELL_DELETION = (
    "Have its guests told that it does not take place (a deletion with `notify`), or delete it there."
)
CHANGE_THERE = "Change it there: it is then read again."
"""Of what a provider shows and nobody could understand."""


def on_copy(session: Session, ports: Ports, copy: EventCopy, event: Event) -> str:
    """Return what helps an event whose copy is parked."""
    link = session.get_one(Link, copy.link_id)
    remote = session.get_one(RemoteCalendar, link.remote_calendar_id)
    if remote.access_role not in (AccessRole.OWNER, AccessRole.WRITER):
        return SHARE
    is_deleted = event.deleted_at is not None
    if copy.problem is not None and copy.problem == copy.notify_only:
        return TELL_DELETION if is_deleted else TELL
    if copy.problem is not None and copy.problem == copy.read_only:
        return UNDO
    if is_deleted:
        return DELETED
    if copy.problem == asked.PARTLY_SHOWN:
        return GUESTS
    provider = session.get_one(Account, link.account_id).provider
    content = wanted_there(link, copy, event)
    try:
        if ports.gateway.plain(provider, "project", content=content).refusal is None:
            return AGAIN
        is_ours = copy.is_ours or copy.remote_id is None
        return (singles.remedy(ports, provider, link, content) if is_ours else None) or CHANGE
    except (ProviderError, UnknownProviderError):
        return AGAIN

"""A user's edits of a series: one occurrence, or this and following, each in one transaction.

Comes after the API (or the page) has checked the input; before the outbox. How a series is cut stands in
`hub.domain.split`; here its halves become two events, each of which knows of the other.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from hub.domain.series import as_exception, with_exception
from hub.domain.split import SeriesError, Split, Start, split
from hub.models import Calendar, Direction, Event, EventCopy, Link
from hub.models.content import content_of
from hub.outbound import edit
from hub.outbound.edit import Author
from hub.plugin.codec import to_json
from hub.plugin.types import EventContent, SeriesException
from hub.ports import Ports


class CancelledError(SeriesError):
    """The occurrence does not take place."""


class NotOursError(SeriesError):
    """A calendar has the series as somebody else's meeting: a second half could not take its place there."""


def change_occurrence(
    session: Session, ports: Ports, event: Event, exception: SeriesException, author: Author
) -> bool:
    """Bring one occurrence of a series (from `get_event(lock=True)`) to what an exception says.

    Raises:
        SeriesError: there is none, or its time makes no sense.
    """
    return edit.update_event(session, ports, event, with_exception(content_of(event), exception), author)


def cut(session: Session, event: Event, original_start: Start, *, notify: bool = False) -> Split:
    """Return the halves of a series that may be split at an occurrence that takes place.

    Args:
        notify: whether guests are to be told.

    Raises:
        SeriesError: it may not.
    """
    content = content_of(event)
    halves = split(content, original_start)
    if as_exception(content, original_start).cancelled:
        raise CancelledError("this occurrence is cancelled: bring it back first, or begin at another one")
    if halves.before is not None:
        _check_ours(session, event, notify=notify)
    return halves


def _check_ours(session: Session, event: Event, *, notify: bool) -> None:
    barrier = EventCopy.read_only if notify else func.coalesce(EventCopy.read_only, EventCopy.notify_only)
    copies = session.execute(
        select(barrier, EventCopy.own_fields)
        .join(Link, Link.id == EventCopy.link_id)
        .where(
            EventCopy.event_id == event.id,
            barrier.is_not(None),
            EventCopy.removed_at.is_(None),
            Link.deleted_at.is_(None),
            Link.direction != Direction.IMPORT,
        )
    )
    for reason, own_fields in copies:
        if "when" not in own_fields:
            raise NotOursError(f"the series cannot be split in a linked calendar. {reason}")


def split_event(
    session: Session,
    ports: Ports,
    event: Event,
    halves: Split,
    following: EventContent,
    author: Author,
    *,
    extra: Mapping[str, Any],
) -> Event:
    """Make what follows an event of its own, and end the old one before it; return the new one.

    The new one is made first: whoever sees only half of it sees an occurrence twice, and none is missing.

    Args:
        event: from `get_event(lock=True)`; `halves` come from `cut`.
        following: what the second half is to be.
    """
    assert halves.before is not None, "nothing comes before: the whole event is to be changed"
    calendar = session.get_one(Calendar, event.calendar_id)
    if following.conference == halves.after.conference:
        following = _with_own_meeting(session, event, following)
    new = edit.create_event(session, ports, calendar, following, author, extra=extra, split_from=event.id)
    edit.update_event(session, ports, event, halves.before, author, split_into=new.id)
    return new


def _with_own_meeting(session: Session, event: Event, following: EventContent) -> EventContent:
    """Return the second half with a wish for its own meeting, where a provider has made that of the first.

    One room is not used for two events; an address that no provider of ours made is kept as it is.
    """
    held = following.conference
    if held is None or not held.url or not held.provider:
        return following
    bases = session.scalars(
        select(EventCopy.base)
        .join(Link, Link.id == EventCopy.link_id)
        .where(
            EventCopy.event_id == event.id,
            EventCopy.removed_at.is_(None),
            Link.deleted_at.is_(None),
            Link.direction != Direction.IMPORT,
        )
    )
    if not any((base or {}).get("conference") == to_json(held) for base in bases):
        return following
    return dataclasses.replace(following, conference=dataclasses.replace(held, url=""))


def end_before(session: Session, ports: Ports, event: Event, halves: Split, author: Author) -> None:
    """Delete what follows: the event ends before it, or is deleted if nothing comes before."""
    if halves.before is None:
        edit.delete_event(session, ports, event, author)
    else:
        edit.update_event(session, ports, event, halves.before, author)

"""Changing a link that exists: its options and window; syncing it now; deciding about its deletions."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from hub.db import after_commit
from hub.domain.lens import Filters
from hub.domain.recurrence import span
from hub.models import Calendar, Direction, Event, EventCopy, Link, LinkState, Verdict
from hub.models.content import content_of
from hub.models.view import lens_of
from hub.outbound import options
from hub.outbound.linking import (
    adopt_anew,
    ask_for_pull,
    check_direction,
    compare_anew,
    forget_wishes,
    lock_copies,
    locked,
    look_again,
)
from hub.ports import Ports


def change_link(
    session: Session,
    ports: Ports,
    link: Link,
    *,
    direction: str | None = None,
    detail: str | None = None,
    busy_title: str | None = None,
    filters: Mapping[str, Any] | None = None,
    leave_alone: Collection[str] | None = None,
    unholdable: str | None = None,
    policy: str | None = None,
    past_days: int | None = None,
    future_days: int | None = None,
) -> None:
    """Change what is not None. A narrower window deletes nothing; in a wider one, what both sides hold
    already is recognised before anything is written.

    A link that begins to read or to write compares both sides anew, as at its first listing; one that
    ends doing so leaves both as they are. What a link shows of events is brought into line there at once:
    only copies that the hub has made are rewritten or taken away.

    Args:
        filters: those of `hub.domain.lens.Filters` that change; the others stay.

    Raises:
        LinkingError: the remote calendar may not be written to.
    """
    locked(session, Link.id == link.id)
    anew = (past_days or 0) > link.past_days or (future_days or 0) > link.future_days
    before = lens_of(link)
    link.detail = detail or link.detail
    link.busy_title = busy_title or link.busy_title
    link.filters = Filters.of(link.filters | dict(filters or {})).stored()
    link.leave_alone = link.leave_alone if leave_alone is None else sorted(set(leave_alone))
    lens = lens_of(link)
    if lens != before or unholdable not in (None, link.unholdable) or direction not in (None, link.direction):
        lock_copies(session, [link])
    if unholdable is not None and unholdable != link.unholdable:
        link.unholdable = unholdable
        look_again(session, ports, link)
    if lens != before:
        anew = options.settle(session, ports, link, before, lens) or anew
        look_again(session, ports, link)
    if direction is not None and direction != link.direction:
        anew = _turn(session, ports, link, direction) or anew
    link.policy = policy or link.policy
    link.past_days = link.past_days if past_days is None else past_days
    link.future_days = link.future_days if future_days is None else future_days
    if anew:
        adopt_anew(session, ports, link)


def rename_calendar(session: Session, ports: Ports, calendar: Calendar, name: str) -> None:
    """Give a calendar another name, and its busy-only copies another title where that says it."""
    links = [(link, lens_of(link)) for link in _links_of(session, calendar)]
    calendar.name = name
    lock_copies(session, [link for link, before in links if lens_of(link) != before])
    for link, before in links:
        if (lens := lens_of(link)) != before:
            options.settle(session, ports, link, before, lens)
            look_again(session, ports, link)


def move_calendar(session: Session, ports: Ports, calendar: Calendar, zone: str) -> None:
    """Give a calendar another zone, in which its floating events take place from now on."""
    if zone == calendar.zone:
        return
    links = _links_of(session, calendar)
    lock_copies(session, links)
    calendar.zone = zone
    floating = (
        select(Event)
        .where(
            Event.calendar_id == calendar.id,
            Event.content["when", "start_zone"].as_string().is_(None),
            Event.deleted_at.is_(None),
        )
        .order_by(Event.id)
    )
    are_timed = False
    for event in session.scalars(floating.with_for_update(of=Event)):
        content = content_of(event)
        are_timed = are_timed or not content.when.all_day
        event.starts_at, event.ends_at = span(content.when, zone)
    for link in links if are_timed else ():
        look_again(session, ports, link)


def _links_of(session: Session, calendar: Calendar) -> Sequence[Link]:
    return locked(session, Link.calendar_id == calendar.id, Link.deleted_at.is_(None))


def _turn(session: Session, ports: Ports, link: Link, direction: str) -> bool:
    """Change the direction; return whether both sides have to be compared anew."""
    check_direction(session, link.remote_calendar, direction)
    before, link.direction = link.direction, direction
    if direction == Direction.IMPORT:
        forget_wishes(session, link)
    if before != Direction.TWO_WAY:
        compare_anew(session, link, one_sided=before == Direction.EXPORT)
    if before == Direction.IMPORT and direction == Direction.EXPORT:
        look_again(session, ports, link)  # Nothing is merged there: the push finds what differs.
    return before != Direction.TWO_WAY


def sync_now(session: Session, ports: Ports, link: Link, *, full: bool = False) -> None:
    """Pull as soon as possible, and try again what was parked.

    In full, all calendars that are kept equal are read as at the first time, so that what the hub should
    know and does not is recognised on each side, and copied to none.
    """
    kept_equal = Link.calendar_id == link.calendar_id, Link.deleted_at.is_(None)
    siblings = locked(session, *kept_equal) if full else locked(session, Link.id == link.id)
    lock_copies(session, siblings)
    session.execute(
        update(EventCopy)
        .where(EventCopy.link_id == link.id, EventCopy.parked_at.is_not(None))
        .values(parked_at=None, attempts=0, due_at=None)
    )
    link.due_at = None
    session.flush()
    ask_for_pull(session, ports, link.id)
    for sibling in siblings if full else ():
        if sibling.imported_at is not None:  # What is under way already need not begin again.
            adopt_anew(session, ports, sibling)
    after_commit(session, lambda: ports.queue.hint("push", link.id))


class NothingHeldError(Exception):
    """The link has no deletions that wait for a person."""


def decide(session: Session, ports: Ports, link: Link, verdict: Verdict) -> None:
    """Say what becomes of the held deletions; the next run carries it out.

    Raises:
        NothingHeldError: none are held, they have been decided about, or the link is at rest.
    """
    if link.held_at is None or link.verdict is not None:
        raise NothingHeldError("No deletions of this link wait for a decision: there is nothing to do.")
    if link.state != LinkState.ACTIVE:
        raise NothingHeldError("The link is at rest: resume it, then decide about its deletions.")
    link.verdict, link.verdict_at = verdict, ports.clock.now()
    link.due_at = None
    session.flush()
    ask_for_pull(session, ports, link.id)

"""Events in a span of time: whole, or expanded into occurrences, within bounds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType

from sqlalchemy import and_, or_, select
from sqlalchemy.orm import Session

from hub.domain.recurrence import Occurrence, RecurrenceError, as_it_takes_place, occurrences
from hub.models import Calendar, Event
from hub.models.content import content_of
from hub.plugin.types import EventContent

MOST_OCCURRENCES = 5000
LONGEST_SPAN = timedelta(days=400)
_CHUNK = 500
NOTHING: Mapping[str, str] = MappingProxyType({})


class TooManyError(Exception):
    """The span holds more occurrences than one answer may compute."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One occurrence with its event."""

    event: Event
    content: EventContent
    occurrence: Occurrence


@dataclass(frozen=True, slots=True)
class Span:
    """Half-open; an end that is None is open."""

    start: datetime | None = None
    end: datetime | None = None


def list_events(
    session: Session,
    calendars: Sequence[Calendar],
    span: Span,
    after: tuple[datetime, str] | None,
    limit: int,
    metadata: Mapping[str, str] = NOTHING,
) -> list[Event]:
    """Return up to `limit` events that overlap the span, by start and id, beyond `after`.

    A series counts if one of its occurrences overlaps; an event only if it has all of `metadata`.
    """
    found: list[Event] = []
    zones = {calendar.id: calendar.zone for calendar in calendars}
    for event in _candidates(session, list(zones), span, after, metadata):
        if _takes_place(event, zones[event.calendar_id], span):
            found.append(event)
            if len(found) == limit:
                break
    return found


def list_entries(
    session: Session,
    calendars: Sequence[Calendar],
    start: datetime,
    end: datetime,
    metadata: Mapping[str, str] = NOTHING,
    *,
    cancelled: bool = False,
    most_each: int = MOST_OCCURRENCES,
) -> list[Entry]:
    """Return all occurrences that overlap [start, end), by start.

    Args:
        cancelled: those that do not take place, too.
        most_each: so many of one event are found.

    Raises:
        TooManyError: there are more than MOST_OCCURRENCES.
    """
    zones = {calendar.id: calendar.zone for calendar in calendars}
    entries: list[Entry] = []
    for event in _candidates(session, list(zones), Span(start, end), None, metadata):
        content = content_of(event)
        zone = zones[event.calendar_id]
        found = occurrences_of(event, zone, start, end, cancelled=cancelled, limit=most_each)
        entries += (Entry(event, as_it_takes_place(content, o), o) for o in found)
        if len(entries) > MOST_OCCURRENCES:
            raise TooManyError
    return sorted(
        entries, key=lambda e: (e.occurrence.starts_at, e.event.id, str(e.occurrence.original_start))
    )


def occurrences_of(
    event: Event,
    zone: str,
    start: datetime,
    end: datetime,
    *,
    cancelled: bool = False,
    limit: int = MOST_OCCURRENCES,
) -> list[Occurrence]:
    """Return the occurrences of one event that overlap [start, end); `zone` is its calendar's.

    Args:
        cancelled: those that do not take place, too.
    """
    try:
        return occurrences(event.when, start, end, zone, limit, cancelled=cancelled)
    except RecurrenceError:
        return [_as_single(event)]


def _as_single(event: Event) -> Occurrence:
    """A rule that a provider accepts and we cannot read still shows its first occurrence."""
    end = event.ends_at or event.starts_at
    when = event.when
    return Occurrence(when.start, when.start, when.end, event.starts_at, end)


def _candidates(
    session: Session,
    calendar_ids: list[str],
    span: Span,
    after: tuple[datetime, str] | None,
    metadata: Mapping[str, str],
) -> Iterator[Event]:
    query = (
        select(Event)
        .where(Event.calendar_id.in_(calendar_ids), Event.deleted_at.is_(None))
        .order_by(Event.starts_at, Event.id)
        .limit(_CHUNK)
    )
    for key, value in metadata.items():
        query = query.where(Event.extra[key].as_string() == value)
    if span.end is not None:
        query = query.where(Event.starts_at < span.end)
    if span.start is not None:
        instantaneous = (Event.ends_at == span.start) & (Event.starts_at == span.start)
        query = query.where(or_(Event.ends_at.is_(None), Event.ends_at > span.start, instantaneous))
    while True:
        page = query
        if after is not None:
            at, event_id = after
            page = query.where(or_(Event.starts_at > at, and_(Event.starts_at == at, Event.id > event_id)))
        events = session.scalars(page).all()
        yield from events
        if len(events) < _CHUNK:
            return
        after = (events[-1].starts_at, events[-1].id)


def _takes_place(event: Event, zone: str, span: Span) -> bool:
    if not event.is_series or (span.start is None and span.end is None):
        return True
    start = span.start or event.starts_at
    end = span.end or start + LONGEST_SPAN * 100
    try:
        return bool(occurrences(event.when, start, end, zone, limit=1))
    except (RecurrenceError, OverflowError):
        return True

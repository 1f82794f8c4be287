"""Series that a provider cannot hold, as single events in their link's window (`Link.unholdable`).

Each occurrence in the window becomes an event of its own in a calendar that only this link has, so that it
travels, is merged, found again and guarded as any other event. Comes with each write of a series (`push`),
which brings its single events to what the series says now; and with each page (`apply`) and each deletion
that is believed (`guard`), when what a person did to one of them becomes an exception of its series. Nobody
but the link sees these events: the API and the other links have the series.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterable, Mapping
from datetime import date, datetime, timedelta

from sqlalchemy import Select, bindparam, or_, select
from sqlalchemy.orm import Session

from hub.domain.recurrence import CLEARED, OVERRIDABLE, OWN_TIMES, Occurrence, as_it_takes_place, occurrences
from hub.domain.series import with_exception
from hub.domain.split import SeriesError
from hub.models import Account, Calendar, ChangeKind, Event, EventCopy, Link, LinkState, Unholdable
from hub.models.content import content_of, write_content
from hub.outbound import edit
from hub.outbound.edit import Author
from hub.outbound.owed import hint_after
from hub.outbound.spread import want_in
from hub.outbound.window import window_at
from hub.plugin import rules
from hub.plugin.types import EventContent, SeriesException, When
from hub.ports import Ports

MOST = 400
"""A series with more occurrences in the window is held back: nobody wants so many events of one."""
EVERY = timedelta(days=1)
"""How often the window is moved on."""
IN_PLACE = "It stands there as single events, since its rule cannot be held there."
INSTEAD = (
    "Its occurrences can stand there as single events instead: choose that under the options of the link "
    "(`unholdable`: `singles`)."
)

Start = date | datetime

DUE = select(Link.id).where(
    Link.unholdable == Unholdable.SINGLES,
    Link.state == LinkState.ACTIVE,
    Link.deleted_at.is_(None),
    Link.imported_at.is_not(None),
    or_(Link.singles_at.is_(None), Link.singles_at <= bindparam("moved_before", type_=Link.singles_at.type)),
)
"""The links whose single events have to follow the window."""


def reason(ports: Ports, provider: str, link: Link, content: EventContent) -> str | None:
    """Return why a series has no copy of its own in a link: its occurrences stand there as single events.

    Args:
        content: the series as the link shows it.
    """
    if link.unholdable != Unholdable.SINGLES or not content.when.is_series:
        return None
    return IN_PLACE if _parts(ports, provider, link, content) is not None else None


def remedy(ports: Ports, provider: str, link: Link, content: EventContent) -> str | None:
    """Return what helps a series that is held back, if its occurrences could stand there as single events.

    One of them is tried for all: what a provider holds of one, it holds of the others but for odd exceptions.
    """
    if link.unholdable == Unholdable.SINGLES or not content.when.is_series:
        return None
    found = _in_window(ports, provider, link, content)
    if not found or _refused(ports, provider, content) is None:
        return None
    return INSTEAD if _refused(ports, provider, _alone(content, found[0])) is None else None


def _parts(
    ports: Ports, provider: str, link: Link, content: EventContent
) -> dict[Start, EventContent] | None:
    """Return what stands for a series in the link's window, by original start; None: nothing but itself."""
    if _refused(ports, provider, content) is None:
        return None
    found = _in_window(ports, provider, link, content)
    if found is None:
        return None
    parts = {o.original_start: _alone(content, o) for o in found}
    refused = (_refused(ports, provider, part) for part in parts.values())
    return None if next(refused, None) is not None else parts


def _refused(ports: Ports, provider: str, content: EventContent) -> str | None:
    """Return why a provider cannot hold an event; None if it can."""
    refusal: str | None = ports.gateway.plain(provider, "project", content=content).refusal
    return refusal


def _in_window(ports: Ports, provider: str, link: Link, content: EventContent) -> list[Occurrence] | None:
    """Return a series' occurrences in the link's window; None if they are too many, or make no sense."""
    start, end = _window(ports, provider, link)
    try:
        found = occurrences(content.when, start, end, link.calendar.zone, limit=MOST + 1)
    except rules.RecurrenceError:
        return None
    return found if len(found) <= MOST else None


def _window(ports: Ports, provider: str, link: Link) -> tuple[datetime, datetime]:
    now = link.planned_at or ports.clock.now()
    return window_at(ports, provider, link.past_days, link.future_days, now)


def _alone(content: EventContent, occurrence: Occurrence) -> EventContent:
    """Return an occurrence as a single event."""
    own, when = occurrence.exception, content.when
    zone = (own.start_zone if own else None) or when.start_zone
    end_zone = (own.end_zone if own else None) or when.end_zone
    return dataclasses.replace(
        as_it_takes_place(content, occurrence), when=When(occurrence.start, occurrence.end, zone, end_zone)
    )


# --- from the series to its single events ---


def follow(session: Session, ports: Ports, link: Link, event_id: str) -> None:
    """Bring the single events of a series in one link to what it says now; nothing for other events."""
    if link.unholdable != Unholdable.SINGLES and link.singles_id is None:
        return
    event = edit.get_event(session, event_id, lock=True)
    if event is None or event.part_of is not None:
        return
    known = {single.original_start: single for single in session.scalars(_singles_of(link, event))}
    content = content_of(event)
    wanted: dict[Start, EventContent] | None = None
    if event.deleted_at is None and content.when.is_series and link.unholdable == Unholdable.SINGLES:
        provider = session.get_one(Account, link.account_id).provider
        wanted = _parts(ports, provider, link, content)
    if not known and not wanted:
        return
    kept = _passed(session, ports, link, content.when, known.values()) if wanted is not None else set()
    changed = [
        _bring(session, ports, link, event, known.get(s), s, part) for s, part in (wanted or {}).items()
    ]
    gone = [single for s, single in known.items() if s not in (wanted or {}) and s not in kept]
    for single in gone:
        single.version += 1
        single.deleted_at = single.updated_at = ports.clock.now()
    session.flush()
    ids = [single.id for single in [*changed, *gone] if single is not None]
    if ids:
        want_in(session, ports, link.id, ids)


def follow_all(session: Session, ports: Ports, link: Link) -> None:
    """Do that for every series that is about to be written in a link, so that a plan can tell of it."""
    if link.unholdable != Unholdable.SINGLES and link.singles_id is None:
        return
    waiting = (
        select(Event.id)
        .join(EventCopy, EventCopy.event_id == Event.id)
        .where(EventCopy.link_id == link.id, EventCopy.wanted_version > EventCopy.pushed_version)
        .where(Event.content["when", "recurrence"].as_string().is_not(None))
        .order_by(Event.id)
    )
    for event_id in session.scalars(waiting).all():
        follow(session, ports, link, event_id)


def follow_parts(session: Session, ports: Ports, link: Link, event_ids: Collection[str]) -> None:
    """Do that for the series of such single events among some events, before what a person did to them is
    merged: else nobody could see that somebody else has changed the same occurrence meanwhile."""
    parts = select(Event.part_of).where(Event.id.in_(event_ids), Event.part_of.is_not(None)).distinct()
    for series_id in session.scalars(parts.order_by(Event.part_of)).all():
        if series_id is not None:
            follow(session, ports, link, series_id)


def _singles_of(link: Link, event: Event) -> Select[Event]:
    return (
        select(Event)
        .where(Event.part_of == event.id, Event.calendar_id == link.singles_id, Event.deleted_at.is_(None))
        .order_by(Event.id)
        .with_for_update(of=Event)
        .execution_options(populate_existing=True)
    )


def _passed(session: Session, ports: Ports, link: Link, when: When, singles: Iterable[Event]) -> set[Start]:
    """Return the original starts of what has left the window by its age: that stays as it is."""
    oldest, _ = _window(ports, session.get_one(Account, link.account_id).provider, link)
    old = {s.original_start for s in singles if s.ends_at is not None and s.ends_at <= oldest}
    starts = {start for start in old if start is not None}
    cancelled = {e.original_start for e in when.exceptions if e.cancelled}
    return rules.hits(when.recurrence, when.start, when.start_zone, starts) - cancelled if starts else set()


def _bring(
    session: Session,
    ports: Ports,
    link: Link,
    series: Event,
    single: Event | None,
    original: Start,
    content: EventContent,
) -> Event | None:
    """Make or change the single event of one occurrence; None if it is as it should be."""
    now = ports.clock.now()
    if single is not None and content_of(single) == content:
        return None
    if single is None:
        event_id = ports.ids.new("evt")
        single = Event(
            id=event_id,
            tenant_id=link.tenant_id,
            calendar_id=_home(session, ports, link),
            uid=f"{event_id}@coordinoter",
            part_of=series.id,
            original_start=original,
            version=0,
            extra={},
            created_at=now,
        )
        session.add(single)
    write_content(single, content, link.calendar.zone)
    single.version += 1
    single.updated_at = now
    return single


def _home(session: Session, ports: Ports, link: Link) -> str:
    """Return the calendar of a link's single events; it is no calendar of the user's, so it never shows."""
    if link.singles_id is None:
        now = ports.clock.now()
        made = Calendar(
            id=ports.ids.new("cal"),
            tenant_id=link.tenant_id,
            user_id=link.calendar.user_id,
            name=link.calendar.name,
            zone=link.calendar.zone,
            created_at=now,
            deleted_at=now,
        )
        session.add(made)
        session.flush()
        link.singles_id = made.id
    return link.singles_id


# --- from single events to their series ---


def came_back(
    session: Session, ports: Ports, link: Link, changed: Mapping[str, Collection[str]], author: Author
) -> None:
    """Make exceptions of what a person did to single events, and carry them on to the other links.

    Args:
        changed: by id, the fields that were taken over; none of a deleted one.
    """
    query = select(Event).where(Event.id.in_(changed))
    found = session.scalars(query.order_by(Event.id).execution_options(populate_existing=True)).all()
    touched: dict[str, Event] = {}
    for single in found:
        assert single.part_of is not None
        series = edit.get_event(session, single.part_of, lock=True)
        content = None
        if series is not None and series.deleted_at is None:
            content = _with(content_of(series), single, changed[single.id])
        if series is None or content is None:
            _stand_alone(session, ports, link, single, author)
        elif edit.update_event(session, ports, series, content, author, travels=False):
            touched[series.id] = series
    session.flush()
    edit.fan_out(session, ports, list(touched.values()), source=link)


def told(session: Session, ports: Ports, single: Event, fields: Collection[str], author: Author) -> None:
    """Carry on what was said of a single event in the hub: to its link, and to its series."""
    query = select(Link).where(Link.singles_id == single.calendar_id, Link.deleted_at.is_(None))
    session.flush()
    link = session.scalars(query.limit(1)).first()
    if link is not None:
        want_in(session, ports, link.id, [single.id])
        came_back(session, ports, link, {single.id: fields}, author)
        hint_after(session, ports, "push", [link.id])


def _with(series: EventContent, single: Event, fields: Collection[str]) -> EventContent | None:
    """Return a series with what was changed of one occurrence; None if it has no such occurrence."""
    original = single.original_start
    assert original is not None
    known = {e.original_start: e for e in series.when.exceptions}
    exception = known.get(original, SeriesException(original))
    if single.deleted_at is not None:
        exception = SeriesException(original, cancelled=True)
    else:
        own = content_of(single)
        taken = {name: getattr(own, name) for name in OVERRIDABLE if name in fields}
        taken = {name: CLEARED.get(name) if value is None else value for name, value in taken.items()}
        if "when" in fields:
            taken |= {name: getattr(own.when, name) for name in OWN_TIMES}
        exception = dataclasses.replace(exception, cancelled=False, **taken)
    try:
        return with_exception(series, exception)
    except SeriesError:
        return None


def _stand_alone(session: Session, ports: Ports, link: Link, single: Event, author: Author) -> None:
    """Let a changed single event live on by itself, since its series has no such occurrence any more."""
    single.part_of = single.original_start = None
    if single.deleted_at is None:
        single.calendar_id = link.calendar_id
        session.flush()
        edit.record(session, ports, single, ChangeKind.CREATED, edit.beginning(single), author)
        edit.fan_out(session, ports, [single], source=link)

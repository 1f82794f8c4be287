"""All that an event holds, in words for people, beside its form."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from markupsafe import Markup
from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from hub.domain.html import safe
from hub.domain.recurrence import instant
from hub.models import Account, Event, EventCopy, Link, RemoteCalendar
from hub.outbound import advice
from hub.plugin.types import EventContent, SeriesException, When
from hub.web import words
from hub.web.site import ports

MOST_EXCEPTIONS = 60


@dataclass(frozen=True, slots=True)
class CopyLine:
    """Where the event stands in one linked calendar."""

    calendar: str
    provider: str
    state: str
    web_link: str | None
    notice: str | None
    advice: str | None
    """What helps, if it waits for a person."""


@dataclass(frozen=True, slots=True)
class ExceptionLine:
    """An occurrence that is otherwise than its series."""

    original_start: str
    on: str
    what: str
    cancelled: bool


@dataclass(frozen=True, slots=True)
class Relative:
    """The other half of a series that was split."""

    event_id: str
    title: str
    came_before: bool


@dataclass(frozen=True, slots=True)
class Details:
    """What the page of an event shows beside its form."""

    facts: list[tuple[str, str]]
    metadata: list[tuple[str, str]]
    html: Markup | None
    color: str | None
    exceptions: list[ExceptionLine]
    more_exceptions: int
    copies: list[CopyLine]
    relatives: list[Relative]


def details_of(
    session: Session, event: Event, content: EventContent, zone: str, labels: dict[str, str]
) -> Details:
    """Return what is shown of an event.

    Args:
        content: of the event, or of one occurrence of it.
        zone: the calendar's.
    """
    exceptions = content.when.exceptions
    return Details(
        facts=_facts(content, zone),
        metadata=sorted((key, str(value)) for key, value in event.extra.items()),
        html=Markup(safe(content.description_html)) if content.description_html else None,  # noqa: S704
        color=words.color(content.color),
        exceptions=[_exception(e) for e in exceptions[:MOST_EXCEPTIONS]],
        more_exceptions=max(0, len(exceptions) - MOST_EXCEPTIONS),
        copies=_copies(session, event, labels),
        relatives=_relatives(session, event),
    )


def _facts(content: EventContent, zone: str) -> list[tuple[str, str]]:
    facts = [
        ("Elsewhere", _elsewhere(content.when, zone)),
        ("Repeats", words.repeats(content.when.recurrence)),
        ("Address", _address(content)),
        ("Organiser", _person(content.organizer.name, content.organizer.email) if content.organizer else ""),
        ("Your answer", words.value("status", content.own_answer) if content.own_answer else ""),
        ("Shown as", words.value("show_as", content.show_as) if content.show_as != "busy" else ""),
        ("Status", "tentative" if content.status == "tentative" else ""),
        ("Visible", content.visibility if content.visibility != "default" else ""),
        ("Reminders", _reminders(content)),
        ("Categories", ", ".join(content.categories)),
        ("Priority", f"{content.priority} of 9, 1 is the highest" if content.priority else ""),
    ]
    return [(label, text) for label, text in facts if text]


def _elsewhere(when: When, zone: str) -> str:
    """Return what clocks in the calendar's zone show, where the event has another."""
    if when.all_day or not isinstance(when.start, datetime):
        return ""
    if when.start_zone is None:
        return "floating: at this time wherever you are"
    if {when.start_zone, when.end_zone or when.start_zone} == {zone}:
        return ""
    begin, finish = (
        instant(moment, own or when.start_zone, zone).astimezone(ZoneInfo(zone))
        for moment, own in ((when.start, when.start_zone), (when.end, when.end_zone))
    )
    end = f"{finish:%H:%M}" if begin.date() == finish.date() else f"{finish:{words.CLOCK}}"
    return f"{begin:{words.CLOCK}} to {end} in {zone}"


def _address(content: EventContent) -> str:
    place = content.location
    if place is None:
        return ""
    parts = [place.address] if place.address else []
    if place.latitude is not None and place.longitude is not None:
        parts.append(f"{place.latitude:.5f}, {place.longitude:.5f}")
    return "; ".join(parts)


def _person(name: str, email: str) -> str:
    return f"{name} ({email})" if name else email


def _reminders(content: EventContent) -> str:
    if content.reminders is None:
        return ""
    if not content.reminders:
        return "none"
    return ", ".join(
        f"{words.minutes(r.minutes)} before" + (" by mail" if r.method == "email" else "")
        for r in content.reminders
    )


def _exception(exception: SeriesException) -> ExceptionLine:
    changed = [words.field(name) for name in words.EXCEPTIONAL if getattr(exception, name) is not None]
    what = []
    if exception.cancelled:
        what.append("cancelled")
    elif exception.start is not None:
        what.append(f"moved to {words.moment(exception.start)}")
    elif exception.end is not None:
        what.append(f"ends {words.moment(exception.end)}")
    if changed:
        what.append(f"other {', '.join(changed)}")
    on = words.moment(exception.original_start)
    return ExceptionLine(exception.original_start.isoformat(), on, "; ".join(what), exception.cancelled)


def _copies(session: Session, event: Event, labels: dict[str, str]) -> list[CopyLine]:
    rows = session.execute(
        select(EventCopy, RemoteCalendar.name, Account.provider)
        .join(Link, Link.id == EventCopy.link_id)
        .join(RemoteCalendar, RemoteCalendar.id == Link.remote_calendar_id)
        .join(Account, Account.id == Link.account_id)
        .where(
            EventCopy.event_id == event.id,
            Link.deleted_at.is_(None),
            or_(EventCopy.removed_at.is_(None), EventCopy.left_out),
        )
        .order_by(EventCopy.id)
    )
    return [
        CopyLine(
            name,
            labels.get(provider, provider),
            _state(copy),
            _web_link(copy),
            copy.notice,
            advice.on_copy(session, ports(), copy, event) if copy.parked_at is not None else None,
        )
        for copy, name, provider in rows
    ]


def _state(copy: EventCopy) -> str:
    if copy.parked_at is not None:
        return copy.problem or "held back"
    if copy.wanted_version > copy.pushed_version:
        return "on its way"
    if copy.left_out:
        return f"not there: {copy.problem}"
    return copy.read_only or "in step"


def _web_link(copy: EventCopy) -> str | None:
    link = copy.web_link or ""
    return link if link.lower().startswith(("https://", "http://")) else None


def _relatives(session: Session, event: Event) -> list[Relative]:
    query = select(Event.id, Event.title, Event.split_from).where(
        Event.tenant_id == event.tenant_id,
        Event.calendar_id == event.calendar_id,
        Event.deleted_at.is_(None),
        (Event.split_from == event.id) | (Event.id == (event.split_from or "")),
    )
    return [
        Relative(event_id, title or "(untitled)", event_id == event.split_from)
        for event_id, title, _ in session.execute(query.order_by(Event.starts_at))
    ]

"""The form of an event: make, change and delete it; the linked calendars follow."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from flask import abort, redirect, render_template, request, url_for
from sqlalchemy import select
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from hub.domain.recurrence import RecurrenceError, check
from hub.models import Calendar, Event, EventCopy, Link
from hub.models.content import content_of
from hub.outbound import edit
from hub.outbound.edit import StaleVersionError
from hub.plugin.types import EventContent, Location, When
from hub.web.overview import calendars_of
from hub.web.site import author, blp, ports, visitor

RULES = {
    "daily": "RRULE:FREQ=DAILY",
    "weekly": "RRULE:FREQ=WEEKLY",
    "monthly": "RRULE:FREQ=MONTHLY",
    "yearly": "RRULE:FREQ=YEARLY",
}
MOST_TEXT = 100_000


class FormError(Exception):
    """The form cannot be taken as it is; the message says why."""


@blp.get("/events/new")
def new_event() -> Response | str:
    with ports().db.reading() as session:
        calendars = calendars_of(session, visitor())
    if not calendars:
        return redirect(url_for("page.home") + "#choose", 303)
    zone = ZoneInfo(calendars[0].zone)
    start = ports().clock.now().astimezone(zone).replace(minute=0, second=0, microsecond=0)
    start = (start + timedelta(hours=1)).replace(tzinfo=None)
    try:
        start = datetime.combine(date.fromisoformat(request.args.get("on", "")), start.time())
    except ValueError:
        pass
    when = When(start, start + timedelta(hours=1), str(zone), str(zone))
    return _form(calendars, None, EventContent(when=when))


@blp.post("/events")
def create_event() -> Response | tuple[str, int]:
    with ports().db.transaction() as session:
        calendars = calendars_of(session, visitor())
        calendar = next((c for c in calendars if c.id == request.form.get("calendar")), None)
        if calendar is None:
            abort(404)
        now = ports().clock.now().replace(tzinfo=None)
        blank = EventContent(when=When(now, now, calendar.zone, calendar.zone))
        try:
            content = _read(blank)
        except FormError as error:
            return _form(calendars, None, blank, str(error)), 422
        edit.create_event(session, ports(), calendar, content, author())
    return _done(content, "saved")


@blp.get("/events/<event_id>")
def show_event(event_id: str) -> str:
    with ports().db.reading() as session:
        event = _own_event(session, event_id)
        notices = _notices(session, event)
        return _form(calendars_of(session, visitor()), event, content_of(event), notices=notices)


def _notices(session: Session, event: Event) -> list[str]:
    """Return what of an event could not be understood where it is shown."""
    query = (
        select(EventCopy.notice)
        .join(Link, Link.id == EventCopy.link_id)
        .where(EventCopy.event_id == event.id, EventCopy.notice.is_not(None), Link.deleted_at.is_(None))
        .order_by(EventCopy.id)
    )
    return [notice for notice in session.scalars(query) if notice]


@blp.post("/events/<event_id>")
def change_event(event_id: str) -> Response | tuple[str, int]:
    with ports().db.transaction() as session:
        event = _own_event(session, event_id, lock=True)
        before = content_of(event)
        try:
            content = _read(before)
        except FormError as error:
            return _form(calendars_of(session, visitor()), event, before, str(error)), 422
        edit.update_event(session, ports(), event, content, author(), expected_version=_version())
    return _done(content, "saved")


@blp.post("/events/<event_id>/delete")
def delete_event(event_id: str) -> Response:
    with ports().db.transaction() as session:
        event = _own_event(session, event_id, lock=True)
        content = content_of(event)
        edit.delete_event(session, ports(), event, author(), expected_version=_version())
    return _done(content, "deleted")


def _version() -> int:
    try:
        return int(request.form.get("version", ""))
    except ValueError:
        raise StaleVersionError from None


def _own_event(session: Session, event_id: str, *, lock: bool = False) -> Event:
    event = edit.get_event(session, event_id, lock=lock)
    if event is None or event.deleted_at is not None:
        abort(404)
    owner = select(Calendar.user_id).where(Calendar.id == event.calendar_id, Calendar.deleted_at.is_(None))
    if session.scalar(owner) != visitor().id:
        abort(404)
    return event


def _done(content: EventContent, note: str) -> Response:
    start = content.when.start
    on = start.date() if isinstance(start, datetime) else start
    return redirect(url_for("page.home", week=on.isoformat(), note=note), 303)


def _form(
    calendars: list[Calendar],
    event: Event | None,
    content: EventContent,
    error: str | None = None,
    notices: Sequence[str] = (),
) -> str:
    when = content.when
    last = when.end if isinstance(when.end, datetime) else when.end - timedelta(days=1)
    values = {
        "title": content.title,
        "all_day": when.all_day,
        "start_date": when.start.isoformat()[:10],
        "start_time": f"{when.start:%H:%M}" if isinstance(when.start, datetime) else "09:00",
        "end_date": last.isoformat()[:10],
        "end_time": f"{when.end:%H:%M}" if isinstance(when.end, datetime) else "10:00",
        "location": content.location.name if content.location else "",
        "description": content.description,
        "calendar": event.calendar_id if event else request.args.get("calendar", ""),
        "version": event.version if event else None,
    }
    if error is not None:
        values |= {name: request.form.get(name, "") for name in values if name != "version"}
    return render_template(
        "event.html",
        calendars=calendars,
        event=event,
        v=values,
        zone=when.start_zone,
        is_series=when.is_series,
        error=error,
        notices=notices,
    )


def _read(before: EventContent) -> EventContent:
    """Return `before` with what the form says.

    Raises:
        FormError: it makes no sense.
    """
    form = request.form
    place = form.get("location", "").strip()[:1000]
    location = before.location
    if place != (location.name if location else ""):
        location = Location(place) if place else None
    description = "\n".join(line.rstrip() for line in form.get("description", "").splitlines()).rstrip()
    content = dataclasses.replace(
        before,
        when=_read_when(before.when),
        title=form.get("title", "").strip()[:1000],
        location=location,
        description=description[:MOST_TEXT],
    )
    if "\0" in content.title + content.description + place:
        raise FormError("The text holds characters that no calendar can keep.")
    if content.description != before.description:
        content = dataclasses.replace(content, description_html=None)
    return content


def _read_when(before: When) -> When:
    form = request.form
    start, end = _moment("start"), _moment("end")
    if form.get("all_day"):
        begin, last = start.date(), end.date()
        when = dataclasses.replace(
            before, start=begin, end=last + timedelta(days=1), start_zone=None, end_zone=None
        )
    else:
        zone = before.start_zone or form.get("zone") or None
        when = dataclasses.replace(
            before, start=start, end=end, start_zone=zone, end_zone=before.end_zone or zone
        )
    if when.all_day != before.all_day or when.start != before.start:
        # An exception is found by its original start: it has none when the series is moved.
        when = dataclasses.replace(when, exceptions=())
    if rule := RULES.get(form.get("repeat", "")):
        when = dataclasses.replace(when, recurrence=(rule,))
    try:
        check(when)
    except RecurrenceError as error:
        raise FormError(f"Please look at the time again: {error}.") from error
    return when


def _moment(name: str) -> datetime:
    form = request.form
    try:
        on = date.fromisoformat(form.get(f"{name}_date", ""))
        at = time.fromisoformat(form.get(f"{name}_time") or "00:00")
    except ValueError:
        raise FormError(f"The {name} needs a date and a time.") from None
    if not 1900 <= on.year < 2200:
        raise FormError(f"The {name} lies too far away.")
    return datetime.combine(on, at.replace(tzinfo=None))

"""The page of an event or of one of its occurrences: make, look at, change and delete it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from flask import abort, redirect, render_template, request, url_for
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from hub.domain.recurrence import Occurrence, RecurrenceError
from hub.domain.series import find_occurrence
from hub.domain.split import SeriesError
from hub.models import Calendar, Event
from hub.models.content import content_of
from hub.outbound import edit, home, series
from hub.outbound.edit import StaleVersionError
from hub.outbound.home import AskingError
from hub.plugin.types import Answer, EventContent, SeriesException, When
from hub.web.event_details import Details, details_of
from hub.web.event_form import Edit, FormError, at_occurrence, read, values_of
from hub.web.lines import labels_of
from hub.web.overview import calendars_of
from hub.web.site import author, blp, ports, visitor

SCOPES = ("this", "this_and_following", "all")
_REFUSALS = (FormError, SeriesError, RecurrenceError, AskingError)


@dataclass(frozen=True, slots=True)
class Opened:
    """An event as its page shows it: whole, or at one of its occurrences."""

    event: Event
    content: EventContent
    occurrence: Occurrence | None
    zone: str
    """The calendar's."""

    @property
    def shown(self) -> EventContent:
        return self.content if self.occurrence is None else at_occurrence(self.content, self.occurrence)

    @property
    def is_cancelled(self) -> bool:
        exception = self.occurrence.exception if self.occurrence else None
        return exception is not None and exception.cancelled


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
    return _blank_form(calendars, EventContent(when=when))


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
            content = read(request.form, blank)
        except FormError as error:
            return _blank_form(calendars, blank, str(error)), 422
        edit.create_event(session, ports(), calendar, content, author())
    return _done(content.when.start, "saved")


@blp.get("/events/<event_id>")
def show_event(event_id: str) -> str:
    with ports().db.reading() as session:
        return _page(session, _open(session, event_id, request.args.get("occurrence", "")))


@blp.post("/events/<event_id>")
def change_event(event_id: str) -> Response | tuple[str, int]:
    """Change an event, an occurrence of it, or that and all that follow, as the form says."""
    try:
        with ports().db.transaction() as session:
            opened = _open(session, event_id, request.form.get("occurrence", ""), lock=True)
            wanted = read(request.form, opened.shown)
            _tell(session, *_save(session, opened, wanted))
    except _REFUSALS as error:
        return _refused(event_id, error)
    return _done(wanted.when.start, "saved")


def _save(session: Session, opened: Opened, wanted: EventContent) -> list[Event]:
    """Write what the form says; return the events that are so now."""
    event, content, occurrence = opened.event, opened.content, opened.occurrence
    if occurrence is None:
        edit.update_event(session, ports(), event, wanted, author())
        return [event]
    change, scope = Edit(occurrence.original_start, opened.shown, wanted), _scope()
    if not change.names:
        return [event]
    if scope == "this":
        series.change_occurrence(session, ports(), event, change.of_one(content), author())
    elif scope == "all":
        edit.update_event(session, ports(), event, change.of_all(content), author())
    else:
        halves = series.cut(session, event, occurrence.original_start, notify=bool(_told_from()))
        following = change.of_following(halves.after)
        if halves.before is not None:
            extra = event.extra
            return [
                event,
                series.split_event(session, ports(), event, halves, following, author(), extra=extra),
            ]
        edit.update_event(session, ports(), event, following, author())
    return [event]


def _told_from() -> str:
    """Return the link that the guests are to be told from; empty if nobody is to be told."""
    return request.form.get("tell", "")


def _tell(session: Session, *events: Event) -> None:
    """Have the guests of events told, if the form says so.

    Raises:
        AskingError: they cannot be told from there.
    """
    if link_id := _told_from():
        for event in events:
            home.notify(session, ports(), event, link_id)


def _refused(event_id: str, error: Exception) -> tuple[str, int]:
    """Answer with the form as it was filled in, and why nothing of it was done."""
    with ports().db.reading() as session:
        opened = _open(session, event_id, request.form.get("occurrence", ""))
        return _page(session, opened, _sentence(error)), 422


@blp.post("/events/<event_id>/delete")
def delete_event(event_id: str) -> Response | tuple[str, int]:
    """Delete an event, cancel an occurrence of it, or end it before one."""
    try:
        with ports().db.transaction() as session:
            opened = _open(session, event_id, request.form.get("occurrence", ""), lock=True)
            _delete(session, opened)
            _tell(session, opened.event)
    except _REFUSALS as error:
        return _refused(event_id, error)
    return _done(opened.shown.when.start, "deleted")


def _delete(session: Session, opened: Opened) -> None:
    event, occurrence, scope = opened.event, opened.occurrence, _scope()
    if occurrence is None or scope == "all":
        edit.delete_event(session, ports(), event, author())
    elif scope == "this":
        gone = SeriesException(occurrence.original_start, cancelled=True)
        series.change_occurrence(session, ports(), event, gone, author())
    else:
        halves = series.cut(session, event, occurrence.original_start, notify=bool(_told_from()))
        series.end_before(session, ports(), event, halves, author())


@blp.post("/events/<event_id>/bring-back")
def bring_back(event_id: str) -> Response:
    """Let a cancelled occurrence take place as its series says."""
    with ports().db.transaction() as session:
        opened = _open(session, event_id, request.form.get("occurrence", ""), lock=True)
        if opened.occurrence is None:
            abort(404)
        bare = SeriesException(opened.occurrence.original_start)
        series.change_occurrence(session, ports(), opened.event, bare, author())
    return _done(bare.original_start, "saved")


@blp.post("/events/<event_id>/answer")
def answer_invitation(event_id: str) -> Response | tuple[str, int]:
    """Answer an invitation, or the one occurrence that is open, through the account that it came to."""
    said = request.form.get("answer", "")
    if said not in {Answer.ACCEPTED, Answer.TENTATIVE, Answer.DECLINED}:
        abort(422)
    try:
        with ports().db.transaction() as session:
            opened = _open(session, event_id, request.form.get("occurrence", ""), lock=True)
            occurrence = opened.occurrence
            start = occurrence.original_start if occurrence and opened.content.when.is_series else None
            home.answer(session, ports(), opened.event, Answer(said), original_start=start)
    except AskingError as error:
        return _refused(event_id, error)
    return _done(opened.shown.when.start, "saved")


def _sentence(error: Exception) -> str:
    text = str(error).rstrip(".")
    return f"{text[:1].upper()}{text[1:]}."


def _scope() -> str:
    """Return how far a change of an occurrence is meant to reach."""
    scope = request.form.get("scope", "")
    if scope not in SCOPES:
        abort(422)
    return scope


def _open(session: Session, event_id: str, original_start: str, *, lock: bool = False) -> Opened:
    """Return a visitor's event, at the occurrence that is named; locked, if it has the form's version."""
    event = edit.get_event(session, event_id, lock=lock)
    if event is None or event.deleted_at is not None:
        abort(404)
    calendar = session.get(Calendar, event.calendar_id)
    if calendar is None or calendar.deleted_at is not None or calendar.user_id != visitor().id:
        abort(404)
    if lock and request.form.get("version") != str(event.version):
        raise StaleVersionError
    content = content_of(event)
    return Opened(event, content, _occurrence(content, original_start, calendar.zone), calendar.zone)


def _occurrence(content: EventContent, text: str, zone: str) -> Occurrence | None:
    if not text or not content.when.is_series:
        return None
    try:
        start = date.fromisoformat(text) if len(text) == 10 else datetime.fromisoformat(text)
        return find_occurrence(content.when, start, zone)
    except (ValueError, TypeError):
        abort(404)


def _done(start: date | datetime, note: str) -> Response:
    on = start.date() if isinstance(start, datetime) else start
    return redirect(url_for("page.home", week=on.isoformat(), note=note), 303)


def _blank_form(calendars: list[Calendar], content: EventContent, error: str | None = None) -> str:
    values = values_of(content) | {"calendar": request.args.get("calendar", "")}
    if error is not None:
        values = _filled_in(values) | {"calendar": request.form.get("calendar", "")}
    return render_template(
        "event.html", calendars=calendars, event=None, opened=None, details=None, v=values, error=error
    )


def _filled_in(values: dict[str, Any]) -> dict[str, Any]:
    """Return the values of the form as it was sent; as they were, if another form of the page was sent."""
    if "start_date" not in request.form:
        return values
    names = (*values, "repeat", "scope", "tell")
    return {name: request.form.get(name, "") for name in names}


def _page(session: Session, opened: Opened, error: str | None = None) -> str:
    shown = opened.shown
    values = values_of(shown)
    labels = labels_of(ports())
    return render_template(
        "event.html",
        event=opened.event,
        opened=opened,
        homes=[
            (place.link.id, _named(place, labels))
            for place in home.find_homes(session, ports(), opened.event)
        ],
        content=shown,
        details=details_of(session, opened.event, shown, opened.zone, labels),
        whole=_whole(session, opened, labels),
        v=_filled_in(values) if error is not None else values,
        now=ports().clock.now(),
        error=error,
    )


def _named(place: home.Place, labels: dict[str, str]) -> str:
    """Return a calendar in words; one that is called by its account's address is not named twice."""
    name, owner, provider = place.calendar.name, place.account.email, place.account.provider
    return f"{name}{'' if name == owner else f' of {owner}'} ({labels.get(provider, provider)})"


def _whole(session: Session, opened: Opened, labels: dict[str, str]) -> Details | None:
    """Return the details of the series that an occurrence belongs to."""
    if opened.occurrence is None:
        return None
    return details_of(session, opened.event, opened.content, opened.zone, labels)

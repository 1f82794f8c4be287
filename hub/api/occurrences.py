"""Occurrences of a series: list them, and change or delete one of them, or it and all that follow.

All of a series is changed by a PATCH of the event itself.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from typing import Any

from flask.views import MethodView
from marshmallow import ValidationError
from sqlalchemy.orm import Session

from hub.accounts import agenda
from hub.api import event_content, find
from hub.api.blueprint import IDEMPOTENCY_KEY, IF_MATCH, page_of, query_of, resource
from hub.api.context import author, ports
from hub.api.errors import Problem, fault, invalid, not_found
from hub.api.event_time import as_exception, exception_time_faults, original_start
from hub.api.guests import tell
from hub.api.idempotency import idempotent
from hub.api.paging import decode, encode
from hub.api.schemas.event_parts import OCCURRENCE_FIELDS
from hub.api.schemas.moments import DayOrWallField
from hub.api.schemas.occurrences import (
    OccurrencePatchSchema,
    OccurrenceQuery,
    OccurrenceSchema,
    ScopeDeleteQuery,
    ScopeQuery,
)
from hub.api.versions import expected_version
from hub.domain.recurrence import (
    CLEARED,
    OWN_TIMES,
    Occurrence,
    RecurrenceError,
    later,
    occurrence_at,
    starts,
)
from hub.domain.series import as_exception as known_exception
from hub.domain.series import find_occurrence, led_by
from hub.domain.split import NoOccurrenceError, SeriesError
from hub.models import Calendar, Event
from hub.models.content import content_of
from hub.outbound import edit, series
from hub.outbound.edit import StaleVersionError
from hub.plugin.types import SeriesException, When

blp = resource("occurrences", "The occurrences of series")
Answer = tuple[dict[str, Any], int, dict[str, str]]
Start = date | datetime
_TIMES = ("start", "end")
_LONGEST = timedelta(days=400)


@blp.route("/events/<event_id>/occurrences")
class Occurrences(MethodView):
    @query_of(blp, OccurrenceQuery)
    @blp.response(200, page_of(OccurrenceSchema))
    def get(self, query: dict[str, Any], event_id: str) -> dict[str, Any]:
        """List the occurrences of an event that overlap a span of time, by start."""
        start, end = query.get("from_"), query.get("to")
        start = start or (later(end, -_LONGEST) if end else ports().clock.now())
        end = end or later(start, _LONGEST)
        with ports().db.reading() as session:
            event = find.event(session, event_id)
            found = agenda.occurrences_of(
                event, _zone(session, event), start, end, cancelled=query["cancelled"]
            )
            content = content_of(event)
            found.sort(key=_place)
            if query["cursor"] is not None:
                after = [str(part) for part in decode(query["cursor"], 2)]
                found = [o for o in found if _place(o) > after]
            page = found[: query["limit"]]
            items = [event_content.shown_occurrence(event, content, o) for o in page]
        more = len(found) > len(page)
        return {"items": items, "next_cursor": encode(*_place(page[-1])) if more else None}


def _place(occurrence: Occurrence) -> list[str]:
    return [occurrence.starts_at.isoformat(), occurrence.original_start.isoformat()]


@blp.route("/events/<event_id>/occurrences/<start>")
class OneOccurrence(MethodView):
    @blp.response(200, OccurrenceSchema)
    def get(self, event_id: str, start: str) -> Answer:
        """Get an occurrence by its original start, cancelled or not; its series' version is the ETag."""
        with ports().db.reading() as session:
            event = find.event(session, event_id)
            return _answer(session, event, _original(session, event, start))

    @find.over_what_stands
    @idempotent
    @query_of(blp, ScopeQuery)
    @blp.arguments(OccurrencePatchSchema)
    @blp.response(200, OccurrenceSchema)
    @blp.doc(parameters=[IF_MATCH, IDEMPOTENCY_KEY])
    def patch(self, query: dict[str, Any], data: dict[str, Any], event_id: str, start: str) -> Answer:
        """Change an occurrence alone, or with all that follow: they are a series of their own from then on.

        All of a series is changed by a PATCH of the event. The answer is the occurrence as it is now; its
        `event_id` tells the event that it belongs to.
        """
        with ports().db.transaction() as session, _told():
            event = _locked(session, event_id)
            original = _original(session, event, start)
            said = {name: data.pop(name) for name in ("notify", "notify_from")}
            if query["scope"] == "this":
                _change(session, event, original, data)
                tell(session, event, said)
            else:
                following = _change_following(session, event, original, data, notify=said["notify"])
                home = tell(session, event, said)
                if following is not event:
                    tell(session, following, said, home)
                event = following
                original = _first(content_of(event).when)
            session.flush()
            return _answer(session, event, original)

    @idempotent
    @query_of(blp, ScopeDeleteQuery)
    @blp.response(204)
    @blp.doc(parameters=[IF_MATCH, IDEMPOTENCY_KEY])
    def delete(self, query: dict[str, Any], event_id: str, start: str) -> None:
        """Cancel an occurrence alone, or with all that follow: the series ends before it."""
        with ports().db.transaction() as session, _told():
            event = _locked(session, event_id)
            original = _original(session, event, start)
            if query["scope"] == "this":
                gone = SeriesException(original, cancelled=True)
                series.change_occurrence(session, ports(), event, gone, author())
            else:
                halves = series.cut(session, event, original, notify=query["notify"])
                series.end_before(session, ports(), event, halves, author())
            tell(session, event, query)


@contextmanager
def _told() -> Iterator[None]:
    """Tell as a problem why an edit of a series makes no sense."""
    try:
        yield
    except NoOccurrenceError:
        raise not_found("occurrence") from None
    except series.CancelledError as error:
        raise _conflict("occurrence_cancelled", error) from None
    except series.NotOursError as error:
        raise _conflict("not_yours_to_split", error) from None
    except (SeriesError, RecurrenceError) as error:
        raise _conflict("cannot_split", error) from None


def _conflict(kind: str, error: ValueError) -> Problem:
    text = str(error)
    return Problem(409, f"{text[0].upper()}{text[1:].rstrip('.')}.", kind=kind)


def _locked(session: Session, event_id: str) -> Event:
    expected = expected_version()
    event = find.event(session, event_id, lock=True)
    if expected is not None and expected != event.version:
        raise StaleVersionError
    if not event.is_series:
        detail = "This is a single event: change or delete the event itself."
        raise Problem(409, detail, kind="not_a_series")
    return event


def _zone(session: Session, event: Event) -> str:
    return session.get_one(Calendar, event.calendar_id).zone


def _original(session: Session, event: Event, text: str) -> Start:
    """Return the original start that an address names.

    Raises:
        Problem: there is no such occurrence.
    """
    content = content_of(event)
    try:
        value = DayOrWallField().deserialize(text)
        original = original_start(value, content.when, _zone(session, event))
        if content.when.is_series:
            find_occurrence(content.when, original, "UTC")
        elif original != content.when.start:
            raise not_found("occurrence")
    except (ValidationError, SeriesError, RecurrenceError):
        raise not_found("occurrence") from None
    return original


def _first(when: When) -> Start:
    return next(starts(when), when.start) if when.is_series else when.start


def _answer(session: Session, event: Event, original: Start) -> Answer:
    content = content_of(event)
    occurrence = occurrence_at(content.when, original, _zone(session, event))
    body = event_content.shown_occurrence(event, content, occurrence)
    return body, 200, {"ETag": f'"{event.version}"', "Content-Location": _address(event, original)}


def _address(event: Event, original: Start) -> str:
    return f"/v1/events/{event.id}/occurrences/{original.isoformat()}"


# --- this ---


def _change(session: Session, event: Event, original: Start, data: Mapping[str, Any]) -> None:
    """Change one occurrence; null is as in the series."""
    wrong = [n for n in data if n not in {*OCCURRENCE_FIELDS, *_TIMES, "cancelled"}]
    if wrong:
        raise invalid([fault(f"/{n}", "is one for the whole series: change the event itself") for n in wrong])
    content, zone = content_of(event), _zone(session, event)
    own = known_exception(content, original)
    if own.cancelled and data.get("cancelled") is None:
        raise series.CancelledError("this occurrence is cancelled: bring it back by cancelled: false")
    if data.get("cancelled"):
        exception = SeriesException(original, cancelled=True)
    else:
        given = as_exception({**data, "original_start": original}, content.when, zone)
        values = {name: getattr(given, name) for name in data if name in OCCURRENCE_FIELDS}
        base = SeriesException(original) if own.cancelled else own
        exception = dataclasses.replace(base, **values, **_times(content.when, base, given, data))
    if faults := exception_time_faults(content.when, exception, "", data.keys() & set(_TIMES)):
        raise invalid(faults)
    series.change_occurrence(session, ports(), event, exception, author())


def _times(
    when: When, own: SeriesException, given: SeriesException, data: Mapping[str, Any]
) -> dict[str, Any]:
    """Return when an occurrence takes place: one whose start alone is given is as long as before.

    None is as in the series.
    """
    if not data.keys() & set(_TIMES):
        return {}
    bare = SeriesException(own.original_start)
    known = occurrence_at(dataclasses.replace(when, exceptions=(own,)), own.original_start, "UTC")
    usual = occurrence_at(dataclasses.replace(when, exceptions=(bare,)), own.original_start, "UTC")
    start, start_zone = known.start, own.start_zone
    end, end_zone = known.end, own.end_zone
    if "start" in data:
        start, start_zone = (usual.start, None) if given.start is None else (given.start, given.start_zone)
    if "end" in data:
        end, end_zone = (usual.end, None) if given.end is None else (given.end, given.end_zone)
    elif given.start is not None and isinstance(start, datetime) == isinstance(known.start, datetime):
        end, end_zone = start + (known.end - known.start), start_zone or own.end_zone  # type: ignore[operator]
    elif "start" in data:
        end, end_zone = usual.end, None
    if (start, end, start_zone, end_zone) == (usual.start, usual.end, None, None):
        return dict.fromkeys(OWN_TIMES)
    return {"start": start, "end": end, "start_zone": start_zone, "end_zone": end_zone}


# --- this and following ---


def _change_following(
    session: Session, event: Event, original: Start, data: dict[str, Any], *, notify: bool
) -> Event:
    """Change an occurrence and all that follow; return the event that they are now."""
    if "cancelled" in data:
        raise invalid([fault("/cancelled", "is for one occurrence: DELETE it with scope=this_and_following")])
    halves = series.cut(session, event, original, notify=notify)
    given = {name: None if _is_cleared(name, value) else value for name, value in data.items()}
    following = led_by(halves.after, given)
    following = event_content.changed(following, given, _zone(session, event))
    extra = event_content.merged_metadata(event.extra, given)
    if halves.before is None:
        edit.update_event(session, ports(), event, following, author(), extra=extra)
        return event
    extra = event.extra if extra is None else extra
    return series.split_event(session, ports(), event, halves, following, author(), extra=extra)


def _is_cleared(name: str, value: Any) -> bool:
    """Whether a value says of an occurrence that it has none, which of an event is said by null."""
    return name in CLEARED and value == CLEARED[name]

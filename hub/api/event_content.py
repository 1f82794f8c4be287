"""From a consumer's fields to an event's content and back, with every fault of its time named at once."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from hub.api.errors import fault, invalid
from hub.api.schemas.events import CALENDARS_ZONE, Moment
from hub.domain.recurrence import RecurrenceError, check, starts
from hub.models import Event
from hub.plugin.types import (
    CONTENT_FIELDS,
    EventContent,
    EventStatus,
    SeriesException,
    ShowAs,
    Visibility,
    When,
)

_TIME = ("start", "end", "recurrence", "exceptions")
_WORDS: dict[str, Any] = {"status": EventStatus, "show_as": ShowAs, "visibility": Visibility}
_TUPLES = ("reminders", "attendees", "attachments", "categories")
_DEFAULTS = {f.name: f.default for f in dataclasses.fields(EventContent) if f.name != "when"}


def changed(content: EventContent | None, data: Mapping[str, Any], zone: str) -> EventContent:
    """Return `content` (None: a new event) with a consumer's fields; `zone` is the calendar's.

    Raises:
        Problem: its time makes no sense; all faults are named.
    """
    when = _when(content.when if content else None, data, zone)
    values: dict[str, Any] = {}
    for name in data.keys() & set(CONTENT_FIELDS) - {"when"}:
        value = data[name]
        if value is None:
            value = _DEFAULTS[name]
        elif name in _WORDS:
            value = _WORDS[name](value)
        elif name in _TUPLES:
            value = tuple(value)
        elif name == "description":
            value = "\n".join(line.rstrip() for line in value.split("\n")).rstrip()
        values[name] = value
    if content is None:
        return EventContent(when=when, **values)
    if values.get("description", content.description) != content.description:
        values["description_html"] = None
    return dataclasses.replace(content, when=when, **values)


def _when(before: When | None, data: Mapping[str, Any], zone: str) -> When:
    if before is not None and not data.keys() & set(_TIME):
        return before
    start = data.get("start") or Moment(before.start, before.start_zone)  # type: ignore[union-attr]
    end = data.get("end") or Moment(before.end, before.end_zone)  # type: ignore[union-attr]
    recurrence = tuple(data.get("recurrence") or ()) if "recurrence" in data else None
    exceptions = tuple(data.get("exceptions") or ()) if "exceptions" in data else None
    if recurrence is None:
        recurrence = before.recurrence if before else ()
    if exceptions is None:
        exceptions = before.exceptions if before and recurrence else ()
    elif before is not None:
        exceptions = _with_unsayable(exceptions, before.exceptions)
    when = When(
        start=start.value,
        end=end.value,
        start_zone=zone if start.zone == CALENDARS_ZONE else start.zone,
        end_zone=zone if end.zone == CALENDARS_ZONE else end.zone,
        recurrence=recurrence,
        exceptions=tuple(sorted(exceptions, key=lambda e: str(e.original_start))),
    )
    faults = when_faults(when, exceptions if "exceptions" in data else ())
    if faults:
        raise invalid(faults)
    return when


_UNSAYABLE = ("reminders", "attendees", "own_answer")
"""What a consumer cannot say of an occurrence: it stays as it is."""


def _with_unsayable(
    given: tuple[SeriesException, ...], before: tuple[SeriesException, ...]
) -> tuple[SeriesException, ...]:
    known = {e.original_start: e for e in before if not e.cancelled}
    return tuple(
        dataclasses.replace(e, **{name: getattr(known[e.original_start], name) for name in _UNSAYABLE})
        if e.original_start in known and not e.cancelled
        else e
        for e in given
    )


def when_faults(when: When, given: tuple[SeriesException, ...] = ()) -> list[dict[str, str]]:
    """Return every fault of a time; `given` are the exceptions in the order of the request."""
    if isinstance(when.start, datetime) != isinstance(when.end, datetime):
        return [fault("/end", "start and end must both be dates or both be times")]
    faults = []
    try:
        check(dataclasses.replace(when, recurrence=(), exceptions=()))
    except RecurrenceError as error:
        faults.append(fault("/end", str(error)))
    if when.is_series:
        # The rule is judged by itself, so that a fault of the end does not hide its own.
        length = timedelta(days=1) if when.all_day else timedelta(0)
        try:
            check(dataclasses.replace(when, end=when.start + length, end_zone=when.start_zone, exceptions=()))
        except RecurrenceError as error:
            faults.append(fault("/recurrence", str(error)))
    return faults + _exception_faults(when, given)


def _exception_faults(when: When, given: tuple[SeriesException, ...]) -> list[dict[str, str]]:
    if given and not when.is_series:
        return [fault("/exceptions", "only a series (with recurrence) has exceptions")]
    faults, seen = [], set()
    kind = isinstance(when.start, datetime)
    for i, exception in enumerate(given):
        original = exception.original_start
        place = f"/exceptions/{i}"
        if isinstance(original, datetime) != kind:
            faults.append(fault(f"{place}/original_start", "must be a date or a time as start is"))
        elif original in seen:
            faults.append(fault(f"{place}/original_start", "stands there twice"))
        elif not _is_occurrence(when, original):
            faults.append(fault(f"{place}/original_start", "is not where the rule puts an occurrence"))
        seen.add(original)
        for name in ("start", "end"):
            value = getattr(exception, name)
            if value is not None and isinstance(value, datetime) != kind:
                faults.append(fault(f"{place}/{name}", "must be a date or a time as the series' start is"))
    return faults


def _is_occurrence(when: When, original: Any) -> bool:
    try:
        for start in starts(when):
            if start >= original:
                return bool(start == original)
    except RecurrenceError:
        # The rule's own fault is told already.
        return True
    return False


def shown(event: Event, content: EventContent) -> dict[str, Any]:
    """Return the values that EventSchema writes."""
    when = content.when
    values: dict[str, Any] = {name: getattr(content, name) for name in CONTENT_FIELDS if name != "when"}
    return values | {
        "id": event.id,
        "calendar_id": event.calendar_id,
        "uid": event.uid,
        "version": event.version,
        "start": Moment(when.start, when.start_zone),
        "end": Moment(when.end, when.end_zone),
        "recurrence": list(when.recurrence),
        "exceptions": list(when.exceptions),
        "metadata": event.extra,
        "created_at": event.created_at,
        "updated_at": event.updated_at,
    }

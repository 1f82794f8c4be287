"""From a consumer's fields to an event's content and back."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from hub.api.errors import fault, invalid
from hub.api.event_time import changed_when
from hub.api.guests import guests
from hub.api.schemas.event_fields import MOST_METADATA
from hub.api.schemas.event_parts import CHOICES, OCCURRENCE_FIELDS, TUPLES
from hub.api.schemas.moments import Moment
from hub.domain.html import text_of
from hub.domain.plain import trimmed
from hub.domain.recurrence import Occurrence, as_it_takes_place
from hub.models import Event
from hub.plugin.types import CONTENT_FIELDS, EventContent

_DEFAULTS = {f.name: f.default for f in dataclasses.fields(EventContent) if f.name != "when"}


def changed(content: EventContent | None, data: Mapping[str, Any], zone: str) -> EventContent:
    """Return `content` (None: a new event) with a consumer's fields; `zone` is the calendar's.

    Raises:
        Problem: its time makes no sense; all faults are named.
    """
    when = changed_when(content.when if content else None, data, zone)
    values: dict[str, Any] = {}
    for name in data.keys() & set(CONTENT_FIELDS) - {"when"}:
        value = data[name]
        if value is None:
            value = _DEFAULTS[name]
        elif name in CHOICES:
            value = CHOICES[name](value)
        elif name == "attendees":
            value = guests(value, content.attendees if content else ())
        elif name in TUPLES:
            value = tuple(value)
        elif name == "description":
            value = trimmed(value)
        values[name] = value
    values |= _formatted(content, data, values)
    if content is None:
        return EventContent(when=when, **values)
    return dataclasses.replace(content, when=when, **values)


def _formatted(
    content: EventContent | None, data: Mapping[str, Any], values: Mapping[str, Any]
) -> dict[str, Any]:
    """Return description and HTML such that the one is read from the other."""
    html = data.get("description_html")
    text = values.get("description")
    before = (content.description, content.description_html) if content else ("", None)
    if html is None:
        stays = text in (None, before[0]) and "description_html" not in data
        return {} if stays and content else {"description_html": None}
    if html == before[1] and text in (None, before[0]):
        return {}
    read = trimmed(text_of(html))
    if text not in (None, read):
        raise invalid([fault("/description", "is read from description_html: leave one of the two out")])
    return {"description": read, "description_html": html}


def merged_metadata(extra: Mapping[str, Any], data: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return metadata merged key by key (RFC 7396); None if nothing is said of it.

    Raises:
        Problem: there would be too many keys.
    """
    if "metadata" not in data:
        return None
    if data["metadata"] is None:
        return {}
    merged = {key: value for key, value in {**extra, **data["metadata"]}.items() if value is not None}
    if len(merged) > MOST_METADATA:
        raise invalid([fault("/metadata", f"may hold {MOST_METADATA} keys at most: take some away by null")])
    return merged


def shown(event: Event, content: EventContent) -> dict[str, Any]:
    """Return the values that EventSchema writes, but for copies and series that were split off."""
    when = content.when
    values: dict[str, Any] = {name: getattr(content, name) for name in CONTENT_FIELDS if name != "when"}
    return values | {
        "id": event.id,
        "calendar_id": event.calendar_id,
        "uid": event.uid,
        "version": event.version,
        "split_from": event.split_from,
        "description_html": content.description_html,
        "start": Moment(when.start, when.start_zone),
        "end": Moment(when.end, when.end_zone),
        "recurrence": list(when.recurrence),
        "exceptions": list(when.exceptions),
        "metadata": event.extra,
        "created_at": event.created_at,
        "updated_at": event.updated_at,
    }


def shown_occurrence(event: Event, content: EventContent, occurrence: Occurrence) -> dict[str, Any]:
    """Return the values that OccurrenceSchema writes.

    Args:
        content: of the series.
    """
    exception, when = occurrence.exception, content.when
    takes_place = as_it_takes_place(content, occurrence)
    own_start = exception.start_zone if exception else None
    own_end = exception.end_zone if exception else None
    return {name: getattr(takes_place, name) for name in (*OCCURRENCE_FIELDS, "own_answer")} | {
        "event_id": event.id,
        "version": event.version,
        "original_start": occurrence.original_start,
        "state": state_of(occurrence),
        "start": Moment(occurrence.start, own_start or when.start_zone),
        "end": Moment(occurrence.end, own_end or when.end_zone),
        "starts_at": occurrence.starts_at,
        "ends_at": occurrence.ends_at,
    }


def state_of(occurrence: Occurrence) -> str:
    """Return one of `hub.api.schemas.occurrences.STATES`."""
    exception = occurrence.exception
    if exception is None:
        return "regular"
    if exception.cancelled:
        return "cancelled"
    return "moved" if exception.start is not None or exception.end is not None else "changed"

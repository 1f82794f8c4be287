"""Between an Event row (with its exceptions) and the EventContent that rules and plugins speak of."""

from __future__ import annotations

from typing import Any

from hub.domain.recurrence import span
from hub.models.event import Event, SeriesExceptionRow
from hub.plugin.codec import from_json, to_json
from hub.plugin.types import EventContent, SeriesException, When

_COLUMNS = ("title", "description", "description_html")
_PLACEHOLDER = {"when": {"start": "2000-01-01", "end": "2000-01-02"}}


def content_of(event: Event) -> EventContent:
    """Return what an event means. Its `exceptions` must be loaded if it has any."""
    rows = event.exceptions if event.has_exceptions else []
    when = When(
        event.start,
        event.end,
        event.start_zone,
        event.end_zone,
        tuple(event.recurrence),
        tuple(from_json(SeriesException, row.content) for row in rows),
    )
    details = from_json(EventContent, _PLACEHOLDER | event.details) if event.details else None
    values: dict[str, Any] = {name: getattr(event, name) for name in _COLUMNS}
    if details is None:
        return EventContent(when=when, **values)
    for name in event.details:
        values[name] = getattr(details, name)
    return EventContent(when=when, **values)


def columns_of(content: EventContent, zone: str) -> dict[str, Any]:
    """Return the column values of an Event row; `zone` is for floating times."""
    details = to_json(content)
    details.pop("when")
    for name in _COLUMNS:
        details.pop(name, None)
    when = content.when
    starts_at, ends_at = span(when, zone)
    return {
        "title": content.title,
        "description": content.description,
        "description_html": content.description_html,
        "start": when.start,
        "end": when.end,
        "start_zone": when.start_zone,
        "end_zone": when.end_zone,
        "recurrence": list(when.recurrence),
        "has_exceptions": bool(when.exceptions),
        "details": details,
        "starts_at": starts_at,
        "ends_at": ends_at,
    }


def write_content(event: Event, content: EventContent, zone: str) -> None:
    """Bring a row (whose exceptions are loaded if it has any) to `content`; `zone` is for floating times."""
    if event.has_exceptions or content.when.exceptions:
        _write_exceptions(event, content)
    for name, value in columns_of(content, zone).items():
        setattr(event, name, value)


def _write_exceptions(event: Event, content: EventContent) -> None:
    """Change rows in place, since one with the same original start may not be there twice."""
    rows = {row.original_start: row for row in event.exceptions}
    wanted = {e.original_start: e for e in content.when.exceptions}
    event.exceptions = [row for start, row in rows.items() if start in wanted]
    for start, exception in wanted.items():
        if start in rows:
            rows[start].cancelled, rows[start].content = exception.cancelled, to_json(exception)
        else:
            event.exceptions.append(exception_row(exception))


def exception_row(exception: SeriesException) -> SeriesExceptionRow:
    """Return the row of one exception."""
    return SeriesExceptionRow(
        original_start=exception.original_start,
        cancelled=exception.cancelled,
        content=to_json(exception),
    )

"""Between an Event row (with its exceptions) and what it means: as EventContent for rules and plugins, or
plain, as the store holds it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session
from sqlalchemy.orm.attributes import set_committed_value

from hub.domain.plain import Plain
from hub.domain.recurrence import span
from hub.models.event import Event, SeriesExceptionRow
from hub.plugin.codec import content_from_json, to_json
from hub.plugin.types import EventContent, SeriesException

_TEXTS = ("title", "description")
_TIMES = ("start", "end", "start_zone", "end_zone")
_COLUMNS = frozenset({"when", "description_html", *_TEXTS})
"""The fields that have columns of their own; the others are in `details`."""


_EXCEPTIONS = (
    select(SeriesExceptionRow)
    .where(SeriesExceptionRow.event_id.in_(bindparam("event_ids", expanding=True)))
    .order_by(SeriesExceptionRow.event_id, SeriesExceptionRow.original_start)
    .execution_options(populate_existing=True)
)


def load_exceptions(session: Session, events: Iterable[Event]) -> None:
    """Load what `content_of` needs of events beside their rows; those without exceptions need nothing."""
    rows: dict[str, list[SeriesExceptionRow]] = {}
    loaded = list(events)
    series = [event.id for event in loaded if event.has_exceptions]
    for row in session.scalars(_EXCEPTIONS, {"event_ids": series}) if series else ():
        rows.setdefault(row.event_id, []).append(row)
    for event in loaded:
        set_committed_value(event, "exceptions", rows.get(event.id, []))


def content_of(event: Event) -> EventContent:
    """Return what an event means. Its `exceptions` must be loaded if it has any."""
    return content_from_json(plain_of(event))


def plain_of(event: Event) -> Plain:
    """Return the same as the store holds it."""
    values = {name: getattr(event, name) for name in (*_TEXTS, "description_html", "recurrence", "details")}
    values |= {name: to_json(getattr(event, name)) for name in _TIMES}
    rows = event.exceptions if event.has_exceptions else []
    return plain_content(values, [row.content for row in rows])


def plain_content(row: Mapping[str, Any], exceptions: list[Plain]) -> Plain:
    """Return what an event means, from its columns (times as text) and its exceptions in their order."""
    when: Plain = {"start": row["start"], "end": row["end"]}
    if row["start_zone"] is not None:
        when["start_zone"] = row["start_zone"]
    if row["end_zone"] is not None:
        when["end_zone"] = row["end_zone"]
    if row["recurrence"]:
        when["recurrence"] = row["recurrence"]
    if exceptions:
        when["exceptions"] = exceptions
    content: Plain = {"when": when}
    if row["title"]:
        content["title"] = row["title"]
    if row["description"]:
        content["description"] = row["description"]
    if row["description_html"] is not None:
        content["description_html"] = row["description_html"]
    return content | row["details"] if row["details"] else content


def plain_columns(content: Plain, fields: Iterable[str] | None = None) -> dict[str, Any]:
    """Return the column values that hold a content, but for its span.

    Args:
        fields: only the columns of these; None for all.
    """
    columns: dict[str, Any] = {}
    names = _COLUMNS | {"details"} if fields is None else frozenset(fields)
    if "title" in names:
        columns["title"] = content.get("title", "")
    if "description" in names:
        columns["description"] = content.get("description", "")
        columns["description_html"] = content.get("description_html")
    if "when" in names:
        when = content["when"]
        columns |= {name: when.get(name) for name in _TIMES}
        columns["recurrence"] = when.get("recurrence", [])
        columns["has_exceptions"] = "exceptions" in when
    if names - _COLUMNS:
        columns["details"] = {name: value for name, value in content.items() if name not in _COLUMNS}
    return columns


def write_content(event: Event, content: EventContent, zone: str) -> None:
    """Bring a row (whose exceptions are loaded if it has any) to `content`; `zone` is for floating times."""
    if event.has_exceptions or content.when.exceptions:
        _write_exceptions(event, content)
    columns = plain_columns(to_json(content))
    columns |= {name: getattr(content.when, name) for name in _TIMES}
    columns["starts_at"], columns["ends_at"] = span(content.when, zone)
    for name, value in columns.items():
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

"""Between an Event row and what it means."""

from __future__ import annotations

from hub.domain.recurrence import span
from hub.models.event import Event
from hub.plugin.codec import content_from_json, to_json
from hub.plugin.types import EventContent


def content_of(event: Event) -> EventContent:
    """Return what an event means."""
    return content_from_json(event.content)


def write_content(event: Event, content: EventContent, zone: str) -> None:
    """Bring a row to `content`; `zone` is for floating times."""
    event.content = to_json(content)
    event.starts_at, event.ends_at = span(content.when, zone)

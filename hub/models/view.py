"""A link's options as the rules read them, and an event as they are handed it."""

from __future__ import annotations

from hub.domain.lens import Filters, Lens, title_of
from hub.models.link import Detail, Link


def lens_of(link: Link) -> Lens:
    """Return what a link shows of events."""
    title = None
    if link.detail == Detail.BUSY_ONLY:
        title = title_of(link.busy_title, link.calendar.name)
    return Lens(title, Filters.of(link.filters), frozenset(link.leave_alone))

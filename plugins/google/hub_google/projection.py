"""What of an event Google can hold, and what is lost, told in a sentence for people.

The projection is a trip to Google's form and back without the network, so that it agrees with what
the provider shows after a push by construction.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from datetime import datetime

from hub.plugin import rules
from hub.plugin.meaning import exact_losses
from hub.plugin.text import clean, one_line
from hub.plugin.types import (
    Conference,
    EventContent,
    Location,
    Loss,
    Projection,
    Reminder,
    SeriesException,
    ShowAs,
    Visibility,
    When,
)
from hub_google import recurrence, text, times, translate, values
from hub_google.wire import Event

MAX_TITLE = 1024
MAX_DESCRIPTION = 8192
MAX_MINUTES = 40320  # reference/events: reminders.overrides[].minutes
MAX_REMINDERS = 5
OF_THE_SERIES = ("visibility", "attendees", "conference", "attachments", "categories", "color")
"""What an occurrence is not given otherwise than its series."""


REASONS: Mapping[str, str] = {
    "when": "Google Calendar has no event that ends before it begins, no day without length, and shows times "
    "that the clocks skip as the clocks do.",
    "title": "Google Calendar keeps titles on one line, without blanks around it.",
    "description": "Google Calendar keeps no blanks at the ends of lines and no empty lines at the end.",
    "location": "Google Calendar keeps places on one line, without blanks around it.",
    "status": "Google Calendar has no such status.",
    "show_as": "Google Calendar knows only free and busy.",
    "visibility": "Google Calendar has no such visibility.",
    "reminders": "Google Calendar keeps each reminder once, in their order.",
    "conference": "Google Calendar shows web addresses only.",
    "color": "Google Calendar has eleven event colours; the nearest is used.",
    "url": "Google Calendar keeps web addresses only.",
}
"""Why a field is held differently, where there is nothing more special to say."""


def project(content: EventContent) -> Projection:
    """Return what Google would show of `content` after a push."""
    if reason := refusal(content.when):
        return Projection(content, refusal=reason)
    try:
        when = _fit_when(content.when, _url_of(content))
    except ValueError as e:
        return Projection(content, refusal=f"Google Calendar cannot hold this time: {e}.")
    join = _url_of(content)
    description = text.fitted(content.description, MAX_DESCRIPTION, join)
    fitted = dataclasses.replace(
        content,
        title=_cut_line(content.title),
        description=description,
        description_html=text.fitted_html(content.description_html, description, MAX_DESCRIPTION, join),
        location=_cut(content.location),
        reminders=_fit_reminders(content.reminders),
        when=when,
    )
    item: Event = values.without_nulls(translate.to_remote(fitted))
    item["id"] = "x"
    changed = [e for e in fitted.when.exceptions if not e.cancelled]
    instances = [_instance(e, fitted) for e in changed]
    shown = translate.content_from(item, instances, fitted.when.start_zone or "UTC")
    return Projection(shown, exact_losses(content, shown, _losses(content, fitted, shown), REASONS))


def refusal(when: When) -> str | None:
    """Return why Google can hold none of an event with these times, or None."""
    if when.all_day:
        return None
    if when.start_zone is None:
        return "Google Calendar cannot hold a time without a time zone."
    for zone in {when.start_zone, when.end_zone or when.start_zone}:
        if rules.find_zone(zone) is None:
            return f"Google Calendar does not know the time zone {zone}."
    if when.is_series and _is_skipped(when):
        return (
            "The first day of this series begins or ends at a time that the clocks skip: Google Calendar "
            "would repeat it at another time."
        )
    return None


def _is_skipped(when: When) -> bool:
    """Whether the clocks of their zones never show the start or the end of a timed event."""
    ends = (when.start, when.start_zone), (when.end, when.end_zone or when.start_zone)
    walls = (
        (wall.replace(microsecond=0), zone or "UTC") for wall, zone in ends if isinstance(wall, datetime)
    )
    return any(times.settle(wall, zone) != wall for wall, zone in walls)


def _fit_when(when: When, join: str) -> When:
    """Return the times in the form that Google's would be read into."""
    start, end, end_zone = when.start, when.end, when.end_zone or when.start_zone
    if isinstance(start, datetime) and isinstance(end, datetime):
        start = times.settle(start, when.start_zone or "UTC")
        end = times.settle(end, end_zone or "UTC")
    end = times.ordered_end(start, end, when.start_zone, end_zone)
    lines, left_out = recurrence.read_lines(when.recurrence, start, when.start_zone)
    exceptions = {d: SeriesException(d, cancelled=True) for d in left_out}
    exceptions |= {e.original_start: e for e in when.exceptions}
    real = rules.hits(lines, start, when.start_zone, exceptions) if lines else set()
    kept = sorted((exceptions[d] for d in real), key=lambda e: times.at_midnight(e.original_start))
    fitted = (_fit_exception(e, join) for e in kept)
    return When(start, end, when.start_zone, end_zone, lines, tuple(fitted))


def _fit_exception(exception: SeriesException, join: str) -> SeriesException:
    if exception.cancelled:
        return SeriesException(exception.original_start, cancelled=True)
    location = exception.location
    if location is not None and location != Location(""):
        location = _cut(location)
    title, description = exception.title, exception.description
    return dataclasses.replace(
        exception,
        title=None if title is None else _cut_line(title),
        description=None if description is None else text.fitted(description, MAX_DESCRIPTION, join),
        location=location,
        reminders=_fit_reminders(exception.reminders),
        visibility=None,
        attendees=None,
        own_answer=None,
        conference=None,
        attachments=None,
        categories=None,
        color=None,
    )


def _url_of(content: EventContent) -> str:
    return content.conference.url if content.conference else ""


def _instance(exception: SeriesException, series: EventContent) -> Event:
    """Return the instance as Google would list it: the series with the exception's patch over it."""
    when = series.when
    item: Event = translate.to_remote(translate.occurrence(exception, series))
    item["originalStartTime"] = times.write_time(exception.original_start, when.start_zone)
    return item


def _cut(location: Location | None) -> Location | None:
    if location is None:
        return None
    name = _cut_line(values.write_location(location))
    return Location(name) if name else None


def _cut_line(line: str) -> str:
    return one_line(line)[:MAX_TITLE].strip()


def _fit_reminders(reminders: tuple[Reminder, ...] | None) -> tuple[Reminder, ...] | None:
    if reminders is None:
        return None
    fitted = {
        Reminder(min(max(r.minutes, 0), MAX_MINUTES), r.method if r.method == "email" else "popup")
        for r in reminders
    }
    return tuple(sorted(fitted, key=lambda r: (r.minutes, r.method))[:MAX_REMINDERS])


def _losses(content: EventContent, fitted: EventContent, shown: EventContent) -> Iterator[Loss]:
    if len(one_line(content.title)) > MAX_TITLE:
        yield Loss("title", f"Google Calendar keeps the first {MAX_TITLE} characters of a title.")
    if len(clean(content.description)) > len(fitted.description):
        yield Loss("description", f"Google Calendar keeps the first {MAX_DESCRIPTION} characters of a text.")
    if content.location and content.location not in (fitted.location, Location("")):
        yield Loss("location", "Google Calendar keeps a place as one line, without its position.")
    if content.show_as not in (ShowAs.FREE, ShowAs.BUSY):
        yield Loss("show_as", f"Google Calendar shows “{content.show_as.replace('_', ' ')}” as busy.")
    if content.visibility in (Visibility.PERSONAL, Visibility.CONFIDENTIAL):
        yield Loss("visibility", f"Google Calendar shows “{content.visibility}” as private.")
    if content.reminders is not None and set(content.reminders) != set(fitted.reminders or ()):
        yield Loss("reminders", "Google Calendar keeps five reminders of at most four weeks.")
    if content.color and content.color.lower() != shown.color:
        yield Loss("color", "Google Calendar has eleven event colours; the nearest is used.")
    if content.url and not shown.url:
        yield Loss("url", "Google Calendar keeps web addresses only.")
    yield from _dropped(content)
    yield from _lost_exceptions(content.when, fitted.when)


def _dropped(content: EventContent) -> Iterator[Loss]:
    """Yield the fields that are never written, where they hold something."""
    if content.organizer:
        yield Loss("organizer", "The calendar itself becomes the organiser.")
    if content.attendees:
        yield Loss("attendees", "Guests are not copied, so that nobody is invited twice.")
    if content.own_answer:
        yield Loss("own_answer", "A copy is nobody's invitation, so there is nothing to answer.")
    if content.conference and not content.conference.url:
        yield Loss("conference", "Google Calendar is asked for a meeting only where it is one of its own.")
    elif content.conference and content.conference != Conference(content.conference.url):
        yield Loss("conference", "How to join another event's meeting stands in the text, by its address.")
    if content.attachments:
        yield Loss("attachments", "Attachments are not copied.")
    if content.categories:
        yield Loss("categories", "Google Calendar has no categories.")
    if content.priority:
        yield Loss("priority", "Google Calendar has no priority.")


def _lost_exceptions(when: When, fitted: When) -> Iterator[Loss]:
    kept = {e.original_start for e in fitted.exceptions}
    if any(e.original_start not in kept and not e.cancelled for e in when.exceptions):
        yield Loss("when", "A changed occurrence that the rule does not make is left out.")
    own = {name for e in when.exceptions for name in OF_THE_SERIES if getattr(e, name) is not None}
    if own:
        names = ", ".join(name for name in OF_THE_SERIES if name in own)
        yield Loss("when", f"Occurrences take these from their series: {names}.")

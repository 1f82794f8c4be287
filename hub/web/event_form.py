"""The form of an event, or of one occurrence of a series: what it shows, and what a person made of it. Pure.

A form that is opened at an occurrence shows that one. What the person changed in it is applied to this
occurrence, to it and all that follow, or to all, and what was left as it was stays as it is there.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any

from hub.domain.plain import trimmed
from hub.domain.recurrence import CLEARED, Occurrence, RecurrenceError, as_it_takes_place, check
from hub.domain.series import as_exception, led_by, moved
from hub.domain.split import SeriesError, Start, as_kind
from hub.plugin.types import EventContent, Location, SeriesException, When, changed_fields

RULES = {
    "daily": "RRULE:FREQ=DAILY",
    "weekly": "RRULE:FREQ=WEEKLY",
    "monthly": "RRULE:FREQ=MONTHLY",
    "yearly": "RRULE:FREQ=YEARLY",
}
MOST_TEXT = 100_000
Form = Mapping[str, str]


class FormError(Exception):
    """The form cannot be taken as it is; the message says why."""


def at_occurrence(content: EventContent, occurrence: Occurrence) -> EventContent:
    """Return one occurrence as the single event that its form shows."""
    exception, when = occurrence.exception, content.when
    start_zone = (exception.start_zone if exception else None) or when.start_zone
    end_zone = (exception.end_zone if exception else None) or when.end_zone
    own = When(occurrence.start, occurrence.end, start_zone, end_zone)
    return dataclasses.replace(as_it_takes_place(content, occurrence), when=own)


def values_of(content: EventContent) -> dict[str, Any]:
    """Return the values that the form's fields show."""
    when = content.when
    last = when.end
    if when.all_day:
        last = when.start if when.end <= when.start else when.end - timedelta(days=1)
    return {
        "title": content.title,
        "all_day": when.all_day,
        "start_date": when.start.isoformat()[:10],
        "start_time": f"{when.start:%H:%M}" if isinstance(when.start, datetime) else "09:00",
        "end_date": last.isoformat()[:10],
        "end_time": f"{when.end:%H:%M}" if isinstance(when.end, datetime) else "10:00",
        "location": content.location.name if content.location else "",
        "description": content.description,
    }


# --- reading ---


def read(form: Form, shown: EventContent) -> EventContent:
    """Return what the form showed with what it says now.

    Raises:
        FormError: it makes no sense.
    """
    place = form.get("location", "").strip()[:1000]
    location = shown.location
    if place != (location.name if location else ""):
        location = Location(place) if place else None
    description = trimmed("\n".join(form.get("description", "").splitlines()))
    content = dataclasses.replace(
        shown,
        when=_read_when(form, shown.when),
        title=form.get("title", "").strip()[:1000],
        location=location,
        description=description[:MOST_TEXT],
    )
    if "\0" in content.title + content.description + place:
        raise FormError("The text holds characters that no calendar can keep.")
    if content.description != shown.description:
        content = dataclasses.replace(content, description_html=None)
    return content


def _read_when(form: Form, before: When) -> When:
    start, end = _moment(form, "start"), _moment(form, "end")
    if form.get("all_day"):
        first, last = start.date(), end.date()
        when = dataclasses.replace(
            before, start=first, end=last + timedelta(days=1), start_zone=None, end_zone=None
        )
    else:
        zone = before.start_zone or form.get("zone") or None
        when = dataclasses.replace(
            before, start=start, end=end, start_zone=zone, end_zone=before.end_zone or zone
        )
    if rule := RULES.get(form.get("repeat", "")):
        when = dataclasses.replace(when, recurrence=(rule,))
    try:
        check(dataclasses.replace(when, exceptions=()))
        return moved(before, when) if before.is_series else when
    except (RecurrenceError, SeriesError) as error:
        raise FormError(f"Please look at the time again: {error}.") from error


def _moment(form: Form, name: str) -> datetime:
    try:
        on = date.fromisoformat(form.get(f"{name}_date", ""))
        at = time.fromisoformat(form.get(f"{name}_time") or "00:00")
    except ValueError:
        raise FormError(f"The {name} needs a date and a time.") from None
    if not 1900 <= on.year < 2200:
        raise FormError(f"The {name} lies too far away.")
    return datetime.combine(on, at.replace(tzinfo=None))


# --- this, this and following, all ---


@dataclass(frozen=True, slots=True)
class Edit:
    """What a person changed in the form of an occurrence."""

    original_start: Start
    shown: EventContent
    wanted: EventContent

    @property
    def names(self) -> frozenset[str]:
        return changed_fields(self.shown, self.wanted)

    @property
    def _texts(self) -> dict[str, Any]:
        """The changed fields but for the time; a text that was read from HTML goes with it."""
        values = {name: getattr(self.wanted, name) for name in self.names - {"when"}}
        return values | ({"description_html": None} if "description" in values else {})

    def of_one(self, content: EventContent) -> SeriesException:
        """Return the exception that the occurrence becomes.

        Raises:
            FormError: it cannot be otherwise in that.
        """
        own: dict[str, Any] = {
            name: CLEARED.get(name) if value is None else value
            for name, value in self._texts.items()
            if name != "description_html"
        }
        if "when" in self.names:
            when = self.wanted.when
            if when.all_day != content.when.all_day:
                raise FormError("One day of a series lasts all day only if all of them do.")
            own |= {"start": when.start, "end": when.end}
            own |= {"start_zone": when.start_zone, "end_zone": when.end_zone}
        return dataclasses.replace(as_exception(content, self.original_start), **own)

    def of_following(self, content: EventContent) -> EventContent:
        """Return the series that begins with the occurrence.

        Raises:
            FormError: it cannot be moved so.
        """
        names = dict.fromkeys(self._texts) | ({"start": None} if "when" in self.names else {})
        return self._of_series(led_by(content, names))

    def of_all(self, content: EventContent) -> EventContent:
        """Return the whole series, moved by as much as the occurrence.

        Raises:
            FormError: it cannot be moved so.
        """
        return self._of_series(content)

    def _of_series(self, content: EventContent) -> EventContent:
        content = dataclasses.replace(content, **self._texts)
        if "when" not in self.names:
            return content
        before, wanted = content.when, self.wanted.when
        usual = as_kind(before.start, wanted)
        shift = wanted.start - as_kind(self.original_start, wanted)  # type: ignore[operator]
        start = usual + shift
        after = dataclasses.replace(
            before,
            start=start,
            end=start + (wanted.end - wanted.start),  # type: ignore[operator]
            start_zone=wanted.start_zone,
            end_zone=wanted.end_zone,
        )
        try:
            return dataclasses.replace(content, when=moved(before, after))
        except (RecurrenceError, SeriesError) as error:
            raise FormError(f"All of the series cannot be moved so: {error}.") from error

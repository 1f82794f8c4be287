"""Google's JSON to the hub's event and back: pure, both ways.

After `client` fetched or before it writes. `from_remote` normalises, so that Google's rewriting never
looks like an edit; `to_remote` returns the whole event, from which `push` takes the keys it needs.
Fields: https://developers.google.com/workspace/calendar/api/v3/reference/events
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from hub.plugin import rules
from hub.plugin.text import one_line
from hub.plugin.types import (
    Attachment,
    Attendee,
    Conference,
    EventContent,
    Location,
    PushUpdate,
    RemoteEvent,
    SeriesException,
    ShowAs,
    When,
)
from hub_google import people, recurrence, text, times, values
from hub_google.colors import color_id, color_value
from hub_google.wire import Event

TAG_KEY = "coordinoterHub"
"""The private extended property that carries the hub's mark (at most 44 characters, sheet 4.10)."""

FIELD_KEYS: Mapping[str, tuple[str, ...]] = {
    "title": ("summary",),
    "description": ("description",),
    "conference": ("description",),
    "location": ("location",),
    "status": ("status",),
    "show_as": ("transparency",),
    "visibility": ("visibility",),
    "reminders": ("reminders",),
    "color": ("colorId",),
    "url": ("source",),
    "when": ("start", "end", "recurrence"),
}
"""Which keys of Google's event carry a field; the fields that are not here are never written."""

BUSY = "Busy"
_TYPES = {
    "default": "",
    "birthday": "a birthday from the contacts",
    "fromGmail": "made by Gmail from a message",
    "focusTime": "a focus time",
    "outOfOffice": "an out-of-office time",
}
"""The types of events that take part, and what they are called where that makes them read-only."""


# --- from Google -------------------------------------------------------------------------------------


GUEST_FIELDS = frozenset({"reminders", "color", "show_as", "visibility"})
"""What a guest may change of a meeting in the own copy; the organiser's and the others' stay as they are."""
_GUESTS = frozenset({"attendees"})
_NO_FIELDS: frozenset[str] = frozenset()


def from_remote(item: Event, instances: Iterable[Event], zone: str) -> RemoteEvent:
    """Return an event, or a series with its changed and cancelled instances, as the hub sees it.

    Args:
        zone: the calendar's zone, for events that have none of their own.

    Raises:
        ValueError, KeyError, TypeError, AttributeError: the item cannot be understood.
    """
    item, instances = _without_nulls(item), [_without_nulls(i) for i in instances]
    content = content_from(item, instances, zone)
    is_guest_copy = _is_guest_copy(item)
    return RemoteEvent(
        remote_id=item["id"],
        version=version_of(item, instances),
        content=content,
        uid=item.get("iCalUID"),
        tag=tag_of(item),
        web_link=item.get("htmlLink"),
        created_at=values.read_instant(item.get("created")),
        updated_at=_updated_at(item, instances),
        read_only=_read_only(item, is_guest_copy),
        own_fields=GUEST_FIELDS if is_guest_copy else _NO_FIELDS,
        partial_fields=_GUESTS if people.is_partly_shown(item) else _NO_FIELDS,
        notice=_notice(item, content.when),
    )


def tag_of(item: Event) -> str | None:
    """Return the hub's mark on an event."""
    return ((item.get("extendedProperties") or {}).get("private") or {}).get(TAG_KEY)


def _updated_at(item: Event, instances: list[Event]) -> datetime | None:
    """Return the last change that Google dates: a changed instance leaves its master's date as it is."""
    own = values.read_instant(item.get("updated"))
    if not instances:
        return own
    dates = (own, *(values.read_instant(i.get("updated")) for i in instances))
    return max(filter(None, dates), default=None)


def _without_nulls(item: Event) -> Event:
    """Return an item without keys that hold nothing: Google leaves them out, others write null."""
    if None not in item.values():
        return item
    return {key: value for key, value in item.items() if value is not None}  # type: ignore[return-value]


def _notice(item: Event, when: When) -> str | None:
    """Return what people are told where a zone is not known here: then it is the calendar's."""
    names = (item["start"].get("timeZone"), item["end"].get("timeZone"))
    if names == (when.start_zone, when.end_zone):
        return None
    unknown = sorted(str(name) for name in names if name and not rules.find_zone(name))
    if not unknown or when.all_day:
        return None
    text = (
        f"Google shows this event in the time zone “{unknown[0][:100]}”, which nobody knows here: "
        f"it is kept in {when.start_zone}."
    )
    return f"{text} What the clocks do there over the year is not known." if when.is_series else text


def version_of(item: Event, instances: Iterable[Event]) -> str:
    """Return the etag; for a series also a digest of its instances, since theirs move alone."""
    if not item.get("recurrence"):
        return item.get("etag", "")
    marks = "".join(sorted(f"{i['id']}{i.get('etag', '')}" for i in instances))
    return f"{item.get('etag', '')}~{hashlib.sha256(marks.encode()).hexdigest()[:16]}"


def etag_of(version: str) -> str:
    """Return the part of a version that If-Match takes."""
    return version.partition("~")[0]


def is_left_out(item: Event) -> bool:
    """Whether an item is no event to people: a working location, or of a type that is not known yet."""
    kind = item.get("eventType") or "default"
    return isinstance(kind, str) and kind not in _TYPES


def is_hidden(item: Event) -> bool:
    """Whether only its time is shown to this account: a private event, or all of a calendar (sheet 2.2)."""
    return "summary" not in item and "organizer" not in item and "creator" not in item


def title_of(item: Event) -> str:
    """Return the title; of an event that is hidden, what Google's own page shows instead."""
    return BUSY if is_hidden(item) else one_line(item.get("summary", ""))


def _read_only(item: Event, is_guest_copy: bool) -> str | None:
    """Return why the hub must leave the event alone, or None."""
    kind = item.get("eventType") or "default"
    if kind != "default":
        return _TYPES.get(kind, f"a special event of Google Calendar ({kind})")
    if item.get("locked"):
        return "locked by its organiser"
    if is_guest_copy:
        return "organised by someone else"
    return "hidden from this account but for its time" if is_hidden(item) else None


def _is_guest_copy(item: Event) -> bool:
    organizer = item.get("organizer")
    is_plain = (item.get("eventType") or "default") == "default" and not item.get("locked")
    return bool(is_plain and organizer and not organizer.get("self") and not item.get("guestsCanModify"))


def content_from(item: Event, instances: Iterable[Event], zone: str) -> EventContent:
    """Return what an event means."""
    shown = item.get("description", "")
    description, join = text.read_texts(shown)
    return EventContent(
        when=_when(item, instances, zone),
        title=title_of(item),
        description=description,
        description_html=text.read_html(shown, description, join),
        location=values.read_location(item.get("location", "")),
        status=values.read_status(item.get("status")),
        show_as=values.read_show_as(item.get("transparency"), item.get("eventType")),
        visibility=values.read_visibility(item.get("visibility")),
        reminders=values.read_reminders(item.get("reminders")),
        organizer=values.read_organizer(item),
        attendees=values.read_attendees(item),
        own_answer=values.read_own_answer(item),
        conference=Conference(join) if join else values.read_conference(item),
        attachments=_attachments(item),
        color=color_value(item.get("colorId")),
        url=(item.get("source") or {}).get("url"),
    )


def _attachments(item: Event) -> tuple[Attachment, ...]:
    if "attachments" not in item:
        return ()
    files = (a for a in item["attachments"] if a.get("fileUrl"))
    return tuple(Attachment(a["fileUrl"], a.get("title") or "", a.get("mimeType") or "") for a in files)


def _when(item: Event, instances: Iterable[Event], zone: str) -> When:
    own = item["start"].get("timeZone")
    start_zone = times.known_zone(own, zone)
    end_zone = times.known_zone(item["end"].get("timeZone"), own or zone)
    shown = item.get("recurrence")
    if shown:
        start = times.read_time(item["start"], start_zone)
        end = times.read_time(item["end"], end_zone)
    else:
        start, start_zone = times.read_exactly(item["start"], start_zone)
        end, end_zone = times.read_exactly(item["end"], end_zone)
    if isinstance(start, datetime) != isinstance(end, datetime):
        raise ValueError("one end is a date and the other a time")
    timed = isinstance(start, datetime)
    wall_zone, end_wall_zone = (start_zone, end_zone) if timed else (None, None)
    if not shown:
        return When(start, end, wall_zone, end_wall_zone)
    lines, left_out = recurrence.read_lines(shown, start, start_zone)
    series = When(start, end, wall_zone, end_wall_zone, lines)
    if not lines:
        return series
    bare = EventContent(series)
    exceptions = [exception_from(instance, item, bare) for instance in instances]
    # What is left out where the rule makes nothing (any more) means nothing.
    off = {*left_out, *(e.original_start for e in exceptions if e.cancelled)}
    found = {d: SeriesException(d, cancelled=True) for d in rules.hits(lines, start, start_zone, off)}
    live = {e.original_start: e for e in exceptions if not e.cancelled}
    found = {d: e for d, e in (found | live).items() if e != SeriesException(d)}
    ordered = sorted(found.values(), key=lambda e: times.at_midnight(e.original_start))
    return dataclasses.replace(series, exceptions=tuple(ordered))


def exception_from(instance: Event, master: Event, series: EventContent) -> SeriesException:
    """Return one instance as what differs from its series."""
    when = series.when
    original = _original(instance, when)
    if instance.get("status") == "cancelled":
        return SeriesException(original, cancelled=True)
    zone = when.start_zone or "UTC"
    start_zone = times.known_zone(instance["start"].get("timeZone"), zone)
    end_zone = times.known_zone(instance["end"].get("timeZone"), when.end_zone or zone)
    start, start_zone = times.read_exactly(instance["start"], start_zone)
    end, end_zone = times.read_exactly(instance["end"], end_zone)
    if isinstance(start, datetime):
        start = _as_original(start, start_zone, original)
    timed = isinstance(start, datetime)
    own_zones = (
        start_zone if timed and start_zone != when.start_zone else None,
        end_zone if timed and end_zone != when.end_zone else None,
    )
    # The same digits in another zone are another time.
    moved = (start, end) != (
        original,
        times.usual_end(original, when.start_zone, when.start, when.end),
    ) or any(own_zones)
    return SeriesException(
        original,
        start=start if moved else None,
        end=end if moved else None,
        start_zone=own_zones[0],
        end_zone=own_zones[1],
        title=_other(title_of(instance), title_of(master)),
        description=_other(
            text.read_texts(instance.get("description", ""))[0],
            text.read_texts(master.get("description", ""))[0],
        ),
        location=_other(
            values.read_location(instance.get("location", "")),
            values.read_location(master.get("location", "")),
            Location(""),
        ),
        status=_other(values.read_status(instance.get("status")), values.read_status(master.get("status"))),
        show_as=_other(
            values.read_show_as(instance.get("transparency")), values.read_show_as(master.get("transparency"))
        ),
        reminders=_other(
            values.read_reminders(instance.get("reminders")), values.read_reminders(master.get("reminders"))
        ),
        attendees=_other_guests(instance, master),
        own_answer=_other(values.read_own_answer(instance), values.read_own_answer(master)),
    )


def _original(instance: Event, when: When) -> times.Time:
    """Return where the rule puts an instance, in the kind and zone of its series."""
    value = instance["originalStartTime"]
    if not isinstance(when.start, datetime):
        return times.read_time({"date": (value.get("date") or value.get("dateTime") or "")[:10]}, "UTC")
    if value.get("date"):
        return datetime.combine(times.at_midnight(times.read_time(value, "UTC")).date(), when.start.time())
    zone = when.start_zone or "UTC"
    wall = times.at_midnight(times.read_time(value, zone))
    return _as_original(wall, zone, datetime.combine(wall.date(), when.start.time()))


def _as_original(wall: datetime, zone: str, usual: times.Time) -> datetime:
    """Return the usual wall time where a change of clocks made `wall` out of it, else `wall`."""
    if isinstance(usual, datetime) and times.settle(usual, zone) == wall:
        return usual
    return wall


def _other_guests(instance: Event, master: Event) -> tuple[Attendee, ...] | None:
    """Return the guests of an instance, if they are shown and others than its series'."""
    if people.is_partly_shown(instance) or people.is_partly_shown(master):
        return None
    guests: tuple[Attendee, ...] | None = _other(
        values.read_attendees(instance), values.read_attendees(master)
    )
    return guests


def _other(value: Any, of_series: Any, cleared: Any = None) -> Any:
    if value == of_series:
        return None
    return cleared if value is None else value


# --- to Google ---------------------------------------------------------------------------------------


def to_remote(content: EventContent) -> Event:
    """Return the whole event as a patch: what is cleared is null, so that the merge clears it.

    Guests and attachments are never written: a mirrored event mails nobody. How to join a meeting stands
    in the description, since one event's conference must not be used for another.
    """
    when = content.when
    return {
        "summary": one_line(content.title),
        "description": text.write_description(
            content.description,
            content.description_html,
            content.conference.url if content.conference else "",
        ),
        "location": values.write_location(content.location),
        "status": content.status.value,
        "transparency": "transparent" if content.show_as is ShowAs.FREE else "opaque",
        "visibility": values.write_visibility(content.visibility),
        "reminders": values.write_reminders(content.reminders),
        "colorId": color_id(content.color) if content.color else None,
        "source": values.write_source(content.url),
        "start": times.write_time(when.start, when.start_zone),
        "end": times.write_time(when.end, when.end_zone or when.start_zone),
        "recurrence": recurrence_lines(when) or None,
    }


def new_meeting(content: EventContent, request_id: str) -> Event:
    """Return what asks Google to make a video meeting, where one of Google's is wished for."""
    wish = content.conference
    if wish is None or wish.url or wish.provider not in values.MEETS:
        return {}
    request = {"requestId": request_id, "conferenceSolutionKey": {"type": values.MEETS[wish.provider]}}
    return {"conferenceData": {"createRequest": request}}


def changed_meeting(push: PushUpdate) -> Event:
    """Return what makes a video meeting of Google's, or ends it, if that is what the update says."""
    if "conference" not in push.fields:
        return {}
    if push.content.conference is None and push.base.conference and push.base.conference.provider:
        return {"conferenceData": None}
    return new_meeting(push.content, f"{push.remote_id}{push.version}")


def recurrence_lines(when: When) -> list[str]:
    """Return the rules of a series and its cancelled occurrences as EXDATE."""
    lines = list(when.recurrence)
    if when.is_series and (off := [e.original_start for e in when.exceptions if e.cancelled]):
        lines.append(recurrence.date_line("EXDATE", off, when.start_zone))
    return lines


def instance_to_remote(
    exception: SeriesException, series: EventContent, shown: SeriesException | None
) -> Event:
    """Return a patch for one occurrence: what it changes, and what it changes no longer.

    Args:
        shown: the exception as Google has it now; None if the occurrence is as its series.
    """
    whole = to_remote(occurrence(exception, series))
    keys: set[str] = set()
    for each in (exception, shown or SeriesException(exception.original_start)):
        named = {name for name in FIELD_KEYS if getattr(each, name, None) is not None}
        keys |= {key for name in named for key in FIELD_KEYS[name]}
        if each.cancelled:
            keys |= {"status", "start", "end"}
        if any(getattr(each, name) is not None for name in ("start", "end", "start_zone", "end_zone")):
            keys |= {"start", "end"}
    return {key: value for key, value in whole.items() if key in keys}  # type: ignore[return-value]


def occurrence(exception: SeriesException, series: EventContent) -> EventContent:
    """Return the single event that an occurrence of a series is."""
    when = series.when
    start_zone = exception.start_zone or when.start_zone
    # An end that is not said follows the start.
    followed = exception.start_zone if exception.end is None else None
    end_zone = exception.end_zone or followed or when.end_zone or start_zone
    start = exception.start if exception.start is not None else exception.original_start
    end = (
        exception.end
        if exception.end is not None
        else times.usual_end(start, start_zone, when.start, when.end)
    )
    end = times.ordered_end(start, end, start_zone, end_zone)
    return EventContent(
        when=When(start, end, start_zone, end_zone),
        title=_given(exception.title, series.title),
        description=_given(exception.description, series.description),
        location=_given(exception.location, series.location),
        status=_given(exception.status, series.status),
        show_as=_given(exception.show_as, series.show_as),
        visibility=series.visibility,
        reminders=_given(exception.reminders, series.reminders),
        conference=series.conference,
    )


def _given(value: Any, otherwise: Any) -> Any:
    return otherwise if value is None else value

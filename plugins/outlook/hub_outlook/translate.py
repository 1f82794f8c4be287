"""Graph's events to the hub's and back: pure, both ways.

`from_remote` reads what Graph shows with `Prefer: outlook.timezone="UTC"` and text bodies; `to_remote`
writes fields of an event that went through `project`.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection
from dataclasses import replace
from datetime import UTC, date, datetime
from math import isfinite
from typing import Any
from urllib.parse import urlsplit

from hub.plugin import rules
from hub.plugin.errors import RefusedError
from hub.plugin.text import join_line, one_line, without_join_line
from hub.plugin.types import (
    Answer,
    Attachment,
    Attendee,
    Conference,
    EventContent,
    Location,
    Person,
    Reminder,
    RemoteEvent,
    Role,
    SeriesException,
    ShowAs,
    Visibility,
    When,
)
from hub_outlook import around, recurrence, texts, zones
from hub_outlook.project import PICTURES, categories, difference, plain
from hub_outlook.wire import TAG_ID, DateTimeZone, Event, Recipient

SHOW_AS = {
    "free": ShowAs.FREE,
    "tentative": ShowAs.TENTATIVE,
    "busy": ShowAs.BUSY,
    "oof": ShowAs.OUT_OF_OFFICE,
    "workingelsewhere": ShowAs.WORKING_ELSEWHERE,
}
TO_SHOW_AS = {
    ShowAs.FREE: "free",
    ShowAs.TENTATIVE: "tentative",
    ShowAs.BUSY: "busy",
    ShowAs.OUT_OF_OFFICE: "oof",
    ShowAs.WORKING_ELSEWHERE: "workingElsewhere",
}
SENSITIVITY = {
    "normal": Visibility.DEFAULT,
    "personal": Visibility.PERSONAL,
    "private": Visibility.PRIVATE,
    "confidential": Visibility.CONFIDENTIAL,
}
TO_SENSITIVITY = {visibility: name for name, visibility in SENSITIVITY.items()}
IMPORTANCE = {"high": 1, "normal": 0, "low": 9}
TO_IMPORTANCE = {priority: name for name, priority in IMPORTANCE.items()}
ANSWERS = {
    "accepted": Answer.ACCEPTED,
    "organizer": Answer.ACCEPTED,
    "tentativelyaccepted": Answer.TENTATIVE,
    "declined": Answer.DECLINED,
}
ADDRESS_PARTS = ("street", "city", "state", "postalCode", "countryOrRegion")
NOTIFY_ONLY = (
    "Outlook mails the guests of a meeting whenever it is changed, so it is changed only if they are to be "
    "told."
)
JOIN_BLOCK = re.compile(
    r"(?:^|\n)[ \t]*_{20,}[ \t]*\n.*(?:teams\.(?:microsoft|live)\.com|Microsoft Teams)", re.S
)
"""Where Exchange appends how to join an online meeting (Graph: outlook-calendar-online-meetings)."""


UNREADABLE = (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError)
"""What translating JSON that makes no sense raises."""

UID_HEAD = "040000008200E00074C5B7101A82E008"
"""What the uids of all items that Exchange makes begin with."""


class UnreadableError(RefusedError):
    """An event of Graph that makes no sense; the text is a sentence for people."""


# --- Graph -> hub ---


def from_remote(event: Event) -> RemoteEvent:
    """Return a single event or a whole series, as a GET shows it.

    Raises:
        UnreadableError: something that must be there is missing or is of another kind.
    """
    try:
        return _from_remote(event)
    except UNREADABLE as error:
        raise UnreadableError(f"Outlook shows an event that cannot be read: {error}") from error


def _from_remote(event: Event) -> RemoteEvent:
    zone, unknown = _zone(event)
    content = _content(event, zone)
    if event.get("recurrence"):
        content = _series(event, content, zone)
    elif (event.get("type") or "").casefold() == "seriesmaster":
        raise UnreadableError("Outlook shows a series without its rule.")
    return RemoteEvent(
        remote_id=event["id"],
        version=version_of(event),
        content=content,
        uid=event.get("iCalUId"),
        tag=tag_of(event),
        web_link=event.get("webLink"),
        created_at=_at(event.get("createdDateTime")),
        updated_at=_updated_at(event),
        read_only=_read_only(event, unknown),
        notify_only=_notify_only(event),
        partial_fields=_partial(event),
        notice=_notice(event, zone, unknown),
    )


def _updated_at(event: Event) -> datetime | None:
    """Return the last change: nothing promises that one of an occurrence is its master's, too."""
    rows = (event, *(event.get("exceptionOccurrences") or []))
    return max(filter(None, (_at(row.get("lastModifiedDateTime")) for row in rows)), default=None)


def version_of(event: Event) -> str:
    """Return the change key, and for a series with exceptions a digest of theirs.

    Occurrences share their master's etag, yet nothing promises that a change of one moves it.
    """
    key = event.get("changeKey") or (event.get("@odata.etag") or "").removeprefix("W/").strip('"')
    parts = [f"{e.get('occurrenceId')}={e.get('changeKey')}" for e in event.get("exceptionOccurrences") or []]
    parts += event.get("cancelledOccurrences") or []
    if not parts:
        return key
    return f"{key}~{hashlib.sha256('|'.join(sorted(parts)).encode()).hexdigest()[:16]}"


def etag(version: str) -> str | None:
    """Return the If-Match header of a version; None if it has none."""
    key = version.partition("~")[0]
    return f'W/"{key}"' if key else None


def tag_of(event: Event) -> str | None:
    """Return the hub's mark, if the answer was asked to hold it."""
    for held in event.get("singleValueExtendedProperties") or []:
        if held.get("id", "").casefold() == TAG_ID.casefold():
            return held["value"].rpartition("#")[0] or None
    return None


def _read_only(event: Event, unknown: str | None) -> str | None:
    if event.get("isOrganizer") is False:
        return "organised by someone else"
    if event.get("isDraft"):
        return "a draft whose invitations are not sent yet"
    if event.get("recurrence") and unknown is not None:
        return "a series in a custom time zone"
    return None


def _notice(event: Event, zone: str | None, unknown: str | None) -> str | None:
    """Return what people are told where a zone could not be understood."""
    if unknown is None or (not unknown and not event.get("recurrence")):
        return None
    named = f"the time zone “{unknown[:100]}”, which nobody knows here" if unknown else "no time zone"
    text = f"Outlook shows this event in {named}: it is kept in {zone}."
    if event.get("recurrence"):
        text += " What the clocks do there over the year is not known."
    return text


def _notify_only(event: Event) -> str | None:
    """Return why an own meeting is written only if that is to be told: Exchange tells it in any case."""
    is_meeting = any(e.get("attendees") for e in (event, *(event.get("exceptionOccurrences") or [])))
    return NOTIFY_ONLY if is_meeting and event.get("isOrganizer") is not False else None


def _partial(event: Event) -> frozenset[str]:
    is_hidden = event.get("hideAttendees") and event.get("isOrganizer") is False
    return frozenset({"attendees"}) if is_hidden else frozenset()


def _zone(event: Event) -> tuple[str | None, str | None]:
    """Return the zone in which people see the event (None if all-day), and its name if nobody knows it."""
    if event.get("isAllDay"):
        return None, None
    rule = event.get("recurrence")
    original = event.get("originalStartTimeZone") or ""
    named = (rule["range"].get("recurrenceTimeZone") if rule else None) or original
    place = zones.read(named)
    if place and (place.is_sure or not rule):
        return place.iana, None
    other = place or zones.read(original)
    zone = other.iana if other else zones.FALLBACK
    if rule:
        # The rule names days of its own zone.
        first = date.fromisoformat(rule["range"]["startDate"][:10])
        zone = zones.fitting(_utc(event["start"]), first, zone)
    return zone, named


def _utc(value: DateTimeZone) -> datetime:
    wall = datetime.fromisoformat(value["dateTime"][:19])
    place = zones.read(value.get("timeZone"))
    zone = place.iana if place else "UTC"
    return wall if zone == "UTC" else zones.to_utc(wall, zone)


def _when(event: Event, zone: str | None) -> When:
    if event.get("isAllDay"):
        # By the date part, whatever the label says: Graph relabels the midnights and never moves them.
        first, last = (event[name]["dateTime"][:10] for name in ("start", "end"))
        return When(date.fromisoformat(first), date.fromisoformat(last))
    zone = zone or zones.FALLBACK
    begins_at, ends_at = _utc(event["start"]), _utc(event["end"])
    start, end = zones.to_wall(begins_at, zone), zones.to_wall(ends_at, zone)
    single = not event.get("recurrence") and not event.get("seriesMasterId")
    if single and not (zones.is_plain(start, zone) and zones.is_plain(end, zone)):
        return When(begins_at, ends_at, "UTC", "UTC")
    return When(start, end, zone, zone)


def _content(event: Event, zone: str | None) -> EventContent:
    reminder = (
        (Reminder(int(event.get("reminderMinutesBeforeStart") or 0)),) if event.get("isReminderOn") else ()
    )
    description, join = without_join_line(_description(event))
    guests = tuple(_attendee(a) for a in event.get("attendees") or [] if _address(a))
    return EventContent(
        when=_when(event, zone),
        title=one_line(event.get("subject") or ""),
        description=description,
        location=_location(event),
        show_as=SHOW_AS.get((event.get("showAs") or "").casefold(), ShowAs.BUSY),
        visibility=SENSITIVITY.get((event.get("sensitivity") or "").casefold(), Visibility.DEFAULT),
        reminders=reminder,
        organizer=_organizer(event, bool(guests)),
        attendees=guests,
        own_answer=_own_answer(event),
        conference=Conference(join) if join else _conference(event),
        attachments=_attachments(event),
        categories=categories(event.get("categories") or []),
        priority=IMPORTANCE.get((event.get("importance") or "").casefold(), 0),
    )


def _description(event: Event) -> str:
    body = event.get("body")
    text = (body["content"] if body else "") or ""
    if body and (body.get("contentType") or "").casefold() == "html":
        text = texts.of_html(text)  # Text is asked for, and promised for single events and lists alone.
    text = plain(text)
    if event.get("isOnlineMeeting"):
        found = JOIN_BLOCK.search(text)
        text = plain(text[: found.start()]) if found else text
    return text


def _address(person: Recipient | None) -> str:
    return ((person or {}).get("emailAddress") or {}).get("address") or ""


def _person_name(person: Recipient) -> str:
    name = (person.get("emailAddress") or {}).get("name") or ""
    return "" if name == _address(person) else name


def _organizer(event: Event, has_guests: bool) -> Person | None:
    """Return the organiser of a meeting; an own appointment has none, as in iCalendar."""
    person = event.get("organizer")
    if not person or not _address(person) or not (has_guests or event.get("isOrganizer") is False):
        return None
    return Person(_address(person), _person_name(person))


def _attendee(person: Recipient) -> Attendee:
    kind = (person.get("type") or "").casefold()
    role = Role(kind) if kind in set(Role) else Role.REQUIRED
    answer = ANSWERS.get(str((person.get("status") or {}).get("response")).casefold(), Answer.NEEDS_ACTION)
    return Attendee(_address(person), _person_name(person), role, answer)


def _own_answer(event: Event) -> Answer | None:
    """Return what the mailbox's owner has answered to an invitation; nobody asks an organiser."""
    if event.get("isOrganizer") is not False:
        return None
    status = event.get("responseStatus") or {}
    return ANSWERS.get(str(status.get("response")).casefold(), Answer.NEEDS_ACTION)


def _location(event: Event) -> Location | None:
    """Return the place; where there are several, their names together and the rest of the first."""
    shown = event.get("location") or {}
    names = [one_line(place.get("displayName") or "") for place in event.get("locations") or []]
    name = one_line(shown.get("displayName") or "")
    if len(names) > 1 and name == names[0]:
        name = "; ".join(filter(None, names))
    address = shown.get("address") or {}
    at = shown.get("coordinates") or {}
    latitude, longitude = _degrees(at.get("latitude")), _degrees(at.get("longitude"))
    known = latitude is not None and longitude is not None
    held = Location(
        name,
        one_line(", ".join(str(address[part]).strip() for part in ADDRESS_PARTS if address.get(part))),
        latitude if known else None,
        longitude if known else None,
    )
    return held if held != Location("") else None


def _degrees(value: Any) -> float | None:
    """Return a coordinate; None for what is no number, such as "NaN", which is how OData writes such a
    double (OData JSON format 4.01, section 7.1): the event has a place without a position."""
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if isfinite(number) else None


def _attachments(event: Event) -> tuple[Attachment, ...]:
    """Return where the files of an event can be seen; they themselves are never fetched."""
    link = event.get("webLink")
    return (Attachment(link, "Files in Outlook"),) if event.get("hasAttachments") and link else ()


def _conference(event: Event) -> Conference | None:
    """Return Exchange's own online meeting, else another service's, which is called by its host."""
    own, other = (event.get("onlineMeeting") or {}).get("joinUrl"), event.get("onlineMeetingUrl")
    if own:
        return Conference(own, event.get("onlineMeetingProvider") or "unknown")
    return Conference(other, _host(other)) if other else None


def _host(url: str) -> str:
    try:
        return urlsplit(url).hostname or "unknown"
    except ValueError:
        return "unknown"


def _at(value: str | None) -> datetime | None:
    """Return an instant; None for the first day of the year 1 or 1601, which stands for "never"."""
    if not value or value <= "1602":
        return None
    if value[19:].endswith("Z"):  # As all but a few are.
        value = value[:19]
    moment = datetime.fromisoformat(value).replace(microsecond=0)
    if moment.tzinfo is not None:
        return moment.astimezone(UTC)
    return datetime.combine(moment.date(), moment.time(), UTC)


def holds_more(event: Event) -> bool:
    """Whether a text, as it is read, holds what plain text cannot: how to join a meeting, or pictures."""
    body = event.get("body")
    return bool(event.get("isOnlineMeeting") or PICTURES.search((body["content"] if body else "") or ""))


def text_around(event: Event, before: str, content: EventContent) -> dict[str, Any]:
    """Return the JSON that brings the text of an event to `content`, with what Outlook keeps in it.

    Args:
        event: with its HTML.
        before: the text as the hub knows it.

    Raises:
        RefusedError: that could not stay.
    """
    body, meeting = event.get("body"), _conference(event)
    is_own = bool((event.get("onlineMeeting") or {}).get("joinUrl"))
    wanted = replace(content, conference=None) if _is_same(content.conference, meeting) else content
    source = (body["content"] if body else "") or ""
    try:
        written = around.rewritten(
            source,
            before,
            text_of(wanted),
            is_meeting=bool(event.get("isOnlineMeeting")),
            is_optional=not is_own,
        )
    except around.UnkeepableError as error:
        raise RefusedError(str(error)) from None
    return {"body": {"contentType": "html", "content": written}}


def _is_same(one: Conference | None, other: Conference | None) -> bool:
    return bool(one and other and one.url == other.url)


# --- series ---


def _series(event: Event, content: EventContent, zone: str | None) -> EventContent:
    rule = event.get("recurrence")
    assert rule
    line = recurrence.from_graph(rule, zone)
    when = content.when
    first = recurrence.first_start(line, when.start, zone)
    when = replace(when, start=first, end=recurrence.usual_end(first, when), recurrence=(line,))
    master = replace(content, when=when)
    # What is left out where the rule makes nothing (any more) means nothing.
    named = [_original(text, when) for text in event.get("cancelledOccurrences") or []]
    gone = rules.hits((line,), first, zone, named)
    found = {start: SeriesException(start, cancelled=True) for start in gone}
    for item in event.get("exceptionOccurrences") or []:
        start = original_start(item, when)
        changed = difference(master, _content(item, zone or _own_zone(item)), start)
        if changed:
            found[start] = changed
    ordered = tuple(found[start] for start in sorted(found))
    return replace(master, when=replace(when, exceptions=ordered))


def _own_zone(item: Event) -> str | None:
    """Return the zone in which one timed occurrence of a series of whole days is kept.

    It is UTC where the clocks there show its start or end twice.
    """
    zone, _ = _zone(item)
    if zone is None:
        return None
    walls = (zones.to_wall(_utc(item[name]), zone) for name in ("start", "end"))
    return zone if all(zones.is_plain(wall, zone) for wall in walls) else "UTC"


def original_start(item: Event, when: When) -> date | datetime:
    """Return where the rule put an occurrence, by the first of these that Graph shows.

    Its occurrenceId holds the local date before any move. Its originalStart is an instant, in UTC or with an
    offset as preferences ask for, and never in originalStartTimeZone. Its iCalUId holds the date, too, if
    Exchange has made it (MS-OXOCAL: PidLidGlobalObjectId).

    Raises:
        UnreadableError: none of them is there.
    """
    named = item.get("occurrenceId")
    if named:
        return _original(named, when)
    shown = item.get("originalStart")
    if shown:
        at = datetime.fromisoformat(shown)
        moment = (at.astimezone(UTC) if at.tzinfo else at).replace(tzinfo=None)
        if isinstance(when.start, datetime):
            moment = zones.to_wall(moment, when.start_zone or zones.FALLBACK)
        return _on(moment.date(), when)
    uid = (item.get("iCalUId") or "").upper()
    if uid.startswith(UID_HEAD) and uid[32:40] != "0" * 8:
        return _on(date(int(uid[32:36], 16), int(uid[36:38], 16), int(uid[38:40], 16)), when)
    raise UnreadableError("Outlook shows a changed occurrence and not which one it is.")


def _original(occurrence_id: str, when: When) -> date | datetime:
    """Return the start that `OID.{id}.{yyyy-MM-dd}` names: the local date before any move."""
    return _on(date.fromisoformat(occurrence_id[-10:]), when)


def _on(day: date, when: When) -> date | datetime:
    """Return when the rule puts the occurrence of a day; there is never more than one."""
    return datetime.combine(day, when.start.time()) if isinstance(when.start, datetime) else day


# --- hub -> Graph ---


def to_remote(content: EventContent, fields: Collection[str]) -> dict[str, Any]:
    """Return the JSON that brings `fields` of an event to `content`, which has gone through `project`."""
    body: dict[str, Any] = {}
    if "title" in fields:
        body["subject"] = content.title
    if "description" in fields or "conference" in fields:
        body["body"] = {"contentType": "text", "content": text_of(content).replace("\n", "\r\n")}
    if "location" in fields:
        body["location"] = _to_location(content.location)
    if "show_as" in fields:
        body["showAs"] = TO_SHOW_AS[content.show_as]
    if "visibility" in fields:
        body["sensitivity"] = TO_SENSITIVITY.get(content.visibility, "normal")
    if "priority" in fields:
        body["importance"] = TO_IMPORTANCE[content.priority]
    if "categories" in fields:
        body["categories"] = list(content.categories)
    if "reminders" in fields:
        body["isReminderOn"] = bool(content.reminders)
        if content.reminders:
            body["reminderMinutesBeforeStart"] = content.reminders[0].minutes
    if "when" in fields:
        body |= to_times(content.when)
    return body


def text_of(content: EventContent) -> str:
    """Return the text as people read it there: its last line may tell how to join another's meeting."""
    text = content.description
    return text + join_line(text, content.conference.url if content.conference else "")


def to_times(when: When) -> dict[str, Any]:
    """Return start, end, the all-day flag and the rule, which Graph wants together."""
    body: dict[str, Any] = {
        "start": to_time(when.start, when.start_zone),
        "end": to_time(when.end, when.start_zone),
        "isAllDay": when.all_day,
    }
    if when.is_series:
        body["recurrence"] = recurrence.to_graph(when)
    return body


def to_time(value: date | datetime, zone: str | None) -> DateTimeZone:
    """Return a date as its midnight in UTC, a wall time with its zone's Windows name."""
    if not isinstance(value, datetime):
        return {"dateTime": f"{value.isoformat()}T00:00:00", "timeZone": "UTC"}
    name = zones.to_windows(zone or zones.FALLBACK) or "UTC"
    return {"dateTime": value.replace(microsecond=0).isoformat(), "timeZone": name}


def _to_location(location: Location | None) -> dict[str, Any]:
    if location is None:
        return {"displayName": "", "address": None, "coordinates": None}
    at = None
    if location.latitude is not None:
        at = {"latitude": location.latitude, "longitude": location.longitude}
    address = {"street": location.address} if location.address else None
    return {"displayName": location.name, "address": address, "coordinates": at}

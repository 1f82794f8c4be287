"""Google's JSON as typed dicts; every key may be missing.

Shapes: https://developers.google.com/workspace/calendar/api/v3/reference/events and, as published,
the discovery document inside google-api-python-client.
"""

from __future__ import annotations

from typing import Any, TypedDict


class EventTime(TypedDict, total=False):
    """`date` for all-day, `dateTime` (with or without offset) and `timeZone` for timed events."""

    date: str | None
    dateTime: str | None
    timeZone: str | None


class WirePerson(TypedDict, total=False):
    """An organiser, creator or attendee."""

    email: str
    displayName: str
    self: bool
    optional: bool
    resource: bool
    organizer: bool
    responseStatus: str
    comment: str


class Override(TypedDict):
    """One reminder."""

    method: str
    minutes: int


class Reminders(TypedDict, total=False):
    """The calendar's default, or up to five of the event's own."""

    useDefault: bool
    overrides: list[Override]


class Event(TypedDict, total=False):
    """An event, a series' master, one changed or cancelled instance, or a tombstone with only an id."""

    id: str
    etag: str
    status: str
    iCalUID: str
    htmlLink: str
    created: str
    updated: str
    summary: str
    description: str
    location: str
    colorId: str | None
    creator: WirePerson
    organizer: WirePerson
    start: EventTime
    end: EventTime
    recurrence: list[str] | None
    recurringEventId: str
    originalStartTime: EventTime
    transparency: str
    visibility: str
    attendees: list[WirePerson]
    attendeesOmitted: bool
    guestsCanSeeOtherGuests: bool
    extendedProperties: dict[str, dict[str, str]]
    hangoutLink: str
    conferenceData: dict[str, Any] | None
    guestsCanModify: bool
    locked: bool
    reminders: Reminders
    source: dict[str, str] | None
    attachments: list[dict[str, str]]
    eventType: str


class EventList(TypedDict, total=False):
    """One page of events.list; `nextSyncToken` stands on the last page only."""

    timeZone: str
    items: list[Event]
    nextPageToken: str
    nextSyncToken: str


class CalendarEntry(TypedDict, total=False):
    """One entry of calendarList.list."""

    id: str
    summary: str
    summaryOverride: str
    timeZone: str
    accessRole: str
    backgroundColor: str
    primary: bool
    deleted: bool


class WireChannel(TypedDict, total=False):
    """The answer to watch; `expiration` is a string of milliseconds, in the guide a number."""

    id: str
    resourceId: str
    expiration: str | int

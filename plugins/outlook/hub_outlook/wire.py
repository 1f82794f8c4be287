"""Graph's JSON as typed dicts: only what the plugin reads or writes (Graph: resources/event, …/calendar)."""

from __future__ import annotations

from typing import Any, TypedDict, TypeGuard

TAG_ID = "String {5c1f6c7e-3a0b-4f0e-9d53-6f2f0e6d7b11} Name CoordinoterHub"
"""The one extended property that marks an event as the hub's. Named properties are a finite quota of a
mailbox, and the name's case counts in filters: never vary it."""
LONGEST_ID = 1024


class DateTimeZone(TypedDict):
    """A wall time of at most seven fractional digits and its zone."""

    dateTime: str
    timeZone: str


class Pattern(TypedDict, total=False):
    """How a series repeats; reads fill what does not matter with placeholders."""

    type: str
    interval: int
    month: int
    dayOfMonth: int
    daysOfWeek: list[str]
    firstDayOfWeek: str
    index: str


class Range(TypedDict, total=False):
    """How long a series repeats."""

    type: str
    startDate: str
    endDate: str
    numberOfOccurrences: int
    recurrenceTimeZone: str


class Recurrence(TypedDict):
    """Pattern and range of a series master."""

    pattern: Pattern
    range: Range


class EmailAddress(TypedDict, total=False):
    """A name and an address."""

    name: str | None
    address: str | None


class Recipient(TypedDict, total=False):
    """A person of an event."""

    emailAddress: EmailAddress
    type: str
    status: dict[str, Any]


class Body(TypedDict):
    """The text of an event; `content` is of the type that Prefer asked for."""

    contentType: str
    content: str | None


# Functional syntax, since the names with @ are no Python names.
Event = TypedDict(
    "Event",
    {
        "id": str,
        "@odata.etag": str,
        "@removed": dict[str, str],
        "changeKey": str | None,
        "iCalUId": str | None,
        "uid": str | None,
        "type": str,
        "seriesMasterId": str | None,
        "occurrenceId": str | None,
        "originalStart": str | None,
        "subject": str | None,
        "body": Body | None,
        "start": DateTimeZone,
        "end": DateTimeZone,
        "isAllDay": bool,
        "originalStartTimeZone": str | None,
        "originalEndTimeZone": str | None,
        "recurrence": Recurrence | None,
        "location": dict[str, Any] | None,
        "locations": list[dict[str, Any]] | None,
        "hasAttachments": bool,
        "showAs": str | None,
        "sensitivity": str | None,
        "importance": str | None,
        "categories": list[str] | None,
        "isReminderOn": bool,
        "reminderMinutesBeforeStart": int | None,
        "attendees": list[Recipient] | None,
        "organizer": Recipient | None,
        "isOrganizer": bool,
        "hideAttendees": bool,
        "responseStatus": dict[str, str] | None,
        "isCancelled": bool,
        "isDraft": bool,
        "isOnlineMeeting": bool,
        "onlineMeeting": dict[str, Any] | None,
        "onlineMeetingProvider": str | None,
        "onlineMeetingUrl": str | None,
        "webLink": str | None,
        "createdDateTime": str | None,
        "lastModifiedDateTime": str | None,
        "singleValueExtendedProperties": list[dict[str, str]],
        "exceptionOccurrences": list[Any],
        "cancelledOccurrences": list[str],
    },
    total=False,
)
"""An event as a list, a GET or a delta page shows it. A delta occurrence is a stub of few of these."""

EVENT_SELECT = (
    "id,changeKey,iCalUId,type,seriesMasterId,occurrenceId,originalStart,subject,body,start,end,isAllDay,"
    "originalStartTimeZone,originalEndTimeZone,recurrence,location,locations,hasAttachments,showAs,"
    "sensitivity,importance,categories,isReminderOn,reminderMinutesBeforeStart,attendees,organizer,"
    "isOrganizer,responseStatus,hideAttendees,isCancelled,isDraft,isOnlineMeeting,onlineMeeting,onlineMeetingProvider,"
    "onlineMeetingUrl,webLink,createdDateTime,"
    "lastModifiedDateTime"
)
"""What is asked for where Graph wants a $select (cancelledOccurrences comes only with one)."""


def is_id(value: object) -> TypeGuard[str]:
    """Whether a value can be the id of anything."""
    return isinstance(value, str) and 0 < len(value) <= LONGEST_ID and value.isprintable()

"""The table of fields is whole, and what it says of each is what really happens."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

import pytest
from msgraph.generated.models.attendee import Attendee as GraphAttendee
from msgraph.generated.models.event import Event as GraphEvent
from msgraph.generated.models.item_body import ItemBody
from msgraph.generated.models.location import Location as GraphLocation
from msgraph.generated.models.online_meeting_info import OnlineMeetingInfo
from msgraph.generated.models.patterned_recurrence import PatternedRecurrence
from msgraph.generated.models.recipient import Recipient

from hub.plugin.fidelity import Extent, Fate
from hub.plugin.testing import PERSON, Connected, timed
from hub.plugin.types import (
    CONTENT_FIELDS,
    Answer,
    Attachment,
    Attendee,
    Conference,
    EventContent,
    EventStatus,
    Location,
    Person,
    PushUpdate,
    Reminder,
    RemoteCalendar,
    Role,
    ShowAs,
    Visibility,
    When,
    changed_fields,
)
from hub_outlook import people
from hub_outlook.fidelity import FIDELITY
from hub_outlook.project import project
from hub_outlook.push import WRITABLE, _wished
from hub_outlook.translate import from_remote, to_remote
from hub_outlook.wire import TAG_ID

ROWS = {row.name: row for row in FIDELITY.fields}
HELD = {held.name: held for held in FIDELITY.holds}
PARTS: dict[str, Any] = {
    "attendees": GraphAttendee,
    "body": ItemBody,
    "location": GraphLocation,
    "onlineMeeting": OnlineMeetingInfo,
    "organizer": Recipient,
    "recurrence": PatternedRecurrence,
}
"""The parts of an event whose own fields have lines of their own."""
TIMES = ("dateTime", "timeZone")
RULE: dict[str, Any] = {
    "pattern": {"type": "daily", "interval": 1},
    "range": {"type": "numbered", "startDate": "2027-01-04", "numberOfOccurrences": 5},
}
GUEST = {"emailAddress": {"address": "bob@example.test", "name": "Bob"}, "type": "required"}
ITEM: dict[str, Any] = {
    "id": "AAk=",
    "changeKey": "one",
    "iCalUId": "uid-1",
    "type": "singleInstance",
    "subject": "Talk",
    "body": {"contentType": "text", "content": "Words"},
    "start": {"dateTime": "2027-01-04T08:00:00.0000000", "timeZone": "UTC"},
    "end": {"dateTime": "2027-01-04T09:00:00.0000000", "timeZone": "UTC"},
    "originalStartTimeZone": "W. Europe Standard Time",
    "isAllDay": False,
    "location": {"displayName": "Hall", "address": {"street": "Main St 1"}},
    "locations": [],
    "showAs": "busy",
    "sensitivity": "normal",
    "importance": "normal",
    "categories": ["Work"],
    "isReminderOn": True,
    "reminderMinutesBeforeStart": 15,
    "attendees": [GUEST | {"status": {"response": "none"}}],
    "organizer": {"emailAddress": {"address": PERSON, "name": "Ann"}},
    "isOrganizer": True,
    "responseStatus": {"response": "organizer"},
    "isOnlineMeeting": True,
    "onlineMeetingProvider": "teamsForBusiness",
    "onlineMeeting": {"joinUrl": "https://teams.microsoft.com/l/1"},
    "hasAttachments": True,
    "webLink": "https://outlook.office365.com/owa/?itemid=1",
    "createdDateTime": "2026-11-01T08:00:00.0000000Z",
    "lastModifiedDateTime": "2026-11-02T08:00:00.0000000Z",
    "singleValueExtendedProperties": [{"id": TAG_ID, "value": "cpy_1#x"}],
}
SERIES = ITEM | {"recurrence": RULE, "type": "seriesMaster"}
DAY = {
    **{k: v for k, v in ITEM.items() if k != "attendees"},
    "attendees": ITEM["attendees"],
    "type": "exception",
    "seriesMasterId": "AAk=",
    "originalStart": "2027-01-05T08:00:00Z",
    "start": {"dateTime": "2027-01-05T08:00:00.0000000", "timeZone": "UTC"},
    "end": {"dateTime": "2027-01-05T09:00:00.0000000", "timeZone": "UTC"},
    "subject": "Other",
}
OTHERS: dict[str, Any] = {
    "subject": "Speech",
    "body.content": "Other words\r\n\r\nJoin the meeting: https://zoom.us/j/1",
    "start.dateTime": "2027-01-04T07:00:00.0000000",
    "start.timeZone": "Tokyo Standard Time",
    "end.dateTime": "2027-01-04T10:00:00.0000000",
    "end.timeZone": "Pacific Standard Time",
    "isAllDay": True,
    "recurrence.pattern": {"type": "daily", "interval": 2},
    "recurrence.range": RULE["range"] | {"numberOfOccurrences": 3},
    "location.displayName": "Room",
    "location.address": {"street": "Main St 2"},
    "location.coordinates": {"latitude": 52.5, "longitude": 13.4},
    "locations": [{"displayName": "Hall"}, {"displayName": "Room 2"}],
    "showAs": "oof",
    "sensitivity": "private",
    "importance": "high",
    "categories": ["Home"],
    "isReminderOn": False,
    "reminderMinutesBeforeStart": 30,
    "attendees.emailAddress": {"address": "carl@example.test", "name": "Carl"},
    "attendees.type": "optional",
    "attendees.status": {"response": "accepted"},
    "organizer.emailAddress": {"address": "eve@example.test", "name": "Eve"},
    "isOrganizer": False,
    "responseStatus": {"response": "declined"},
    "onlineMeeting.joinUrl": "https://teams.microsoft.com/l/2",
    "onlineMeetingProvider": "skypeForBusiness",
    "onlineMeetingUrl": "https://skype.example.test/3",
    "originalStartTimeZone": "Tokyo Standard Time",
    "originalStart": "2027-01-06T08:00:00Z",
    "cancelledOccurrences": ["OID.AAk=.2027-01-07"],
    "exceptionOccurrences": [DAY],
    "isDraft": True,
    "hasAttachments": False,
    "webLink": "https://outlook.office365.com/owa/?itemid=2",
    "id": "AAl=",
    "changeKey": "two",
    "iCalUId": "uid-2",
    "createdDateTime": "2026-11-01T09:00:00.0000000Z",
    "lastModifiedDateTime": "2026-11-02T09:00:00.0000000Z",
    "singleValueExtendedProperties": [{"id": TAG_ID, "value": "cpy_2#x"}],
    "hideAttendees": True,
}
"""Another value for each field that is mapped or read."""


def published() -> list[str]:
    """Return the fields of an event in the SDK's models, and those of its parts."""
    found: list[str] = []
    for name in GraphEvent().get_field_deserializers():
        if name in PARTS:
            found += [f"{name}.{part}" for part in PARTS[name]().get_field_deserializers()]
        elif name in ("start", "end"):
            found += [f"{name}.{part}" for part in TIMES]
        else:
            found.append(name)
    return [name for name in found if not name.endswith(".@odata.type")]


def test_every_published_field_is_in_the_table_once_and_no_other() -> None:
    assert set(published()) == ROWS.keys()
    assert len(ROWS) == len(FIDELITY.fields)
    assert all(row.note for row in FIDELITY.fields if row.fate in (Fate.KEPT, Fate.LOST))


def replaced(item: Mapping[str, Any], name: str, value: Any) -> dict[str, Any]:
    """Return an item with another value in one field."""
    made = copy.deepcopy(dict(item))
    head, _, rest = name.partition(".")
    if head == "attendees" and rest:
        made[head] = [made[head][0] | {rest: value}]
    elif rest and head in (*PARTS, "start", "end"):
        made[head] = made.get(head, {}) | {rest: value}
    else:
        made[name] = value
    return made


def read(item: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the hub sees of an event, field by field."""
    event = from_remote(item)  # type: ignore[arg-type]
    seen = {name: getattr(event.content, name) for name in CONTENT_FIELDS}
    return seen | {f.name: getattr(event, f.name) for f in dataclasses.fields(event) if f.name != "content"}


def before_and_after(name: str) -> tuple[dict[str, Any], dict[str, Any]]:
    item, value = ITEM, OTHERS[name]
    if name.startswith("recurrence.") or name in ("cancelledOccurrences", "exceptionOccurrences"):
        item = SERIES
    if name == "originalStart":
        item = SERIES | {"exceptionOccurrences": [DAY]}
        after = SERIES | {"exceptionOccurrences": [replaced(DAY, name, value)]}
        return read(item), read(after)
    if name == "isAllDay":
        midnights = {k: {"dateTime": f"{d}T00:00:00", "timeZone": "UTC"} for k, d in
                     (("start", "2027-01-04"), ("end", "2027-01-05"))}  # fmt: skip
        item = ITEM | midnights
    if name == "onlineMeetingUrl":
        item = ITEM | {"onlineMeeting": None}
    if name in ("responseStatus", "hideAttendees"):
        item = ITEM | {"isOrganizer": False}
    return read(item), read(replaced(item, name, value))


ELSEWHERE = ("isCancelled", "seriesMasterId", "isOnlineMeeting")
"""Fields that decide what becomes of an event before it is read, or that go with another."""
READ = [n for n, row in ROWS.items() if row.fate in (Fate.MAPPED, Fate.READ) and n not in ELSEWHERE]


@pytest.mark.parametrize("name", READ)
def test_a_field_is_read_into_what_the_table_says(name: str) -> None:
    before, after = before_and_after(name)
    assert {n for n in before if before[n] != after[n]} == set(ROWS[name].model)


@pytest.mark.parametrize("name", [n for n, row in ROWS.items() if row.fate in (Fate.KEPT, Fate.LOST)])
def test_a_field_that_is_not_read_changes_nothing(name: str) -> None:
    assert read(replaced(ITEM, name, "x")) == read(ITEM)


RICH = EventContent(
    when=When(datetime(2027, 1, 5, 9), datetime(2027, 1, 5, 11), "Asia/Tokyo", "Asia/Tokyo",
              ("RRULE:FREQ=DAILY;INTERVAL=2;COUNT=3",)),
    title="Speech",
    description="Other words",
    location=Location("Room", "Main St 2", 52.5, 13.4),
    status=EventStatus.TENTATIVE,
    show_as=ShowAs.OUT_OF_OFFICE,
    visibility=Visibility.PRIVATE,
    reminders=(Reminder(30),),
    organizer=Person("eve@example.test", "Eve"),
    attendees=(Attendee("bob@example.test", "Bob", Role.OPTIONAL, Answer.ACCEPTED),),
    own_answer=Answer.ACCEPTED,
    conference=Conference("https://zoom.us/j/1", "Zoom"),
    attachments=(Attachment("https://files.example.test/1"),),
    categories=("Home",),
    color="tomato",
    priority=1,
    url="https://example.test/other",
)  # fmt: skip
PLAIN = timed("", datetime(2027, 1, 4, 9))


def written(content: EventContent) -> dict[str, Any]:
    """Return all that the plugin would write of an event."""
    body = to_remote(project(content).content, WRITABLE)
    return body | {"attendees": people.guests(content.attendees, PERSON), **_wished(content.conference)}


WRITTEN = [n for n, r in ROWS.items() if r.fate is Fate.MAPPED and n != "singleValueExtendedProperties"]


@pytest.mark.parametrize("name", WRITTEN)
def test_a_mapped_field_is_written(name: str) -> None:
    rich = RICH
    if name == "isAllDay":
        rich = dataclasses.replace(rich, when=When(date(2027, 1, 5), date(2027, 1, 6)))
    if name in ("isOnlineMeeting", "onlineMeetingProvider"):
        rich = dataclasses.replace(rich, conference=Conference("", "teamsForBusiness"))
    if name == "isReminderOn":
        rich = dataclasses.replace(rich, reminders=())
    head, _, rest = name.partition(".")
    values = []
    for content in (PLAIN, rich):
        value: Any = written(content).get(head)
        parts = value if isinstance(value, list) and rest else [value]
        values.append([(part or {}).get(rest) if rest else part for part in parts])
    assert values[0] != values[1] and any(part is not None for part in values[1])


def test_what_the_table_leaves_alone_survives_a_write_of_everything_else(
    ann: Connected, cal: RemoteCalendar
) -> None:
    at = {"dateTime": "2027-01-04T09:00:00", "timeZone": "UTC"}
    remote_id = ann.control.create_raw(PERSON, cal.remote_id, {
        "subject": "Talk",
        "start": at,
        "end": at | {"dateTime": "2027-01-04T10:00:00"},
        "hasAttachments": True,
        "allowNewTimeProposals": False,
        "hideAttendees": True,
        "responseRequested": False,
        "location": {"displayName": "Hall"},
        "locations": [{"displayName": "Hall"}, {"displayName": "Room 2"}],
    })  # fmt: skip
    before = ann.control.raw(PERSON, cal.remote_id, remote_id)
    event = ann.hooks.get_event(call=ann.call, calendar=cal, remote_id=remote_id)
    wanted = dataclasses.replace(
        RICH,
        location=event.content.location,
        when=dataclasses.replace(RICH.when, recurrence=()),
        attendees=(),
    )
    fields = changed_fields(event.content, wanted)
    push = PushUpdate(event.remote_id, event.version, wanted, event.content, fields)
    assert ann.hooks.push_event(call=ann.call, calendar=cal, push=push) is not None
    now = ann.control.raw(PERSON, cal.remote_id, remote_id)
    assert now["subject"] == "Speech"
    heads = {name.partition(".")[0] for name, row in ROWS.items() if row.fate in (Fate.KEPT, Fate.LOST)}
    rewritten = {"body", "bodyPreview", "originalEndTimeZone"}
    left = (heads | {"locations", "hasAttachments", "hideAttendees"}) & before.keys() - rewritten
    assert {"hideAttendees", "allowNewTimeProposals", "responseRequested", "location"} <= left
    assert {k: now[k] for k in left} == {k: before[k] for k in left}


@pytest.mark.parametrize("name", CONTENT_FIELDS)
def test_what_outlook_holds_of_each_field_is_as_the_table_says(name: str) -> None:
    extent = HELD[name].extent
    told = {loss.field for loss in project(LOSSY).losses}
    held = project(RICH).content
    if extent is Extent.WHOLE:
        assert getattr(held, name) == getattr(RICH, name) != getattr(PLAIN, name)
        assert name not in told
    elif extent is Extent.PART:
        assert getattr(held, name) != getattr(PLAIN, name) or name == "status"
        assert name in told
    else:
        assert getattr(held, name) == getattr(PLAIN, name) != getattr(RICH, name)
        assert name in told
        assert (extent is Extent.READ) == any(name in row.model for row in FIDELITY.fields)


LOSSY = dataclasses.replace(
    RICH,
    title="x" * 300,
    description=" \n\nWords  ",
    location=Location(" Room\n2 "),
    visibility=Visibility.PUBLIC,
    reminders=(Reminder(10), Reminder(20)),
    categories=("b", "A", " a "),
    priority=3,
    when=dataclasses.replace(RICH.when, end_zone="Europe/Berlin"),
)

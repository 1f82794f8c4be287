"""The table of fields is whole, and what it says of each is what really happens."""

from __future__ import annotations

import copy
import dataclasses
import json
from collections.abc import Mapping
from datetime import date, datetime
from importlib import resources
from typing import Any

import pytest

from hub.plugin.fidelity import Extent, Fate
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
    ShowAs,
    Visibility,
    When,
    changed_fields,
)
from hub_google import hooks, people, translate
from hub_google.fidelity import FIDELITY
from hub_google.projection import project
from hub_google.testing import ANN, Google
from hub_google.translate import from_remote

ROWS = {row.name: row for row in FIDELITY.fields}
HELD = {held.name: held for held in FIDELITY.holds}
ITEM: dict[str, Any] = {
    "id": "abcde",
    "etag": '"1"',
    "iCalUID": "abcde@google.com",
    "htmlLink": "https://www.google.com/calendar/event?eid=1",
    "created": "2026-11-01T08:00:00.000Z",
    "updated": "2026-11-02T08:00:00.000Z",
    "status": "confirmed",
    "summary": "Talk",
    "start": {"dateTime": "2027-01-04T09:00:00+01:00", "timeZone": "Europe/Berlin"},
    "end": {"dateTime": "2027-01-04T10:00:00+01:00", "timeZone": "Europe/Berlin"},
    "organizer": {"email": ANN, "self": True, "displayName": "Ann"},
    "attendees": [
        {"email": ANN, "self": True, "responseStatus": "accepted"},
        {"email": "bob@example.test", "responseStatus": "needsAction"},
    ],
    "attachments": [{"fileUrl": "https://drive.example.test/1", "title": "Plan", "mimeType": "text/plain"}],
    "conferenceData": {
        "conferenceSolution": {"name": "Google Meet"},
        "entryPoints": [{"entryPointType": "video", "uri": "https://meet.google.com/a"}],
    },
    "reminders": {"useDefault": False, "overrides": [{"method": "popup", "minutes": 5}]},
    "source": {"title": "t", "url": "https://example.test/"},
    "colorId": "1",
    "eventType": "default",
    "extendedProperties": {"private": {translate.TAG_KEY: "cpy_1"}},
}
SERIES = ITEM | {"id": "abcde", "recurrence": ["RRULE:FREQ=DAILY;COUNT=5"]}
DAY: dict[str, Any] = {
    "id": "abcde_20270105T080000Z",
    "recurringEventId": "abcde",
    "originalStartTime": {"dateTime": "2027-01-05T09:00:00+01:00", "timeZone": "Europe/Berlin"},
    "start": {"dateTime": "2027-01-05T09:00:00+01:00", "timeZone": "Europe/Berlin"},
    "end": {"dateTime": "2027-01-05T10:00:00+01:00", "timeZone": "Europe/Berlin"},
    "summary": "Other",
}
ALL_DAYS = {"start": {"date": "2027-01-04"}, "end": {"date": "2027-01-05"}}
GUEST = {"email": "bob@example.test", "responseStatus": "needsAction"}
ME = {"email": ANN, "self": True, "responseStatus": "accepted"}
OTHERS: dict[str, Any] = {
    "summary": "Speech",
    "description": "Words\n\nJoin the meeting: https://zoom.us/j/1",
    "location": "Hall",
    "start.date": "2027-01-03",
    "end.date": "2027-01-06",
    "start.dateTime": "2027-01-04T08:00:00+01:00",
    "end.dateTime": "2027-01-04T11:00:00+01:00",
    "start.timeZone": "America/New_York",
    "end.timeZone": "America/New_York",
    "recurrence": ["RRULE:FREQ=DAILY;COUNT=3"],
    "status": "tentative",
    "transparency": "transparent",
    "visibility": "private",
    "reminders.useDefault": True,
    "reminders.overrides": [{"method": "email", "minutes": 10}],
    "colorId": "11",
    "source.url": "https://example.test/other",
    "attendees.email": [ME, GUEST | {"email": "carl@example.test"}],
    "attendees.displayName": [ME, GUEST | {"displayName": "Bob"}],
    "attendees.optional": [ME, GUEST | {"optional": True}],
    "attendees.resource": [ME, GUEST | {"resource": True}],
    "attendees.responseStatus": [ME | {"responseStatus": "declined"}, GUEST],
    "attendees.self": [ME | {"self": False}, GUEST],
    "organizer.email": "eve@example.test",
    "organizer.displayName": "Annie",
    "organizer.self": False,
    "conferenceData.conferenceSolution": {"name": "Other"},
    "conferenceData.entryPoints": [{"entryPointType": "video", "uri": "https://meet.google.com/b"}],
    "hangoutLink": "https://meet.google.com/c",
    "attachments.fileUrl": "https://drive.example.test/2",
    "attachments.title": "Map",
    "attachments.mimeType": "image/png",
    "eventType": "outOfOffice",
    "guestsCanModify": True,
    "attendeesOmitted": True,
    "guestsCanSeeOtherGuests": False,
    "locked": True,
    "id": "other",
    "etag": '"2"',
    "iCalUID": "other@google.com",
    "htmlLink": "https://www.google.com/calendar/event?eid=2",
    "created": "2026-11-01T09:00:00.000Z",
    "updated": "2026-11-02T09:00:00.000Z",
    "recurringEventId": "somebody",
    "originalStartTime.date": "2027-01-05",
    "originalStartTime.dateTime": "2027-01-06T09:00:00+01:00",
    "extendedProperties.private": {translate.TAG_KEY: "cpy_2"},
    "conferenceData.createRequest": {},
}
"""Another value for each field that is mapped or read."""


@pytest.fixture(scope="module")
def schemas() -> Any:
    path = resources.files("googleapiclient") / "discovery_cache" / "documents" / "calendar.v3.json"
    return json.loads(path.read_text("utf-8"))["schemas"]


def published(schemas: Any, schema: Any, depth: int = 2, before: str = "") -> list[str]:
    """Return the fields of a resource, and the fields of those that have some."""
    found = []
    for name, part in schemas.get(schema.get("$ref"), schema).get("properties", {}).items():
        inner = part["items"] if part.get("type") == "array" else part
        below = published(schemas, inner, depth - 1, f"{before}{name}.") if depth > 1 else []
        found += below or [f"{before}{name}"]
    return found


def test_every_published_field_is_in_the_table_once_and_no_other(schemas: Any) -> None:
    fields = published(schemas, schemas["Event"])
    whole = {name for name in ROWS if any(f.startswith(f"{name}.") for f in fields)}
    covered = [f for f in fields if f in ROWS or f.partition(".")[0] in whole]
    assert covered == fields
    assert ROWS.keys() <= set(fields) | whole
    assert len(ROWS) == len(FIDELITY.fields)
    assert all(ROWS[name].fate in (Fate.KEPT, Fate.LOST) for name in whole), "each part has its own line"
    assert all(row.note for row in FIDELITY.fields if row.fate in (Fate.KEPT, Fate.LOST))


def replaced(item: Mapping[str, Any], name: str, value: Any) -> dict[str, Any]:
    """Return an item with another value in one field."""
    made = copy.deepcopy(dict(item))
    head, _, rest = name.partition(".")
    if head == "attachments":
        made[head] = [made[head][0] | {rest: value}]
    elif head == "attendees":
        made[head] = value
    elif rest:
        made[head] = made.get(head, {}) | {rest: value}
    else:
        made[head] = value
    return made


def read(item: Mapping[str, Any], *days: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the hub sees of an event, field by field."""
    event = from_remote(item, days, "Europe/Berlin")  # type: ignore[arg-type]
    seen = {name: getattr(event.content, name) for name in CONTENT_FIELDS}
    return seen | {f.name: getattr(event, f.name) for f in dataclasses.fields(event) if f.name != "content"}


def before_and_after(name: str) -> tuple[dict[str, Any], dict[str, Any]]:
    value = OTHERS[name]
    if name in ("recurringEventId", "originalStartTime.dateTime"):
        return read(SERIES, DAY), read(SERIES, replaced(DAY, name, value))
    if name == "originalStartTime.date":
        day = DAY | ALL_DAYS | {"originalStartTime": {"date": "2027-01-06"}}
        return read(SERIES | ALL_DAYS, day), read(SERIES | ALL_DAYS, replaced(day, name, value))
    item = SERIES if name == "recurrence" else ITEM
    if name in ("start.date", "end.date"):
        item = item | ALL_DAYS
    if name == "hangoutLink":
        item = {k: v for k, v in item.items() if k != "conferenceData"}
    if name in ("guestsCanModify", "guestsCanSeeOtherGuests", "organizer.displayName"):
        item = replaced(item, "organizer", {"email": "eve@example.test", "displayName": "Ann"})
    return read(item), read(replaced(item, name, value))


READ = [n for n, row in ROWS.items() if row.fate in (Fate.MAPPED, Fate.READ)]
ELSEWHERE = {
    "recurringEventId": "it groups days under their series",
    "conferenceData.createRequest": "written",
}
"""Fields that are read before an event is, or that no answer shows."""


@pytest.mark.parametrize("name", [n for n in READ if n not in ELSEWHERE])
def test_a_field_is_read_into_what_the_table_says(name: str) -> None:
    before, after = before_and_after(name)
    differing = {n for n in before if before[n] != after[n]}
    assert differing - {"own_fields"} == set(ROWS[name].model)


@pytest.mark.parametrize("name", [n for n, row in ROWS.items() if row.fate in (Fate.KEPT, Fate.LOST)])
def test_a_field_that_is_not_read_changes_nothing(name: str) -> None:
    value = [ITEM["attendees"][0] | {name.partition(".")[2]: "x"}, ITEM["attendees"][1]]
    other = replaced(ITEM, name, value if name.startswith("attendees.") else "x")
    assert read(other) == read(ITEM)


def written(content: EventContent) -> dict[str, Any]:
    """Return all that the plugin would write of an event."""
    held = project(content).content
    return {
        **translate.to_remote(held),
        "attendees": people.guests(content.attendees, {}),
        **translate.new_meeting(content, "r1"),
    }


WRITTEN = [n for n, row in ROWS.items() if row.fate is Fate.MAPPED and n != "extendedProperties.private"]


@pytest.mark.parametrize("name", WRITTEN)
def test_a_mapped_field_is_written(name: str) -> None:
    when = When(datetime(2027, 1, 4, 9), datetime(2027, 1, 4, 10), "Europe/Berlin", "Europe/Berlin")
    if name.endswith(".date"):
        when = When(date(2027, 1, 4), date(2027, 1, 5))
    plain, rich = EventContent(when, reminders=()), RICH
    if name.endswith(".date"):
        rich = dataclasses.replace(rich, when=When(date(2027, 2, 4), date(2027, 2, 8)))
    if name == "reminders.useDefault":
        rich = dataclasses.replace(rich, reminders=None)
    if name == "conferenceData.createRequest":
        rich = dataclasses.replace(rich, conference=Conference("", "Google Meet"))
    values = []
    for content in (plain, rich):
        head, _, rest = name.partition(".")
        value: Any = written(content).get(head)
        parts = value if isinstance(value, list) and rest else [value]
        values.append([(part or {}).get(rest) if rest else part for part in parts])
    assert values[0] != values[1] and any(part is not None for part in values[1])


RICH = EventContent(
    when=When(
        datetime(2027, 1, 5, 9),
        datetime(2027, 1, 5, 11),
        "America/New_York",
        "America/New_York",
        ("RRULE:FREQ=DAILY;COUNT=3",),
    ),
    title="Speech",
    description="Words",
    location=Location("Hall", "Main St 1", 52.5, 13.4),
    status=EventStatus.TENTATIVE,
    show_as=ShowAs.FREE,
    visibility=Visibility.PRIVATE,
    reminders=(Reminder(10),),
    organizer=Person("eve@example.test", "Eve"),
    attendees=(
        Attendee("bob@example.test", "Bob", translate.values.Role.OPTIONAL, Answer.ACCEPTED),
        Attendee("room@example.test", role=translate.values.Role.RESOURCE),
    ),
    own_answer=Answer.ACCEPTED,
    conference=Conference("https://zoom.us/j/1", "Zoom"),
    attachments=(Attachment("https://files.example.test/1"),),
    categories=("Work",),
    color="#dc2127",
    priority=1,
    url="https://example.test/other",
)


def test_what_the_table_leaves_alone_survives_a_write_of_everything_else(google: Google) -> None:
    left: dict[str, Any] = {
        "sequence": 3,
        "extendedProperties": {"private": {"other": "mark"}, "shared": {"their": "mark"}},
        "guestsCanInviteOthers": False,
        "guestsCanSeeOtherGuests": False,
        "anyoneCanAddSelf": True,
        "privateCopy": True,
        "eventLabelId": "label-1",
        "endTimeUnspecified": True,
        "gadget": {"title": "old"},
        "outOfOfficeProperties": {"declineMessage": "x"},
        "focusTimeProperties": {"chatStatus": "doNotDisturb"},
        "birthdayProperties": {"type": "birthday"},
        "workingLocationProperties": {"type": "homeOffice"},
        "attachments": ITEM["attachments"],
        "conferenceData": ITEM["conferenceData"] | {"conferenceId": "a", "notes": "small print"},
    }
    remote_id = google.control.create_raw(ANN, ANN, {
        "summary": "Talk",
        "start": ITEM["start"],
        "end": ITEM["end"],
        **left,
    })  # fmt: skip
    event = hooks.get_event(google.call, google.calendar, remote_id)
    wanted = dataclasses.replace(
        RICH, when=dataclasses.replace(RICH.when, recurrence=()), conference=event.content.conference
    )
    fields = changed_fields(event.content, wanted)
    push = PushUpdate(event.remote_id, event.version, wanted, event.content, fields)
    assert hooks.push_event(google.call, google.calendar, push) is not None
    now = google.control.raw(ANN, ANN, remote_id)
    assert now["summary"] == "Speech"
    assert {k: now.get(k) for k in left} == left | {"sequence": 4}
    named = {name.partition(".")[0] for name, row in ROWS.items() if row.fate is Fate.LOST} - {"attendees"}
    assert named <= left.keys(), "each field that is not carried is played here"


@pytest.mark.parametrize("name", CONTENT_FIELDS)
def test_what_google_holds_of_each_field_is_as_the_table_says(name: str) -> None:
    extent = HELD[name].extent
    default = EventContent(RICH.when)
    told = {loss.field for loss in project(LOSSY).losses}
    held = project(RICH).content
    if extent is Extent.WHOLE:
        assert getattr(held, name) == getattr(RICH, name) != getattr(default, name)
        assert name not in told
    elif extent is Extent.PART:
        assert getattr(held, name) != getattr(default, name) or name == "when"
        assert name in told
    else:
        assert getattr(held, name) == getattr(default, name) != getattr(RICH, name)
        assert name in told
        assert (extent is Extent.READ) == any(name in row.model for row in FIDELITY.fields)


LOSSY = dataclasses.replace(
    RICH,
    title="x" * 2000,
    description="y" * 9000,
    show_as=ShowAs.OUT_OF_OFFICE,
    visibility=Visibility.PERSONAL,
    reminders=tuple(Reminder(n) for n in range(9)),
    color="#123456",
    url="mailto:eve@example.test",
    when=dataclasses.replace(
        RICH.when,
        exceptions=(translate.SeriesException(datetime(2027, 5, 5, 9), title="on no day of the rule"),),
    ),
)

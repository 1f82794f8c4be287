"""A consumer edits what a provider only shows, in an event that came from there: a loss, and no trouble."""

from __future__ import annotations

import dataclasses
from datetime import datetime, timedelta
from typing import Any

import pytest

from hub.plugin.fidelity import Extent
from hub.plugin.testing import series, timed
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
    Reminder,
    SeriesException,
    ShowAs,
    Visibility,
)
from tests.provider_world import PLUGINS, ProviderWorld, Side
from tests.scenarios.meetings import call, patch

TEN = datetime(2026, 12, 3, 10)
DAY = timedelta(days=1)
EDITS: dict[str, list[Any]] = {
    "when": [timed("", TEN + timedelta(hours=3)).when],
    "title": ["Another title", " two\nlines ", ""],
    "description": ["Another text", "  blanks \n\n", ""],
    "location": [Location("Hut", "Main St 1", 52.5, 13.4), None],
    "status": [EventStatus.TENTATIVE, EventStatus.CONFIRMED],
    "show_as": list(ShowAs),
    "visibility": list(Visibility),
    "reminders": [None, (), (Reminder(30),), (Reminder(5), Reminder(10, "email"))],
    "organizer": [Person("boss@example.test", "Boss"), None],
    "attendees": [(Attendee("dan@example.test", "Dan"),), ()],
    "own_answer": [Answer.DECLINED, None],
    "conference": [Conference("https://other.test/room", "Other", "Join"), None],
    "attachments": [(Attachment("https://x.test/plan.pdf", "Plan"),), ()],
    "categories": [("Work", " Blue "), ()],
    "color": ["tomato", "#123456", None],
    "priority": [1, 3, 0],
    "url": ["https://example.test/other", "tel:+491234", None],
}
"""By field, what a consumer may write there."""
BARE = timed("", TEN)
DAILY = series("", TEN, "FREQ=DAILY;COUNT=5")
OF_A_DAY: list[dict[str, Any]] = [
    {"attachments": EDITS["attachments"][0]},
    {"categories": ("Work",)},
    {"color": "tomato"},
    {"conference": EDITS["conference"][0]},
]
"""What neither provider holds of a single day."""
GUESTS = (Attendee("bob@example.test", "Bob"),)
TIMES: dict[str, dict[str, Any]] = {
    "google": {
        "start": {"dateTime": "2026-12-03T10:00:00", "timeZone": "Europe/Berlin"},
        "end": {"dateTime": "2026-12-03T11:00:00", "timeZone": "Europe/Berlin"},
    },
    "outlook": {
        "start": {"dateTime": "2026-12-03T10:00:00", "timeZone": "W. Europe Standard Time"},
        "end": {"dateTime": "2026-12-03T11:00:00", "timeZone": "W. Europe Standard Time"},
    },
}
ROOM = "https://meet.google.com/abc-defg-hij"
RICH: dict[str, dict[str, Any]] = {
    "google": {
        **TIMES["google"],
        "description": "Some <b>text</b>",
        "location": "Room 1",
        "transparency": "transparent",
        "visibility": "confidential",
        "reminders": {"useDefault": False, "overrides": [{"method": "email", "minutes": 20}]},
        "colorId": "7",
        "source": {"title": "page", "url": "https://example.test/page"},
        "attachments": [{"fileUrl": "https://drive.google.com/file/1", "title": "Notes"}],
        "hangoutLink": ROOM,
        "conferenceData": {
            "conferenceId": "abc-defg-hij",
            "conferenceSolution": {"key": {"type": "hangoutsMeet"}, "name": "Google Meet"},
            "entryPoints": [{"entryPointType": "video", "uri": ROOM, "label": ROOM[8:]}],
        },
    },
    "outlook": {
        **TIMES["outlook"],
        "body": {"contentType": "html", "content": "<p>Some <b>text</b></p>"},
        "location": {"displayName": "Room 1"},
        "showAs": "workingElsewhere",
        "sensitivity": "confidential",
        "isReminderOn": True,
        "reminderMinutesBeforeStart": 20,
        "importance": "high",
        "categories": ["Red category"],
        "hasAttachments": True,
    },
}
TITLE = {"google": "summary", "outlook": "subject"}


def fixed(name: str) -> set[str]:
    """Return the fields that a provider is never given by the hub."""
    fidelity = PLUGINS[name].provider().fidelity
    assert fidelity is not None
    assert {held.name for held in fidelity.holds} == EDITS.keys() == set(CONTENT_FIELDS)
    return {held.name for held in fidelity.holds if held.extent in (Extent.READ, Extent.NOT)}


def make(side: Side, kind: str, title: str) -> None:
    if kind == "rich":
        side.create_raw(**RICH[side.name], **{TITLE[side.name]: title})
    elif kind == "meeting":
        side.create(dataclasses.replace(BARE, title=title, attendees=GUESTS))
    else:
        plain = DAILY if kind == "series" else BARE
        side.create(dataclasses.replace(plain, title=title, reminders=(Reminder(20),)))


def kinds_of(field: str, side: Side) -> list[str]:
    """Return the events in which a field is edited; Outlook mails guests of whatever else is changed."""
    return ["bare", "rich", *(["meeting"] if field in fixed(side.name) else [])]


def edits_at(side: Side) -> dict[str, tuple[str, Any]]:
    """Return each edit by the title of the event that it is made in."""
    of_days = [
        dataclasses.replace(DAILY.when, exceptions=(SeriesException(TEN + DAY, **own),)) for own in OF_A_DAY
    ]
    return {f"day {n} series": ("when", when) for n, when in enumerate(of_days)} | {
        f"{field} {n} {kind}": (field, value)
        for field, values in EDITS.items()
        for kind in kinds_of(field, side)
        for n, value in enumerate(values)
    }


def settle(world: ProviderWorld) -> None:
    """Let everything travel, with the waits that keep the hub below the providers' quotas."""
    for _ in range(3):
        world.sync()
        world.advance(60)
        world.wait(0)


@pytest.mark.parametrize("name", ["google", "outlook"])
def test_a_field_that_a_provider_only_shows_is_kept_in_the_hub(world: ProviderWorld, name: str) -> None:
    side = world.sides[name]
    edits = edits_at(side)
    for title in edits:
        make(side, title.rpartition(" ")[2], title)
    world.sync()
    known = {content.title: (i, content) for i, content in world.hub_events().items()}
    remote_ids = {content.title: i for i, content in side.events().items()}
    side.control.clear_ledger()
    wanted: dict[str, EventContent] = {}
    for title, (field, value) in edits.items():
        event_id, content = known[title]
        wanted[event_id] = dataclasses.replace(content, **{field: value}, description_html=None)
        world.api_updates(event_id, wanted[event_id])
    settle(world)
    paths = [call["path"] for call in side.control.writes()]
    written = {title for title, i in remote_ids.items() if any(i in path for path in paths)}
    assert not {t for t in written if edits[t][0] in fixed(name) or t.startswith("day")}
    assert [c.event_id for c in world.copies(side.link_id) if c.unkept] == []
    world.assert_quiet()
    assert world.hub_events() == wanted
    for i in remote_ids.values():
        side.update(i, show_as=ShowAs.FREE)
    settle(world)
    for event_id, content in world.hub_events().items():
        assert dataclasses.replace(content, show_as=wanted[event_id].show_as) == wanted[event_id]


@pytest.mark.parametrize("name", ["google", "outlook"])
def test_what_is_kept_here_and_not_shown_there_is_told(world: ProviderWorld, name: str) -> None:
    side = world.sides[name]
    make(side, "rich", "Talk")
    world.sync()
    path = f"/events/{world.hub_event('Talk')[0]}"
    files = [{"url": "https://x.test/plan.pdf", "title": "Plan"}]

    def told() -> dict[str, str]:
        (copy,) = [c for c in call(world, "GET", path)["copies"] if c["link_id"] == side.link_id]
        assert (copy["state"], copy["problem"]) == ("synced", None)
        return {loss["field"]: loss["reason"] for loss in copy["losses"]}

    assert told() == {}
    patch(world, path.rpartition("/")[2], attachments=files, title="Long talk")
    assert side.by_title()["Long talk"].attachments[0].url != files[0]["url"]
    losses = side.project(world.hub_event("Long talk")[1]).losses
    assert told() == {"attachments": next(loss.reason for loss in losses if loss.field == "attachments")}
    patch(world, path.rpartition("/")[2], attachments=[])
    assert told().keys() == {"attachments"} and "keeps its own" in told()["attachments"]
    listed = call(world, "GET", "/events?calendar_id=cal_1")["items"]
    assert all("losses" not in copy for event in listed for copy in event["copies"])
    world.assert_quiet()


def test_a_provider_without_tentative_events_follows_as_they_become_so_and_are_so_no_more(
    world: ProviderWorld,
) -> None:
    world.outlook.create(dataclasses.replace(BARE, title="Fair"))
    world.sync()
    for status, shown in [("tentative", ShowAs.TENTATIVE), ("confirmed", ShowAs.BUSY)] * 2:
        patch(world, world.hub_event("Fair")[0], status=status)
        assert world.outlook.by_title()["Fair"].show_as is shown
        assert world.google.by_title()["Fair"].status.value == status
        assert world.hub_event("Fair")[1].show_as is ShowAs.BUSY
        world.assert_quiet()

"""What stands in an event crosses from either provider or the API to the others, once, and then is quiet."""

from __future__ import annotations

import dataclasses
from datetime import date, datetime

import pytest

from hub.plugin.testing import all_day, timed
from hub.plugin.types import (
    Attendee,
    Conference,
    EventContent,
    EventStatus,
    Location,
    Person,
    Reminder,
    ShowAs,
    Visibility,
    When,
)
from tests.provider_world import ProviderWorld, Side

TEN = datetime(2026, 12, 3, 10)


def at(start: datetime, end: datetime, zone: str, end_zone: str | None = None) -> EventContent:
    return EventContent(When(start, end, zone, end_zone or zone))


TIMES = {
    "zone Berlin": timed("", TEN),
    "zone Los Angeles": timed("", TEN, zone="America/Los_Angeles"),
    "zone Kolkata": timed("", TEN, zone="Asia/Kolkata"),
    "zone Kathmandu": timed("", TEN, zone="Asia/Kathmandu"),
    "zone Chatham": timed("", TEN, zone="Pacific/Chatham"),
    "zone Casablanca": timed("", datetime(2027, 2, 20, 10), zone="Africa/Casablanca"),
    "zone UTC": timed("", TEN, zone="UTC"),
    "zone without Windows name": timed("", TEN, zone="Antarctica/Troll"),
    "zone alias": timed("", TEN, zone="Europe/Vienna"),
    "zone old alias": timed("", TEN, zone="Asia/Calcutta"),
    "zone pair": at(TEN, datetime(2026, 12, 3, 13), "Europe/Berlin", "America/New_York"),
    "gap": timed("", datetime(2027, 3, 28, 2, 30)),
    "ends in the gap": timed("", datetime(2027, 3, 28, 1, 30)),
    "fold": timed("", datetime(2027, 10, 31, 2, 30)),
    "ends in the fold": timed("", datetime(2027, 10, 31, 1, 30)),
    "over the fold": timed("", datetime(2027, 10, 31, 1, 0), minutes=240),
    "all day": all_day("", date(2026, 12, 5)),
    "three days": all_day("", date(2026, 12, 30), 3),
    "midnight to midnight": timed("", datetime(2026, 12, 7), minutes=1440),
    "midnight to midnight UTC": timed("", datetime(2026, 12, 7), minutes=1440, zone="UTC"),
    "zero length": timed("", TEN, minutes=0),
    "long": timed("", TEN, minutes=60 * 24 * 20),
}
TEXTS = {
    "html": "<p>Hello <b>you</b></p><ul><li>one</li></ul>",
    "entity": "a &lt; b &amp;&amp; c &gt; d",
    "angle": "if a < b and c > d then x<y>z",
    "comment": "<!-- not seen --> seen",
    "nbsp": "a\xa0b \xa0 c",
    "crlf": "one\r\ntwo\rthree\n\n\nfour",
    "trailing": "one  \n two \t\n\n\n",
    "leading": "\n\n  indented\n\tmore",
    "emoji": "🎉 Zoë — 日本語 👩‍👩‍👧",
    "controls": "a\x00b\x07c\x1bd\x7fe\u2028f\u200bg",
    "url": "see https://example.test/a?b=1&c=2&lt=3 now",
    "only blanks": "   ",
    "long": "word " * 3000,
    "backslash": "a\\nb\\,c",
}
OTHERS = {
    **{f"show as {v}": timed("", TEN, show_as=v) for v in ShowAs},
    **{f"visibility {v}": timed("", TEN, visibility=v) for v in Visibility},
    "tentative": timed("", TEN, status=EventStatus.TENTATIVE),
    "tentative and free": timed("", TEN, status=EventStatus.TENTATIVE, show_as=ShowAs.FREE),
    "reminders default": timed("", TEN, reminders=None),
    "reminders none": timed("", TEN, reminders=()),
    "reminder zero": timed("", TEN, reminders=(Reminder(0),)),
    "reminders many": timed("", TEN, reminders=tuple(Reminder(m) for m in (5, 30, 60, 1440, 10080, 20000))),
    "reminder mail": timed("", TEN, reminders=(Reminder(10, "email"), Reminder(10))),
    "reminder far": timed("", TEN, reminders=(Reminder(100_000),)),
    "categories": timed("", TEN, categories=("Work", "home", "work", " Blue ")),
    "colour": timed("", TEN, color="tomato"),
    "colour hex": timed("", TEN, color="#123456"),
    **{f"priority {p}": timed("", TEN, priority=p) for p in (1, 3, 5, 9)},
    "url": timed("", TEN, url="https://example.test/page"),
    "url of another kind": timed("", TEN, url="tel:+491234"),
    "place": timed("", TEN, location=Location("Room 1", "Main St 1, Berlin", 52.5, 13.4)),
    "place of two lines": timed("", TEN, location=Location(" Room\n1 ")),
    "only an address": timed("", TEN, location=Location("", "Main St 1")),
    "only a position": timed("", TEN, location=Location("", "", 52.5, 13.4)),
    "guests": timed(
        "", TEN, organizer=Person("ann@example.test", "Ann"), attendees=(Attendee("bob@example.test", "Bob"),)
    ),
    "conference": timed("", TEN, conference=Conference("https://meet.example.test/x", "Meet", "Join")),
}


def named(table: dict[str, EventContent]) -> list[EventContent]:
    return [dataclasses.replace(content, title=title) for title, content in table.items()]


TITLES = ["", " padded  inside ", "two\nlines", "tab\there", "<b>bold</b> &amp;", "x" * 1500, "🎉" * 200]
TITLES += ["nul\x00bell\x07", "nb\xa0sp", "A\u2028B"]
EVERYTHING = [
    *named(TIMES),
    *named(OTHERS),
    *(timed(f"text {name}", TEN, description=text) for name, text in TEXTS.items()),
    *(timed(title, datetime(2026, 12, 4, hour)) for hour, title in enumerate(TITLES)),
]


def as_typed(side: Side, content: EventContent) -> EventContent:
    """Return what a person could enter there at all: lengths and reminders as the provider allows them."""
    held = side.project(content).content
    return dataclasses.replace(content, title=held.title, reminders=held.reminders)


@pytest.mark.parametrize("source", ["google", "outlook", "api"])
def test_fld_every_value_arrives_as_far_as_it_can_be_held(world: ProviderWorld, source: str) -> None:
    refused = 0
    for content in EVERYTHING:
        if source == "api":
            world.api_creates(content)
        elif world.sides[source].project(content).refusal:
            refused += 1
        else:
            world.sides[source].create(as_typed(world.sides[source], content))
    world.sync()
    for side in world.sides.values():
        assert len(side.events()) == len(EVERYTHING) - refused
    world.assert_quiet()

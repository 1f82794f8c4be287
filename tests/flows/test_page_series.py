"""The page of an event shows all of it, and asks how far a change of a series is to reach."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

import pytest
from flask.testing import FlaskClient

from hub.plugin.testing import series
from hub.web import words
from tests.unit.api.hub_app import HubApp, an_event


def at(day: int, hour: int = 12) -> str:
    return f"2026-12-{day:02d}T{hour:02d}:00:00"


def make(hub: HubApp, **changes: Any) -> str:
    body = an_event(title="Standup", recurrence=["RRULE:FREQ=DAILY;COUNT=10"]) | changes
    answer = hub.call("POST", "/v1/events", body)
    assert answer.status_code == 201, answer.get_data(as_text=True)
    hub.world.settle()
    return str(answer.get_json()["id"])


def html(hub: HubApp, ann: FlaskClient, path: str) -> str:
    answer = hub.get(ann, path)
    assert answer.status_code == 200
    return re.sub(r"\s+", " ", answer.get_data(as_text=True))


def send(hub: HubApp, ann: FlaskClient, event_id: str, day: int, scope: str, **changes: str) -> int:
    """Send the form of an occurrence as it is shown, with changes."""
    page = f"/events/{event_id}?occurrence={at(day)}"
    shown = hub.get(ann, page).get_data(as_text=True)
    values = dict(re.findall(r'<input[^>]*name="(\w+)" value="([^"]*)"', shown)) | dict(
        re.findall(r'<input type="[a-z]+" name="(\w+)" value="([^"]*)"', shown)
    )
    values |= {"description": ""} | changes | {"scope": scope}
    values.pop("all_day", None) if "all_day" not in changes else None
    values.pop("csrf", None)
    return hub.submit(ann, f"/events/{event_id}", page=page, **values).status_code


def taking_place(hub: HubApp) -> list[tuple[str, str]]:
    window = "start=2026-12-01T00:00:00Z&end=2027-01-01T00:00:00Z&expand=true&limit=200"
    items = hub.call("GET", f"/v1/events?{window}").get_json()["items"]
    return [(i["occurrence"]["start"]["date_time"], i["occurrence"]["title"]) for i in items]


def test_the_page_of_an_event_shows_all_of_it(hub: HubApp, ann: FlaskClient) -> None:
    event_id = make(
        hub,
        recurrence=["RRULE:FREQ=WEEKLY;INTERVAL=2;BYDAY=TU;COUNT=9"],
        start={"date_time": at(1), "time_zone": "America/New_York"},
        end={"date_time": at(1, 13), "time_zone": "America/New_York"},
        description_html="<p>Bring <b>cake</b><script>alert(1)</script></p>",
        location={"name": "Hut", "address": "Lane 1", "latitude": 47.5, "longitude": 11.25},
        show_as="out_of_office",
        visibility="private",
        status="tentative",
        reminders=[{"minutes": 1440, "method": "email"}, {"minutes": 10}],
        attendees=[{"email": "b@x.test", "name": "Bob", "role": "optional", "answer": "declined"}],
        conference={"url": "https://meet.test/1", "provider": "Meet"},
        attachments=[{"url": "https://x.test/a.pdf", "title": "Plan"}],
        categories=["red", "blue"],
        color="#1a73e8",
        priority=1,
        url="https://x.test/e",
        metadata={"ticket": "A-1"},
        exceptions=[
            {"original_start": at(15), "cancelled": True},
            {
                "original_start": at(29),
                "title": "Other",
                "start": {"date_time": at(30)},
                "end": {"date_time": at(30, 13)},
            },
        ],
    )
    page = html(hub, ann, f"/events/{event_id}")
    for told in (
        "Tue 1 Dec 2026, 18:00 to 19:00 in Europe/Berlin",
        "every 2 weeks on Tue, 9 times",
        "Lane 1; 47.50000, 11.25000",
        "out of office",
        "1 day before by mail, 10 minutes before",
        "<p>Bring <b>cake</b></p>",
        "does not come, optional",
        'href="https://meet.test/1"',
        'href="https://x.test/a.pdf"',
        "red, blue",
        'fill="#1a73e8"',
        "1 of 9",
        'href="https://x.test/e"',
        "<dt>ticket</dt><dd>A-1</dd>",
        "Tue 15 Dec 2026, 12:00</a> <span class=\"small muted\">cancelled",
        "moved to Wed 30 Dec 2026, 12:00; other title",
        "in step",
    ):  # fmt: skip
        assert told in page, told
    assert "alert(1)" not in page


def test_a_week_shows_moved_and_cancelled_days_and_other_zones(hub: HubApp, ann: FlaskClient) -> None:
    make(
        hub,
        start={"date_time": at(1, 6), "time_zone": "America/New_York"},
        end={"date_time": at(1, 7), "time_zone": "America/New_York"},
        exceptions=[
            {"original_start": at(2, 6), "cancelled": True},
            {"original_start": at(3, 6), "start": {"date_time": at(3, 9)}, "end": {"date_time": at(3, 10)}},
        ],
    )
    make(hub, title="Retreat", recurrence=[], start={"date": "2026-12-02"}, end={"date": "2026-12-05"})
    page = html(hub, ann, "/?week=2026-12-01")
    grid = page[: page.index('class="agenda"')]
    assert grid.count(" gone") == 1 and "<i>cancelled</i>" in grid
    assert '15:00–16:00 <i aria-label="moved">' in grid
    assert "(06:00 in New York)" in grid
    assert grid.count("Retreat</b>") == 3


def test_a_rule_for_every_second_hides_nothing_else_of_its_week(hub: HubApp, ann: FlaskClient) -> None:
    make(hub, title="Every day")
    hub.world.person_creates("left", series("Beat", datetime(2026, 12, 2, 9), "FREQ=SECONDLY"))
    hub.world.settle()
    page = html(hub, ann, "/?week=2026-12-01")
    grid = page[: page.index('class="agenda"')]
    assert grid.count("Every day</b>") == 6
    assert 0 < grid.count("Beat</b>") < 300 and "more events than can be shown here" in page


def test_one_occurrence_is_changed_on_the_page(hub: HubApp, ann: FlaskClient) -> None:
    event_id = make(hub)
    assert send(hub, ann, event_id, 3, "this", title="Special", start_time="15:00", end_time="16:30") == 303
    days = taking_place(hub)
    assert (at(3, 15), "Special") in days and len(days) == 10
    assert [t for _, t in days].count("Special") == 1


def test_this_and_following_are_changed_on_the_page(hub: HubApp, ann: FlaskClient) -> None:
    event_id = make(hub, exceptions=[{"original_start": at(6), "cancelled": True}])
    sent = send(
        hub, ann, event_id, 5, "this_and_following", title="Later", start_time="14:00", end_time="15:00"
    )
    assert sent == 303
    assert taking_place(hub) == [
        *((at(d), "Standup") for d in (1, 2, 3, 4)), *((at(d, 14), "Later") for d in (5, 7, 8, 9, 10)),
    ]  # fmt: skip
    page = html(hub, ann, f"/events/{event_id}")
    assert "From then on it is" in page and "Later</a>" in page
    history = html(hub, ann, f"/events/{event_id}/history")
    assert "split in two" in history


def test_all_of_a_series_is_moved_by_as_much_as_the_one_that_was_open(hub: HubApp, ann: FlaskClient) -> None:
    event_id = make(hub, exceptions=[{"original_start": at(6), "title": "Special"}])
    assert send(hub, ann, event_id, 3, "all", start_time="13:00", end_time="14:00") == 303
    assert taking_place(hub) == [(at(d, 13), "Special" if d == 6 else "Standup") for d in range(1, 11)]
    gone = hub.get(ann, f"/events/{event_id}?occurrence={at(3)}")
    assert gone.status_code == 404, "it has another address now"


def test_what_was_left_alone_in_the_form_stays_as_it_is_in_the_others(hub: HubApp, ann: FlaskClient) -> None:
    event_id = make(hub, exceptions=[{"original_start": at(3), "title": "Special"}])
    assert send(hub, ann, event_id, 3, "all", location="Hut") == 303
    read = hub.call("GET", f"/v1/events/{event_id}").get_json()
    assert (read["title"], read["location"]["name"]) == ("Standup", "Hut")


def test_occurrences_are_deleted_and_brought_back_on_the_page(hub: HubApp, ann: FlaskClient) -> None:
    event_id = make(hub)

    def remove(day: int, scope: str, version: int) -> int:
        form = {"occurrence": at(day), "scope": scope, "version": str(version)}
        return hub.submit(ann, f"/events/{event_id}/delete", page=f"/events/{event_id}", **form).status_code

    assert remove(3, "this", 1) == 303
    assert (at(3), "Standup") not in taking_place(hub)
    assert "Bring it back" in html(hub, ann, f"/events/{event_id}?occurrence={at(3)}")
    back = {"occurrence": at(3), "version": "2"}
    path = f"/events/{event_id}/bring-back"
    assert hub.submit(ann, path, page=f"/events/{event_id}", **back).status_code == 303
    assert len(taking_place(hub)) == 10
    assert remove(6, "this_and_following", 3) == 303
    assert len(taking_place(hub)) == 5
    assert remove(2, "all", 1) == 412, "the form has grown old"
    assert remove(2, "all", 4) == 303
    assert taking_place(hub) == []


def test_a_change_that_cannot_be_is_told_with_the_form_as_it_was_filled_in(
    hub: HubApp, ann: FlaskClient
) -> None:
    event_id = make(hub)
    page = f"/events/{event_id}?occurrence={at(3)}"
    form = {
        "occurrence": at(3), "version": "1", "scope": "this", "title": "Kept words",
        "start_date": "2026-12-03", "start_time": "12:00", "end_date": "2026-12-02", "end_time": "12:00",
    }  # fmt: skip
    answer = hub.submit(ann, f"/events/{event_id}", page=page, **form)
    assert answer.status_code == 422
    text = answer.get_data(as_text=True)
    assert "the end is before the start" in text and "Kept words" in text
    assert hub.submit(ann, f"/events/{event_id}", page=page, **form | {"scope": "some"}).status_code == 422
    assert hub.get(ann, f"/events/{event_id}?occurrence=2026-12-30").status_code == 404


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (["RRULE:FREQ=DAILY"], "every day"),
        (["RRULE:FREQ=MONTHLY;BYDAY=-1FR"], "every month on the last Fri"),
        (["RRULE:FREQ=DAILY;UNTIL=20270101T000000Z"], "every day, until Fri 1 Jan 2027"),
        (["RRULE:FREQ=MONTHLY;BYMONTHDAY=-1"], "every month on the last day"),
        (["RRULE:FREQ=YEARLY;BYMONTH=5;BYMONTHDAY=1"], "every year on day 1 in month 5"),
        (["RRULE:FREQ=MONTHLY;BYDAY=MO;BYSETPOS=1"], "RRULE:FREQ=MONTHLY;BYDAY=MO;BYSETPOS=1"),
        (["RRULE:FREQ=WEEKLY", "RDATE;VALUE=DATE:20261224"], "every week, and on dates of its own"),
        ([], ""),
    ],
)  # fmt: skip
def test_a_rule_is_said_in_words_where_there_are_some(lines: list[str], said: str) -> None:
    assert words.repeats(lines) == said

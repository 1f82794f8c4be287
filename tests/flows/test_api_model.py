"""The whole of an event over the API: HTML, exclusions, offsets, exceptions, metadata, filters."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.unit.api.hub_app import HubApp, an_event, pointers


@pytest.fixture
def hub(sqlite_url: str, tmp_path: Path) -> HubApp:
    return HubApp(sqlite_url, tmp_path)


def make(hub: HubApp, **changes: Any) -> dict[str, Any]:
    answer = hub.call("POST", "/v1/events", an_event(**changes))
    assert answer.status_code == 201, answer.get_data(as_text=True)
    made: dict[str, Any] = answer.get_json()
    return made


def at(day: int, hour: int = 12) -> str:
    return f"2026-12-{day:02d}T{hour:02d}:00:00"


# --- text ---


def test_html_is_kept_as_it_was_written_and_read_as_text(hub: HubApp) -> None:
    html = "<p>Bring <b>cake</b></p><ul><li>and tea</li></ul>"
    made = make(hub, description_html=html)
    assert (made["description"], made["description_html"]) == ("Bring cake\n- and tea", html)
    path = f"/v1/events/{made['id']}"
    again = {"description": made["description"], "description_html": html}
    assert hub.call("PATCH", path, again).get_json()["version"] == 1, "sent back as it was, it is no change"
    plain = hub.call("PATCH", path, {"description": "No cake"}).get_json()
    assert (plain["description"], plain["description_html"]) == ("No cake", None)


def test_another_formatting_of_the_same_words_is_kept_and_can_be_undone(hub: HubApp) -> None:
    made = make(hub, description_html="<p>Bring cake</p>")
    path = f"/v1/events/{made['id']}"
    changed = hub.call("PATCH", path, {"description_html": "<p>Bring <i>cake</i></p>"}).get_json()
    assert (changed["version"], changed["description_html"]) == (2, "<p>Bring <i>cake</i></p>")
    seq = hub.call("GET", f"{path}/history").get_json()["items"][-1]["seq"]
    assert hub.call("POST", f"/v1/changes/{seq}/undo", {}).status_code == 200
    assert hub.call("GET", path).get_json()["description_html"] == "<p>Bring cake</p>"


# --- when it is moved ---


def clock(time: str, zone: str = "Europe/Berlin") -> dict[str, str]:
    return {"date_time": f"2026-12-{time}:00", "time_zone": zone}


@pytest.mark.parametrize(
    ("start", "end", "new", "expected"),
    [
        (clock("01T12:00"), clock("01T13:00"), clock("03T15:00"), clock("03T16:00")),
        (clock("05T12:00"), clock("05T13:00"), clock("03T15:00"), clock("03T16:00")),
        (
            clock("01T12:00"),
            clock("01T13:00"),
            clock("03T15:00", "America/New_York"),
            clock("03T16:00", "America/New_York"),
        ),
        (
            clock("01T12:00"),
            clock("01T15:00", "America/New_York"),
            clock("03T16:00"),
            clock("03T19:00", "America/New_York"),
        ),
        (
            clock("01T12:00"),
            clock("01T15:00", "America/New_York"),
            clock("01T12:00", "UTC"),
            clock("01T16:00", "America/New_York"),
        ),
        ({"date": "2026-12-01"}, {"date": "2026-12-04"}, {"date": "2026-12-30"}, {"date": "2027-01-02"}),
    ],
    ids=["later", "earlier", "another zone", "a flight", "a flight from another zone", "days"],
)
def test_an_event_of_which_the_start_alone_is_said_is_as_long_as_before(
    hub: HubApp, start: dict[str, str], end: dict[str, str], new: dict[str, str], expected: dict[str, str]
) -> None:
    path = f"/v1/events/{make(hub, start=start, end=end)['id']}"
    answer = hub.call("PATCH", path, {"start": new})
    assert answer.status_code == 200, answer.get_data(as_text=True)
    assert (answer.get_json()["start"], answer.get_json()["end"]) == (new, expected)


def test_a_day_does_not_become_a_time_by_its_start_alone(hub: HubApp) -> None:
    path = f"/v1/events/{make(hub)['id']}"
    assert pointers(hub.call("PATCH", path, {"start": {"date": "2026-12-03"}})) == ["/end"]


# --- times with an offset ---


@pytest.mark.parametrize(
    ("moment", "shown"),
    [
        ({"date_time": "2026-12-10T10:00:00+02:00"}, {"date_time": at(10, 9), "time_zone": "Europe/Berlin"}),
        ({"date_time": "2026-12-10T08:00:00Z"}, {"date_time": at(10, 9), "time_zone": "Europe/Berlin"}),
        (
            {"date_time": "2026-12-10T10:00:00+02:00", "time_zone": "America/New_York"},
            {"date_time": at(10, 3), "time_zone": "America/New_York"},
        ),
        (
            {"date_time": "2026-12-10T10:00:00+02:00", "time_zone": "Asia/Kathmandu"},
            {"date_time": "2026-12-10T13:45:00", "time_zone": "Asia/Kathmandu"},
        ),
    ],
)
def test_tim_15_a_time_with_an_offset_is_that_instant_in_the_zone_that_is_meant(
    hub: HubApp, moment: dict[str, Any], shown: dict[str, Any]
) -> None:
    made = make(hub, start=moment, end={"date_time": "2026-12-10T12:00:00Z"})
    assert made["start"] == shown


FIRST, SECOND = "2027-10-31T00:30:00Z", "2027-10-31T01:30:00Z"
"""When clocks in Berlin show half past two, and do so again."""
THREE = {"date_time": "2027-10-31T03:00:00", "time_zone": "Europe/Berlin"}


@pytest.mark.parametrize("moment", [FIRST, SECOND])
def test_tim_12_an_instant_in_the_hour_that_comes_twice_stays_that_instant(hub: HubApp, moment: str) -> None:
    made = make(hub, start={"date_time": moment}, end=THREE)
    shown = hub.call("GET", f"/v1/events/{made['id']}/occurrences?from={FIRST}").get_json()["items"]
    assert [o["starts_at"] for o in shown] == [moment]
    in_berlin = {"date_time": "2027-10-31T02:30:00", "time_zone": "Europe/Berlin"}
    in_utc = {"date_time": SECOND.removesuffix("Z"), "time_zone": "UTC"}
    assert (made["start"], made["end"]) == (in_berlin if moment == FIRST else in_utc, THREE)


@pytest.mark.parametrize("moment", [FIRST, SECOND])
def test_tim_12_so_does_that_of_one_day_of_a_series(hub: HubApp, moment: str) -> None:
    noon = {"date_time": "2027-10-31T12:00:00"}
    made = make(hub, start=noon, end={"date_time": "2027-10-31T13:00:00"}, recurrence=["RRULE:FREQ=DAILY"])
    path = f"/v1/events/{made['id']}/occurrences/{noon['date_time']}"
    shown = hub.call("PATCH", path, {"start": {"date_time": moment}, "end": THREE}).get_json()
    assert (shown["starts_at"], shown["ends_at"]) == (moment, "2027-10-31T02:00:00Z")


def test_tim_12_a_series_that_begins_in_that_hour_repeats_by_the_clock(hub: HubApp) -> None:
    made = make(hub, start={"date_time": SECOND}, end=THREE, recurrence=["RRULE:FREQ=DAILY;COUNT=2"])
    shown = hub.call("GET", f"/v1/events/{made['id']}/occurrences?from={FIRST}").get_json()["items"]
    assert [o["starts_at"] for o in shown] == [FIRST, "2027-11-01T01:30:00Z"]


def test_tim_15_a_date_with_an_offset_is_the_day_that_it_is_in_the_zone(hub: HubApp) -> None:
    evening = {"date": "2026-12-10T23:30:00-05:00"}
    made = make(hub, start=evening, end={"date": "2026-12-12"})
    assert made["start"] == {"date": "2026-12-11"}
    there = make(hub, start=evening | {"time_zone": "America/New_York"}, end={"date": "2026-12-12"})
    assert there["start"] == {"date": "2026-12-10"}


# --- series ---


def test_exdate_in_any_spelling_is_shown_as_cancelled_exceptions(hub: HubApp) -> None:
    made = make(
        hub,
        recurrence=[
            "RRULE:FREQ=DAILY;COUNT=10",
            "EXDATE:20261202T110000Z",
            "EXDATE;TZID=America/New_York:20261203T060000",
            "EXDATE:20261204T120000",
            "EXDATE;VALUE=DATE:20261205",
            "EXDATE:20261206T070000,20261207T120000",
        ],
    )
    assert made["recurrence"] == ["RRULE:FREQ=DAILY;COUNT=10"]
    assert made["exceptions"] == [{"original_start": at(d), "cancelled": True} for d in (2, 3, 4, 5, 7)]


def test_exdate_in_a_patch_cancels_more_and_brings_nothing_back(hub: HubApp) -> None:
    made = make(hub, recurrence=["RRULE:FREQ=DAILY;COUNT=10", "EXDATE:20261202T120000"])
    lines = ["RRULE:FREQ=DAILY;COUNT=12", "EXDATE:20261203T120000"]
    changed = hub.call("PATCH", f"/v1/events/{made['id']}", {"recurrence": lines}).get_json()
    assert [e["original_start"] for e in changed["exceptions"]] == [at(2), at(3)]


def test_an_all_day_series_takes_exdate_as_dates(hub: HubApp) -> None:
    made = make(
        hub,
        start={"date": "2026-12-01"},
        end={"date": "2026-12-02"},
        recurrence=["RRULE:FREQ=DAILY;UNTIL=20261210", "EXDATE;VALUE=DATE:20261203"],
    )
    assert made["exceptions"] == [{"original_start": "2026-12-03", "cancelled": True}]


def test_an_exception_says_all_that_an_occurrence_can_have_otherwise(hub: HubApp) -> None:
    exception: dict[str, Any] = {
        "original_start": at(2),
        "cancelled": False,
        "start": {"date_time": at(2, 15), "time_zone": "Europe/London"},
        "end": {"date_time": at(2, 16), "time_zone": "Europe/London"},
        "title": "Other",
        "description": "Text",
        "location": {"name": "", "address": "", "latitude": None, "longitude": None},
        "status": "tentative",
        "show_as": "free",
        "visibility": "private",
        "reminders": [{"minutes": 5, "method": "popup"}],
        "attendees": [{"email": "b@x.test", "name": "B", "role": "required", "answer": "declined"}],
        "conference": {"url": "", "provider": "", "label": ""},
        "attachments": [{"url": "https://x.test/a", "title": "", "media_type": ""}],
        "categories": ["red"],
        "color": "",
    }
    made = make(hub, recurrence=["RRULE:FREQ=DAILY;COUNT=5"], exceptions=[exception])
    assert made["exceptions"] == [exception]
    (read,) = [
        o
        for o in hub.call(
            "GET", f"/v1/events/{made['id']}/occurrences?from=2026-12-01T00:00:00Z&to=2026-12-09T00:00:00Z"
        ).get_json()["items"]
        if o["original_start"] == at(2)
    ]
    assert (read["location"], read["conference"], read["color"]) == (None, None, None)
    assert (read["state"], read["start"]) == ("moved", exception["start"])


def test_too_many_exceptions_are_refused_with_a_way_out(hub: HubApp) -> None:
    many = [{"original_start": at(2), "cancelled": True}] * 1001
    answer = hub.call("POST", "/v1/events", an_event(recurrence=["RRULE:FREQ=DAILY"], exceptions=many))
    assert pointers(answer) == ["/exceptions"]
    assert "split the series" in answer.get_json()["errors"][0]["detail"]


@pytest.mark.parametrize("hours", [1, -3])
def test_rec_19_exceptions_follow_a_series_that_is_moved(hub: HubApp, hours: int) -> None:
    made = make(
        hub,
        recurrence=["RRULE:FREQ=WEEKLY;BYDAY=TU;UNTIL=20261229T110000Z"],
        exceptions=[
            {"original_start": at(8), "cancelled": True},
            {"original_start": at(15), "title": "Other"},
        ],
    )
    begin, finish = ({"date_time": at(1, h + hours), "time_zone": "Europe/Berlin"} for h in (12, 13))
    path = f"/v1/events/{made['id']}"
    changed = hub.call("PATCH", path, {"start": begin, "end": finish}).get_json()
    assert [(e["original_start"], e["cancelled"]) for e in changed["exceptions"]] == [
        (at(8, 12 + hours), True), (at(15, 12 + hours), False),
    ]  # fmt: skip
    listed = hub.call("GET", f"{path}/occurrences?from=2026-12-01T00:00:00Z").get_json()["items"]
    assert [o["original_start"][8:10] for o in listed] == ["01", "15", "22", "29"], "none is lost at the end"


def test_rec_41_a_series_that_is_moved_to_another_day_takes_rule_and_exceptions_along(hub: HubApp) -> None:
    made = make(
        hub,
        start={"date": "2026-09-04"},
        end={"date": "2026-09-05"},
        recurrence=["RRULE:FREQ=WEEKLY;BYDAY=FR"],
        exceptions=[
            {
                "original_start": "2026-09-18",
                "title": "Xa",
                "start": {"date": "2026-09-19"},
                "end": {"date": "2026-09-20"},
            }
        ],
    )
    path = f"/v1/events/{made['id']}"
    body = {"title": "Xb", "start": {"date": "2026-09-02"}, "end": {"date": "2026-09-03"}}
    changed = hub.call("PATCH", path, body).get_json()
    assert changed["recurrence"] == ["RRULE:FREQ=WEEKLY;BYDAY=WE"]
    (exception,) = changed["exceptions"]
    assert (exception["original_start"], exception["title"]) == ("2026-09-16", "Xa")
    assert exception["start"] == {"date": "2026-09-19"}
    rule = hub.call("PATCH", path, {"recurrence": ["RRULE:FREQ=WEEKLY;INTERVAL=3;BYDAY=WE"]}).get_json()
    assert rule["exceptions"] == [], "the rule makes that day no more"


def test_a_start_that_the_rule_does_not_make_is_refused_with_a_way_out(hub: HubApp) -> None:
    made = make(hub, recurrence=["RRULE:FREQ=MONTHLY;BYMONTHDAY=1,15"])
    body = {
        "start": {"date_time": at(2), "time_zone": "Europe/Berlin"},
        "end": {"date_time": at(2, 13), "time_zone": "Europe/Berlin"},
    }
    path = f"/v1/events/{made['id']}"
    assert pointers(hub.call("PATCH", path, body)) == ["/start"]
    body["recurrence"] = ["RRULE:FREQ=MONTHLY;BYMONTHDAY=2,16"]  # type: ignore[assignment]
    assert hub.call("PATCH", path, body).status_code == 200


# --- metadata ---


def test_metadata_grows_no_further_than_its_limit_by_many_patches(hub: HubApp) -> None:
    made = make(hub, metadata={f"a{i}": "x" for i in range(30)})
    path = f"/v1/events/{made['id']}"
    more = {f"b{i}": "x" for i in range(30)}
    assert pointers(hub.call("PATCH", path, {"metadata": more})) == ["/metadata"]
    swapped = hub.call("PATCH", path, {"metadata": more | {f"a{i}": None for i in range(20)}})
    assert len(swapped.get_json()["metadata"]) == 40


def test_an_expanded_line_says_what_its_occurrence_has_otherwise(hub: HubApp) -> None:
    changed = {"original_start": at(2), "title": "Other", "location": {"name": "Hut"}}
    make(hub, recurrence=["RRULE:FREQ=DAILY;COUNT=2"], exceptions=[changed])
    window = "start=2026-12-01T00:00:00Z&end=2026-12-09T00:00:00Z&expand=true"
    first, second = hub.call("GET", f"/v1/events?{window}").get_json()["items"]
    assert (first["occurrence"]["state"], first["occurrence"]["title"]) == ("regular", "Lunch")
    occurrence = second["occurrence"]
    assert (occurrence["state"], occurrence["title"]) == ("changed", "Other")
    assert occurrence["start"] == {"date_time": at(2), "time_zone": "Europe/Berlin"}
    assert second["title"] == "Lunch", "the event itself is the series"

"""Events over the API: what goes in comes out, faults are named, and nobody overwrites unseen."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.unit.api.hub_app import HubApp, an_event, pointers

ANN = "ann@example.test"


@pytest.fixture
def hub(database_url: str, tmp_path: Path) -> HubApp:
    return HubApp(database_url, tmp_path)


def make(hub: HubApp, **changes: Any) -> dict[str, Any]:
    answer = hub.call("POST", "/v1/events", an_event(**changes))
    assert answer.status_code == 201, answer.get_data(as_text=True)
    made: dict[str, Any] = answer.get_json()
    return made


def test_every_field_comes_back_as_it_was_given(hub: HubApp) -> None:
    given: dict[str, Any] = {
        "title": "Offsite ☀",
        "description": "one\ntwo",
        "location": {"name": "Hut", "address": "Lane 1", "latitude": 47.5, "longitude": 11.25},
        "recurrence": ["RRULE:FREQ=WEEKLY;COUNT=3"],
        "exceptions": [{"original_start": "2026-12-08T12:00:00", "cancelled": True}],
        "status": "tentative",
        "show_as": "out_of_office",
        "visibility": "private",
        "reminders": [{"minutes": 10, "method": "email"}],
        "attendees": [{"email": "b@x.test", "name": "B", "role": "optional", "answer": "accepted"}],
        "conference": {"url": "https://meet.test/1", "provider": "meet", "label": "Join"},
        "attachments": [{"url": "https://x.test/a.pdf", "title": "A", "media_type": "application/pdf"}],
        "categories": ["red", "blue"],
        "color": "#1a73e8",
        "priority": 1,
        "url": "https://x.test/e",
        "metadata": {"ticket": "A-1", "weight": "2"},
    }
    made = make(hub, **given)
    read = hub.call("GET", f"/v1/events/{made['id']}").get_json()
    assert {name: read[name] for name in given} == given
    assert read["start"] == an_event()["start"]


def test_all_faults_are_named_at_once_with_their_pointers(hub: HubApp) -> None:
    body = an_event(
        title=3,
        start={"date_time": "2026-12-01T10:00:00", "time_zone": "Mars/Base"},
        end={"date": "someday"},
        reminders=[{"minutes": 5}, {"minutes": -1}],
        url="javascript:alert(1)",
        surprise=1,
    )
    answer = hub.call("POST", "/v1/events", body)
    assert answer.status_code == 422
    assert pointers(answer) == [
        "/end/date",
        "/reminders/1/minutes",
        "/start/time_zone",
        "/surprise",
        "/title",
        "/url",
    ]


@pytest.mark.parametrize(
    ("changes", "wrong"),
    [
        ({"end": {"date_time": "2026-12-01T11:00:00"}}, ["/end"]),
        ({"end": {"date": "2026-12-02"}}, ["/end"]),
        ({"start": {"date": "2026-12-02"}, "end": {"date": "2026-12-02"}}, ["/end"]),
        ({"recurrence": ["RRULE:FREQ=SOMETIMES"]}, ["/recurrence/0"]),
        (
            {"recurrence": ["RRULE:FREQ=DAILY;BYDAY=XX"], "end": {"date_time": "2026-12-01T11:00:00"}},
            ["/end", "/recurrence"],
        ),
        ({"recurrence": ["RRULE:FREQ=DAILY;UNTILL=20261231"]}, ["/recurrence/0"]),
        ({"recurrence": ["RRULE:FREQ=DAILY;COUNT=2;UNTIL=20261231T110000Z"]}, ["/recurrence/0"]),
        ({"recurrence": ["RRULE:FREQ=DAILY;UNTIL=20261231"]}, ["/recurrence/0"]),
        ({"recurrence": ["RRULE:FREQ=DAILY;UNTIL=20261231T120000"]}, ["/recurrence/0"]),
        ({"recurrence": ["RRULE:FREQ=DAILY", "RDATE;VALUE=DATE:20261224"]}, ["/recurrence/1"]),
        ({"recurrence": ["RRULE:FREQ=DAILY", "EXDATE;TZID=Mars/Base:20261224T120000"]}, ["/recurrence/1"]),
        ({"recurrence": ["RRULE:FREQ=DAILY", "RDATE:20261399T120000"]}, ["/recurrence/1"]),
        ({"recurrence": ["RRULE:FREQ=DAILY;BYHOUR=9"]}, ["/recurrence/0"]),
        (
            {
                "start": {"date": "2026-12-01"},
                "end": {"date": "2026-12-02"},
                "recurrence": ["RRULE:FREQ=DAILY;UNTIL=20261231T110000Z"],
            },
            ["/recurrence/0"],
        ),
        ({"description": "a", "description_html": "<p>b</p>"}, ["/description"]),
        ({"recurrence": ["RRULE:FREQ=MONTHLY;INTERVAL=0;BYDAY=MO"]}, ["/recurrence/0"]),
        ({"recurrence": ["RRULE:FREQ=SECONDLY;COUNT=100000000"]}, ["/recurrence/0"]),
        ({"recurrence": ["RRULE:FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30"]}, ["/recurrence"]),
        ({"recurrence": ["RRULE:FREQ=YEARLY;BYMONTH=5;BYSETPOS=3;BYMONTHDAY=3"]}, ["/recurrence"]),
        ({"exceptions": [{"original_start": "2026-12-08T12:00:00"}]}, ["/exceptions"]),
        (
            {
                "recurrence": ["RRULE:FREQ=DAILY;COUNT=2"],
                "exceptions": [{"original_start": "2026-12-01T09:00:00"}, {"original_start": "2026-12-02"}],
            },
            ["/exceptions/0/original_start", "/exceptions/1/original_start"],
        ),
        ({"start": {"date_time": "2026-12-01T12:00:00Z", "time_zone": None}}, ["/start/time_zone"]),
        ({"start": {"date": "2026-12-01", "time_zone": "Europe/Berlin"}}, ["/start/time_zone"]),
        ({"start": {"date": "0001-01-01"}, "end": {"date": "0001-01-02"}}, ["/end/date", "/start/date"]),
        ({"title": "a\0b"}, ["/title"]),
        ({"title": "x" * 1001, "description": "x" * 100_001}, ["/description", "/title"]),
        (
            {"metadata": {"deep": {"er": "1"}, "number": 1, "a b": "c", "half": "\ud83d"}},
            [
                "/metadata/a b",
                "/metadata/deep",
                "/metadata/half",
                "/metadata/number",
            ],
        ),
        ({"metadata": {str(i): "x" for i in range(51)}}, ["/metadata"]),
        (
            {"location": {"name": "", "latitude": "NaN", "longitude": 10**400}, "priority": 10**400},
            ["/location/latitude", "/location/longitude", "/priority"],
        ),
        (
            {
                "recurrence": ["RRULE:FREQ=DAILY"],
                "exceptions": [
                    {
                        "original_start": "2026-12-02T12:00:00",
                        "start": {"date_time": "2026-12-02T14:00:00"},
                        "end": {"date_time": "2026-12-02T13:00:00"},
                    }
                ],
            },
            ["/exceptions/0/end"],
        ),
    ],
)
def test_a_time_or_text_that_makes_no_sense_is_refused(
    hub: HubApp, changes: dict[str, Any], wrong: list[str]
) -> None:
    answer = hub.call("POST", "/v1/events", an_event(**changes))
    assert answer.status_code == 422
    assert pointers(answer) == wrong


def test_a_rule_that_repeats_within_the_day_is_refused_with_a_way_out(hub: HubApp) -> None:
    answer = hub.call("POST", "/v1/events", an_event(recurrence=["RRULE:FREQ=HOURLY;COUNT=3"]))
    assert pointers(answer) == ["/recurrence/0"]
    assert "make a daily series for each time of day" in answer.get_json()["errors"][0]["detail"]


def test_a_zone_that_is_left_out_is_the_calendars_and_null_is_floating(hub: HubApp) -> None:
    own = make(hub, start={"date_time": "2026-12-01T12:00:00"}, end={"date_time": "2026-12-01T13:00:00"})
    assert own["start"]["time_zone"] == "Europe/Berlin"
    wall = {"date_time": "2026-12-01T12:00:00", "time_zone": None}
    floating = make(hub, start=wall, end=wall | {"date_time": "2026-12-01T13:00:00"})
    assert floating["start"]["time_zone"] is None


def test_a_patch_changes_what_it_names_and_null_means_the_default(hub: HubApp) -> None:
    made = make(hub, location={"name": "Room"}, metadata={"a": "1", "b": "2"}, categories=["x"])
    path = f"/v1/events/{made['id']}"
    changed = hub.call(
        "PATCH", path, {"title": "Dinner", "location": None, "metadata": {"a": None, "c": "3"}}
    )
    assert changed.status_code == 200
    assert changed.headers["ETag"] == '"2"'
    body = changed.get_json()
    assert (body["title"], body["location"], body["categories"]) == ("Dinner", None, ["x"])
    assert body["metadata"] == {"b": "2", "c": "3"}
    assert body["start"] == made["start"]
    faults = hub.call(
        "PATCH", path, {"end": {"date_time": "2026-11-01T12:00:00", "time_zone": "Europe/Berlin"}}
    )
    assert pointers(faults) == ["/end"]


def test_a_stale_if_match_is_412_and_changes_nothing(hub: HubApp) -> None:
    path = f"/v1/events/{make(hub)['id']}"
    assert hub.call("PATCH", path, {"title": "first"}, If_Match='"1"').status_code == 200
    for header in ('"1"', 'W/"2"', '"x"'):
        answer = hub.call("PATCH", path, {"title": "second"}, If_Match=header)
        assert answer.status_code == 412
        assert answer.get_json()["type"] == "urn:coordinoter:problem:stale_version"
        assert hub.call("DELETE", path, If_Match=header).status_code == 412
    assert hub.call("GET", path).get_json()["title"] == "first"
    assert hub.call("DELETE", path, If_Match='"2"').status_code == 204
    assert hub.call("GET", path).status_code == 404


def test_a_repeated_post_with_its_key_makes_one_event(hub: HubApp) -> None:
    first = hub.call("POST", "/v1/events", an_event(), Idempotency_Key="k1")
    again = hub.call("POST", "/v1/events", an_event(), Idempotency_Key="k1")
    assert again.get_json() == first.get_json()
    assert again.headers["Idempotent-Replayed"] == "true"
    assert again.headers["ETag"] == first.headers["ETag"]
    other = hub.call("POST", "/v1/events", an_event(title="other"), Idempotency_Key="k1")
    assert other.status_code == 422
    assert len(hub.world.hub_events()) == 1


def test_a_post_that_failed_frees_its_key(hub: HubApp) -> None:
    assert (
        hub.call("POST", "/v1/events", an_event(calendar_id="cal_9"), Idempotency_Key="k").status_code == 422
    )
    assert hub.call("POST", "/v1/events", an_event(), Idempotency_Key="k").status_code == 201


def test_a_window_gives_what_overlaps_it_and_nothing_else(hub: HubApp) -> None:
    make(hub, title="inside")
    make(hub, title="before", start={"date": "2026-11-01"}, end={"date": "2026-11-02"})
    make(hub, title="across", start={"date": "2026-11-20"}, end={"date": "2026-12-20"})
    make(hub, title="weekly", recurrence=["RRULE:FREQ=WEEKLY;BYDAY=TU"])
    window = "start=2026-12-01T00:00:00Z&end=2026-12-02T00:00:00Z"
    found = hub.call("GET", f"/v1/events?{window}").get_json()["items"]
    assert sorted(e["title"] for e in found) == ["across", "inside", "weekly"]
    later = hub.call("GET", "/v1/events?start=2026-12-09T00:00:00Z&end=2026-12-10T00:00:00Z").get_json()[
        "items"
    ]
    assert [e["title"] for e in later] == ["across"], "a series without an occurrence there does not count"


def test_pages_show_every_event_once(hub: HubApp) -> None:
    for day in range(1, 8):
        make(hub, title=str(day), start={"date": f"2026-12-0{day}"}, end={"date": f"2026-12-0{day + 1}"})
    seen, cursor = [], ""
    while True:
        page = hub.call("GET", f"/v1/events?limit=3{cursor}").get_json()
        seen += [e["title"] for e in page["items"]]
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert seen == ["1", "2", "3", "4", "5", "6", "7"]
    assert hub.call("GET", "/v1/events?cursor=garbage").status_code == 422


def test_expansion_gives_occurrences_page_by_page_within_bounds(hub: HubApp) -> None:
    make(hub, recurrence=["RRULE:FREQ=DAILY"])
    window = "start=2026-12-01T00:00:00Z&end=2026-12-06T00:00:00Z&expand=true"
    first = hub.call("GET", f"/v1/events?{window}&limit=3").get_json()
    second = hub.call("GET", f"/v1/events?{window}&limit=3&cursor={first['next_cursor']}").get_json()
    starts = [e["occurrence"]["starts_at"] for e in first["items"] + second["items"]]
    assert starts == [f"2026-12-0{day}T11:00:00Z" for day in range(1, 6)]
    assert second["next_cursor"] is None
    assert hub.call("GET", "/v1/events?expand=true").status_code == 422
    far = "start=2026-12-01T00:00:00Z&end=2030-12-06T00:00:00Z&expand=true"
    assert hub.call("GET", f"/v1/events?{far}").status_code == 422


def test_metadata_finds_events_alone_and_in_a_window(hub: HubApp) -> None:
    make(hub, title="one", metadata={"ticket": "A-1", "team": "x=y"})
    make(hub, title="two", metadata={"ticket": "A-2", "team": "x=y"}, recurrence=["RRULE:FREQ=DAILY;COUNT=3"])
    make(hub, title="none")

    def titles(query: str) -> list[str]:
        return sorted(e["title"] for e in hub.call("GET", f"/v1/events?{query}").get_json()["items"])

    assert titles("metadata=ticket=A-1") == ["one"]
    assert titles("metadata=team=x=y") == ["one", "two"]
    assert titles("metadata=team=x=y&metadata=ticket=A-2") == ["two"]
    assert titles("metadata=ticket=A-3") == []
    window = "start=2026-12-01T00:00:00Z&end=2026-12-09T00:00:00Z&expand=true"
    assert titles(f"metadata=ticket=A-2&{window}") == ["two"] * 3
    assert hub.call("GET", "/v1/events?metadata=ticket").status_code == 422


def test_an_event_travels_and_its_copies_say_so(hub: HubApp) -> None:
    hub.world.linked_pair()
    made = make(hub)
    assert [copy["state"] for copy in made["copies"]] == ["waiting", "waiting"]
    hub.world.settle()
    read = hub.call("GET", f"/v1/events/{made['id']}").get_json()
    assert [copy["state"] for copy in read["copies"]] == ["synced", "synced"]
    assert hub.world.titles("left") == hub.world.titles("right") == ["Lunch"]


def test_the_change_log_tells_who_changed_what_in_order(hub: HubApp) -> None:
    path = f"/v1/events/{make(hub)['id']}"
    hub.call("PATCH", path, {"title": "Dinner"})
    hub.call("DELETE", path)
    page = hub.call("GET", "/v1/changes?limit=2").get_json()
    rest = hub.call("GET", f"/v1/changes?after={page['next_after']}").get_json()
    lines = page["items"] + rest["items"]
    assert [(line["seq"], line["kind"]) for line in lines] == [(1, "created"), (2, "updated"), (3, "deleted")]
    assert lines[1]["fields"] == {"title": {"before": "Lunch", "after": "Dinner"}}
    assert {line["actor"] for line in lines} == {"api_key"}
    assert page["more"] and not rest["more"]


@pytest.mark.parametrize(
    ("data", "kind", "status"),
    [
        (b"{", "application/json", 400),
        (b"[]", "application/json", 400),
        (b'{"title": NaN}', "application/json", 400),
        (b'{"location": {"name": "Here", "latitude": -Infinity}}', "application/json", 400),
        (b'{"metadata": {"number": 1e999}}', "application/json", 400),
        (b'{"priority": -1' + b"0" * 5000 + b"}", "application/json", 400),
        (b"[" * 100_000, "application/json", 400),
        (b'{"a":' * 40 + b"1" + b"}" * 40, "application/json", 400),
        (b"title=x", "application/x-www-form-urlencoded", 415),
        (b'"' + b"x" * 1_100_000 + b'"', "application/json", 413),
    ],
)
def test_a_body_that_is_not_plain_json_is_refused_in_words(
    hub: HubApp, data: bytes, kind: str, status: int
) -> None:
    headers = {"Authorization": f"Bearer {hub.key}"}
    answer = hub.app.test_client().post("/v1/events", data=data, content_type=kind, headers=headers)
    assert answer.status_code == status
    assert answer.content_type == "application/problem+json"
    assert answer.get_json()["request_id"] == answer.headers["X-Request-Id"]


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", "-1e400"])
def test_a_number_without_end_is_named_and_nothing_of_its_request_is_kept(hub: HubApp, number: str) -> None:
    event = make(hub, metadata={"ticket": "A-1"})
    body = '{"title": "Changed", "metadata": {"ticket": %s}, "location": {"name": "", "latitude": %s}}'
    headers = {"Authorization": f"Bearer {hub.key}"}
    answer = hub.app.test_client().patch(
        f"/v1/events/{event['id']}",
        data=body % (number, number),
        content_type="application/json",
        headers=headers,
    )
    assert (answer.status_code, answer.get_json()["type"]) == (400, "urn:coordinoter:problem:invalid_json")
    assert answer.get_json()["detail"].startswith(f"{number} is no number")
    stored = hub.call("GET", f"/v1/events/{event['id']}").get_json()
    assert (stored["version"], stored["title"], stored["metadata"]) == (1, "Lunch", {"ticket": "A-1"})


def test_an_event_that_a_person_has_moved_says_where_it_goes_on(hub: HubApp) -> None:
    world = hub.world
    world.add_calendar("cal_2")
    account = world.connect("left")
    world.link(account, "Main", "cal_1")
    world.link(account, "Team", "cal_2")
    world.settle()
    made = make(hub, calendar_id="cal_1")
    world.settle()
    calendars = {c.name: c.remote_id for c in world.services["left"].people[ANN].calendars.values()}
    (remote_id,) = world.remote("left", calendars["Main"])
    world.person_moves("left", remote_id, calendars["Main"], calendars["Team"])
    world.settle()
    (moved,) = world.hub_events("cal_2")
    for method in ("GET", "PATCH", "DELETE"):
        answer = hub.call(
            method, f"/v1/events/{made['id']}", {"title": "Later"} if method == "PATCH" else None
        )
        problem = answer.get_json()
        assert (answer.status_code, problem["type"]) == (404, "urn:coordinoter:problem:moved")
        assert f"event {moved}" in problem["detail"]
    hub.call("DELETE", f"/v1/events/{moved}")
    assert hub.call("GET", f"/v1/events/{made['id']}").get_json()["type"].endswith("not_found")

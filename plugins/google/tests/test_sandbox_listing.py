"""The sandbox lists as Google documents: series, pages, sync tokens and filters."""

from __future__ import annotations

import pytest
import requests

from hub.plugin.testing import timed
from hub_google.testing import ANN, Google, connect, ids, reason

# --- series ------------------------------------------------------------------------------------------


def test_a_series_keeps_the_wall_clock_where_zones_change_theirs(google: Google) -> None:
    for zone, first, hour in (
        ("Europe/Berlin", "2027-03-27", 9),
        ("America/New_York", "2027-03-13", 9),
        ("Australia/Lord_Howe", "2027-04-03", 9),
    ):
        start = {"dateTime": f"{first}T{hour:02}:00:00", "timeZone": zone}
        event = google.insert(start=start, end=start, recurrence=["RRULE:FREQ=DAILY;COUNT=3"])
        found = google.api("GET", google.events(f"/{event['id']}/instances"), timeZone=zone).json()["items"]
        offsets = {i["id"].rpartition("_")[2][9:] for i in found}
        assert len(found) == 3 and len(offsets) == 2, zone


@pytest.mark.parametrize(
    ("rule", "count"),
    [
        (["RRULE:FREQ=MONTHLY;BYMONTHDAY=31;UNTIL=20271231T235959Z"], 8),
        (["RRULE:FREQ=MONTHLY;BYDAY=-1SU;COUNT=3"], 3),
        (["RDATE;TZID=Europe/Berlin:20270110T090000,20270111T090000"], 3),
        (["RRULE:FREQ=DAILY;COUNT=5", "EXDATE;TZID=America/New_York:20270105T030000"], 4),
    ],
)
def test_rules_are_expanded_from_their_start(google: Google, rule: list[str], count: int) -> None:
    event = google.insert(recurrence=rule)
    assert len(google.api("GET", google.events(f"/{event['id']}/instances")).json()["items"]) == count


def test_one_occurrence_is_changed_and_deleted_without_touching_the_rule(google: Google) -> None:
    event = google.insert(recurrence=["RRULE:FREQ=DAILY;COUNT=5"], summary="Daily")
    one, two = (google.events(f"/{event['id']}_2027010{n}T080000Z") for n in (5, 6))
    assert google.api("GET", one).json()["recurringEventId"] == event["id"]
    changed = google.api("PATCH", one, {"summary": "Once"}).json()
    assert changed["originalStartTime"]["dateTime"].startswith("2027-01-05T09:00:00")
    assert google.api("DELETE", two).status_code == 204
    master = google.api("GET", google.events(f"/{event['id']}")).json()
    assert master["recurrence"] == event["recurrence"] and master["etag"] == event["etag"]
    page = google.listed()
    cancelled = next(i for i in page["items"] if i["status"] == "cancelled")
    assert set(cancelled) == {"kind", "etag", "id", "status", "recurringEventId", "originalStartTime"}
    single = google.listed(singleEvents="true", orderBy="startTime")["items"]
    assert [i["summary"] for i in single] == ["Daily", "Once", "Daily", "Daily"]
    assert google.api("GET", google.events(f"/{event['id']}_20290101T080000Z")).status_code == 404


# --- listing -----------------------------------------------------------------------------------------


def test_pages_end_with_the_only_sync_token_and_miss_no_change_made_between(google: Google) -> None:
    made = {google.insert()["id"] for _ in range(5)}
    page = google.listed(maxResults=2)
    assert "nextSyncToken" not in page
    late = google.insert()["id"]
    seen = ids(page)
    while "nextPageToken" in page:
        page = google.listed(maxResults=2, pageToken=page["nextPageToken"])
        seen |= ids(page)
    assert seen >= made
    assert late in ids(google.listed(syncToken=page["nextSyncToken"]))


def test_an_incremental_listing_shows_each_change_once_and_deletions_always(google: Google) -> None:
    one, two = google.insert()["id"], google.insert()["id"]
    token = google.listed()["nextSyncToken"]
    for title in ("a", "b"):
        google.api("PATCH", google.events(f"/{one}"), {"summary": title})
    google.api("DELETE", google.events(f"/{two}"))
    page = google.listed(syncToken=token)
    assert [(i["id"], i.get("summary")) for i in page["items"] if i["status"] != "cancelled"] == [(one, "b")]
    assert [set(i) for i in page["items"] if i["id"] == two] == [{"kind", "etag", "id", "status"}]
    assert google.listed(syncToken=page["nextSyncToken"])["items"] == []
    assert two not in ids(google.listed()) and two in ids(google.listed(showDeleted="true"))


@pytest.mark.parametrize(
    "query",
    [
        {"timeMin": "2027-01-01T00:00:00Z"},
        {"q": "x"},
        {"iCalUID": "x"},
        {"orderBy": "updated"},
        {"showDeleted": "false"},
        {"singleEvents": "true"},
    ],
)
def test_a_sync_token_goes_with_the_same_question_only(google: Google, query: dict[str, str]) -> None:
    token = google.listed()["nextSyncToken"]
    assert reason(google.api("GET", google.events(), syncToken=token, **query)) == (400, "invalid")


def test_a_sync_token_belongs_to_its_calendar_and_ends_with_age_or_rights(google: Google) -> None:
    token = google.listed()["nextSyncToken"]
    team = next(c["remote_id"] for c in google.control.people()[0]["calendars"] if c["name"] == "Team")
    answer = google.api("GET", google.events("", team), syncToken=token)
    assert answer.json()["error"]["message"] == "Invalid sync token value."
    google.role(ANN, "writer")
    assert reason(google.api("GET", google.events(), syncToken=token)) == (410, "fullSyncRequired")


def test_filters_choose(google: Google) -> None:
    a = google.insert(summary="Lunch with Bob", extendedProperties={"private": {"k": "v"}})
    b = google.insert(start={"date": "2027-02-01"}, end={"date": "2027-02-02"})
    assert ids(google.listed(q="bob")) == {a["id"]}
    assert ids(google.listed(privateExtendedProperty="k=v")) == {a["id"]}
    assert ids(google.listed(iCalUID=b["iCalUID"])) == {b["id"]}
    assert ids(google.listed(timeMin="2027-01-15T00:00:00Z")) == {b["id"]}
    assert ids(google.listed(timeMax="2027-01-15T00:00:00Z")) == {a["id"]}
    assert ids(google.listed(timeMin="2027-01-04T09:00:00Z")) == {b["id"]}
    assert ids(google.listed(eventTypes="birthday")) == set()


def test_partial_answers_and_other_zones(google: Google) -> None:
    google.insert()
    page = google.listed(fields="timeZone,items(id,start/dateTime)", timeZone="Asia/Tokyo")
    assert set(page) == {"timeZone", "items"} and set(page["items"][0]) == {"id", "start"}
    assert page["items"][0]["start"] == {"dateTime": "2027-01-04T17:00:00+09:00"}


def test_a_get_too_long_for_an_address_comes_as_a_post(google: Google) -> None:
    event = google.insert()
    answer = requests.post(
        f"{google.url}/calendar/v3/{google.events()}",
        data=f"iCalUID={event['iCalUID']}",
        headers={
            "Authorization": f"Bearer {google.grant.tokens.access_token}",
            "X-HTTP-Method-Override": "GET",
            "Content-Type": "application/x-www-form-urlencoded",
        },
        timeout=5,
    )
    assert ids(answer.json()) == {event["id"]}


def test_of_many_events_an_incremental_listing_shows_what_changed(google: Google) -> None:
    moment = google.now.replace(tzinfo=None, microsecond=0)
    for n in range(300):
        google.control.create(ANN, ANN, timed(f"Event {n}", moment))
    page = google.listed(maxResults=2500)
    one = min(ids(page))
    google.api("PATCH", google.events(f"/{one}"), {"summary": "x"})
    assert len(ids(page)) == 300
    assert ids(google.listed(syncToken=page["nextSyncToken"])) == {one}


def test_tombstones_are_forgotten_by_full_listings_after_a_time(google: Google) -> None:
    event = google.insert()
    google.api("DELETE", google.events(f"/{event['id']}"))
    google.control.switches(tombstone_days=10)
    assert event["id"] in ids(google.listed(showDeleted="true"))
    google.control.advance(11 * 86400)
    google.grant = connect(google.control, google.settings)
    assert event["id"] not in ids(google.listed(showDeleted="true"))


@pytest.mark.parametrize("ignored", [False, True])
def test_changed_occurrences_before_the_span_are_listed_by_switch(google: Google, ignored: bool) -> None:
    google.control.switches(exceptions_ignore_time_min=ignored)
    event = google.insert(recurrence=["RRULE:FREQ=DAILY"])
    one = f"{event['id']}_20270105T080000Z"
    google.api("DELETE", google.events(f"/{one}"))
    page = google.listed(timeMin="2027-02-01T00:00:00Z")
    assert event["id"] in ids(page) and (one in ids(page)) is ignored


def test_errors_come_in_the_newer_shape_by_switch(google: Google) -> None:
    google.control.switches(error_details=True)
    error = google.api("GET", google.events("/nosuch")).json()["error"]
    assert error["details"][0]["reason"] == error["errors"][0]["reason"] == "notFound"


def test_a_late_answer_is_an_answer(google: Google) -> None:
    google.control.fault("late", seconds=0.05, path="/events$")
    assert google.listed()["items"] == []
    assert google.control.ledger()["calls"][-1]["status"] == 200

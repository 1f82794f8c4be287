"""Series over the API: this occurrence, this and following, all; with versions, keys, the log and undo."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from hub.domain.recurrence import occurrences
from hub.models import EventCopy
from hub.plugin.testing import all_day, timed
from hub.plugin.types import EventContent, SeriesException, When
from tests.unit.api.hub_app import HubApp, an_event, pointers

MONTH = "from=2026-12-01T00:00:00Z&to=2027-01-01T00:00:00Z"


@pytest.fixture
def hub(sqlite_url: str, tmp_path: Path) -> HubApp:
    hub = HubApp(sqlite_url, tmp_path)
    hub.world.linked_pair()
    return hub


def make(hub: HubApp, **changes: Any) -> dict[str, Any]:
    """Return a daily series at noon from 1 to 10 December, in both linked calendars."""
    body = an_event(title="Standup", recurrence=["RRULE:FREQ=DAILY;COUNT=10"]) | changes
    answer = hub.call("POST", "/v1/events", body)
    assert answer.status_code == 201, answer.get_data(as_text=True)
    hub.world.settle()
    made: dict[str, Any] = answer.get_json()
    return made


def at(day: int, hour: int = 12) -> str:
    return f"2026-12-{day:02d}T{hour:02d}:00:00"


def moment(day: int, hour: int = 12) -> dict[str, str]:
    return {"date_time": at(day, hour), "time_zone": "Europe/Berlin"}


def one(series: dict[str, Any], day: int, scope: str = "") -> str:
    return f"/v1/events/{series['id']}/occurrences/{at(day)}" + (f"?scope={scope}" if scope else "")


def listed(hub: HubApp, series: dict[str, Any], more: str = "") -> list[tuple[str, str, str]]:
    """Return when each occurrence takes place, its state and its title."""
    items = hub.call("GET", f"/v1/events/{series['id']}/occurrences?{MONTH}{more}").get_json()["items"]
    return [(o["start"]["date_time"], o["state"], o["title"]) for o in items]


def everywhere(hub: HubApp) -> list[tuple[str, str]]:
    """Return what takes place, by title and start, once all three sides agree on it."""
    hub.world.settle()
    sides = [list(hub.world.remote(side).values()) for side in ("left", "right")]
    sides.append(list(hub.world.hub_events().values()))
    start, end = hub.world.clock.now().replace(year=2026, month=1), hub.world.clock.now().replace(year=2028)
    shown = [
        sorted(
            (o.start.isoformat(), o.exception.title or c.title if o.exception else c.title)
            for c in contents
            for o in occurrences(c.when, start, end, "UTC")
        )
        for contents in sides
    ]
    assert shown[0] == shown[1] == shown[2]
    return shown[0]


DAYS = [(at(day), "Standup") for day in range(1, 11)]


# --- listing ---


def test_occurrences_come_by_start_page_by_page_with_what_each_has_otherwise(hub: HubApp) -> None:
    made = make(
        hub,
        exceptions=[
            {"original_start": at(2), "cancelled": True},
            {"original_start": at(3), "title": "Special"},
            {"original_start": at(4), "start": moment(5, 9), "end": moment(5, 10)},
        ],
    )
    assert listed(hub, made)[:4] == [
        (at(1), "regular", "Standup"),
        (at(3), "changed", "Special"),
        (at(5, 9), "moved", "Standup"),
        (at(5), "regular", "Standup"),
    ]
    assert listed(hub, made, "&cancelled=true")[1] == (at(2), "cancelled", "Standup")
    seen: list[str] = []
    cursor = ""
    while True:
        page = hub.call("GET", f"/v1/events/{made['id']}/occurrences?{MONTH}&limit=4{cursor}").get_json()
        seen += [o["original_start"] for o in page["items"]]
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert seen == [at(d) for d in (1, 3, 4, 5, 6, 7, 8, 9, 10)]


def test_an_endless_series_is_expanded_within_bounds(hub: HubApp) -> None:
    made = make(hub, recurrence=["RRULE:FREQ=DAILY"])
    path = f"/v1/events/{made['id']}/occurrences"
    answer = hub.call("GET", f"{path}?limit=200").get_json()
    assert len(answer["items"]) == 200 and answer["next_cursor"]
    assert answer["items"][0]["original_start"] == at(1), "from now on if nothing else is said"
    far = hub.call("GET", f"{path}?from=2026-12-01T00:00:00Z&to=2028-12-01T00:00:00Z")
    assert pointers(far) == ["to"]
    assert hub.call("GET", f"{path}?from=2050-01-01T00:00:00Z&limit=1").get_json()["items"]


def test_a_single_event_is_its_own_occurrence(hub: HubApp) -> None:
    made = make(hub, recurrence=[])
    assert listed(hub, made) == [(at(1), "regular", "Standup")]
    assert hub.call("GET", one(made, 1)).get_json()["state"] == "regular"
    for method in ("PATCH", "DELETE"):
        answer = hub.call(method, one(made, 1), {} if method == "PATCH" else None)
        assert (answer.status_code, answer.get_json()["type"].split(":")[-1]) == (409, "not_a_series")


# --- this ---


def test_one_occurrence_is_changed_everywhere_and_the_others_are_not(hub: HubApp) -> None:
    made = make(hub)
    answer = hub.call("PATCH", one(made, 3), {"title": "Special", "start": moment(3, 15)}, If_Match='"1"')
    assert answer.status_code == 200 and answer.headers["ETag"] == '"2"'
    read = answer.get_json()
    assert (read["state"], read["title"], read["event_id"]) == ("moved", "Special", made["id"])
    assert (read["start"], read["end"]) == (moment(3, 15), moment(3, 16)), "as long as before"
    expected = sorted([*(d for d in DAYS if d[0] != at(3)), (at(3, 15), "Special")])
    assert everywhere(hub) == expected


def test_null_gives_an_occurrence_back_to_its_series(hub: HubApp) -> None:
    made = make(hub, location={"name": "Room"})
    hub.call("PATCH", one(made, 3), {"title": "Special", "location": {"name": ""}, "start": moment(3, 15)})
    assert hub.call("GET", one(made, 3)).get_json()["location"] is None
    back = hub.call("PATCH", one(made, 3), {"title": None, "location": None, "start": None}).get_json()
    assert (back["state"], back["location"]["name"]) == ("regular", "Room")
    assert hub.call("GET", f"/v1/events/{made['id']}").get_json()["exceptions"] == []
    assert everywhere(hub) == DAYS


def test_an_occurrence_is_cancelled_and_brought_back(hub: HubApp) -> None:
    made = make(hub)
    assert hub.call("DELETE", one(made, 3)).status_code == 204
    assert hub.call("DELETE", one(made, 3)).status_code == 204, "once is enough"
    assert hub.call("GET", f"/v1/events/{made['id']}").get_json()["version"] == 2
    assert everywhere(hub) == [d for d in DAYS if d[0] != at(3)]
    refused = hub.call("PATCH", one(made, 3), {"title": "Special"})
    assert (refused.status_code, refused.get_json()["type"].split(":")[-1]) == (409, "occurrence_cancelled")
    back = hub.call("PATCH", one(made, 3), {"cancelled": False, "title": "Back"}).get_json()
    assert (back["state"], back["title"]) == ("changed", "Back")
    assert len(everywhere(hub)) == 10


def test_an_occurrence_that_begins_at_a_skipped_time_is_edited_and_brought_back_as_any_other(
    hub: HubApp,
) -> None:
    night = {
        name: {"date_time": f"2027-03-27T{clock}", "time_zone": "Europe/Berlin"}
        for name, clock in (("start", "02:30:00"), ("end", "03:00:00"))
    }
    path = f"/v1/events/{make(hub, **night)['id']}/occurrences/2027-03-28T02:30:00"
    assert hub.call("DELETE", path).status_code == 204
    for change in ({"cancelled": False}, {"title": "Special"}, {"title": None, "start": None}):
        shown = hub.call("PATCH", path, change).get_json()
        assert (shown["starts_at"], shown["ends_at"]) == ("2027-03-28T01:30:00Z", "2027-03-28T02:00:00Z")


def test_an_occurrence_may_be_named_by_an_instant_or_a_date(hub: HubApp) -> None:
    made = make(hub)
    path = f"/v1/events/{made['id']}/occurrences"
    for name in ("2026-12-03T11:00:00Z", "2026-12-03T12:00:00+01:00"):
        assert hub.call("GET", f"{path}/{name}").get_json()["original_start"] == at(3)
    for name in ("2026-12-03T11:00:00", "2026-12-30T12:00:00", "2026-12-03", "soon"):
        assert hub.call("GET", f"{path}/{name}").status_code == 404
    days = make(hub, start={"date": "2026-12-01"}, end={"date": "2026-12-02"})
    found = hub.call("GET", f"/v1/events/{days['id']}/occurrences/2026-12-03").get_json()
    assert (found["start"], found["end"]) == ({"date": "2026-12-03"}, {"date": "2026-12-04"})


def test_an_occurrence_of_which_only_a_start_in_another_zone_is_said_is_as_long_as_the_others(
    hub: HubApp,
) -> None:
    own = {"original_start": at(3), "start": {"date_time": at(3), "time_zone": "America/New_York"}}
    series = make(hub, exceptions=[own])
    shown = hub.call("GET", one(series, 3)).get_json()
    assert (shown["starts_at"], shown["ends_at"]) == ("2026-12-03T17:00:00Z", "2026-12-03T18:00:00Z")
    everywhere(hub)


DAY = date(2026, 12, 3)
HOURS = timed("", datetime(2026, 12, 3, 12)).when
HOUR = SeriesException(
    DAY, start=HOURS.start, end=HOURS.end, start_zone="Europe/Berlin", end_zone="Europe/Berlin"
)
WHOLE = SeriesException(HOURS.start, start=DAY, end=DAY + timedelta(days=1))


@pytest.mark.parametrize(
    ("when", "own"), [(all_day("", DAY).when, HOUR), (HOURS, WHOLE)], ids=["hour", "day"]
)
def test_an_occurrence_of_another_kind_than_its_series_is_edited_as_any_other(
    hub: HubApp, when: When, own: SeriesException
) -> None:
    daily = replace(when, recurrence=("RRULE:FREQ=DAILY;COUNT=3",), exceptions=(own,))
    hub.world.person_creates("left", EventContent(title="Standup", when=daily))
    hub.world.settle()
    (event_id,) = hub.world.hub_events()
    path = f"/v1/events/{event_id}/occurrences/{when.start.isoformat()}"
    before = hub.call("GET", path).get_json()
    after = hub.call("PATCH", path, {"title": "Special"}).get_json()
    assert (after["title"], after["start"], after["end"]) == ("Special", before["start"], before["end"])
    everywhere(hub)
    assert pointers(hub.call("PATCH", path, {"end": None})) == ["/end"], "both ends are of one kind"
    back = hub.call("PATCH", path, {"start": None}).get_json()
    assert back["start"] != before["start"] and back["end"] != before["end"]
    everywhere(hub)


def test_what_is_wrong_with_a_change_is_said(hub: HubApp) -> None:
    made = make(hub)
    whole = {"recurrence": [], "metadata": {"a": "b"}, "priority": 1, "url": "https://x.test"}
    assert pointers(hub.call("PATCH", one(made, 3), whole)) == sorted(f"/{name}" for name in whole)
    early = {"end": moment(3, 11)}
    assert pointers(hub.call("PATCH", one(made, 3), early)) == ["/end"]
    assert pointers(hub.call("PATCH", one(made, 3), {"start": {"date": "2026-12-03"}})) == ["/start"]
    assert pointers(hub.call("PATCH", one(made, 3, "all"), {"title": "x"})) == ["scope"]
    assert hub.call("PATCH", one(made, 3), {"title": "x"}, If_Match='"7"').status_code == 412
    assert hub.call("DELETE", one(made, 3), If_Match='"7"').status_code == 412


# --- this and following ---


def split(hub: HubApp, made: dict[str, Any], day: int, **changes: Any) -> dict[str, Any]:
    answer = hub.call("PATCH", one(made, day, "this_and_following"), changes)
    assert answer.status_code == 200, answer.get_data(as_text=True)
    found: dict[str, Any] = hub.call("GET", f"/v1/events/{answer.get_json()['event_id']}").get_json()
    return found


def test_this_and_following_become_a_series_of_their_own(hub: HubApp) -> None:
    made = make(
        hub,
        description="Text",
        attendees=[{"email": "b@x.test"}],
        conference={"url": "https://meet.test/1"},
        metadata={"ticket": "A-1"},
        exceptions=[{"original_start": at(d), "cancelled": True} for d in (2, 8)],
    )
    new = split(hub, made, 5, title="Later", start=moment(5, 14), end=moment(5, 15), metadata={"half": "2"})
    old = hub.call("GET", f"/v1/events/{made['id']}").get_json()
    assert (new["split_from"], old["split_into"], old["split_from"]) == (made["id"], [new["id"]], None)
    assert old["recurrence"] == ["RRULE:FREQ=DAILY;UNTIL=20261204T110000Z"]
    assert new["recurrence"] == ["RRULE:FREQ=DAILY;COUNT=6"]
    assert [e["original_start"] for e in old["exceptions"]] == [at(2)]
    assert [e["original_start"] for e in new["exceptions"]] == [at(8, 14)]
    assert (new["description"], new["conference"]["url"]) == ("Text", "https://meet.test/1")
    assert [a["email"] for a in new["attendees"]] == ["b@x.test"]
    assert (new["metadata"], old["metadata"]) == ({"ticket": "A-1", "half": "2"}, {"ticket": "A-1"})
    assert new["uid"] != old["uid"]
    assert everywhere(hub) == [
        *((at(d), "Standup") for d in (1, 3, 4)), *((at(d, 14), "Later") for d in (5, 6, 7, 9, 10)),
    ]  # fmt: skip


def test_what_follows_from_a_later_start_on_is_as_long_as_before(hub: HubApp) -> None:
    made = make(hub)
    new = split(hub, made, 5, start=moment(5, 15))
    assert (new["start"], new["end"]) == (moment(5, 15), moment(5, 16))
    assert everywhere(hub) == [
        *((at(d), "Standup") for d in range(1, 5)), *((at(d, 15), "Standup") for d in range(5, 11)),
    ]  # fmt: skip


def test_a_split_costs_one_create_and_one_update_in_each_calendar(hub: HubApp) -> None:
    made = make(hub)
    before = hub.world.writes()
    split(hub, made, 5, title="Later")
    hub.world.settle()
    assert hub.world.writes() - before == 2 * 2


def test_the_first_occurrence_and_all_that_follow_are_the_event_itself(hub: HubApp) -> None:
    made = make(hub)
    changed = split(hub, made, 1, title="Renamed")
    assert (changed["id"], changed["title"], changed["version"]) == (made["id"], "Renamed", 2)
    assert everywhere(hub) == [(start, "Renamed") for start, _ in DAYS]


def test_a_change_from_a_changed_occurrence_on_shows_there_too(hub: HubApp) -> None:
    made = make(hub, exceptions=[{"original_start": at(5), "title": "Special", "location": {"name": "Hut"}}])
    new = split(hub, made, 5, title="Later")
    (exception,) = new["exceptions"]
    assert (exception.get("title"), exception["location"]["name"]) == (None, "Hut")


def test_what_follows_is_deleted(hub: HubApp) -> None:
    made = make(hub)
    assert hub.call("DELETE", one(made, 5, "this_and_following"), If_Match='"1"').status_code == 204
    assert everywhere(hub) == DAYS[:4]
    assert hub.call("DELETE", one(made, 5, "this_and_following")).status_code == 404
    assert hub.call("DELETE", one(made, 1, "this_and_following")).status_code == 204
    assert everywhere(hub) == []
    assert hub.call("GET", f"/v1/events/{made['id']}").status_code == 404


def test_a_repeated_split_with_its_key_is_one_split(hub: HubApp) -> None:
    made = make(hub)
    path, body = one(made, 5, "this_and_following"), {"title": "Later"}
    first = hub.call("PATCH", path, body, Idempotency_Key="split-1")
    again = hub.call("PATCH", path, body, Idempotency_Key="split-1")
    assert again.get_json() == first.get_json() and again.headers["Idempotent-Replayed"] == "true"
    assert hub.call("PATCH", path, body).status_code == 404, "the old series has no such occurrence any more"
    assert len(hub.world.hub_events()) == 2


def test_a_series_is_split_at_a_date_of_its_own(hub: HubApp) -> None:
    dates = ["RRULE:FREQ=WEEKLY;COUNT=3", "RDATE;TZID=Europe/Berlin:20261210T120000,20261218T120000"]
    made = make(hub, recurrence=dates)
    path = f"/v1/events/{made['id']}/occurrences/{at(10)}?scope=this_and_following"
    answer = hub.call("PATCH", path, {"title": "Later"})
    assert answer.status_code == 200, answer.get_json()
    assert answer.get_json()["start"]["date_time"] == at(10)
    assert everywhere(hub) == [
        *((at(day), "Standup") for day in (1, 8)), *((at(day), "Later") for day in (10, 15, 18)),
    ]  # fmt: skip


def test_a_split_that_makes_no_sense_is_refused_and_changes_nothing(hub: HubApp) -> None:
    dates = ["RRULE:FREQ=WEEKLY;COUNT=4", "RDATE;TZID=Europe/Berlin:20261203T150000"]
    made = make(hub, recurrence=dates, exceptions=[{"original_start": at(15), "cancelled": True}])
    path = f"/v1/events/{made['id']}/occurrences/{at(3, 15)}?scope=this_and_following"
    answer = hub.call("PATCH", path, {"title": "Later"})
    assert (answer.status_code, answer.get_json()["type"].split(":")[-1]) == (409, "cannot_split")
    cancelled = hub.call("PATCH", one(made, 15, "this_and_following"), {"title": "Later"})
    assert cancelled.get_json()["type"].split(":")[-1] == "occurrence_cancelled"
    stale = hub.call("PATCH", one(made, 8, "this_and_following"), {"title": "x"}, If_Match='"9"')
    assert stale.status_code == 412
    assert pointers(hub.call("PATCH", one(made, 8, "this_and_following"), {"cancelled": True})) == [
        "/cancelled"
    ]
    assert hub.call("GET", f"/v1/events/{made['id']}").get_json()["version"] == 1


def test_somebody_elses_meeting_is_not_split(hub: HubApp) -> None:
    made = make(hub)
    with hub.world.ports.db.transaction() as session:
        session.scalars(select(EventCopy)).first().read_only = "It is Ann's meeting."  # type: ignore[union-attr]
    answer = hub.call("PATCH", one(made, 5, "this_and_following"), {"title": "Later"})
    assert (answer.status_code, answer.get_json()["type"].split(":")[-1]) == (409, "not_yours_to_split")
    assert "Ann" in answer.get_json()["detail"]


# --- the log, and undo ---


def test_the_history_tells_both_halves_of_each_other(hub: HubApp) -> None:
    made = make(hub)
    new = split(hub, made, 5, title="Later")
    ours = hub.call("GET", f"/v1/events/{made['id']}/history").get_json()["items"][-1]
    theirs = hub.call("GET", f"/v1/events/{new['id']}/history").get_json()["items"][0]
    assert ours["fields"]["split_into"] == {"before": None, "after": new["id"]}
    assert theirs["fields"]["split_from"] == {"after": made["id"]}
    assert ours["run_id"] == theirs["run_id"]


@pytest.mark.parametrize("way", ["run", "the old half", "the new half", "version"])
def test_undoing_a_split_puts_one_series_back(hub: HubApp, way: str) -> None:
    made = make(hub, exceptions=[{"original_start": at(8), "title": "Special"}])
    before = everywhere(hub)
    new = split(hub, made, 5, title="Later")
    hub.world.settle()
    old_line = hub.call("GET", f"/v1/events/{made['id']}/history").get_json()["items"][-1]
    new_line = hub.call("GET", f"/v1/events/{new['id']}/history").get_json()["items"][0]
    path = {
        "run": f"/v1/runs/{old_line['run_id']}/undo",
        "the old half": f"/v1/changes/{old_line['seq']}/undo",
        "the new half": f"/v1/changes/{new_line['seq']}/undo",
        "version": f"/v1/events/{made['id']}/versions/1/revert",
    }[way]
    preview = hub.call("GET", path).get_json()
    assert (preview["counts"]["updated"], preview["counts"]["deleted"]) == (1, 1)
    undone = hub.call("POST", path, {})
    assert undone.status_code == 200, undone.get_data(as_text=True)
    assert everywhere(hub) == before
    assert hub.call("GET", f"/v1/events/{new['id']}").status_code == 404
    whole = hub.call("GET", f"/v1/events/{made['id']}").get_json()
    assert (whole["recurrence"], whole["split_into"]) == (made["recurrence"], [])
    hub.call("POST", f"/v1/runs/{undone.get_json()['run_id']}/undo", {})
    assert hub.call("GET", f"/v1/events/{new['id']}").get_json()["split_from"] == made["id"]
    assert len(everywhere(hub)) == 10


def test_undoing_a_split_leaves_what_others_have_changed_since(hub: HubApp) -> None:
    made = make(hub)
    new = split(hub, made, 5, title="Later")
    hub.world.settle()
    hub.call("PATCH", f"/v1/events/{new['id']}", {"title": "Much later"})
    seq = hub.call("GET", f"/v1/events/{made['id']}/history").get_json()["items"][-1]["seq"]
    preview = hub.call("GET", f"/v1/changes/{seq}/undo").get_json()
    kept = {item["event_id"]: item["kept"] for item in preview["items"]}
    assert kept[new["id"]], "an edit wins over a deletion"


def test_the_ends_of_time_are_no_trouble(hub: HubApp) -> None:
    made = make(hub, recurrence=["RRULE:FREQ=WEEKLY;UNTIL=99991231T235959Z", "RDATE:99991231T230000"])
    path = f"/v1/events/{made['id']}"
    for span in ("from=9999-12-31T00:00:00Z", "to=0001-01-02T00:00:00Z", "from=0001-01-01T00:00:00Z"):
        assert hub.call("GET", f"{path}/occurrences?{span}").status_code == 200, span
    for zone in ("Asia/Kathmandu", "America/New_York"):
        begin, finish = ({"date_time": at(1, hour), "time_zone": zone} for hour in (20, 21))
        moved = hub.call("PATCH", path, {"start": begin, "end": finish})
        assert (moved.status_code, pointers(moved)) == (422, ["/start"]), "the last date has nowhere to go"
    ended = hub.call("DELETE", one(made, 8, "this_and_following"))
    assert ended.status_code == 204

"""Series in the sandbox, as Graph's and Exchange's pages describe them: shapes, days, ids, exceptions."""

from __future__ import annotations

from typing import Any

import pytest

from hub.plugin.testing import Connected
from hub_outlook.testing import DAILY, ENDLESS, IMMUTABLE, TIMES, VIEW, Wire, made

YEARS = {"startDateTime": "2027-01-01T00:00:00Z", "endDateTime": "2032-01-01T00:00:00Z"}
FROM = {"type": "noEnd", "startDate": "2027-01-04"}


def instances(wire: Wire, master: str, span: dict[str, str] = VIEW, **more: Any) -> list[dict[str, Any]]:
    answer = wire("GET", f"me/events/{master}/instances", **span, **{"$top": "1000"}, **more)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["value"]
    return found


def days(wire: Wire, pattern: dict[str, Any], first: str, span: dict[str, Any], count: int = 5) -> list[str]:
    """Return the first days of a series, by its own zone's dates."""
    ends = (("start", "09:00"), ("end", "09:30"))
    at = {name: {"dateTime": f"{first}T{clock}:00", "timeZone": "UTC"} for name, clock in ends}
    event = made(wire, **at, recurrence={"pattern": pattern, "range": {"startDate": first} | span})
    return [shown["start"]["dateTime"][:10] for shown in instances(wire, event["id"], YEARS)][:count]


# --- shapes ---


@pytest.mark.parametrize(
    ("pattern", "shown"),
    [
        ({"type": "daily", "interval": 3}, {}),
        ({"type": "weekly", "interval": 1, "daysOfWeek": ["Monday"]}, {"daysOfWeek": ["monday"]}),
        ({"type": "absoluteMonthly", "interval": 1, "dayOfMonth": 4}, {"dayOfMonth": 4}),
        ({"type": "relativeMonthly", "interval": 1, "daysOfWeek": ["monday"]}, {"daysOfWeek": ["monday"]}),
        (
            {"type": "absoluteYearly", "interval": 1, "dayOfMonth": 4, "month": 1},
            {"dayOfMonth": 4, "month": 1},
        ),
        (
            {"type": "RELATIVEYEARLY", "interval": 1, "daysOfWeek": ["monday"], "month": 1, "index": "Last"},
            {"type": "relativeYearly", "daysOfWeek": ["monday"], "month": 1, "index": "last"},
        ),
    ],
)
def test_a_pattern_is_shown_with_placeholders_for_what_it_does_not_use(
    wire: Wire, pattern: dict[str, Any], shown: dict[str, Any]
) -> None:
    rule = made(wire, recurrence={"pattern": pattern, "range": FROM})["recurrence"]
    unused = {"month": 0, "dayOfMonth": 0, "daysOfWeek": [], "firstDayOfWeek": "sunday", "index": "first"}
    assert rule["pattern"] == unused | pattern | shown
    assert rule["range"] == FROM | {
        "endDate": "0001-01-01",
        "numberOfOccurrences": 0,
        "recurrenceTimeZone": "W. Europe Standard Time",
    }


@pytest.mark.parametrize(
    "pattern",
    [
        {"type": "sometimes", "interval": 1},
        {"type": "daily"},
        {"type": "daily", "interval": 1000},
        {"type": "daily", "interval": 1, "dayOfMonth": 32},
        {"type": "daily", "interval": 1, "firstDayOfWeek": "someday"},
        {"type": "weekly", "interval": 1, "daysOfWeek": ["noday"]},
        {"type": "absoluteMonthly", "interval": 1},
        {"type": "absoluteMonthly", "interval": 100, "dayOfMonth": 4},
        {"type": "relativeMonthly", "interval": 1},
        {"type": "absoluteYearly", "interval": 1, "dayOfMonth": 4},
        {"type": "relativeYearly", "interval": 1, "daysOfWeek": ["monday"]},
    ],
)
def test_a_pattern_that_lacks_or_mistakes_something_is_refused(wire: Wire, pattern: dict[str, Any]) -> None:
    rule = {"pattern": pattern, "range": FROM}
    assert wire.code("POST", "me/events", TIMES | {"recurrence": rule}) == (400, "ErrorInvalidRequest")


@pytest.mark.parametrize("required", [False, True])
def test_a_week_may_have_to_say_when_it_begins(ann: Connected, wire: Wire, required: bool) -> None:
    ann.control.switches(first_day_required=required)
    weekly = {"type": "weekly", "interval": 1, "daysOfWeek": ["monday"]}
    status = 400 if required else 201
    body = TIMES | {"recurrence": {"pattern": weekly, "range": FROM}}
    assert wire("POST", "me/events", body).status_code == status
    body["recurrence"]["pattern"]["firstDayOfWeek"] = "monday"
    assert wire("POST", "me/events", body).status_code == 201


# --- days ---

ENDS = {"type": "numbered", "numberOfOccurrences": 5}


@pytest.mark.parametrize(
    ("pattern", "first", "found"),
    [
        ({"type": "absoluteMonthly", "dayOfMonth": 31}, "2027-01-31", "01-31 02-28 03-31 04-30 05-31"),
        ({"type": "absoluteMonthly", "dayOfMonth": 29}, "2027-01-29", "01-29 02-28 03-29 04-29 05-29"),
        (
            {"type": "absoluteYearly", "dayOfMonth": 29, "month": 2},
            "2027-02-28",
            "02-28 02-29 02-28 02-28 02-28",
        ),
        (
            {"type": "relativeMonthly", "index": "last", "daysOfWeek": ["friday"]},
            "2027-01-29",
            "01-29 02-26 03-26 04-30 05-28",
        ),
        (
            {"type": "relativeMonthly", "index": "first", "daysOfWeek": ["saturday", "sunday"]},
            "2027-01-02",
            "01-02 02-06 03-06 04-03 05-01",
        ),
        (
            {
                "type": "weekly",
                "interval": 2,
                "daysOfWeek": ["sunday", "tuesday"],
                "firstDayOfWeek": "sunday",
            },
            "2027-01-05",
            "01-05 01-17 01-19 01-31 02-02",
        ),
        (
            {
                "type": "weekly",
                "interval": 2,
                "daysOfWeek": ["sunday", "tuesday"],
                "firstDayOfWeek": "monday",
            },
            "2027-01-05",
            "01-05 01-10 01-19 01-24 02-02",
        ),
    ],
)
def test_days_are_computed_as_exchange_does(
    wire: Wire, pattern: dict[str, Any], first: str, found: str
) -> None:
    assert [d[5:] for d in days(wire, {"interval": 1} | pattern, first, ENDS)] == found.split()


def test_wall_time_is_kept_over_a_clock_change(wire: Wire) -> None:
    at = {
        name: {"dateTime": f"2027-03-27T{hour}:00:00", "timeZone": "W. Europe Standard Time"}
        for name, hour in (("start", "09"), ("end", "10"))
    }
    span = {"type": "numbered", "startDate": "2027-03-27", "numberOfOccurrences": 2}
    event = made(wire, **at, recurrence={"pattern": {"type": "daily", "interval": 1}, "range": span})
    starts = [shown["start"]["dateTime"][:16] for shown in instances(wire, event["id"], YEARS)]
    assert starts == ["2027-03-27T08:00", "2027-03-28T07:00"]


# --- ids ---


def test_ids_of_occurrences_stay_until_the_series_gets_another_time(wire: Wire) -> None:
    event = made(wire, recurrence=DAILY)
    before = instances(wire, event["id"])
    wire("PATCH", f"me/events/{event['id']}", {"subject": "Another name"})
    assert [e["id"] for e in instances(wire, event["id"])] == [e["id"] for e in before]
    assert [e["occurrenceId"] for e in before] == [f"OID.{event['id']}.2027-01-0{n}" for n in range(4, 9)]
    assert [e["iCalUId"][32:40] for e in before] == [f"07EB010{n}" for n in range(4, 9)]
    assert event["iCalUId"][32:40] == "0" * 8
    wire("PATCH", f"me/events/{event['id']}", CHANGES["end"])
    after = instances(wire, event["id"])
    assert not {e["id"] for e in before} & {e["id"] for e in after}
    assert [e["occurrenceId"] for e in before] == [e["occurrenceId"] for e in after]
    assert wire.code("GET", f"me/events/{before[0]['id']}") == (404, "ErrorItemNotFound")


# --- exceptions ---


def at_day(day: str, hour: str = "15") -> dict[str, Any]:
    return {
        "start": {"dateTime": f"2027-01-{day}T{hour}:00:00", "timeZone": "UTC"},
        "end": {"dateTime": f"2027-01-{day}T{hour}:30:00", "timeZone": "UTC"},
    }


def test_a_changed_occurrence_keeps_its_id_and_shows_what_is_its_own(wire: Wire) -> None:
    event = made(wire, recurrence=DAILY, subject="Daily")
    second = instances(wire, event["id"])[1]
    changed = wire("PATCH", f"me/events/{second['id']}", at_day("05")).json()
    assert (changed["id"], changed["type"], changed["recurrence"]) == (second["id"], "exception", None)
    assert changed["changeKey"] != second["changeKey"]
    wire("PATCH", f"me/events/{event['id']}", {"subject": "Renamed"})
    shown = wire("GET", f"me/events/{second['id']}").json()
    assert (shown["subject"], shown["start"]["dateTime"][:16]) == ("Renamed", "2027-01-05T15:00")
    assert shown["originalStart"] == "2027-01-05T08:00:00Z"


@pytest.mark.parametrize("day", ["04", "06", "09"])
def test_an_occurrence_does_not_reach_the_day_of_its_neighbour(wire: Wire, day: str) -> None:
    second = instances(wire, made(wire, recurrence=DAILY)["id"])[1]
    refused = wire.code("PATCH", f"me/events/{second['id']}", at_day(day))
    assert refused == (400, "ErrorOccurrenceCrossingBoundary")
    assert wire("PATCH", f"me/events/{second['id']}", at_day("05", "21")).status_code == 200


CHANGES: dict[str, dict[str, Any]] = {
    "subject": {"subject": "Renamed"},
    "recurrence": {"recurrence": DAILY | {"range": DAILY["range"] | {"numberOfOccurrences": 4}}},
    "end": {"end": {"dateTime": "2027-01-04T11:00:00", "timeZone": "W. Europe Standard Time"}},
    "start": {"start": {"dateTime": "2027-01-04T08:30:00", "timeZone": "W. Europe Standard Time"}},
}


@pytest.mark.parametrize("dropping", [[], ["recurrence", "start", "end"], ["recurrence"], ["start"], ["*"]])
@pytest.mark.parametrize("kind", CHANGES)
def test_which_changes_of_a_master_undo_its_exceptions_is_a_switch(
    ann: Connected, wire: Wire, dropping: list[str], kind: str
) -> None:
    ann.control.switches(drop_exceptions=dropping)
    event = made(wire, recurrence=DAILY)
    _, second, third, *_ = instances(wire, event["id"])
    wire("PATCH", f"me/events/{second['id']}", {"subject": "Special"})
    wire("DELETE", f"me/events/{third['id']}")
    wire("PATCH", f"me/events/{event['id']}", CHANGES[kind])
    undone = "*" in dropping or kind in dropping
    found = instances(wire, event["id"])
    assert ("Special" in {e["subject"] for e in found}) != undone
    assert ("2027-01-06" in {e["start"]["dateTime"][:10] for e in found}) == undone
    shown = wire("GET", f"me/events/{event['id']}", **{"$select": "cancelledOccurrences"}).json()
    assert bool(shown["cancelledOccurrences"]) != undone


def test_a_series_without_its_rule_is_one_event(wire: Wire) -> None:
    event = made(wire, recurrence=DAILY)
    shown = wire("PATCH", f"me/events/{event['id']}", {"recurrence": None}).json()
    assert (shown["type"], shown["recurrence"]) == ("singleInstance", None)
    assert len(wire("GET", "me/calendarView", **VIEW).json()["value"]) == 1


# --- lists ---


def test_instances_come_in_pages_with_the_exceptions_first(wire: Wire) -> None:
    event = made(wire, recurrence=ENDLESS)
    tenth = instances(wire, event["id"])[9]
    wire("PATCH", f"me/events/{tenth['id']}", {"subject": "Special"})
    page = wire("GET", f"me/events/{event['id']}/instances", **VIEW).json()
    assert len(page["value"]) == 10 and page["value"][0]["id"] == tenth["id"]
    second = wire("GET", page["@odata.nextLink"]).json()["value"]
    assert not {e["id"] for e in second} & {e["id"] for e in page["value"]}
    for bound in VIEW:
        query = {name: value for name, value in VIEW.items() if name != bound}
        assert wire.code("GET", f"me/events/{event['id']}/instances", **query)[0] == 400


def test_what_happened_to_days_is_shown_of_one_master_and_only_if_asked_for(wire: Wire) -> None:
    event = made(wire, recurrence=DAILY)
    _, second, third, *_ = instances(wire, event["id"])
    wire("PATCH", f"me/events/{second['id']}", {"subject": "Special"})
    wire("DELETE", f"me/events/{third['id']}")
    names = {"cancelledOccurrences", "exceptionOccurrences"}
    asked = {"$select": f"subject,occurrenceId,{','.join(sorted(names))}", "$expand": "exceptionOccurrences"}
    one, listed = f"me/events/{event['id']}", "me/events"
    assert not names & wire("GET", one).json().keys()
    assert not names & wire("GET", listed, **asked).json()["value"][0].keys()
    assert not names & wire("GET", one, **{"$expand": asked["$expand"]}).json().keys()
    only_selected = wire("GET", one, **{"$select": asked["$select"]}).json()
    assert names & only_selected.keys() == {"cancelledOccurrences"}
    shown = wire("GET", one, headers=IMMUTABLE, **asked).json()
    assert shown["cancelledOccurrences"] == [f"OID.{event['id']}.2027-01-06"], "the regular id stands in it"
    (exception,) = shown["exceptionOccurrences"]
    assert (exception["subject"], exception["occurrenceId"][-10:]) == ("Special", "2027-01-05")
    assert "body" not in exception

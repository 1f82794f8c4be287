"""The options of a link over the API: what is shown, what may be changed, and what makes no sense."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.memory_provider import revoke
from tests.unit.api.hub_app import HubApp, an_event

USUAL = {
    "direction": "two_way",
    "detail": "full",
    "busy_title": "Busy",
    "filters": {
        "declined": False, "free": True, "all_day": True, "past": True,
        "only_categories": [], "without_categories": [],
    },
    "leave_alone": [],
    "policy": "newest",
    "past_days": 90,
    "future_days": 400,
}  # fmt: skip


@pytest.fixture
def hub(sqlite_url: str, tmp_path: Path) -> HubApp:
    hub = HubApp(sqlite_url, tmp_path)
    hub.world.connect("left")
    return hub


def linked(hub: HubApp, **options: Any) -> dict[str, Any]:
    remotes = hub.call("GET", "/v1/accounts/acc_left_ann/remote_calendars").get_json()["items"]
    remote = next(c["id"] for c in remotes if c["primary"])
    body = {"calendar_id": "cal_1", "remote_calendar_id": remote} | options
    answer = hub.call("POST", "/v1/links", body)
    assert answer.status_code == 201, answer.get_json()
    hub.world.settle()
    return dict(answer.get_json())


def test_links_are_listed_of_one_user_calendar_or_account(hub: HubApp) -> None:
    link = linked(hub)
    someone = hub.call("POST", "/v1/users", {"external_id": "someone"}).get_json()["id"]
    for name, of_it, of_another in (
        ("user_id", "usr_1", someone),
        ("calendar_id", "cal_1", "cal_2"),
        ("account_id", "acc_left_ann", "acc_right_ann"),
    ):
        listed = hub.call("GET", f"/v1/links?{name}={of_it}").get_json()["items"]
        assert [each["id"] for each in listed] == [link["id"]]
        assert hub.call("GET", f"/v1/links?{name}={of_another}").get_json()["items"] == []
    assert hub.call("GET", f"/v1/links?user_id={someone}&calendar_id=cal_1").get_json()["items"] == []


def test_a_link_at_rest_is_not_synced_before_it_is_resumed(hub: HubApp) -> None:
    link = f"/v1/links/{linked(hub)['id']}"
    hub.call("POST", f"{link}/pause")
    refused = hub.call("POST", f"{link}/sync", {})
    assert (refused.status_code, refused.get_json()["type"]) == (409, "urn:coordinoter:problem:link_at_rest")
    hub.call("POST", f"{link}/resume")
    assert hub.call("POST", f"{link}/sync", {}).status_code == 202
    revoke(hub.world.services["left"], "ann@example.test")
    hub.world.wait(10)
    refused = hub.call("POST", f"{link}/sync", {})
    assert (refused.status_code, refused.get_json()["type"]) == (
        409,
        "urn:coordinoter:problem:needs_reconnect",
    )


def test_a_link_says_all_that_it_does(hub: HubApp) -> None:
    link = linked(hub)
    assert {name: link[name] for name in USUAL} == USUAL


def test_a_link_is_made_with_options_and_each_is_changed_alone(hub: HubApp) -> None:
    link = linked(hub, detail="busy_only", filters={"free": False}, leave_alone=["reminders"])
    expected = USUAL | {"detail": "busy_only", "leave_alone": ["reminders"]}
    expected["filters"] = USUAL["filters"] | {"free": False}  # type: ignore[operator]
    assert {name: link[name] for name in USUAL} == expected
    for change in (
        {"busy_title": "{calendar} ({show_as})"},
        {"filters": {"only_categories": ["Work"]}},
        {"leave_alone": []},
        {"detail": "full"},
        {"past_days": 30},
    ):
        shown = hub.call("PATCH", f"/v1/links/{link['id']}", change).get_json()
        filters = expected["filters"] | change.get("filters", {})  # type: ignore[operator]
        expected |= change | {"filters": filters}
        assert {name: shown[name] for name in USUAL} == expected


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"detail": "secret"}, "/detail"),
        ({"busy_title": "{title}"}, "/busy_title"),
        ({"busy_title": ""}, "/busy_title"),
        ({"filters": {"free": "no"}}, "/filters/free"),
        ({"filters": {"secret": True}}, "/filters/secret"),
        ({"filters": {"only_categories": [""]}}, "/filters/only_categories/0"),
        ({"leave_alone": ["title"]}, "/leave_alone/0"),
        ({"leave_alone": ["reminders", "soul"]}, "/leave_alone/1"),
    ],
)
def test_what_makes_no_sense_is_told_by_its_place(hub: HubApp, change: dict[str, Any], pointer: str) -> None:
    link = linked(hub)
    answer = hub.call("PATCH", f"/v1/links/{link['id']}", change)
    assert answer.status_code == 422
    assert [error["pointer"] for error in answer.get_json()["errors"]] == [pointer]
    assert hub.call("GET", f"/v1/links/{link['id']}").get_json()["filters"] == USUAL["filters"]


def test_an_event_tells_where_it_is_left_out_and_why(hub: HubApp) -> None:
    linked(hub, filters={"free": False})
    made = hub.call("POST", "/v1/events", an_event(show_as="free")).get_json()
    hub.world.settle()
    path = f"/v1/events/{made['id']}"
    (copy,) = hub.call("GET", path).get_json()["copies"]
    assert copy["state"] == "left_out"
    assert copy["problem"] == "The link copies no events whose time counts as free."
    hub.call("PATCH", path, {"show_as": "busy"})
    hub.world.settle()
    (copy,) = hub.call("GET", path).get_json()["copies"]
    assert (copy["state"], copy["problem"]) == ("synced", None)


def test_a_calendar_that_is_renamed_renames_the_copies_that_say_its_name(hub: HubApp) -> None:
    linked(hub, detail="busy_only", busy_title="{calendar}")
    hub.call("POST", "/v1/events", an_event())
    hub.world.settle()
    assert hub.world.titles("left") == ["Hub"]
    assert hub.call("PATCH", "/v1/calendars/cal_1", {"name": "Ann"}).get_json()["name"] == "Ann"
    hub.world.settle()
    assert hub.world.titles("left") == ["Ann"] and hub.world.hub_titles() == ["Lunch"]


def test_nobody_is_invited_from_a_calendar_that_does_not_have_the_event(hub: HubApp) -> None:
    linked(hub, filters={"free": False})
    guests = [{"email": "bob@example.test"}]
    answer = hub.call("POST", "/v1/events", an_event(show_as="free", attendees=guests, notify=True))
    assert (answer.status_code, answer.get_json()["type"]) == (409, "urn:coordinoter:problem:no_home")
    assert hub.call("POST", "/v1/events", an_event(attendees=guests, notify=True)).status_code == 201
    hub.world.settle()
    assert hub.world.titles("left") == ["Lunch"]

"""Plan before apply, as an application sees it: ask, wait until it is ready, look, apply."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from hub.models import RemoteCalendar
from hub.plugin.testing import timed
from tests.unit.api.hub_app import HubApp, an_event, pointers


@pytest.fixture
def hub(database_url: str, tmp_path: Path) -> HubApp:
    hub = HubApp(database_url, tmp_path)
    hub.world.connect("left")
    return hub


def remote_id(hub: HubApp, name: str = "Main") -> str:
    with hub.world.ports.db.reading() as session:
        return session.scalars(select(RemoteCalendar.id).where(RemoteCalendar.name == name)).one()


def plan(hub: HubApp, *links: dict[str, Any]) -> dict[str, Any]:
    given = links or ({"calendar_id": "cal_1", "remote_calendar_id": remote_id(hub)},)
    answer = hub.call("POST", "/v1/link-plans", {"links": list(given)})
    assert answer.status_code == 202, answer.get_data(as_text=True)
    begun: dict[str, Any] = answer.get_json()
    assert begun["state"] == "reading" and begun["is_empty"] is None
    hub.world.settle()
    ready: dict[str, Any] = hub.call("GET", f"/v1/link-plans/{begun['id']}").get_json()
    assert ready["state"] == "ready"
    return ready


def test_a_link_is_planned_looked_at_and_made(hub: HubApp) -> None:
    world = hub.world
    world.person_creates("left", timed("Theirs", world.clock.now().replace(tzinfo=None)))
    assert hub.call("POST", "/v1/events", an_event()).status_code == 201
    made = plan(hub)
    remote = remote_id(hub)
    assert made["counts"] == [
        {"side": "hub", "kind": "create", "remote_calendar_id": remote, "count": 1},
        {"side": "remote", "kind": "create", "remote_calendar_id": remote, "count": 1},
    ]
    assert made["is_empty"] is False and made["links"][0]["listed"] == 1
    assert made["links"][0]["direction"] == "two_way" and made["links"][0]["link_id"] is None
    address = f"/v1/link-plans/{made['id']}"
    first = hub.call("GET", f"{address}/actions?limit=1").get_json()
    second = hub.call("GET", f"{address}/actions?limit=1&cursor={first['next_cursor']}").get_json()
    assert [a["title"] for a in first["items"] + second["items"]] == ["Theirs", "Lunch"]
    assert second["next_cursor"] is None
    only = hub.call("GET", f"{address}/actions?side=remote&kind=create").get_json()["items"]
    assert [a["title"] for a in only] == ["Lunch"]
    assert hub.call("GET", "/v1/links").get_json()["items"] == [] and world.writes() == 0
    applied = hub.call("POST", f"{address}/apply").get_json()
    assert applied["state"] == "applied"
    world.settle()
    link = hub.call("GET", f"/v1/links/{applied['links'][0]['link_id']}").get_json()
    assert link["health"]["state"] == "in_sync"
    assert world.titles("left") == world.hub_titles() == ["Lunch", "Theirs"]
    again = hub.call("POST", f"{address}/apply")
    assert again.status_code == 200 and len(hub.call("GET", "/v1/links").get_json()["items"]) == 1


def test_changing_the_direction_is_planned(hub: HubApp) -> None:
    world = hub.world
    link_id = world.link("acc_left_ann", direction="import")
    world.settle()
    hub.call("POST", "/v1/events", an_event())
    made = plan(hub, {"link_id": link_id, "direction": "two_way"})
    assert [(c["side"], c["kind"], c["count"]) for c in made["counts"]] == [("remote", "create", 1)]
    assert made["links"][0]["past_days"] == 90
    assert hub.call("GET", f"/v1/links/{link_id}").get_json()["direction"] == "import"
    assert hub.call("POST", f"/v1/link-plans/{made['id']}/apply").status_code == 200
    world.settle()
    assert hub.call("GET", f"/v1/links/{link_id}").get_json()["direction"] == "two_way"
    assert world.titles("left") == ["Lunch"]


def test_an_outdated_plan_is_a_409_that_tells_what_has_changed(hub: HubApp) -> None:
    made = plan(hub)
    assert made["is_empty"] is True
    hub.call("POST", "/v1/events", an_event())
    answer = hub.call("POST", f"/v1/link-plans/{made['id']}/apply")
    assert (answer.status_code, answer.get_json()["type"]) == (409, "urn:coordinoter:problem:plan_outdated")
    assert answer.get_json()["errors"] == [{"detail": "In the hub, 'Lunch' was created."}]
    assert hub.call("GET", "/v1/links").get_json()["items"] == []


def test_a_plan_that_is_still_read_cannot_be_applied(hub: HubApp) -> None:
    body = {"links": [{"calendar_id": "cal_1", "remote_calendar_id": remote_id(hub)}]}
    begun = hub.call("POST", "/v1/link-plans", body).get_json()
    answer = hub.call("POST", f"/v1/link-plans/{begun['id']}/apply")
    assert (answer.status_code, answer.get_json()["type"]) == (409, "urn:coordinoter:problem:plan_not_ready")


def test_a_plan_can_be_forgotten_and_a_new_one_takes_its_place(hub: HubApp) -> None:
    first = plan(hub)["id"]
    second = plan(hub)["id"]
    assert hub.call("GET", f"/v1/link-plans/{first}").status_code == 404
    assert hub.call("DELETE", f"/v1/link-plans/{second}").status_code == 204
    assert hub.call("GET", f"/v1/link-plans/{second}/actions").status_code == 404


def test_each_fault_of_a_plan_is_named_with_its_place(hub: HubApp) -> None:
    link_id = hub.world.link("acc_left_ann", "Team")
    main = {"calendar_id": "cal_1", "remote_calendar_id": remote_id(hub)}
    team = {"calendar_id": "cal_1", "remote_calendar_id": remote_id(hub, "Team")}
    faulty: list[tuple[list[dict[str, Any]], list[str]]] = [
        ([], ["/links"]),
        ([main, {}], ["/links/1/calendar_id", "/links/1/remote_calendar_id"]),
        ([main, main], ["/links"]),
        ([main, team], ["/links/1/remote_calendar_id"]),
        ([{"link_id": link_id, "calendar_id": "cal_1"}], ["/links/0/calendar_id"]),
        ([{"link_id": link_id, "busy_title": "{secret}"}], ["/links/0/busy_title"]),
        ([{"link_id": "lnk_none"}, main], ["/links/0/link_id"]),
        ([{**main, "remote_calendar_id": "x"}], ["/links/0/remote_calendar_id"]),
    ]
    for given, where in faulty:
        answer = hub.call("POST", "/v1/link-plans", {"links": given})
        assert (answer.status_code, pointers(answer)) == (422, where)
    hub.call("POST", f"/v1/links/{link_id}/pause")
    assert pointers(hub.call("POST", "/v1/link-plans", {"links": [{"link_id": link_id}]})) == [
        "/links/0/link_id"
    ]

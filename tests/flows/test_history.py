"""History: each change of an event, field by field, with its author and its run, deletions whole."""

from __future__ import annotations

import dataclasses
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from hub.models.content import content_of
from hub.outbound import edit
from hub.plugin.testing import timed
from hub.plugin.types import SeriesException
from tests.memory_provider import _Fault
from tests.unit.api.hub_app import HubApp, an_event
from tests.world import TESTER, World

NINE = datetime(2026, 12, 7, 9)


@pytest.fixture
def hub(database_url: str, tmp_path: Path) -> HubApp:
    return HubApp(database_url, tmp_path)


@pytest.fixture
def world(hub: HubApp) -> World:
    return hub.world


def history(hub: HubApp, event_id: str) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = hub.call("GET", f"/v1/events/{event_id}/history").get_json()["items"]
    return items


def only_event(world: World) -> str:
    (event_id,) = world.hub_events()
    return event_id


def restore(world: World, event_id: str) -> None:
    with world.ports.db.transaction() as session:
        event = edit.get_event(session, event_id, lock=True)
        assert event is not None
        content = content_of(event)
        edit.restore_event(session, world.ports, event, content, TESTER, extra=event.extra)


def test_each_change_tells_who_made_it_where_and_in_which_run(database_url: str, tmp_path: Path) -> None:
    hub = HubApp(database_url, tmp_path, page_access="signed")
    world = hub.world
    left, _ = world.linked_pair()
    made = hub.call("POST", "/v1/events", an_event(title="Lunch"))
    event_id = made.get_json()["id"]
    world.settle()
    ((left_id, content),) = world.remote("left").items()
    world.person_updates("left", left_id, dataclasses.replace(content, title="Brunch"))
    world.settle()
    browser = hub.signed_in()
    form = {"title": "Dinner", "version": "2", "start_date": "2026-12-01", "start_time": "12:00"}
    form |= {"end_date": "2026-12-01", "end_time": "13:00"}
    assert hub.submit(browser, f"/events/{event_id}", page=f"/events/{event_id}", **form).status_code == 303
    hub.call("DELETE", f"/v1/events/{event_id}")
    lines = history(hub, event_id)
    assert [line["kind"] for line in lines] == ["created", "updated", "updated", "deleted"]
    assert [line["author"]["kind"] for line in lines] == ["api_key", "provider", "page", "api_key"]
    assert lines[0]["author"]["name"] == "test"
    there = {name: lines[1]["author"][name] for name in ("name", "provider", "link_id", "calendar")}
    assert there == {"name": "ann@example.test", "provider": "left", "link_id": left, "calendar": "Main"}
    assert lines[1]["fields"] == {"title": {"before": "Lunch", "after": "Brunch"}}
    assert len({line["run_id"] for line in lines}) == 4
    assert lines[0]["run_id"] == made.headers["X-Run-Id"]


def test_one_request_is_one_run_whatever_request_id_it_brings(hub: HubApp) -> None:
    given = "x" * 64
    runs = {
        hub.call("POST", "/v1/events", an_event(), X_Request_Id=given).headers["X-Run-Id"] for _ in range(2)
    }
    assert len(runs) == 2
    for run_id in runs:
        run = hub.call("GET", f"/v1/runs/{run_id}").get_json()
        assert (run["events"], run["counts"]["created"], len(run["changes"])) == (1, 1, 1)
        listed = hub.call("GET", f"/v1/changes?run_id={run_id}").get_json()["items"]
        assert [line["seq"] for line in listed] == [line["seq"] for line in run["changes"]]


def test_a_run_tells_all_that_a_pull_has_brought(hub: HubApp, world: World) -> None:
    world.linked_pair()
    world.queue.lossy = True
    for n in range(120):
        world.person_creates("left", timed(f"Event {n}", NINE + timedelta(hours=n)))
    world.queue.lossy = False
    world.wait()
    first = hub.call("GET", "/v1/changes?limit=1").get_json()["items"][0]
    run = hub.call("GET", f"/v1/runs/{first['run_id']}").get_json()
    assert (run["events"], run["counts"]["created"], run["more"]) == (120, 120, True)
    assert run["author"]["provider"] == "left"
    assert hub.call("GET", "/v1/runs/run_unknown").status_code == 404


@pytest.mark.parametrize("by", ["the api", "a person at the provider"])
def test_a_deletion_is_logged_with_all_that_the_event_was(hub: HubApp, world: World, by: str) -> None:
    world.linked_pair()
    body = an_event(
        title="Stand-up",
        recurrence=["RRULE:FREQ=DAILY;COUNT=3"],
        exceptions=[{"original_start": "2026-12-02T12:00:00", "title": "Second"}],
        metadata={"ticket": "A-1"},
    )
    event_id = hub.call("POST", "/v1/events", body).get_json()["id"]
    world.settle()
    if by == "the api":
        hub.call("DELETE", f"/v1/events/{event_id}")
    else:
        world.person_deletes("left", next(iter(world.remote("left"))))
    world.settle()
    fields = history(hub, event_id)[-1]["fields"]
    assert fields["title"] == {"before": "Stand-up"}
    assert fields["when"]["before"]["exceptions"] == [
        {"original_start": "2026-12-02T12:00:00", "title": "Second"}
    ]
    assert fields["metadata"] == {"before": {"ticket": "A-1"}}
    assert fields["uid"]["before"]


def test_series_exceptions_metadata_and_formatting_are_logged(hub: HubApp, world: World) -> None:
    world.linked_pair()
    left_id = world.person_creates(
        "left", timed("Stand-up", NINE, description="a", description_html="<b>a</b>")
    )
    world.settle()
    content = world.remote("left")[left_id]
    when = dataclasses.replace(
        content.when,
        recurrence=("RRULE:FREQ=DAILY;COUNT=3",),
        exceptions=(SeriesException(NINE + timedelta(days=1), cancelled=True),),
    )
    changed = dataclasses.replace(content, when=when, description="b", description_html="<i>b</i>")
    world.person_updates("left", left_id, changed)
    world.settle()
    event_id = only_event(world)
    hub.call("PATCH", f"/v1/events/{event_id}", {"metadata": {"ticket": "A-1"}})
    _, theirs, ours = history(hub, event_id)
    assert theirs["fields"]["when"]["after"]["exceptions"] == [
        {"original_start": "2026-12-08T09:00:00", "cancelled": True}
    ]
    assert theirs["fields"]["description_html"] == {"before": "<b>a</b>", "after": "<i>b</i>"}
    assert ours["fields"] == {"metadata": {"before": {}, "after": {"ticket": "A-1"}}}


def test_what_a_deleted_user_had_is_not_kept_in_the_log(hub: HubApp) -> None:
    hub.call("POST", "/v1/events", an_event(title="Secret"))
    hub.call("DELETE", "/v1/users/usr_1")
    log = hub.call("GET", "/v1/changes")
    assert [line["fields"] for line in log.get_json()["items"]] == [{}]
    assert "Secret" not in log.get_data(as_text=True)


def test_history_is_read_page_by_page_and_is_404_for_what_never_was(hub: HubApp) -> None:
    event_id = hub.call("POST", "/v1/events", an_event()).get_json()["id"]
    for title in "abc":
        hub.call("PATCH", f"/v1/events/{event_id}", {"title": title})
    page = hub.call("GET", f"/v1/events/{event_id}/history?limit=3").get_json()
    rest = hub.call("GET", f"/v1/events/{event_id}/history?cursor={page['next_cursor']}").get_json()
    assert [line["event_version"] for line in page["items"] + rest["items"]] == [1, 2, 3, 4]
    assert hub.call("GET", "/v1/events/evt_none/history").status_code == 404
    assert hub.call("GET", f"/v1/events/{event_id}/history?cursor=WyJ4Il0").status_code == 422


# --- a deletion of ours that a restoration overtakes ---


def restored_under_way(world: World, when: str) -> None:
    """Delete an event in the hub and restore it before the deletion at the left has run its course."""
    event_id = only_event(world)
    service = world.services["left"]
    if when == "during the call":
        plugin_remove = service.remove

        def remove(*arguments: Any) -> None:
            service.remove = plugin_remove  # type: ignore[method-assign]
            plugin_remove(*arguments)
            restore(world, event_id)

        service.remove = remove  # type: ignore[method-assign]
        world.api_deletes(event_id)
    else:
        service.faults.append(_Fault("reset_after", 1, "push_event", {}))
        world.api_deletes(event_id)
        world.settle()
        restore(world, event_id)
    world.settle()
    world.wait(steps=3)


@pytest.mark.parametrize("direction", ["two_way", "export"])
@pytest.mark.parametrize("when", ["during the call", "after an answer was lost"])
def test_an_event_restored_while_its_deletion_is_under_way_is_there_again(
    world: World, when: str, direction: str
) -> None:
    world.link(world.connect("left"), direction=direction)
    world.link(world.connect("right"))
    world.settle()
    world.api_creates(timed("Lunch", NINE))
    world.settle()
    restored_under_way(world, when)
    assert world.titles("left") == world.titles("right") == world.hub_titles() == ["Lunch"]
    writes = world.writes()
    world.wait(steps=2)
    assert world.writes() == writes
    assert world.conflicts() == []


def test_a_restored_event_returns_to_an_export_only_calendar_but_not_where_a_person_removed_it(
    world: World,
) -> None:
    world.link(world.connect("left"), direction="export")
    world.settle()
    kept = world.api_creates(timed("Kept", NINE))
    removed = world.api_creates(timed("Removed", NINE))
    world.settle()
    (removed_id,) = [i for i, content in world.remote("left").items() if content.title == "Removed"]
    world.person_deletes("left", removed_id)
    world.wait()
    assert world.titles("left") == ["Kept"]
    for event_id in (kept, removed):
        world.api_deletes(event_id)
    world.wait()
    assert world.titles("left") == []
    for event_id in (kept, removed):
        restore(world, event_id)
    world.wait(steps=2)
    assert world.titles("left") == ["Kept"]

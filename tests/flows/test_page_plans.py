"""The page shows what links would do, and does it only when the person says so."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from markupsafe import escape
from sqlalchemy import select
from werkzeug.test import TestResponse

from hub.models import Calendar, Link, RemoteCalendar
from hub.plugin.testing import timed
from hub.plugin.types import ShowAs
from tests.flows.test_api_page import ticket
from tests.unit.api.hub_app import HubApp


@pytest.fixture
def hub(sqlite_url: str, tmp_path: Path) -> HubApp:
    hub = HubApp(sqlite_url, tmp_path, page_access="signed")
    hub.world.connect("left")
    hub.world.connect("right")
    return hub


@pytest.fixture
def ann(hub: HubApp) -> FlaskClient:
    browser, link = hub.browser(), ticket(hub)
    hub.submit(browser, "/sign-in", page=link, ticket=link.split("=")[1])
    return browser


def remotes(hub: HubApp) -> list[str]:
    with hub.world.ports.db.reading() as session:
        query = select(RemoteCalendar.id).where(RemoteCalendar.primary).order_by(RemoteCalendar.account_id)
        return list(session.scalars(query))


def links(hub: HubApp) -> list[Link]:
    with hub.world.ports.db.reading() as session:
        return list(session.scalars(select(Link).order_by(Link.account_id)))


def ask(hub: HubApp, browser: FlaskClient, address: str, **form: object) -> str:
    """Send a form that leads to a plan, and return where its page is."""
    answer = hub.submit(browser, address, **form)
    assert answer.status_code == 303, answer.get_data(as_text=True)
    assert 'http-equiv="refresh"' in hub.get(browser, answer.location).get_data(as_text=True)
    hub.world.settle()
    return str(answer.location)


def html(answer: TestResponse) -> str:
    return answer.get_data(as_text=True)


def test_two_calendars_are_linked_into_a_new_one_once_the_person_has_seen_the_plan(
    hub: HubApp, ann: FlaskClient
) -> None:
    world = hub.world
    noon = world.clock.now().replace(tzinfo=None)
    for name in ("left", "right"):
        world.person_creates(name, timed("On both sides", noon))
    world.person_creates("left", timed("<b>Tea</b>", noon))
    plan = ask(hub, ann, "/links", remote=remotes(hub), calendar="", name="Mine", direction="two_way")
    shown = html(hub.get(ann, plan))
    assert str(escape("<b>Tea</b>")) in shown and "<b>Tea</b></b>" not in shown
    assert "2 events would come into the hub" in shown
    assert "1 event would be made in “Main (Memory)”" in shown
    assert "1 event is on both sides, here and in “Main (Memory)”: taken as one" in shown
    assert links(hub) == [] and world.writes() == 0
    with world.ports.db.reading() as session:
        assert session.scalars(select(Calendar.name)).all() == ["Hub"]
    answer = hub.submit(ann, f"{plan}/apply", page=plan)
    assert answer.location == "/?note=linked"
    world.settle()
    assert world.titles("left") == world.titles("right") == ["<b>Tea</b>", "On both sides"]
    with world.ports.db.reading() as session:
        assert sorted(session.scalars(select(Calendar.name))) == ["Hub", "Mine"]
    assert hub.get(ann, plan).status_code == 303


def test_a_plan_that_is_outdated_says_so_and_is_made_again(hub: HubApp, ann: FlaskClient) -> None:
    plan = ask(hub, ann, "/links", remote=remotes(hub)[:1], calendar="cal_1")
    assert "Nothing would be changed on any side" in html(hub.get(ann, plan))
    hub.world.api_creates(timed("Quick one", hub.world.clock.now().replace(tzinfo=None)))
    answer = hub.submit(ann, f"{plan}/apply", page=plan)
    assert answer.status_code == 409 and "Look again" in html(answer)
    assert str(escape("In the hub, 'Quick one' was created.")) in html(answer)
    again = ask(hub, ann, f"{plan}/again", page=plan)
    assert "1 event would be made in" in html(hub.get(ann, again))
    hub.submit(ann, f"{again}/apply", page=again)
    hub.world.settle()
    assert hub.world.titles("left") == ["Quick one"]


def test_changing_the_direction_shows_each_difference_first(hub: HubApp, ann: FlaskClient) -> None:
    world = hub.world
    world.person_creates("left", timed("Lunch", world.clock.now().replace(tzinfo=None)))
    link_id = world.link("acc_left_ann", direction="import")
    world.settle()
    ((event_id, content),) = world.hub_events().items()
    world.api_updates(event_id, dataclasses.replace(content, title="Late lunch"))
    options = f"/links/{link_id}/options"
    plan = ask(hub, ann, options, **as_shown(hub, ann, link_id), direction="two_way")
    assert "title: Lunch → Late lunch" in html(hub.get(ann, plan))
    hub.submit(ann, f"{plan}/discard", page=plan)
    assert links(hub)[0].direction == "import" and hub.get(ann, plan).status_code == 404
    plan = ask(hub, ann, options, **as_shown(hub, ann, link_id), direction="two_way")
    assert hub.submit(ann, f"{plan}/apply", page=plan).location == "/?note=changed"
    world.settle()
    assert world.titles("left") == ["Late lunch"]


def as_shown(hub: HubApp, browser: FlaskClient, link_id: str) -> dict[str, Any]:
    """Return what the form of a link's options holds when nobody has touched it, but for the direction."""
    page = html(hub.get(browser, f"/links/{link_id}/options"))
    form: dict[str, Any] = dict(re.findall(r'<input name="(\w+)"[^>]* value="([^"]*)"', page))
    chosen = re.findall(r'name="(copy|leave_alone)" value="(\w+)" checked', page)
    form |= {kind: [value for name, value in chosen if name == kind] for kind in ("copy", "leave_alone")}
    form |= {
        name: found[1]
        for name in ("policy", "detail", "unholdable")
        if (found := re.search(rf'name="{name}">.*?value="(\w+)" selected', page, re.DOTALL))
    }
    return form


def test_the_options_of_a_link_are_seen_and_changed_after_a_plan(hub: HubApp, ann: FlaskClient) -> None:
    world = hub.world
    noon = world.clock.now().replace(tzinfo=None)
    link_id = world.link("acc_left_ann")
    world.settle()
    world.api_creates(timed("Surgery", noon))
    world.api_creates(dataclasses.replace(timed("Walk", noon), show_as=ShowAs.FREE))
    world.settle()
    form = as_shown(hub, ann, link_id) | {"direction": "two_way"}
    assert form["copy"] == ["free", "all_day", "past"] and form["leave_alone"] == []
    plan = ask(hub, ann, f"/links/{link_id}/options", **form)
    assert "Nothing would be changed on any side" in html(hub.get(ann, plan))
    form |= {"detail": "busy_only", "busy_title": "Taken", "copy": ["all_day", "past"]}
    form |= {"unholdable": "singles", "leave_alone": ["reminders"], "without_categories": "Home, Fun, "}
    plan = ask(hub, ann, f"/links/{link_id}/options", **form)
    shown = html(hub.get(ann, plan))
    assert "1 event would be deleted in" in shown and "title: Surgery → Taken" in shown
    assert world.titles("left") == ["Surgery", "Walk"]
    hub.submit(ann, f"{plan}/apply", page=plan)
    world.settle()
    assert world.titles("left") == ["Taken"] and world.hub_titles() == ["Surgery", "Walk"]
    walk = next(i for i, content in world.hub_events().items() if content.title == "Walk")
    event = html(hub.get(ann, f"/events/{walk}"))
    assert "not there: The link copies no events whose time counts as free." in event
    home = html(hub.get(ann, "/"))
    assert "shown there only as “Taken”; without events that do not block your time" in home
    assert "none of the categories Home, Fun" in home
    assert "series that cannot be held there are written day by day, as single events" in home
    assert "leaves alone: reminders" in home
    assert as_shown(hub, ann, link_id)["unholdable"] == "singles"
    assert as_shown(hub, ann, link_id)["copy"] == ["all_day", "past"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"busy_title": "{title}"},
        {"past_days": "-1"},
        {"past_days": "²"},
        {"future_days": "9" * 5000},
        {"future_days": "NaN"},
        {"detail": "secret"},
        {"direction": ""},
        {"unholdable": "drop"},
    ],
)
def test_options_that_make_no_sense_are_refused(hub: HubApp, ann: FlaskClient, wrong: dict[str, str]) -> None:
    link_id = hub.world.link("acc_left_ann")
    hub.world.settle()
    form = as_shown(hub, ann, link_id) | {"direction": "two_way"} | wrong
    answer = hub.submit(ann, f"/links/{link_id}/options", **form)
    assert answer.status_code == 422 and 'role="alert"' in html(answer)


def test_a_plan_is_its_owners_alone(hub: HubApp, ann: FlaskClient) -> None:
    plan = ask(hub, ann, "/links", remote=remotes(hub)[:1], calendar="cal_1")
    key = hub.add_key("tnt_2")
    eve_id = hub.call("POST", "/v1/users", {"external_id": "eve"}, key=key).get_json()["id"]
    url = hub.call("POST", f"/v1/users/{eve_id}/sign_in", key=key).get_json()["url"]
    eve, path = hub.browser(), url.split("8000", 1)[1]
    hub.submit(eve, "/sign-in", page=path, ticket=path.split("=")[1])
    assert hub.get(eve, plan).status_code == 404
    for action in ("apply", "again", "discard"):
        assert hub.submit(eve, f"{plan}/{action}").status_code == 404
    assert hub.get(ann, plan).status_code == 200 and links(hub) == []
    link_id = hub.world.link("acc_right_ann")
    assert hub.get(eve, f"/links/{link_id}/options").status_code == 404
    assert hub.submit(eve, f"/links/{link_id}/options").status_code == 404

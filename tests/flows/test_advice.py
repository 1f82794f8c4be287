"""What the hub says that helps where an event does not travel, in the API and on the page."""

from __future__ import annotations

import html
import re
from datetime import datetime, timedelta
from typing import Any

import pytest
import requests
from flask.testing import FlaskClient

from hub.accounts.keys import LOCAL_TENANT
from hub.models import Account, AccountState, Link, Tenant
from hub.outbound import advice, linking, singles
from hub.plugin.errors import RefusedError
from hub.plugin.testing import series, timed
from tests.memory_provider import _Fault
from tests.provider_world import ANN, ProviderWorld
from tests.scenarios.meetings import INVITATION, OWN, call, patch
from tests.unit.api.hub_app import PUBLIC_URL, HubApp

TEN = datetime(2026, 12, 7, 10)
ODD = "FREQ=DAILY;INTERVAL=2;BYDAY=MO,TU,WE,TH,FR,SA,SU"
"""A rule that Outlook has no words for."""


def parked_in(world: ProviderWorld, link_id: str) -> dict[str, dict[str, Any]]:
    """Return what the API says of the events of a link that do not travel, by title."""
    health = call(world, "GET", f"/links/{link_id}")["health"]
    assert health["state"] == "behind" and "see below why, and what helps" in health["problem"]
    return {parked["title"]: parked for parked in health["parked"]}


def advice_of(world: ProviderWorld, event_id: str, link_id: str) -> str | None:
    copies = call(world, "GET", f"/events/{event_id}")["copies"]
    return next(copy["advice"] for copy in copies if copy["link_id"] == link_id)


def pages_of(world: ProviderWorld, event_id: str) -> list[str]:
    """Return what a person sees: the home page, and the event's own."""
    with world.ports.db.transaction() as session:
        session.get_one(Tenant, "tnt_1").name = LOCAL_TENANT  # An open page shows that one's.
    client = world.app.test_client()
    answers = [client.get(path, base_url=PUBLIC_URL) for path in ("/", f"/events/{event_id}")]
    return [html.unescape(answer.get_data(as_text=True)) for answer in answers]


def test_a_series_without_words_there_is_said_to_fit_as_single_events_and_then_does(
    world: ProviderWorld,
) -> None:
    world.google.create(series("Odd", TEN, f"{ODD};COUNT=6"))
    world.sync()
    link_id = world.outlook.link_id
    odd = parked_in(world, link_id)["Odd"]
    assert odd["reason"].startswith("Outlook has no rule") and odd["advice"] == singles.INSTEAD
    assert advice_of(world, odd["event_id"], link_id) == singles.INSTEAD
    assert all(singles.INSTEAD in page for page in pages_of(world, odd["event_id"]))
    call(world, "PATCH", f"/links/{link_id}", {"unholdable": "singles"})
    world.sync()
    assert world.parked() == {} and len(world.outlook.events()) == 6
    assert advice_of(world, odd["event_id"], link_id) is None


def test_nobody_is_sent_to_an_option_that_would_not_help(world: ProviderWorld) -> None:
    world.google.create(series("Over", TEN - timedelta(days=4000), f"{ODD};COUNT=6"))
    world.google.create(series("Without end", TEN, ODD))
    theirs = world.outlook.create(series("Theirs", TEN, "FREQ=WEEKLY;COUNT=3"))
    world.sync()
    link_id = world.outlook.link_id
    assert parked_in(world, link_id)["Without end"]["advice"] == singles.INSTEAD
    call(world, "PATCH", f"/links/{link_id}", {"future_days": 1200})
    world.google.update(world.google.find("Theirs"), when=series("", TEN, f"{ODD};COUNT=6").when)
    world.sync()
    parked = parked_in(world, link_id)
    assert parked["Without end"]["advice"] == advice.CHANGE, "these would be far too many"
    assert parked["Theirs"]["advice"] == advice.CHANGE, "what a person has made is not taken away"
    call(world, "PATCH", f"/links/{link_id}", {"unholdable": "singles"})
    world.sync()
    assert parked_in(world, link_id).keys() == {"Without end", "Theirs"}
    assert theirs in world.outlook.events()


def test_a_plan_tells_of_the_option_before_anything_is_parked(unlinked: ProviderWorld) -> None:
    world = unlinked
    account_id = [world.connect(name) for name in ("google", "outlook")][1]
    world.link_primary("google")
    world.google.create(series("Odd", TEN, f"{ODD};COUNT=6"))
    world.sync()
    remotes = call(world, "GET", f"/accounts/{account_id}/remote_calendars")["items"]
    remote = next(each["id"] for each in remotes if each["primary"])
    for unholdable, kinds in (("hold", {"refuse"}), ("singles", {"create"})):
        wish = {"calendar_id": "cal_1", "remote_calendar_id": remote, "unholdable": unholdable}
        plan = call(world, "POST", "/link-plans", {"links": [wish]})
        world.sync()
        actions = call(world, "GET", f"/link-plans/{plan['id']}/actions?side=remote")["items"]
        assert {action["kind"] for action in actions} == kinds
        told = [str(action["reason"]).endswith(singles.INSTEAD) for action in actions]
        assert told == ([True] if unholdable == "hold" else [False] * 6)


def test_a_meeting_that_must_not_tell_its_guests_unasked_says_how_to_ask(world: ProviderWorld) -> None:
    world.outlook.create(OWN)
    world.sync()
    (event_id,) = world.hub_events()
    patch(world, event_id, title="Review, later")
    link_id = world.outlook.link_id
    assert parked_in(world, link_id)["Review, later"]["advice"] == advice.TELL
    call(world, "POST", f"/links/{link_id}/sync", {})
    world.sync()
    assert advice_of(world, event_id, link_id) == advice.TELL, "syncing again is no help"
    assert all(advice.TELL in page for page in pages_of(world, event_id))
    patch(world, event_id, notify=True)
    assert advice_of(world, event_id, link_id) is None
    assert list(world.outlook.by_title()) == ["Review, later"]


def test_what_only_others_can_change_is_said_to_be_undone_here(world: ProviderWorld) -> None:
    world.outlook.create(INVITATION)
    world.sync()
    (event_id,) = world.hub_events()
    patch(world, event_id, title="Mine now")
    assert advice_of(world, event_id, world.outlook.link_id) == advice.UNDO
    patch(world, event_id, title="Review")
    assert advice_of(world, event_id, world.outlook.link_id) is None


def test_a_calendar_that_may_only_be_read_is_to_be_shared_anew(world: ProviderWorld) -> None:
    world.google.create(timed("Kept", TEN))
    world.sync()
    people = {"person": ANN, "calendar": world.google.calendar, "role": "reader"}
    address = f"{world.google.control.base_url}/_control/roles"
    requests.post(address, json=people, timeout=10).raise_for_status()
    (event_id,) = world.hub_events()
    patch(world, event_id, title="Changed")
    assert advice_of(world, event_id, world.google.link_id) == advice.SHARE
    assert list(world.google.by_title()) == ["Kept"]


# --- with the providers that live in memory ---


def test_what_a_provider_refuses_by_itself_may_be_tried_again(hub: HubApp) -> None:
    refusal = {"error": RefusedError("The title is not allowed.")}
    hub.world.services["right"].faults.append(_Fault("raise", 1, "push_event", refusal))
    hub.world.person_creates("left", timed("Bad", TEN))
    hub.world.settle()
    links = hub.call("GET", "/v1/links?account_id=acc_right_ann").get_json()["items"]
    (parked,) = links[0]["health"]["parked"]
    assert (parked["reason"], parked["advice"]) == ("The title is not allowed.", advice.AGAIN)
    hub.call("POST", f"/v1/links/{links[0]['id']}/sync", {})
    hub.world.settle()
    assert hub.world.titles("right") == ["Bad"]
    assert hub.call("GET", f"/v1/links/{links[0]['id']}").get_json()["health"]["parked"] == []


def offered(hub: HubApp, browser: FlaskClient, link_id: str) -> tuple[str, set[str]]:
    """Return a link's state on the page, and what can be done about it there."""
    home = hub.get(browser, "/").get_data(as_text=True)
    (line,) = re.findall(
        rf'data-link="{link_id}" data-state="(\w+)">(.*?)</details>\s*</div>', home, re.DOTALL
    )
    return line[0], set(re.findall(r"<(?:button|a class=\"button)[^>]*>([^<]+)<", line[1]))


@pytest.mark.parametrize(
    ("how", "state", "helps"),
    [
        ("active", "in_sync", "Sync now"),
        ("pause", "paused", "Resume"),
        ("stop", "stopped", "Resume"),
        ("revoke", "needs_reconnect", "Reconnect"),
    ],
)
def test_the_page_offers_what_helps_and_syncing_only_where_it_does(
    hub: HubApp, ann: FlaskClient, how: str, state: str, helps: str
) -> None:
    hub.world.settle()
    with hub.world.ports.db.transaction() as session:
        link = session.query(Link).filter_by(account_id="acc_left_ann").one()
        if how == "pause":
            linking.pause(link)
        elif how == "stop":
            link.state, link.problem = "stopped", "The calendar is gone."
        elif how == "revoke":
            session.get_one(Account, link.account_id).state = AccountState.NEEDS_RECONNECT
    found, buttons = offered(hub, ann, link.id)
    assert found == state
    assert buttons & {"Sync now", "Resume", "Reconnect"} == {helps}

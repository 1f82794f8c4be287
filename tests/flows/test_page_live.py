"""How an open page learns that it is out of date: the stream, and the signature of what is shown."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import Executable, insert, literal, select, update

from hub.models import Channel, EventCopy, Link, ParkedChange
from hub.plugin.testing import timed
from tests.unit.api.hub_app import HubApp
from tests.world import START

CHANGES: dict[str, Executable] = {
    "a copy waits to be written": update(EventCopy).values(wanted_version=EventCopy.pushed_version + 1),
    "a copy has to be read again": update(EventCopy).values(doubted=True),
    "a listing has left questions open": update(Link).values(generation=Link.confirmed + 1),
    "a listing is to begin anew": update(Link).values(cursor=None),
    "a first listing is to come": update(Link).values(imported_at=None),
    "deletions wait for a person": update(Link).values(held_at=START),
    "a run has failed": update(Link).values(failures=1),
    "a link is in trouble": update(Link).values(problem="No."),
    "a link rests": update(Link).values(state="paused"),
    "an event cannot be understood": insert(ParkedChange).from_select(
        ["link_id", "remote_id", "reason", "at"],
        select(Link.id, literal("x"), literal("No."), literal(START, Link.created_at.type)),
    ),
    "the provider does not notify any more": update(Channel).values(state="closing"),
}


@pytest.fixture
def hub(sqlite_url: str, tmp_path: Path) -> HubApp:
    """A hub with a linked pair of calendars that hold an event."""
    hub = HubApp(sqlite_url, tmp_path, page_access="signed")
    hub.world.linked_pair()
    hub.world.person_creates("left", timed("Lunch", START.replace(tzinfo=None)))
    hub.world.settle()
    return hub


@pytest.fixture
def person(hub: HubApp) -> FlaskClient:
    return hub.signed_in()


def signature(hub: HubApp, person: FlaskClient) -> str:
    found = re.search('data-signature="(.+?)"', hub.get(person, "/").get_data(as_text=True))
    assert found is not None
    return found[1]


def health(hub: HubApp) -> list[Any]:
    return [link["health"] for link in hub.call("GET", "/v1/links").get_json()["items"]]


def said(hub: HubApp, person: FlaskClient, since: str) -> list[str]:
    """Return what the stream says in its life to a page that shows `since`."""
    stream = hub.get(person, f"/live?since={since}").get_data(as_text=True)
    return re.findall("^data: (.+)$", stream, re.MULTILINE)


def test_a_stream_says_once_what_is_not_shown_yet(hub: HubApp, person: FlaskClient) -> None:
    shown = signature(hub, person)
    assert said(hub, person, shown) == []
    assert said(hub, person, "of-before") == [shown]


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_a_page_hears_of_all_that_changes_how_well_a_link_does(
    hub: HubApp, person: FlaskClient, change: Executable
) -> None:
    assert {link["state"] for link in health(hub)} == {"in_sync"}
    is_said(hub, person, change)


def test_a_page_hears_of_each_deletion_that_waits_for_a_person(hub: HubApp, person: FlaskClient) -> None:
    is_said(hub, person, update(Link).values(held_at=START))
    is_said(hub, person, update(EventCopy).values(missing_at=START))


def is_said(hub: HubApp, person: FlaskClient, change: Executable) -> None:
    """Make a change that shows in the links' health, and listen for it."""
    shown, before = signature(hub, person), health(hub)
    with hub.world.ports.db.transaction() as session:
        session.execute(change)
    assert health(hub) != before
    assert said(hub, person, shown) == [signature(hub, person)] != [shown]

"""TOK-04, 06 to 08, 11, 23, 24, 29, 30: pages that fail, are cut, repeat, overlap or hide what follows."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
import requests
from sqlalchemy import select

from hub.accounts import calendars
from hub.inbound.pull import pull_link
from hub.models import Account, RemoteCalendar
from hub.plugin.testing import series, timed
from hub.plugin.types import SeriesException
from hub.providers.gateway import ProviderGateway
from tests.provider_world import ANN, ProviderWorld, Side
from tests.scenarios.play import FULL, clear, later, other
from tests.scenarios.quiet import look

TEN = datetime(2026, 12, 8, 10)
LISTINGS = {"google": FULL["google"], "outlook": r"/calendarView/delta(\(\))?$"}
COUNT = 300
BOTH = pytest.mark.parametrize("name", ["google", "outlook"])


def fill(side: Side, count: int) -> list[str]:
    """Make events that are spread over the months ahead, and a series."""
    made = [side.create(timed(f"Event {n:02}", TEN + timedelta(days=9 * n))) for n in range(count - 1)]
    gap = SeriesException(TEN + timedelta(days=1), cancelled=True)
    return [*made, side.create(series("Standup", TEN, "FREQ=DAILY;COUNT=5", gap))]


def relist(world: ProviderWorld, side: Side) -> None:
    """Let the cursor be lost, so that everything is listed."""
    side.control.expire_cursors(ANN)
    look(world, side.link_id)


def page(side: Side, **body: Any) -> str:
    """Return the body of a page without items, as the provider spells it."""
    return json.dumps({"items" if side.name == "google" else "value": []} | body)


@pytest.mark.parametrize(("name", "status"), [("google", 500), ("outlook", 503)])
def test_tok_04_a_resync_that_fails_half_way_leaves_everything_and_the_next_try_completes(
    world: ProviderWorld, name: str, status: int
) -> None:
    side, there = world.sides[name], other(world, name)
    ids = fill(side, 12)
    world.sync()
    side.delete(ids[0])
    side.update(ids[1], title="Changed")
    side.control.switches(page_limit=4)
    side.control.fault("status", status=status, path=LISTINGS[name], skip=3, times=4)
    relist(world, side)
    assert len(there.by_title()) == 12
    assert world.get_link(side.link_id).problem
    later(world, 300, 4)
    assert len(there.by_title()) == 11
    assert "Changed" in there.by_title()
    world.assert_quiet()


@BOTH
def test_tok_04_a_page_that_fails_for_ever_is_given_up_and_the_listing_begins_anew(
    world: ProviderWorld, name: str
) -> None:
    side, there = world.sides[name], other(world, name)
    ids = fill(side, 12)
    world.sync()
    side.control.switches(page_limit=4)
    # This one place in the listing is broken for good: only a new listing comes past it.
    place = {"google": "pageToken", "outlook": "skiptoken"}[name]
    side.control.fault("status", status=500, path=LISTINGS[name], query=place, times=5)
    side.delete(ids[0])
    relist(world, side)
    for _ in range(8):
        later(world, 4000, 1)
    assert len(there.by_title()) == 11
    world.assert_quiet()


def test_tok_06_all_of_many_events_are_read_each_page_by_the_same_question(
    unlinked: ProviderWorld,
) -> None:
    world, side = unlinked, unlinked.google
    world.connect("google")
    for n in range(COUNT):
        side.create(timed(f"Event {n:03}", TEN + timedelta(hours=n)))
    side.control.switches(page_limit=125)
    clear(world)
    world.link_primary("google")
    world.settle()
    assert sorted(c.title for c in world.hub_events().values()) == [f"Event {n:03}" for n in range(COUNT)]
    calls = side.control.ledger()["calls"]
    queries = [c["query"] for c in calls if c["path"].endswith("/events") and "syncToken" not in c["query"]]
    asked = {"&".join(p for p in q.split("&") if not p.startswith("pageToken")) for q in queries}
    assert (len(queries), len(asked)) == (3, 1)
    clear(world)
    for _ in range(2):
        relist(world, side)
    assert len(world.hub_events()) == COUNT
    assert world.writes() == []


@pytest.mark.parametrize(
    ("name", "how"),
    [
        *(("google", how) for how in ("cut", "not JSON", "empty and whole")),
        *(("outlook", how) for how in ("cut", "refused", "empty and whole")),
    ],
)
def test_tok_07_a_later_page_that_fails_or_is_cut_deletes_nothing(
    world: ProviderWorld, name: str, how: str
) -> None:
    side, there = world.sides[name], other(world, name)
    fill(side, 10)
    world.sync()
    side.control.switches(page_limit=4)
    body = {"cut": page(side), "refused": "{}", "not JSON": "<html>Sorry</html>"}.get(how, "")
    status = 400 if how == "refused" else 200
    if how == "empty and whole":
        end: dict[str, Any] = {"nextSyncToken": "made-up"}
        if name == "outlook":
            end = {"@odata.deltaLink": f"{side.control.base_url}/v1.0/me/calendarView/delta?$deltatoken=x.y"}
        body = page(side, **end)
    side.control.fault("status", status=status, body=body, path=LISTINGS[name], skip=2)
    clear(world)
    relist(world, side)
    assert len(there.by_title()) == len(world.hub_events()) == 10
    later(world, 300, 3)
    assert len(there.by_title()) == len(world.hub_events()) == 10
    assert world.writes() == []
    world.assert_quiet()


@BOTH
def test_tok_08_a_page_of_nothing_that_names_a_next_one_is_not_the_end(
    world: ProviderWorld, name: str
) -> None:
    side, there = world.sides[name], other(world, name)
    switch = "empty_pages" if name == "google" else "empty_delta_pages"
    side.control.switches(page_limit=3, **{switch: 1})
    fill(side, 10)
    world.sync()
    assert len(there.by_title()) == 10
    relist(world, side)
    world.assert_quiet()


@BOTH
def test_tok_08_many_pages_of_nothing_are_not_the_end_while_each_goes_on_elsewhere(
    world: ProviderWorld, name: str
) -> None:
    side, there = world.sides[name], other(world, name)
    fill(side, 3)
    switch = "empty_pages" if name == "google" else "empty_delta_pages"
    side.control.switches(**{switch: 70})
    relist(world, side)
    assert len(there.by_title()) == 3
    assert world.get_link(side.link_id).problem is None


@BOTH
def test_tok_23_a_full_listing_that_runs_in_circles_is_not_begun_anew_without_a_wait(
    world: ProviderWorld, name: str
) -> None:
    side = world.sides[name]
    fill(side, 10)
    for n in range(6):
        side.create(timed(f"Same day {n}", TEN))
    world.sync()
    switch = "endless_pages" if name == "google" else "endless_delta"
    side.control.switches(page_limit=3, **{switch: "always"})
    relist(world, side)
    calls = []
    for _ in range(4):
        link = world.get_link(side.link_id)
        assert "again and again" in (link.problem or "") and link.due_at is not None
        clear(world)
        world.advance((link.due_at - world.clock.now()).total_seconds() + 1)
        pull_link(world.ports, side.link_id)
        calls.append(len(side.control.ledger()["calls"]))
    assert world.get_link(side.link_id).failures == 5
    assert max(calls) == min(calls) < (15 if name == "google" else 50)


def shown_calendars(world: ProviderWorld, account_id: str) -> list[str]:
    with world.ports.db.reading() as session:
        query = select(RemoteCalendar.name).where(
            RemoteCalendar.account_id == account_id, RemoteCalendar.missing_since.is_(None)
        )
        return list(session.scalars(query))


@BOTH
def test_tok_11_all_calendars_are_shown_the_nameless_one_by_its_id(
    unlinked: ProviderWorld, name: str
) -> None:
    side = unlinked.sides[name]
    wanted = [{"name": f"C{n:03}"} for n in range(130)]
    side.control.add_person(ANN, calendars=[*wanted, {"name": ""}])
    account_id = unlinked.connect(name)
    names = shown_calendars(unlinked, account_id)
    assert sorted(n for n in names if n[1:].isdigit()) == [c["name"] for c in wanted]
    ids = {c["remote_id"] for p in side.control.people() for c in p["calendars"] if not c["name"]}
    assert ids and ids < set(names)


@BOTH
def test_tok_11_an_account_without_calendars_connects_and_says_so(unlinked: ProviderWorld, name: str) -> None:
    side = unlinked.sides[name]
    key = "items" if name == "google" else "value"
    side.control.fault("thin", keys=[key], path=r"(?i)/calendarList$|/me/calendars$|/calendars$", times=100)
    account_id = unlinked.connect(name)
    assert shown_calendars(unlinked, account_id) == []
    with unlinked.ports.db.reading() as session:
        problem = session.get_one(Account, account_id).problem
    assert problem and "no calendar" in problem.casefold()
    side.control.clear_faults()
    calendars.refresh(unlinked.ports, account_id)
    assert len(shown_calendars(unlinked, account_id)) >= 2
    with unlinked.ports.db.reading() as session:
        assert session.get_one(Account, account_id).problem is None


@pytest.mark.parametrize(
    ("name", "how"),
    [
        ("google", "sized"),
        ("google", "always"),
        ("outlook", "sized"),
        ("outlook", "days"),
        ("outlook", "always"),
    ],
)
def test_tok_23_pages_that_repeat_for_ever_are_left_and_stop_nobody_else(
    world: ProviderWorld, name: str, how: str
) -> None:
    side, there = world.sides[name], other(world, name)
    ids = fill(side, 10)
    for n in range(6):
        side.create(timed(f"Same day {n}", TEN))
    world.sync()
    switch = "endless_pages" if name == "google" else "endless_delta"
    side.control.switches(page_limit=3, **{switch: how})
    side.delete(ids[3])
    there.create(timed("From the other side", TEN))
    clear(world)
    relist(world, side)
    look(world, there.link_id)
    later(world, 200, 2)
    assert len(side.control.ledger()["calls"]) < 400
    assert "From the other side" in world.hub_titles(), "the other calendar goes on"
    if how == "always":
        assert len(there.by_title()) == 17, "no deletion comes of such a listing"
        assert "again and again" in (world.get_link(side.link_id).problem or "")
        side.control.switches(**{switch: ""})
        later(world, 4000, 3)
    assert len(there.by_title()) == len(side.by_title()) == 16
    side.control.switches(page_limit=0, **{switch: ""})
    world.assert_quiet()


@BOTH
def test_tok_24_what_is_listed_twice_in_any_order_is_there_once(world: ProviderWorld, name: str) -> None:
    side, there = world.sides[name], other(world, name)
    if name == "google":
        side.control.switches(page_limit=4, overlap_pages=True)
    else:
        side.control.switches(page_limit=4, overlap_delta=True, duplicate_delta=True, shuffle_delta=True)
    fill(side, 15)
    world.sync()
    assert len(there.events()) == len(world.hub_events()) == 15
    relist(world, side)
    world.assert_quiet()


@pytest.mark.parametrize("last", ["removed", "live"])
@BOTH
def test_tok_24_an_id_that_is_removed_and_live_in_one_answer_is_what_the_provider_says_when_asked(
    world: ProviderWorld, name: str, last: str
) -> None:
    side, there = world.sides[name], other(world, name)
    remote_id = side.create(timed("There", TEN))
    world.sync()
    key = "items" if name == "google" else "value"
    shown = listed_item(world, side, remote_id)
    gone = {"id": remote_id, "status": "cancelled"} if name == "google" else {"id": remote_id, "@removed": {}}
    items = [shown, gone] if last == "removed" else [gone, shown]
    if name == "google" and last == "removed":
        side.delete(remote_id)  # At Google the last word is a proof.
    end = (
        {"nextSyncToken": "x"}
        if name == "google"
        else {"@odata.deltaLink": f"{side.control.base_url}/v1.0/x"}
    )
    side.control.fault("status", status=200, body=json.dumps({key: items, **end}), path=LISTINGS[name])
    look(world, side.link_id)
    stays = not (name == "google" and last == "removed")
    assert list(there.by_title()) == (["There"] if stays else [])
    world.assert_quiet()


def listed_item(world: ProviderWorld, side: Side, remote_id: str) -> dict[str, Any]:
    """Return an event as the provider shows it, by a call with the hub's own token."""
    gateway = world.ports.gateway
    assert isinstance(gateway, ProviderGateway)
    prefer = 'IdType="ImmutableId", outlook.timezone="UTC", outlook.body-content-type="text"'
    headers = {"Authorization": f"Bearer {gateway.grants.access_token(side.account_id)}", "Prefer": prefer}
    path = f"calendar/v3/calendars/{ANN}" if side.name == "google" else "v1.0/me"
    url = f"{side.control.base_url}/{path}/events/{remote_id}"
    found: dict[str, Any] = requests.get(url, headers=headers, timeout=10).json()
    return found


def test_tok_29_a_listing_that_ends_early_is_no_proof_that_the_rest_is_gone(world: ProviderWorld) -> None:
    for name, side in world.sides.items():
        fill(side, 8)
        world.sync()
        side.control.fault("short", keep=3, path=LISTINGS[name])
        clear(world)
        relist(world, side)
        assert world.writes() == []
    world.assert_quiet()


def test_tok_30_a_series_with_more_changed_days_than_fit_on_a_page_is_read_whole(
    world: ProviderWorld,
) -> None:
    changed = tuple(
        SeriesException(TEN + timedelta(days=n), title=f"Day {n}", cancelled=False) for n in range(1, 60)
    )
    daily = series("Standup", TEN, "FREQ=DAILY;COUNT=80")
    daily = replace(daily, when=replace(daily.when, exceptions=changed))
    world.google.create(daily)
    world.google.control.switches(page_limit=10)
    world.sync()
    assert world.outlook.by_title()["Standup"].when.exceptions == changed
    world.google.update(world.google.find("Standup"), description="Changed")
    world.sync()
    assert world.outlook.by_title()["Standup"].when.exceptions == changed
    world.assert_quiet()

"""Google's limits and refusals, through the whole hub: what has to wait arrives, and nothing else waits."""

from __future__ import annotations

import dataclasses
from datetime import datetime, timedelta

import pytest
import requests

from hub.accounts.health import health_of
from hub.plugin.testing import series, timed
from hub.plugin.types import SeriesException
from tests.provider_world import ANN, ProviderWorld

TEN = datetime(2026, 12, 7, 10)
HOUR = timedelta(hours=1)


def rounds(world: ProviderWorld, count: int, seconds: float = 70.0) -> None:
    for _ in range(count):
        world.advance(seconds)
        world.wait(0)


@pytest.mark.parametrize("switch", ["quota_per_account", "quota_per_project", "quota_per_calendar"])
def test_a_quota_is_waited_for(world: ProviderWorld, switch: str) -> None:
    world.google.control.switches(**{switch: 1 if switch == "quota_per_calendar" else 8})
    for n in range(9):
        world.outlook.create(timed(f"Event {n}", TEN + n * HOUR))
    world.google.create(timed("From Google", TEN))
    world.sync()
    refused = [call["status"] for call in world.google.control.ledger()["calls"] if call["status"] >= 400]
    assert refused and set(refused) <= {403, 429}
    rounds(world, 20)
    titles = sorted([f"Event {n}" for n in range(9)] + ["From Google"])
    assert sorted(world.google.by_title()) == sorted(world.outlook.by_title()) == titles
    assert len(world.google.events()) == len(titles)
    world.google.control.switches(**{switch: 0})
    world.assert_quiet()


def test_an_account_whose_writes_are_paused_is_read_and_catches_up_hours_later(world: ProviderWorld) -> None:
    kept = world.google.create(timed("Kept", TEN))
    world.sync()
    world.google.control.switches(read_only_people=[ANN])
    world.outlook.create(timed("New", TEN))
    world.sync()
    world.google.control.switches(read_only_people=[])
    world.google.update(kept, title="Changed")
    world.google.control.switches(read_only_people=[ANN])
    rounds(world, 10)
    assert "Changed" in world.outlook.by_title(), "what may be read is read meanwhile"
    assert list(world.google.by_title()) == ["Changed"] and world.parked() == {}
    tries = len(world.google.control.writes())
    assert tries <= 3, "an account that is paused for hours is not asked each minute"
    with world.ports.db.reading() as session:
        told = health_of(session, world.ports, [world.get_link(world.google.link_id)])[world.google.link_id]
    assert (told.state, told.waiting) == ("behind", 1) and "for hours" in (told.problem or "")
    world.google.control.switches(read_only_people=[])
    rounds(world, 4, 3700.0)
    assert sorted(world.google.by_title()) == ["Changed", "New"]
    world.assert_quiet()


@pytest.mark.parametrize("refuses", [True, False])
def test_an_event_without_length_may_be_refused(world: ProviderWorld, refuses: bool) -> None:
    world.google.control.switches(refuses_points=refuses)
    point = timed("Point", TEN)
    point = dataclasses.replace(point, when=dataclasses.replace(point.when, end=point.when.start))
    world.outlook.create(timed("Fine", TEN))
    world.api_creates(point)
    rounds(world, 3)
    assert sorted(world.google.by_title()) == ["Fine"] + ["Point"] * (not refuses)
    assert {title for name, title in world.parked() if name == "google"} == ({"Point"} if refuses else set())


def test_a_calendar_for_which_there_is_no_channel_left_is_polled_and_holds_up_no_other(
    unlinked: ProviderWorld,
) -> None:
    world = unlinked
    world.google.control.switches(most_channels=1)
    world.link_both()
    world.google.control.switches(drop_notifications=100)
    (team,) = [c["remote_id"] for c in world.google.control.people()[0]["calendars"] if c["name"] == "Team"]
    account = world.sides["google"].account_id
    world.link(account, "Team", calendar_id="cal_1")
    world.settle()
    world.outlook.create(timed("Lunch", TEN))
    world.google.control.create(ANN, team, timed("Of the team", TEN))
    rounds(world, 8, 200.0)
    for titles in (
        {c.title for c in world.google.control.events(ANN, team).values()},
        set(world.google.by_title()),
        set(world.outlook.by_title()),
    ):
        assert titles == {"Lunch", "Of the team"}


def test_a_token_that_ends_between_two_pages_is_renewed_and_the_listing_goes_on(world: ProviderWorld) -> None:
    world.google.control.switches(page_limit=2, rotates_refresh_tokens=True)
    for n in range(7):
        world.google.create(timed(f"Event {n}", TEN + n * HOUR))
    world.google.create(series("Daily", TEN, "FREQ=DAILY;COUNT=3"))
    body = '{"error": {"code": 401, "message": "Invalid Credentials", "errors": [{"domain": "global", "reason": "authError", "message": "Invalid Credentials"}]}}'  # noqa: E501
    world.google.control.fault("status", status=401, body=body, query="pageToken", times=1, skip=1)
    world.google.control.fault("status", status=401, body=body, query="iCalUID", times=1)
    world.sync()
    assert len(world.outlook.events()) == 8
    for _ in range(3):
        world.advance(4000)
        world.wait(0)
        world.outlook.update(world.outlook.find("Event 3"), description=f"{world.clock.now()}")
        world.sync()
    world.assert_quiet()


def test_a_calendar_whose_full_listings_take_google_too_long_is_linked_by_smaller_pages(
    unlinked: ProviderWorld,
) -> None:
    world = unlinked
    world.connect("google")
    titles = [f"Event {n}" for n in range(5)]
    for title in titles:
        world.google.create(timed(title, TEN))
    world.google.control.switches(page_limit=2)
    world.google.control.fault("status", status=504, query="maxResults=2500.*timeMin", times=1000)
    world.link_both()
    assert sorted(world.outlook.by_title()) == titles
    world.assert_quiet()
    world.outlook.update(world.outlook.find("Event 3"), title="Renamed")
    world.sync()
    assert "Renamed" in world.google.by_title()


def test_a_calendar_that_may_only_be_read_from_now_on_is_known_as_such_after_the_first_refusal(
    world: ProviderWorld,
) -> None:
    world.google.create(timed("Kept", TEN))
    world.sync()
    people = {"person": ANN, "calendar": world.google.calendar, "role": "reader"}
    requests.post(
        f"{world.google.control.base_url}/_control/roles", json=people, timeout=10
    ).raise_for_status()
    for n in range(3):
        world.outlook.create(timed(f"New {n}", TEN))
        world.sync()
    refused = [call for call in world.google.control.writes() if call["status"] == 403]
    assert len(refused) == 1, "what may not be written is not tried again and again"
    assert world.parked().keys() == {("google", "New 0")}, "of the others no copies are wanted any more"
    assert list(world.google.by_title()) == ["Kept"] and len(world.outlook.events()) == 4


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (400, "Google refused the request as invalid."),
        (404, "Google does not know this occurrence of the series."),
    ],
)
def test_a_day_that_google_refuses_doubles_no_series_and_is_told_of(
    world: ProviderWorld, status: int, reason: str
) -> None:
    daily = series("Daily", TEN, "FREQ=DAILY;COUNT=3")
    other = SeriesException(TEN + timedelta(days=1), title="Daily, for once with all")
    world.google.control.fault("status", status=status, method="PATCH", times=100)
    world.outlook.create(
        dataclasses.replace(daily, when=dataclasses.replace(daily.when, exceptions=(other,)))
    )
    world.sync()
    rounds(world, 3)
    assert [list(side.by_title()) for side in world.sides.values()] == [["Daily"], ["Daily"]]
    assert len(world.hub_events()) == 1
    assert world.parked() == {("google", "Daily"): reason}
    world.google.control.clear_faults()
    world.outlook.update(world.outlook.find("Daily"), description="On all days")
    world.sync()
    assert world.parked() == {}
    shown = world.google.by_title()["Daily"].when.exceptions
    assert [(e.original_start, e.title) for e in shown] == [(other.original_start, other.title)]
    world.assert_quiet()

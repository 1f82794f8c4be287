"""Google on one side, Outlook on the other, the hub between: edits, deletions, first links, lost cursors."""

from __future__ import annotations

import dataclasses
from datetime import date, datetime, timedelta
from pathlib import Path

import pytest
import requests

from hub.plugin.testing import all_day, series, timed
from hub.plugin.types import Attendee, EventContent, Location, Person, SeriesException
from hub.providers.gateway import ProviderGateway
from tests.provider_world import ANN, ProviderWorld, provider_world

TEN = datetime(2026, 12, 2, 10)
LUNCH = timed("Lunch", TEN, description="Soup", location=Location("Canteen"))


def test_dup_01_notifications_alone_carry_edits_to_the_other_side(tmp_path: Path, database_url: str) -> None:
    with provider_world(database_url, tmp_path) as world:
        world.link_both()
        at_google = world.google.create(timed("From Google", TEN))
        world.settle_until(lambda: "From Google" in world.outlook.by_title(), "the event to Outlook")
        world.outlook.create(timed("From Outlook", TEN))
        world.settle_until(lambda: "From Outlook" in world.google.by_title(), "the event to Google")
        world.outlook.update(world.outlook.find("From Google"), title="Renamed")
        world.settle_until(lambda: world.google.events()[at_google].title == "Renamed", "the title to Google")
        world.google.delete(at_google)
        world.settle_until(lambda: "Renamed" not in world.outlook.by_title(), "the deletion to Outlook")
        world.assert_quiet()


def test_dup_13_two_calendars_that_hold_the_same_events_are_paired_and_nothing_is_written(
    tmp_path: Path, sqlite_url: str
) -> None:
    same = [timed(f"Event {n}", TEN + timedelta(days=n), description=f"Text {n}") for n in range(30)]
    same += [all_day(f"Day {n}", date(2026, 12, 2) + timedelta(days=n)) for n in range(6)]
    same += [series(f"Series {n}", TEN + timedelta(days=n), "FREQ=DAILY;COUNT=5") for n in range(4)]
    with provider_world(sqlite_url, tmp_path) as world:
        for name, side in world.sides.items():
            world.connect(name)
            for content in same:
                side.create(dataclasses.replace(content, reminders=side.project(content).content.reminders))
        world.link_both()
        world.sync()
        assert [len(side.events()) for side in world.sides.values()] == [40, 40]
        assert len(world.hub_events()) == 40
        assert not [call for call in world.writes() if " POST " in call and "/events " in call]
        world.assert_quiet()


def test_dup_60_events_at_once_arrive_once_at_the_cost_of_one_call_each(world: ProviderWorld) -> None:
    for n in range(30):
        world.google.create(timed(f"G{n}", TEN + timedelta(hours=n)))
        world.outlook.create(timed(f"O{n}", TEN + timedelta(hours=n)))
    world.sync()
    assert [len(side.events()) for side in world.sides.values()] == [60, 60]
    assert len(world.writes()) == 60
    world.assert_quiet()


def test_los_expired_cursors_on_both_sides_lose_and_double_nothing(world: ProviderWorld) -> None:
    kept, gone = world.google.create(LUNCH), world.google.create(timed("Gone", TEN))
    world.sync()
    for side in world.sides.values():
        side.control.expire_cursors(ANN)
    world.google.delete(gone)
    world.google.update(kept, title="Late lunch")
    world.outlook.create(timed("New", TEN))
    world.assert_quiet()
    for side in world.sides.values():
        assert sorted(side.by_title()) == ["Late lunch", "New"]


def test_los_a_deletion_goes_everywhere_and_stays(world: ProviderWorld) -> None:
    titles = [
        f"{kind} {origin} {deleter}"
        for kind in ("single", "series")
        for origin in world.sides
        for deleter in (*world.sides, "api")
    ]
    standup = series("", TEN, "FREQ=DAILY;COUNT=5")
    for title in titles:
        kind, origin, _ = title.split()
        world.sides[origin].create(dataclasses.replace(LUNCH if kind == "single" else standup, title=title))
    world.sync()
    for title in titles:
        deleter = title.split()[-1]
        if deleter == "api":
            world.api_deletes(world.hub_event(title)[0])
        else:
            world.sides[deleter].delete(world.sides[deleter].find(title))
    world.assert_quiet()
    assert world.hub_events() == world.google.events() == world.outlook.events() == {}


def test_los_02_different_fields_edited_on_both_sides_are_merged(world: ProviderWorld) -> None:
    remote_id = world.google.create(LUNCH)
    world.sync()
    world.google.update(remote_id, title="Late lunch")
    world.outlook.update(world.outlook.find("Lunch"), location=Location("Roof"))
    event_id, content = world.hub_event("Lunch")
    world.api_updates(event_id, dataclasses.replace(content, description="Salad"))
    world.assert_quiet()
    for side in world.sides.values():
        held = side.by_title()["Late lunch"]
        assert (held.location, held.description) == (Location("Roof"), "Salad")


def test_los_02_the_same_field_edited_on_both_sides_is_one_conflict_and_the_same_everywhere(
    world: ProviderWorld,
) -> None:
    remote_id = world.google.create(LUNCH)
    world.sync()
    world.google.update(remote_id, title="Brunch")
    world.outlook.update(world.outlook.find("Lunch"), title="Supper")
    world.assert_quiet(conflicts=1)
    (conflict,) = world.conflicts()
    assert {conflict.hub_value["value"], conflict.provider_value["value"]} == {"Brunch", "Supper"}
    (title,) = world.google.by_title()
    assert [title] == list(world.outlook.by_title())


def test_los_01_an_edit_at_one_side_wins_over_the_deletion_at_the_other(world: ProviderWorld) -> None:
    remote_id = world.google.create(LUNCH)
    world.sync()
    world.google.delete(remote_id)
    world.outlook.update(world.outlook.find("Lunch"), title="Late lunch")
    world.assert_quiet(conflicts=1)
    assert list(world.google.by_title()) == list(world.outlook.by_title()) == ["Late lunch"]


def test_los_changes_of_different_occurrences_on_both_sides(world: ProviderWorld) -> None:
    remote_id = world.google.create(series("Standup", TEN, "FREQ=DAILY;COUNT=9"))
    world.sync()
    when = world.google.events()[remote_id].when
    mine = SeriesException(TEN + timedelta(days=1), cancelled=True)
    other = SeriesException(TEN + timedelta(days=2), title="Special")
    world.google.update(remote_id, when=dataclasses.replace(when, exceptions=(mine,)))
    world.outlook.update(world.outlook.find("Standup"), when=dataclasses.replace(when, exceptions=(other,)))
    world.assert_quiet(conflicts=1)


@pytest.mark.parametrize("source", ["google", "outlook"])
def test_att_a_meeting_of_somebody_else_is_copied_without_guests_and_never_written_back(
    world: ProviderWorld, source: str
) -> None:
    boss = Person("boss@example.test", "Boss")
    guests = (Attendee(ANN, "Ann"), Attendee("bob@example.test", "Bob"))
    side = world.sides[source]
    side.create(dataclasses.replace(LUNCH, organizer=boss, attendees=guests))
    world.sync()
    other = world.outlook if source == "google" else world.google
    assert other.by_title()["Lunch"].attendees == ()
    assert world.hub_event("Lunch")[1].organizer == boss
    other.update(other.find("Lunch"), title="Mine")
    side.control.clear_ledger()
    world.sync()
    assert side.control.writes() == []
    assert list(side.by_title()) == ["Lunch"]
    world.assert_quiet(parked={(source, "Mine")})


HTML = (
    "<html><head></head><body><p>Hello&nbsp;<b>you</b> &lt;3 &amp; more</p><ul><li>one</li></ul>"
    "<table><tr><td>cell</td></tr></table></body></html>"
)


def test_fld_01_html_that_a_person_writes_at_outlook_becomes_text_once(world: ProviderWorld) -> None:
    world.outlook.create(LUNCH)
    world.sync()
    patch_at_outlook(world, {"body": {"contentType": "html", "content": HTML}})
    world.assert_quiet()
    text = world.google.by_title()["Lunch"].description
    assert "<b>" not in text
    assert "cell" in text
    assert "Hello you <3 & more" in text


def test_fld_01_text_that_is_changed_at_the_other_side_replaces_html_once(world: ProviderWorld) -> None:
    world.outlook.create(LUNCH)
    world.sync()
    patch_at_outlook(world, {"body": {"contentType": "html", "content": HTML}})
    world.sync()
    world.google.update(world.google.find("Lunch"), description="a <b> &amp; c\nd")
    world.assert_quiet()
    assert world.outlook.by_title()["Lunch"].description == "a <b> &amp; c\nd"


def patch_at_outlook(world: ProviderWorld, body: object) -> None:
    """Edit Lunch as another app of the person does: over Graph itself."""
    gateway = world.ports.gateway
    assert isinstance(gateway, ProviderGateway)
    token = gateway.grants.access_token(world.outlook.account_id)
    url = f"{world.outlook.control.base_url}/v1.0/me/events/{world.outlook.find('Lunch')}"
    headers = {"Authorization": f"Bearer {token}", "Prefer": 'IdType="ImmutableId"'}
    requests.patch(url, json=body, headers=headers, timeout=10).raise_for_status()


def test_fld_a_description_of_a_megabyte_is_kept_whole_by_the_hub_and_cut_by_google_alone(
    world: ProviderWorld,
) -> None:
    text = "word & <more>\n" * 75_000
    world.outlook.create(dataclasses.replace(LUNCH, description=text))
    world.sync()
    assert len(world.google.by_title()["Lunch"].description) <= 8192
    world.google.update(world.google.find("Lunch"), location=Location("Roof"))
    world.assert_quiet()
    assert world.outlook.by_title()["Lunch"].description == text.rstrip("\n")


def test_fld_what_one_side_cannot_hold_survives_edits_there(world: ProviderWorld) -> None:
    rich = EventContent(
        LUNCH.when, "Lunch", categories=("Work",), priority=1, location=Location("Room", "Main St 1")
    )
    world.outlook.create(rich)
    world.sync()
    world.google.update(world.google.find("Lunch"), title="Late lunch", description="More")
    world.assert_quiet()
    held = world.outlook.by_title()["Late lunch"]
    assert (held.categories, held.priority, held.location) == (("Work",), 1, Location("Room", "Main St 1"))


def test_a_channel_that_ends_before_it_begins_is_not_opened_again_at_once(unlinked: ProviderWorld) -> None:
    """The provider's clock may be behind the hub's."""
    past = int((unlinked.clock.now() - timedelta(minutes=1)).timestamp() * 1000)
    control = unlinked.google.control
    control.fault("odd", path="/watch$", values={"expiration": str(past)}, times=1000)
    unlinked.link_both()
    for wait, opened in ((0, 1), (30, 1), (31, 2), (5, 2)):
        unlinked.advance(wait)
        unlinked.wait(0)
        calls = [c for c in control.ledger()["calls"] if c["path"].endswith("/watch")]
        assert len(calls) == opened

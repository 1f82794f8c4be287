"""DUP: what the hub wrote itself is no news, however it is shown and however often it is told."""

from __future__ import annotations

import dataclasses
from datetime import UTC, date, datetime, timedelta

import pytest

from hub.accounts import agenda
from hub.models import Calendar
from hub.outbound.linking import LinkingError
from hub.plugin.testing import all_day, series, timed
from hub.plugin.types import EventContent, Location, SeriesException, When
from tests.memory_provider import MemoryPlugin
from tests.provider_world import ProviderWorld
from tests.scenarios.play import clear, later, other, writes
from tests.world import World

NINE = datetime(2026, 12, 7, 9)
WEEKLY = "FREQ=WEEKLY;COUNT=6"
LUNCH = timed("Lunch", datetime(2026, 12, 1, 12))
KINDS = {
    "single": LUNCH,
    "all-day": all_day("Off", date(2026, 12, 3)),
    "series": series("Jour", NINE, WEEKLY),
}


@pytest.mark.parametrize(
    ("source", "kind"), [("google", "single"), ("outlook", "series"), ("google", "all-day")]
)
def test_dup_01_own_write_is_not_an_event(unlinked: ProviderWorld, source: str, kind: str) -> None:
    world = unlinked
    world.google.control.switches(drop_notifications=0, duplicate_notifications=100)
    world.outlook.control.switches(notify=True)
    world.link_both()
    clear(world)
    side, far = world.sides[source], other(world, source)
    side.create(KINDS[kind])
    world.settle_until(lambda: len(far.events()) == 1, "the event")
    for number in range(5):
        world.advance(300)
        world.wait(0)
        world.sync()
        if number == 1:
            assert (len(writes(far, "POST")), writes(side)) == (1, [])
            before = world.writes()
    assert world.writes() == before
    assert len(side.events()) == len(far.events()) == 1
    world.assert_quiet()


@pytest.mark.parametrize("deleted_in", ["a", "b", "c"])
@pytest.mark.parametrize("kind", ["single", "series"])
def test_dup_02_three_calendars_kept_equal_never_hold_more_than_one_copy(
    tmp_path: object, database_url: str, deleted_in: str, kind: str
) -> None:
    world = three(database_url, tmp_path)
    for name in "abc":
        world.link(f"acc_{name}_ann")
    world.settle()
    julian = dataclasses.replace(KINDS[kind], title="Julian is One!")
    world.person_creates("a", julian)
    world.settle()
    assert [world.titles(name) for name in "abc"] == [["Julian is One!"]] * 3
    (remote_id,) = world.remote(deleted_in)
    world.person_deletes(deleted_in, remote_id)
    for _ in range(10):
        world.wait()
    assert [world.titles(name) for name in "abc"] == [[], [], []]
    assert world.hub_events() == {}
    assert world.writes() == 4, "two creates and two deletes"


def test_dup_02_a_ring_of_pairs_cannot_be_made(tmp_path: object, database_url: str) -> None:
    world = three(database_url, tmp_path)
    world.link("acc_a_ann")
    world.link("acc_b_ann")
    with world.ports.db.transaction() as session:
        first = session.get_one(Calendar, "cal_1")
        values = {"tenant_id": first.tenant_id, "user_id": first.user_id, "created_at": first.created_at}
        session.add(Calendar(id="cal_2", name="Second", zone="Europe/Berlin", **values))
    world.link("acc_c_ann", "Main", "cal_2")
    for name in "abc":
        with pytest.raises(LinkingError, match=r"already linked .* a remote calendar is linked once"):
            world.link(f"acc_{name}_ann", "Main", "cal_2")


def three(url: str, home: object) -> World:
    world = World(url, home, *(MemoryPlugin(name) for name in "abc"))  # type: ignore[arg-type]
    for name in "abc":
        world.connect(name)
    return world


@pytest.mark.parametrize("origin", ["google", "outlook", "hub"])
def test_dup_14_instances_of_a_series_the_hub_wrote_are_matched_to_it(
    world: ProviderWorld, origin: str
) -> None:
    jour = series("Jour", NINE, WEEKLY)
    _ = world.api_creates(jour) if origin == "hub" else world.sides[origin].create(jour)
    world.sync()
    second, third, fourth = (NINE + timedelta(weeks=n) for n in (1, 2, 3))
    at_google, at_outlook = world.google.find("Jour"), world.outlook.find("Jour")
    moved = SeriesException(second, start=second + timedelta(hours=2))
    when = world.google.events()[at_google].when
    world.google.update(at_google, when=dataclasses.replace(when, exceptions=(moved,)))
    world.sync()
    when = world.outlook.events()[at_outlook].when
    called_off = (
        *when.exceptions,
        SeriesException(third, cancelled=True),
        SeriesException(fourth, title="X"),
    )
    world.outlook.update(at_outlook, when=dataclasses.replace(when, exceptions=called_off))
    world.sync()
    for side in world.sides.values():
        assert list(side.by_title()) == ["Jour"]
        assert len(side.by_title()["Jour"].when.exceptions) == 3, side.name
    assert len(world.hub_events()) == 1
    world.assert_quiet()


def whole_day(first: date, zone: str = "Europe/Berlin") -> EventContent:
    start = datetime.combine(first, datetime.min.time())
    return EventContent(When(start, start + timedelta(days=1), zone, zone), f"Whole {first} {zone}")


ODD = [
    whole_day(date(2026, 12, 3)),
    whole_day(date(2026, 10, 25)),
    whole_day(date(2027, 3, 28)),
    whole_day(date(2026, 12, 3), "America/New_York"),
    whole_day(date(2026, 12, 3), "Asia/Kolkata"),
    whole_day(date(2026, 12, 3), "Pacific/Chatham"),
    whole_day(date(2026, 12, 3), "Europe/Madrid"),
    timed("No length", NINE, 0),
    timed("Over midnight", NINE.replace(hour=22), 300),
    timed("Three days", NINE, 3 * 1440),
    timed("Odd minutes", NINE.replace(minute=7), 13),
    timed("Skipped hour", datetime(2027, 3, 28, 2, 30)),
    timed("Doubled hour", datetime(2026, 10, 25, 2, 30)),
    all_day("One day", date(2026, 12, 3)),
    all_day("Two weeks", date(2026, 12, 3), 14),
    all_day("Over the clock change", date(2027, 3, 27), 3),
    timed("  spaces \t around  ", NINE, description="  a\r\n\r\nb  \n", location=Location(" Room,\n 5 ")),
    timed("Ünï ☃ <b>&amp;</b>", NINE, description="<p>no html</p> & é\u00a0x https://example.test/?a=1&b=2"),
    timed("", NINE.replace(hour=11), description="No title"),
    series("Jour", NINE, WEEKLY, SeriesException(NINE, cancelled=True)),
    series("Nightly", NINE.replace(hour=0), "FREQ=DAILY;COUNT=150", zone="America/New_York"),
]
"""Events whose written form differs between the providers, or between what is sent and what is shown."""


@pytest.mark.parametrize("source", ["google", "outlook", "hub"])
def test_dup_16_what_the_hub_wrote_reads_back_as_equal(world: ProviderWorld, source: str) -> None:
    for content in ODD:
        if source == "hub":
            world.api_creates(content)
        else:
            world.sides[source].create(world.sides[source].project(content).content)
    world.sync()
    assert world.parked() == {}
    clear(world)
    for _ in range(5):
        world.relist()
        later(world, times=1)
    assert world.writes() == []
    for side in world.sides.values():
        assert len(side.events()) == len(ODD)
    world.assert_quiet()


@pytest.mark.parametrize(("origin", "changed"), [("google", True), ("outlook", False), ("hub", True)])
def test_dup_22_the_first_day_of_a_series_is_shown_once(
    world: ProviderWorld, origin: str, changed: bool
) -> None:
    weekly = series("Jour", NINE, WEEKLY, *([SeriesException(NINE, title="Kick-off")] if changed else []))
    _ = world.api_creates(weekly) if origin == "hub" else world.sides[origin].create(weekly)
    world.sync()
    world.relist()
    monday = datetime(2026, 12, 7, tzinfo=UTC)
    with world.ports.db.reading() as session:
        calendar = session.get_one(Calendar, "cal_1")
        entries = agenda.list_entries(session, [calendar], monday, monday + timedelta(days=7))
        shown = [(e.content.title, e.occurrence.starts_at) for e in entries]
    assert shown == [("Kick-off" if changed else "Jour", datetime(2026, 12, 7, 8, tzinfo=UTC))]
    assert len(world.hub_events()) == 1
    world.assert_quiet()

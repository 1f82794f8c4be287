"""LOS: deletions that must arrive, must not come back, must not be invented, and end."""

from __future__ import annotations

import dataclasses
from datetime import datetime, timedelta

import pytest
from sqlalchemy import select

from hub.models import Change
from hub.plugin.testing import series, timed
from tests.provider_world import ANN, ProviderWorld, Side
from tests.scenarios.play import clear, later, link_more, lose_answer, other, pull, refuse, writes
from tests.world import World

TEN = datetime(2026, 12, 7, 10)
LUNCH = timed("Lunch", TEN)
KINDS = {"single": LUNCH, "series": series("Lunch", TEN, "FREQ=DAILY;COUNT=5")}
SIDES = ["google", "outlook"]


@pytest.mark.parametrize(
    ("source", "kind", "then"),
    [
        ("google", "single", "nothing"),
        ("google", "series", "edited"),
        ("outlook", "single", "edited"),
        ("outlook", "series", "relisted"),
    ],
)
def test_los_10_a_mirror_that_the_user_deletes_stays_away(
    unlinked: ProviderWorld, source: str, kind: str, then: str
) -> None:
    world = unlinked
    side, mirror = world.sides[source], other(world, source)
    world.link_primary(source, direction="import")
    world.link_primary(mirror.name, direction="export")
    world.settle()
    remote_id = side.create(KINDS[kind])
    world.sync()
    mirror.delete(mirror.find("Lunch"))
    world.sync()
    if then == "edited":
        side.update(remote_id, title="Late lunch")
    if then == "relisted":
        world.relist()
    for _ in range(3):
        world.sync()
        later(world, times=1)
    assert mirror.events() == {}
    assert len(side.events()) == len(world.hub_events()) == 1
    assert writes(side) == []


@pytest.mark.parametrize("direction", ["export", "two_way"])
@pytest.mark.parametrize("is_seen", [False, True], ids=["unseen", "seen"])
def test_los_11_a_mirror_that_was_moved_to_another_calendar_is_deleted_there_or_is_the_persons_own(
    unlinked: ProviderWorld, direction: str, is_seen: bool
) -> None:
    world = unlinked
    world.link_primary("google")
    world.link_primary("outlook", direction=direction)
    world.settle()
    remote_id = world.google.create(LUNCH)
    world.sync()
    control = world.outlook.control
    (team,) = [c["remote_id"] for p in control.people() for c in p["calendars"] if c["name"] == "Team"]
    control.move(ANN, world.outlook.calendar, world.outlook.find("Lunch"), team)
    if is_seen:
        world.sync()
    if remote_id in world.google.events():
        world.google.delete(remote_id)
    pull(world, world.google)
    world.sync()
    later(world)
    assert world.hub_events() == world.google.events() == world.outlook.events() == {}
    assert len(control.events(ANN, team)) == (1 if is_seen else 0)
    world.assert_quiet()


@pytest.mark.parametrize(
    ("name", "kind", "is_seen"),
    [
        ("google", "single", False),
        ("outlook", "series", False),
        ("google", "series", True),
        ("outlook", "single", True),
    ],
)
def test_los_11_a_mirror_whose_id_changed_in_its_calendar_is_really_deleted(
    world: ProviderWorld, name: str, kind: str, is_seen: bool
) -> None:
    side, source = world.sides[name], other(world, name)
    remote_id = source.create(KINDS[kind])
    world.sync()
    side.control.move(ANN, side.calendar, side.find("Lunch"), side.calendar, new_id=True)
    if is_seen:
        world.sync()
        assert len(world.hub_events()) == len(side.events()) == len(source.events()) == 1
    assert list(source.events()) == [remote_id], "the original stays the original"
    source.delete(remote_id)
    pull(world, source)
    world.sync()
    assert world.hub_events() == side.events() == source.events() == {}
    world.assert_quiet()


@pytest.mark.parametrize(
    ("name", "kind", "how"),
    [("google", "single", "410"), ("google", "series", "gone"), ("outlook", "single", "404")],
)
def test_los_12_a_deletion_of_what_is_gone_already_is_done(
    world: ProviderWorld, name: str, kind: str, how: str
) -> None:
    side = world.sides[name]
    other(world, name).create(KINDS[kind])
    world.sync()
    event_id, _ = world.hub_event("Lunch")
    if how == "gone":
        side.delete(side.find("Lunch"))
    else:
        code = {"google": "deleted" if how == "410" else "notFound", "outlook": "ErrorItemNotFound"}[name]
        side.delete(side.find("Lunch"))
        refuse(side, int(how), "DELETE", code=code)
    clear(world)
    world.api_deletes(event_id)
    world.settle()
    later(world)
    assert len(writes(side, "DELETE")) <= 1
    assert world.hub_events() == {}
    world.assert_quiet()


@pytest.mark.parametrize(
    ("name", "how"), [("google", "cut"), ("outlook", "503"), ("google", "never"), ("outlook", "never")]
)
def test_los_12_a_deletion_whose_answer_is_lost_or_untrue_is_done_in_the_end(
    world: ProviderWorld, name: str, how: str
) -> None:
    side, source = world.sides[name], other(world, name)
    remote_id = source.create(LUNCH)
    world.sync()
    if how == "never":
        side.control.fault("status", method="DELETE", status=204)
    else:
        lose_answer(side, how, "DELETE")
    source.delete(remote_id)
    world.sync()
    later(world)
    world.relist()
    world.sync()
    assert world.hub_events() == side.events() == source.events() == {}
    world.assert_quiet()


@pytest.mark.parametrize("listed", ["left", "right"])
@pytest.mark.parametrize("made_in", ["left", "right", "hub"])
def test_los_13_an_event_made_while_a_full_listing_runs_is_not_deleted_by_it(
    memory: World, listed: str, made_in: str
) -> None:
    links = dict(zip(("left", "right"), memory.linked_pair(), strict=True))
    for n in range(4):
        memory.person_creates("left", timed(f"Old {n}", TEN + timedelta(days=n)))
    memory.settle()
    service = memory.services[listed]
    service.page_size = 2

    def meanwhile() -> None:
        if made_in == "hub":
            memory.api_creates(LUNCH)
        else:
            memory.person_creates(made_in, LUNCH)
        other_link = links["right" if listed == "left" else "left"]
        memory.tasks["pull"](memory.ports, other_link)
        memory.tasks["push"](memory.ports, other_link)

    service.before_listing = meanwhile
    service.people[ANN].epoch += 1
    memory.wait()
    memory.wait(steps=2)
    expected = ["Lunch", *(f"Old {n}" for n in range(4))]
    assert memory.titles("left") == memory.titles("right") == memory.hub_titles() == expected
    before = memory.writes()
    memory.wait(steps=3)
    assert memory.writes() == before


@pytest.mark.parametrize(("name", "kind"), [("google", "single"), ("outlook", "series")])
def test_los_17_a_move_and_a_deletion_at_the_provider_reach_the_store(
    world: ProviderWorld, name: str, kind: str
) -> None:
    side = world.sides[name]
    moved, cancelled = world.api_creates(KINDS[kind]), world.api_creates(timed("Other", TEN))
    world.settle()
    when = side.by_title()["Lunch"].when
    step = timedelta(hours=2)
    side.update(
        side.find("Lunch"), when=dataclasses.replace(when, start=when.start + step, end=when.end + step)
    )
    side.delete(side.find("Other"))
    pull(world, side)
    events = world.hub_events()
    assert events[moved].when.start == TEN + step
    assert cancelled not in events
    with world.ports.db.reading() as session:
        log = [(c.event_id, c.kind) for c in session.scalars(select(Change).order_by(Change.seq))]
    assert log[-2:] in (
        [(moved, "updated"), (cancelled, "deleted")],
        [(cancelled, "deleted"), (moved, "updated")],
    ), "what follows the change log hears of both"
    world.assert_quiet()


def test_los_10_in_a_two_way_link_a_deleted_copy_deletes_the_event(world: ProviderWorld) -> None:
    team: Side = link_more(world, "google")
    world.outlook.create(LUNCH)
    world.sync()
    team.delete(team.find("Lunch"))
    world.sync()
    assert world.hub_events() == world.outlook.events() == world.google.events() == team.events() == {}

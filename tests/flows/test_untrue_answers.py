"""One answer of a provider that is not true, whatever it says, costs a repetition and nothing else.

A status or a body that no page of the provider's describes: a proxy that wants a password, a redirect to
nowhere, success without an answer. Each is played once at each kind of call, carried out or not.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from hub.plugin.testing import series, timed
from hub.plugin.types import Location
from tests.provider_world import ProviderWorld, Side, provider_world
from tests.scenarios.play import clear, later, mute

TEN = datetime(2026, 12, 7, 10)
DAY = timedelta(days=1)

REFUSALS = (302, 304, 401, 404, 407, 408, 409, 410, 412, 421, 423, 425, 500, 502, 504)
BODIES = ("", "{}", "null", "[]", '{"value": null, "items": null}', '{"value": [{"id": "x', "<html>Hi</html>")


@pytest.fixture
def world(tmp_path: Path, sqlite_template: Path) -> Iterator[ProviderWorld]:
    """Both sandboxes, linked; they notify nobody."""
    shutil.copy(sqlite_template, tmp_path / "hub.db")
    with provider_world(f"sqlite:///{tmp_path / 'hub.db'}", tmp_path) as made:
        mute(made)
        made.link_both()
        yield made


def sides(world: ProviderWorld, name: str) -> tuple[Side, Side]:
    """Return the provider whose answers are not true, and the other."""
    (other,) = (side for n, side in world.sides.items() if n != name)
    return world.sides[name], other


def play(side: Side, other: Side, number: int) -> None:
    """Edit, delete and make events on both sides."""
    at = TEN + number * DAY
    kept, gone, made = f"Kept {number}", f"Gone {number}", f"Made {number}"
    other.update(other.find(kept), location=Location("R5"))
    other.delete(other.find(gone))
    other.create(series(made, at, "FREQ=DAILY;COUNT=3"))
    side.create(timed(f"Own {number}", at))


def settled(world: ProviderWorld, side: Side, other: Side, number: int) -> None:
    """Check that all of it has arrived, once."""
    world.sync()
    later(world)
    side.control.clear_faults()  # A call that was not made has had no answer.
    kept, gone, made = f"Kept {number}", f"Gone {number}", f"Made {number}"
    for one in (side, other):
        shown = one.by_title()
        assert shown[kept].location == Location("R5")
        assert gone not in shown and shown[made].when.is_series and f"Own {number}" in shown
    assert len(world.hub_events()) == len(side.events()) == len(other.events())
    assert world.parked() == {}


def fill(world: ProviderWorld, other: Side, count: int) -> None:
    for number in range(count):
        other.create(timed(f"Kept {number}", TEN + number * DAY))
        other.create(timed(f"Gone {number}", TEN + number * DAY))
    world.sync()


@pytest.mark.parametrize("method", ["GET", "POST", "PATCH", "DELETE"])
@pytest.mark.parametrize("name", ["google", "outlook"])
def test_one_call_that_is_refused_for_no_reason_is_made_again(
    world: ProviderWorld, name: str, method: str
) -> None:
    side, other = sides(world, name)
    fill(world, other, len(REFUSALS))
    for number, status in enumerate(REFUSALS):
        play(side, other, number)
        side.control.fault("status", status=status, method=method, times=1)
        settled(world, side, other, number)
    world.assert_quiet()


@pytest.mark.parametrize("is_done", [False, True])
@pytest.mark.parametrize("method", ["GET", "POST", "PATCH"])
@pytest.mark.parametrize("name", ["google", "outlook"])
def test_a_success_without_an_event_is_looked_into(
    world: ProviderWorld, name: str, method: str, is_done: bool
) -> None:
    side, other = sides(world, name)
    kind = "status_after" if is_done else "status"
    fill(world, other, len(BODIES))
    for number, body in enumerate(BODIES):
        play(side, other, number)
        side.control.fault(kind, status=200, body=body, method=method, times=1)
        settled(world, side, other, number)
    world.assert_quiet()


@pytest.mark.parametrize("status", [404, 410])
@pytest.mark.parametrize("name", ["google", "outlook"])
def test_what_cannot_be_made_for_long_is_told_of_and_not_taken_for_deleted(
    world: ProviderWorld, name: str, status: int
) -> None:
    side, other = sides(world, name)
    side.control.fault("status", status=status, method="POST", times=100)
    other.create(timed("Lunch", TEN))
    world.sync()
    later(world)
    clear(world)
    later(world, 3600)
    assert len(world.hub_events()) == len(other.events()) == 1
    assert len(side.control.writes()) <= 3
    assert world.parked() or world.get_link(side.link_id).problem
    side.control.clear_faults()
    other.update(other.find("Lunch"), location=Location("R5"))
    later(world, 3600)
    assert list(side.by_title()) == ["Lunch"] and world.parked() == {}
    world.assert_quiet()


@pytest.mark.parametrize("what", ["made", "edited", "deleted"])
@pytest.mark.parametrize("name", ["google", "outlook"])
def test_a_lone_change_survives_a_provider_that_takes_no_writes_for_long(
    world: ProviderWorld, name: str, what: str
) -> None:
    side, other = sides(world, name)
    lunch = other.create(timed("Lunch", TEN))
    world.sync()
    for method in ("POST", "PATCH", "DELETE"):
        side.control.fault("status", status=503, method=method, times=1000)
    if what == "made":
        other.create(timed("Dinner", TEN))
    elif what == "edited":
        other.update(lunch, title="Dinner")
    else:
        other.delete(lunch)
    world.sync()
    later(world, 60, 30)
    assert world.parked() == {} and world.get_link(side.link_id).state == "active"
    side.control.clear_faults()
    later(world, 60, 7)
    assert sorted(side.by_title()) == sorted(other.by_title())
    world.assert_quiet()

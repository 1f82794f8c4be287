"""A country changes its clocks' rules: nine o'clock stays nine o'clock, and nobody is told of a move."""

from __future__ import annotations

import functools
import gc
import shutil
import zoneinfo
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from hub.keeping import zones
from hub.models import ZoneRelease
from hub.plugin.testing import series, timed
from tests.provider_world import ProviderWorld, agenda
from tests.scenarios.meetings import call

SUMMER = datetime(2027, 7, 20, 9)
ChangeRules = Callable[[str, str], None]


@pytest.fixture
def change_rules(tmp_path: Path) -> Iterator[ChangeRules]:
    """Give a zone the rules of another one from now on, as another release of tzdata would."""
    before = zoneinfo.TZPATH

    def change(zone: str, like: str) -> None:
        file = tmp_path / "zones" / zone
        file.parent.mkdir(parents=True)
        with resources.as_file(resources.files("tzdata") / "zoneinfo" / like) as source:
            shutil.copy(source, file)
        (tmp_path / "zones" / "tzdata.zi").write_text("# version 2099z\n")
        begin_anew([str(tmp_path / "zones"), *before])

    yield change
    begin_anew(before)


def begin_anew(path: list[str] | tuple[str, ...]) -> None:
    """Read zones from there, and forget what was computed, as processes do that begin."""
    zoneinfo.reset_tzpath(path)
    zoneinfo.ZoneInfo.clear_cache()
    gc.unfreeze()  # What is frozen (`tests/conftest.py`) is not found.
    for found in gc.get_objects():
        if isinstance(found, functools._lru_cache_wrapper) and found.__module__.startswith("hub"):
            found.cache_clear()
    gc.freeze()


def test_wall_times_survive_a_change_of_a_zones_rules(
    world: ProviderWorld, change_rules: ChangeRules
) -> None:
    world.google.create(timed("Single", SUMMER))
    world.outlook.create(series("Weekly", datetime(2027, 3, 22, 9), "FREQ=WEEKLY;COUNT=2"))
    world.sync()
    kept = world.hub_events()
    shown = {name: side.by_title() for name, side in world.sides.items()}
    for side in world.sides.values():
        side.control.clear_ledger()

    change_rules("Europe/Berlin", "Etc/GMT-1")  # It is winter all the year.

    world.sync()
    world.relist()
    assert world.writes() == []
    assert world.hub_events() == kept
    assert {name: side.by_title() for name, side in world.sides.items()} == shown
    for title, starts in (
        ("Single", [datetime(2027, 7, 20, 8, tzinfo=UTC)]),
        ("Weekly", [datetime(2027, 3, d, 8, tzinfo=UTC) for d in (22, 29)]),
    ):
        for content in (world.hub_event(title)[1], *(s.by_title()[title] for s in world.sides.values())):
            assert [begin for begin, _ in agenda(content)] == starts
    world.google.update(world.google.find("Single"), title="Renamed")
    world.sync()
    assert world.outlook.by_title()["Renamed"].when == kept[world.hub_event("Renamed")[0]].when
    world.assert_quiet()


def test_windows_follow_the_zone_data_in_batches_that_can_end_anywhere(
    world: ProviderWorld, change_rules: ChangeRules, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(zones, "BATCH", 2)
    titles = ["Single", "Weekly", "Alone", "Moved"]
    for title in titles:
        world.api_creates(timed(title, SUMMER))
    untouched = world.api_creates(timed("In UTC", SUMMER, zone="UTC"))
    zones.follow(world.ports)
    kept = world.hub_events()
    versions = [call(world, "GET", f"/events/{event_id}")["version"] for event_id in kept]

    change_rules("Europe/Berlin", "Etc/GMT-1")

    window = "/events?start=2027-07-20T08:15:00Z&end=2027-07-20T08:45:00Z&expand=true"
    assert call(world, "GET", window)["items"] == []
    zones._batch(world.ports, zones.installed(), begins=True)
    assert 0 < len(call(world, "GET", window)["items"]) < len(titles), "its process ends here"
    zones.follow(world.ports)
    found = call(world, "GET", window)["items"]
    assert sorted(item["title"] for item in found) == sorted(titles)
    assert world.hub_events() == kept and untouched in kept
    assert [call(world, "GET", f"/events/{event_id}")["version"] for event_id in kept] == versions
    with world.ports.db.reading() as session:
        row = session.scalars(select(ZoneRelease)).one()
    assert (row.release, row.reached) == ("2099z", None)


def test_of_two_workers_with_different_zone_data_the_one_that_begins_later_goes_on_alone(
    world: ProviderWorld, change_rules: ChangeRules, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(zones, "BATCH", 2)
    titles = ["Single", "Weekly", "Alone", "Moved", "Last"]
    for title in titles:
        world.api_creates(timed(title, SUMMER))
    batch, made = zones._batch, []

    def interrupted(*arguments: Any, **options: Any) -> int | None:
        count = batch(*arguments, **options)
        made.append(count)
        if len(made) == 1:
            change_rules("Europe/Berlin", "Etc/GMT-1")
            zones.follow(world.ports)
        return count

    monkeypatch.setattr(zones, "_batch", interrupted)
    zones.follow(world.ports)
    window = "/events?start=2027-07-20T08:15:00Z&end=2027-07-20T08:45:00Z&expand=true"
    assert sorted(item["title"] for item in call(world, "GET", window)["items"]) == sorted(titles)
    with world.ports.db.reading() as session:
        row = session.scalars(select(ZoneRelease)).one()
    assert (row.release, row.reached) == ("2099z", None)
    assert made[-1] is None, "the older one has noticed"

"""ATT: clearing up what a fault has made twice mails nobody, and can be taken back."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from sqlalchemy import select

from hub.commands import duplicates
from hub.models import RemoteCalendar
from hub.outbound.lease import border_calendar
from hub.plugin.testing import timed
from hub.plugin.types import PushCreate
from tests.provider_world import ProviderWorld, Side
from tests.scenarios.meetings import BOB, OWN, TEN, call, told
from tests.scenarios.play import clear, other, writes

LUNCH = timed("Lunch", TEN)


def make_twice(world: ProviderWorld, side: Side, times: int) -> None:
    """Have a fault make each copy of the hub's again, with the mark of the first."""
    with world.ports.db.reading() as session:
        query = select(RemoteCalendar).where(
            RemoteCalendar.account_id == side.account_id, RemoteCalendar.primary
        )
        calendar = border_calendar(session.scalars(query).one())
    contents = side.events()
    for copy in world.copies(side.link_id):
        for _ in range(times):
            push = PushCreate(world.ports.ids.bare(), copy.id, contents[copy.remote_id or ""])
            world.ports.gateway.call(side.account_id, "push_event", calendar=calendar, push=push)


def found(world: ProviderWorld) -> list[duplicates.Duplicate]:
    return list(duplicates.find(world.ports))


@pytest.mark.parametrize("name", ["google", "outlook"])
@pytest.mark.parametrize("direction", ["export", "two_way"])
def test_att_16_duplicates_are_told_first_and_cleared_up_without_a_mail(
    unlinked: ProviderWorld, tmp_path: Path, name: str, direction: str
) -> None:
    world, side, source = unlinked, unlinked.sides[name], other(unlinked, name)
    world.link_primary(source.name)
    world.link_primary(name, direction=direction)
    world.settle()
    for title in ("Lunch", "Dinner"):
        source.create(dataclasses.replace(LUNCH, title=title))
    world.sync()
    make_twice(world, side, 3)
    world.sync()
    side.create(LUNCH)  # By a person, beside the copy: it stays.
    clear(world)
    dry = found(world)
    assert sorted(d.remote.content.title for d in dry) == ["Dinner"] * 3 + ["Lunch"] * 3
    assert world.writes() == []
    assert {d.event_id is None for d in dry} == {direction == "export"}
    run_id, file = duplicates.clear(world.ports, dry, tmp_path)
    world.sync()
    assert sorted(c.title for c in side.events().values()) == ["Dinner", "Lunch", "Lunch"]
    assert sorted(c.title for c in source.events().values())[:2] == ["Dinner", "Lunch"]
    assert (found(world), told(world)) == ([], [])
    if direction == "export":
        assert duplicates.restore(world.ports, file) == 6
    else:
        assert not file.exists()
        call(world, "POST", f"/runs/{run_id}/undo", {})
    world.sync()
    assert len(side.events()) == 9


def test_att_16_what_others_have_and_what_people_made_is_left_alone(
    world: ProviderWorld, tmp_path: Path
) -> None:
    world.google.create(dataclasses.replace(OWN, title="Review"))
    world.google.create(LUNCH)
    world.outlook.create(LUNCH)
    world.sync()
    make_twice(world, world.outlook, 1)
    world.sync()
    for remote_id, content in world.outlook.events().items():
        if content.title == "Review":
            world.outlook.update(remote_id, attendees=OWN.attendees)
    clear(world)
    dry = found(world)
    assert {d.remote.content.title for d in dry} <= {"Lunch"}, f"{BOB} would be mailed"
    duplicates.clear(world.ports, dry, tmp_path)
    world.sync()
    assert "Lunch" in world.outlook.by_title()
    assert "Lunch" in world.google.by_title()
    assert told(world) == []
    assert all(call["method"] == "DELETE" for side in world.sides.values() for call in writes(side))

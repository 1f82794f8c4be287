"""The same histories between the real plugins: sandboxes over HTTP, their faults between the steps.

Time is the sandboxes' own here, moved on by hand; drivers run one after the other, so a seed plays the
same steps and the same faults each time.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from random import Random
from typing import Any

from sqlalchemy import delete
from sqlalchemy.orm import Session

from hub.models import Conflict, Event
from hub.plugin.types import EventContent
from tests.provider_world import Interrupted, ProviderWorld
from tests.simulate import history
from tests.simulate.history import Step
from tests.simulate.kernel import Kernel
from tests.simulate.ledger import Ledger, mark_of
from tests.simulate.oracle import Oracle
from tests.simulate.people import CREATES, GROUP
from tests.simulate.wire import Wire
from tests.simulate.worlds import Place, Topology

FAULTS: tuple[dict[str, Any], ...] = (
    {"kind": "reset_before"},
    {"kind": "reset_after"},
    {"kind": "status", "status": 503},
    {"kind": "status", "status": 429, "headers": {"Retry-After": "3"}},
    {"kind": "status_after", "status": 503, "method": "POST"},
    {"kind": "reset_after", "method": "PATCH"},
    {"kind": "reset_after", "method": "DELETE"},
)
INTERRUPTIONS = 0.4
"""Which share of the steps comes while the hub is at work, before one of its next calls."""
MOST_CALLS = 6
ACTS = {kind: weight for kind, weight in history.KINDS.items() if kind != "rule"}


class RealWorld:
    """What people and the oracle need of a world, over both real plugins."""

    def __init__(self, world: ProviderWorld) -> None:
        self.world = world
        self.ports = world.ports
        self.links = {name: side.link_id for name, side in world.sides.items()}
        self.topology = Topology(tuple(Place(name) for name in self.links))
        self.policies = dict.fromkeys(self.links, "newest")
        self.wire = Wire(Kernel(Random(0)), Random(0))
        self.kernel = self.wire.kernel

    def place(self, name: str) -> Place:
        return Place(name)

    @contextmanager
    def look(self) -> Iterator[Session]:
        with self.ports.db.reading() as session:
            yield session

    def remote(self, name: str) -> dict[str, EventContent]:
        return self.world.sides[name].events()

    def project(self, name: str, content: EventContent) -> EventContent:
        projected: EventContent = self.world.sides[name].project(content).content
        return projected

    def shown_at(self, name: str, content: EventContent) -> EventContent:
        """Return what a provider is to show: both links show all of an event."""
        return self.project(name, content)

    def leaves_out(self, name: str, content: EventContent) -> bool:
        """Whether no copy is to be made: both links copy everything."""
        return False


def play(world: ProviderWorld, fronts: Mapping[str, Interrupted], seed: int, *, length: int = 6) -> list[str]:
    """Play one seed's history between both providers; return what was broken.

    Args:
        fronts: by provider, what lets a step happen between two calls of the hub.
    """
    rng = Random(seed)
    _begin_anew(world)
    steps = history.draw(rng, [*world.sides, "hub"], acts=ACTS, length=length, span=20.0, seldom=False)
    real = RealWorld(world)
    ledger = Ledger()
    oracle = Oracle(real, ledger)  # type: ignore[arg-type]
    for step in steps:
        if rng.random() < 0.4:
            world.sides[rng.choice(list(world.sides))].control.fault(**rng.choice(FAULTS))
        act = partial(_act, real, ledger, step)
        if rng.random() < INTERRUPTIONS:
            front = fronts[rng.choice(list(fronts))]
            front.arm(act, rng.randrange(MOST_CALLS))
            world.settle()
            if front.disarm():
                act()
        else:
            act()
        if rng.random() < 0.5:
            world.settle()
    for side in world.sides.values():
        side.control.clear_faults()
    for _ in range(3):
        world.advance(200.0)
        world.wait(0)
        world.sync()
    oracle.judge()
    if not oracle.violations:
        world.assert_quiet(conflicts=len(world.conflicts()))
    return oracle.violations


def _begin_anew(world: ProviderWorld) -> None:
    """Empty all calendars, and forget what was there, so that each seed begins alike."""
    for side in world.sides.values():
        for remote_id in side.events():
            side.delete(remote_id)
    world.sync()
    with world.ports.db.transaction() as session:
        session.execute(delete(Conflict))
        session.execute(delete(Event).where(Event.deleted_at.is_not(None)))
    assert world.hub_events() == {}


def _act(real: RealWorld, ledger: Ledger, step: Step) -> None:
    """Play one step of a person at a provider, or of an application."""
    world, at = real.world, step.at
    events = world.hub_events() if step.place == "hub" else world.sides[step.place].events()
    if step.kind in CREATES:
        content = history.new_content(step)
        if step.place == "hub":
            world.api_creates(content)
        else:
            content = real.project(step.place, content)
            world.sides[step.place].create(content)
        ledger.created(GROUP, content, at, step.place)
        return
    found = sorted((mark_of(c), i) for i, c in events.items())
    if not found:
        return
    _, event_id = found[step.pick % len(found)]
    before = events[event_id]
    if step.kind == "delete":
        ledger.deleted(before, at, step.place, unsure=True)
        world.api_deletes(event_id) if step.place == "hub" else world.sides[step.place].delete(event_id)
        return
    after = history.edited(step, before)
    if after is None:
        return
    if step.place == "hub":
        world.api_updates(event_id, after)
    else:
        after = real.project(step.place, after)
        changed = {
            field.name: getattr(after, field.name)
            for field in dataclasses.fields(after)
            if field.name != "description_html" and getattr(after, field.name) != getattr(before, field.name)
        }
        if not changed:
            return
        world.sides[step.place].update(event_id, **changed)
    ledger.edited(before, after, at, step.place)

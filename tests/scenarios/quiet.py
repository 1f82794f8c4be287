"""Looking at links one by one, and the strong check at the end of a scenario between providers in memory."""

from __future__ import annotations

from hub.outbound import linking
from hub.plugin.types import changed_fields
from tests.world import HubWorld, World


def look(world: HubWorld, *link_ids: str) -> None:
    """Pull links in this order, as their notifications would have it, and run what follows."""
    for link_id in link_ids:
        with world.ports.db.transaction() as session:
            linking.ask_for_pull(session, world.ports, link_id)
        world.settle()


def relist(world: World, *link_ids: str) -> None:
    """Let links list everything anew."""
    for link_id in link_ids:
        with world.ports.db.transaction() as session:
            linking.ask_for_pull(session, world.ports, link_id, fresh=True)
    world.settle()


def disagreements(world: World, links: dict[str, tuple[str, str]]) -> list[str]:
    """Compare the hub's events with what each linked calendar holds.

    Args:
        links: by link, the provider and its calendar.
    """
    found = []
    for link_id, (provider, calendar) in links.items():
        link = world.get_link(link_id)
        ours, theirs = world.hub_events(link.calendar_id), world.remote(provider, calendar)
        known = {c.remote_id: c for c in world.copies(link_id) if c.removed_at is None}
        project = world.ports.gateway.plain
        for remote_id, content in theirs.items():
            event = ours.pop(known[remote_id].event_id, None) if remote_id in known else None
            shown = event and project(provider, "project", content=event).content
            if shown is None or changed_fields(shown, content):
                found.append(f"{provider} {calendar}: {content.title!r} / {event and event.title!r}")
        if link.direction != "import":
            found += [f"{provider} {calendar}: {event.title!r} is missing" for event in ours.values()]
    return found


def assert_quiet(world: World, links: dict[str, tuple[str, str]], *, conflicts: int = 0) -> None:
    """All agree, and time, sweeps and two full listings of each link write nothing."""
    world.wait(steps=2)
    assert disagreements(world, links) == []
    told = [(c.field, c.hub_value, c.provider_value) for c in world.conflicts()]
    assert len(told) == conflicts, told
    before, events = world.writes(), world.hub_events()
    for _ in range(2):
        world.wait(2000)
        relist(world, *links)
    assert world.writes() == before
    assert world.hub_events() == events
    assert disagreements(world, links) == []
    assert len(world.conflicts()) == conflicts
    for link_id in links:
        link = world.get_link(link_id)
        assert (link.state, link.problem, link.held_at) == ("active", None, None)

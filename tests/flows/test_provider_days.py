"""Odd days of a provider: a mailbox that is yet to come, a subscription nobody renews, a clock of its own."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
import requests
from sqlalchemy import select

from hub.accounts.connect import ConnectError
from hub.keeping.subscriptions import keep_channels
from hub.models import Account, Channel, ChannelState
from hub.plugin.testing import series, timed
from hub.plugin.types import SeriesException
from tests.provider_world import ANN, ProviderWorld, Side
from tests.scenarios.meetings import call, patch

TEN = datetime(2026, 12, 7, 10)


def make_ready_after(side: Side, seconds: float) -> None:
    """Let Ann's mailbox at Outlook be one that is being made, or moved, for so long."""
    body = {"email": ANN, "ready_after": seconds}
    requests.post(f"{side.control.base_url}/_control/people", json=body, timeout=10).raise_for_status()


def health(world: ProviderWorld, side: Side) -> dict[str, Any]:
    found: dict[str, Any] = call(world, "GET", f"/links/{side.link_id}")["health"]
    return found


# --- mailboxes ---


def test_a_mailbox_that_is_still_being_made_is_told_in_plain_words_and_connected_later(
    unlinked: ProviderWorld,
) -> None:
    world = unlinked
    make_ready_after(world.outlook, 900)
    with pytest.raises(ConnectError, match="try a new one again in a quarter of an hour"):
        world.connect("outlook")
    with world.ports.db.reading() as session:
        assert session.scalars(select(Account)).all() == [], "nothing is kept of it"
    world.advance(901)
    world.link_both()
    world.outlook.create(timed("First", TEN))
    world.assert_quiet()
    assert list(world.google.by_title()) == ["First"]


def test_a_mailbox_that_is_away_for_a_while_loses_nothing(world: ProviderWorld) -> None:
    world.outlook.create(timed("Kept", TEN))
    world.sync()
    make_ready_after(world.outlook, 900)
    world.google.create(timed("Meanwhile", TEN))
    world.google.update(world.google.find("Kept"), title="Kept, renamed")
    world.sync()
    told = health(world, world.outlook)
    assert told["state"] == "needs_reconnect" and "no Outlook mailbox" in told["problem"]
    assert sorted(world.google.by_title()) == ["Kept, renamed", "Meanwhile"]
    assert sorted(content.title for content in world.hub_events().values()) == ["Kept, renamed", "Meanwhile"]
    world.advance(901)
    world.connect("outlook")
    world.wait(0)
    world.assert_quiet()
    assert sorted(world.outlook.by_title()) == ["Kept, renamed", "Meanwhile"]


# --- subscriptions ---


def renewals(world: ProviderWorld) -> list[int]:
    calls = world.outlook.control.ledger()["calls"]
    return [c["status"] for c in calls if c["method"] == "PATCH" and "/subscriptions/" in c["path"]]


@pytest.mark.parametrize("pauses", [True, False])
def test_a_renewal_that_fails_is_made_when_outlook_asks_for_it_again_and_nothing_is_missed(
    unlinked: ProviderWorld, pauses: bool
) -> None:
    world = unlinked
    control = world.outlook.control
    control.switches(shorter_subscriptions=12 * 60 + 5, pause_while_pending=pauses)
    world.link_both()
    control.fault("status", status=503, method="PATCH", path="/subscriptions/", times=3)
    world.advance(600)  # Outlook warns half a day before the end.
    world.settle_until(lambda: len(renewals(world)) == 1, "the first warning")
    world.outlook.create(timed("While it waits", TEN))
    for count in (2, 3, 4):
        world.advance(900)
        world.settle_until(lambda count=count: len(renewals(world)) == count, "another warning")  # type: ignore[misc]
    assert renewals(world) == [503, 503, 503, 200], "one call for each warning"
    world.settle_until(lambda: "While it waits" in world.google.by_title(), "what was held back")
    world.advance(1800)
    keep_channels(world.ports)
    world.assert_quiet()
    assert set(renewals(world)) <= {200}
    with world.ports.db.reading() as session:
        live = session.scalars(select(Channel).where(Channel.account_id == world.outlook.account_id)).all()
    assert [channel.state for channel in live] == [ChannelState.LIVE]
    world.outlook.create(timed("Afterwards", TEN))
    world.settle_until(lambda: "Afterwards" in world.google.by_title(), "a change after that")


# --- clocks ---


@pytest.mark.parametrize("name", ["google", "outlook"])
@pytest.mark.parametrize("ahead", [7200, -7200])
def test_a_provider_whose_clock_is_not_the_hub_s_is_kept_in_step(
    unlinked: ProviderWorld, name: str, ahead: int
) -> None:
    world = unlinked
    other, side = sorted(world.sides.values(), key=lambda s: s.name == name)
    side.control.advance(ahead)
    world.link_both()
    assert health(world, side)["delivery"] == "push"
    side.create(timed("Theirs", TEN))
    moved = SeriesException(TEN + timedelta(days=1), cancelled=True)
    other.create(series("Ours", TEN, "FREQ=DAILY;COUNT=4", moved))
    world.settle_until(lambda: "Theirs" in other.by_title(), "a new event")
    world.settle_until(lambda: "Ours" in side.by_title(), "a new event from elsewhere")
    event_id, _ = world.hub_event("Theirs")
    # Each of these is the latest news when it is made, whatever its stamp says.
    side.update(side.find("Theirs"), description="Said there")
    world.sync()
    patch(world, event_id, description="Said in the hub")
    other.update(other.find("Theirs"), description="Said elsewhere")
    world.sync()
    assert {s.by_title()["Theirs"].description for s in (side, other)} == {"Said elsewhere"}
    side.delete(side.find("Ours"))
    world.sync()
    assert [list(s.by_title()) for s in (side, other)] == [["Theirs"], ["Theirs"]]
    world.assert_quiet()
    assert health(world, side)["state"] == "in_sync"


@pytest.mark.parametrize("name", ["google", "outlook"])
def test_of_two_edits_at_once_a_fast_clock_wins_and_the_other_value_is_kept(
    world: ProviderWorld, name: str
) -> None:
    other, side = sorted(world.sides.values(), key=lambda s: s.name == name)
    other.create(timed("Talk", TEN))
    world.sync()
    side.control.advance(600)
    side.update(side.find("Talk"), title="By the fast clock")
    world.advance(30)
    event_id, _ = world.hub_event("Talk")
    call(world, "PATCH", f"/events/{event_id}", {"title": "Half a minute later"})
    world.sync()
    world.assert_quiet(conflicts=1)
    values = [(c.kept, c.hub_value["value"], c.provider_value["value"]) for c in world.conflicts()]
    assert values == [("provider", "Half a minute later", "By the fast clock")]
    assert list(other.by_title()) == ["By the fast clock"]

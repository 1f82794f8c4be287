"""ATT: what the owner has declined does not block the time elsewhere, as the link's filter says."""

from __future__ import annotations

import dataclasses
from datetime import datetime, timedelta

import pytest

from hub.accounts.links import change_link
from hub.models import Link
from hub.plugin.testing import series, timed
from hub.plugin.types import Answer, Attendee, EventContent, Person
from tests.provider_world import ANN, ProviderWorld, Side
from tests.scenarios.play import clear, other, writes

TEN = datetime(2026, 12, 10, 10)
SIDES = ["google", "outlook"]


def invitation(content: EventContent, answer: Answer = Answer.NEEDS_ACTION) -> EventContent:
    guests = (Attendee(ANN, "Ann", answer=answer), Attendee("bob@example.test", "Bob"))
    boss = Person("boss@example.test", "Boss")
    return dataclasses.replace(content, organizer=boss, attendees=guests, own_answer=answer)


def says(side: Side, title: str, answer: Answer, original_start: datetime | None = None) -> None:
    side.control.answer(ANN, side.calendar, side.find(title), answer, original_start)


@pytest.mark.parametrize("name", SIDES)
def test_att_20_a_declined_meeting_is_not_mirrored_and_comes_when_it_is_accepted(
    world: ProviderWorld, name: str
) -> None:
    side, mirror = world.sides[name], other(world, name)
    side.create(invitation(timed("Review", TEN), Answer.DECLINED))
    world.sync()
    assert mirror.events() == {} and world.hub_event("Review")[1].own_answer is Answer.DECLINED
    world.assert_quiet()
    for answer, there in (
        (Answer.ACCEPTED, ["Review"]),
        (Answer.DECLINED, []),
        (Answer.TENTATIVE, ["Review"]),
        (Answer.DECLINED, []),
    ):
        if list(side.by_title()) == []:
            break  # Outlook keeps a meeting that was declined later only in some mailboxes.
        says(side, "Review", answer)
        world.sync()
        assert list(mirror.by_title()) == there
    assert all(mail["kind"] == "reply" for mail in world.mails())
    world.assert_quiet()


@pytest.mark.parametrize("name", SIDES)
def test_att_20_a_declined_day_of_an_accepted_series_is_absent_from_the_mirror(
    world: ProviderWorld, name: str
) -> None:
    side, mirror = world.sides[name], other(world, name)
    second = TEN + timedelta(days=1)
    daily = invitation(series("Jour", TEN, "FREQ=DAILY;COUNT=4"), Answer.ACCEPTED)
    side.create(daily)
    world.sync()
    assert mirror.by_title()["Jour"].when.exceptions == ()
    says(side, "Jour", Answer.DECLINED, second)
    world.sync()
    shown = mirror.by_title()["Jour"].when.exceptions
    assert [(e.original_start, e.cancelled) for e in shown] == [(second, True)]
    assert not any(e.cancelled for e in world.hub_event("Jour")[1].when.exceptions)
    world.assert_quiet()
    says(side, "Jour", Answer.ACCEPTED, second)
    world.sync()
    assert not any(e.cancelled for e in mirror.by_title()["Jour"].when.exceptions)
    world.assert_quiet()


@pytest.mark.parametrize("name", SIDES)
def test_att_20_a_link_may_copy_what_was_declined_and_stop_to(world: ProviderWorld, name: str) -> None:
    side, mirror = world.sides[name], other(world, name)
    side.create(invitation(timed("Review", TEN), Answer.DECLINED))
    mirror.create(timed("My own", TEN))
    world.sync()
    for declined, there in ((True, ["My own", "Review"]), (False, ["My own"])):
        with world.ports.db.transaction() as session:
            link = session.get_one(Link, mirror.link_id)
            change_link(session, world.ports, link, filters={"declined": declined})
        clear(world)
        world.sync()
        assert sorted(mirror.by_title()) == there
        assert len(writes(mirror)) == 1 and writes(side) == [] and world.mails() == []
    assert sorted(side.by_title()) == ["My own", "Review"]
    world.assert_quiet()

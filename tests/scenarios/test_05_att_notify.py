"""ATT: guests are told only when the consumer says so, from one calendar, and once."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from hub.plugin.types import Answer, Attendee
from tests.provider_world import ANN, ProviderWorld
from tests.scenarios.meetings import (
    BOB,
    CAT,
    DAILY,
    DAN,
    GUESTS,
    OWN,
    TEN,
    answers,
    at,
    call,
    copies_of,
    patch,
    person,
    told,
)
from tests.scenarios.play import EVENTS, clear, kill_after, later, other, writes

SIDES = ["google", "outlook"]
INVITED = [{"email": BOB, "name": "Bob"}, {"email": CAT, "role": "optional"}]


def a_meeting(**more: Any) -> dict[str, Any]:
    times = {"start": at(TEN), "end": at(TEN.replace(hour=11))}
    return {"calendar_id": "cal_1", "title": "Review", "attendees": INVITED, **times, **more}


def kind_of(problem: dict[str, Any]) -> tuple[int, str]:
    return problem["status"], problem["type"].rpartition(":")[2]


def invited(world: ProviderWorld, name: str, **more: Any) -> str:
    """Have the hub invite Bob and Cat from one provider; return the event's id."""
    event = call(
        world, "POST", "/events", a_meeting(notify=True, notify_from=world.sides[name].link_id, **more)
    )
    world.sync()
    return str(event["id"])


@pytest.mark.parametrize("name", SIDES)
def test_att_17_an_event_made_in_the_hub_invites_from_the_named_calendar_alone(
    world: ProviderWorld, name: str
) -> None:
    bob = person(world.sides[name], BOB)
    invited(world, name)
    assert told(world) == [("invitation", BOB), ("invitation", CAT)]
    assert answers(world.sides[name].by_title()["Review"]) == {BOB: "needs_action", CAT: "needs_action"}
    assert other(world, name).by_title()["Review"].attendees == ()
    bob.answer(bob.find("Review"), Answer.ACCEPTED)
    world.sync()
    assert answers(world.hub_event("Review")[1]) == {BOB: "accepted", CAT: "needs_action"}
    clear(world)
    world.assert_quiet()


def test_att_17_without_notify_guests_are_data(world: ProviderWorld) -> None:
    event = call(world, "POST", "/events", a_meeting())
    world.sync()
    patch(world, event["id"], attendees=[{"email": DAN}])
    call(world, "DELETE", f"/events/{event['id']}")
    world.sync()
    assert told(world) == []
    assert all(
        "attendees" not in (call["body"] or {}) for side in world.sides.values() for call in writes(side)
    )


def test_att_17_the_home_has_to_be_named_and_stays(world: ProviderWorld) -> None:
    problem = call(world, "POST", "/events", a_meeting(notify=True))
    assert kind_of(problem) == (409, "several_homes")
    assert all(side.link_id in problem["detail"] for side in world.sides.values())
    assert world.hub_events() == {}, "nothing is done of what is refused"
    assert kind_of(call(world, "POST", "/events", a_meeting(notify=True, notify_from="lnk_x"))) == (
        409,
        "no_home",
    )
    event_id = invited(world, "google")
    clear(world)
    problem = patch(world, event_id, title="Retro", notify=True, notify_from=world.outlook.link_id)
    assert kind_of(problem) == (409, "home_elsewhere")
    patch(world, event_id, title="Retro", notify=True)
    assert told(world) == [("update", BOB), ("update", CAT)]
    assert list(world.outlook.by_title()) == ["Retro"]


def test_att_17_the_only_calendar_that_can_be_is_the_home(unlinked: ProviderWorld) -> None:
    unlinked.link_primary("google", direction="import")
    unlinked.link_primary("outlook")
    unlinked.settle()
    call(unlinked, "POST", "/events", a_meeting(notify=True))
    unlinked.sync()
    assert told(unlinked) == [("invitation", BOB), ("invitation", CAT)]
    assert [len(side.events()) for side in (unlinked.google, unlinked.outlook)] == [0, 1]


@pytest.mark.parametrize("name", SIDES)
@pytest.mark.parametrize("kind", ["single", "series"])
def test_att_17_a_guest_is_added_to_the_list_that_is_there(
    world: ProviderWorld, name: str, kind: str
) -> None:
    side = world.sides[name]
    side.create(dataclasses.replace(OWN if kind == "single" else DAILY, title="Review"))
    world.sync()
    event_id, event = world.hub_event("Review")
    clear(world)
    side.update(side.find("Review"), attendees=(*GUESTS, Attendee("eve@example.test", "Eve")))
    guests = [{"email": guest.email} for guest in event.attendees] + [{"email": "fay@example.test"}]
    patch(world, event_id, attendees=guests, notify=True)
    later(world)
    held = answers(side.by_title()["Review"])
    assert held == {
        BOB: "accepted", CAT: "accepted", DAN: "declined", "eve@example.test": "needs_action",
        "fay@example.test": "needs_action",
    }  # fmt: skip
    assert answers(world.hub_event("Review")[1]) == held
    assert told(world) == [("invitation", "fay@example.test")]
    clear(world)
    world.assert_quiet()


@pytest.mark.parametrize("change", ["guests", "title"])
def test_att_17_a_list_that_is_shown_in_part_is_never_written(world: ProviderWorld, change: str) -> None:
    world.google.create(OWN)
    world.sync()
    event_id, event = world.hub_event("Review")
    world.google.control.switches(most_attendees_shown=2)
    world.google.update(world.google.find("Review"), description="Bring cake")
    world.sync()
    assert world.hub_event("Review")[1].attendees == event.attendees, "what is not shown is not gone"
    clear(world)
    if change == "title":
        patch(world, event_id, title="Retro", notify=True)
        assert [set(call["body"]) for call in writes(world.google)] == [{"summary"}]
        assert told(world) == [("update", guest) for guest in (BOB, CAT, DAN)]
    else:
        patch(world, event_id, attendees=[{"email": BOB}], notify=True)
        assert writes(world.google) == []
        assert "only a part of the guests" in world.parked()["google", "Review"]
    world.google.control.switches(most_attendees_shown=0)
    assert [guest.email for guest in next(iter(world.google.events().values())).attendees] == [BOB, CAT, DAN]


@pytest.mark.parametrize("name", SIDES)
def test_att_24_the_last_guest_is_taken_away_by_an_empty_list(world: ProviderWorld, name: str) -> None:
    side = world.sides[name]
    side.create(dataclasses.replace(OWN, attendees=GUESTS[:2]))
    world.sync()
    event_id = world.hub_event("Review")[0]
    clear(world)
    patch(world, event_id, attendees=[{"email": CAT}], notify=True)
    (sent,) = writes(side)
    assert [row.get("email") or row["emailAddress"]["address"] for row in sent["body"]["attendees"]] == [CAT]
    assert answers(side.by_title()["Review"]) == {CAT: "accepted"}
    assert told(world) == [("cancellation", BOB)]
    clear(world)
    patch(world, event_id, title="Alone", notify=True)
    (sent,) = writes(side)
    assert "attendees" not in sent["body"], "not mentioned is not empty"
    clear(world)
    patch(world, event_id, attendees=[], notify=True)
    (sent,) = writes(side)
    assert sent["body"]["attendees"] == []
    assert told(world) == [("cancellation", CAT)]
    assert side.by_title()["Alone"].attendees == ()
    clear(world)
    world.assert_quiet()


@pytest.mark.parametrize("name", SIDES)
@pytest.mark.parametrize("how", ["reset_after", "reset_before", "killed"])
@pytest.mark.parametrize("what", ["invite", "change", "cancel"])
def test_att_17_guests_are_told_once_though_an_answer_was_lost(
    world: ProviderWorld, name: str, how: str, what: str
) -> None:
    side = world.sides[name]
    event_id = "" if what == "invite" else invited(world, name)
    clear(world)
    method = {"invite": "POST", "change": "PATCH", "cancel": "DELETE"}[what]

    def act() -> None:
        if what == "invite":
            invited(world, name)
        elif what == "change":
            guests = [{"email": BOB}, {"email": DAN}]
            patch(world, event_id, title="Retro", attendees=guests, notify=True)
        else:
            call(world, "DELETE", f"/events/{event_id}?notify=true")
            world.sync()

    if how == "killed":
        kill_after(world, "push_event", act)
    else:
        side.control.fault(how, method=method, path=EVENTS)
        act()
    for _ in range(3):
        later(world)
        world.sync()
    expected = {
        "invite": [("invitation", BOB), ("invitation", CAT)],
        "change": [("cancellation", CAT), ("invitation", DAN), ("update", BOB)],
        "cancel": [("cancellation", BOB), ("cancellation", CAT)],
    }
    assert told(world) == expected[what]
    titles = {"invite": ["Review"], "change": ["Retro"], "cancel": []}[what]
    assert [list(place.by_title()) for place in world.sides.values()] == [titles, titles]
    clear(world)
    world.assert_quiet()


def test_att_17_a_series_is_told_of_as_one(world: ProviderWorld) -> None:
    event = call(
        world, "POST", "/events",
        a_meeting(recurrence=["RRULE:FREQ=DAILY;COUNT=4"], notify=True, notify_from=world.google.link_id),
    )  # fmt: skip
    world.sync()
    assert told(world) == [("invitation", BOB), ("invitation", CAT)]
    clear(world)
    patch(world, event["id"], title="Daily", notify=True)
    assert told(world) == [("update", BOB), ("update", CAT)]
    assert set(copies_of(call(world, "GET", f"/events/{event['id']}")).values()) == {"synced"}


def test_att_17_a_wish_to_tell_survives_an_edit_that_comes_before_it_is_carried_out(
    world: ProviderWorld,
) -> None:
    world.google.create(OWN)
    world.sync()
    event_id = world.hub_event("Review")[0]
    clear(world)
    call(world, "PATCH", f"/events/{event_id}", {"title": "Retro", "notify": True})
    call(world, "PATCH", f"/events/{event_id}", {"description": "Bring cake"})
    world.sync()
    assert told(world) == [("update", guest) for guest in (BOB, CAT, DAN)]
    clear(world)
    patch(world, event_id, title="Review")
    assert told(world) == [], "the wish is good once"


def test_att_17_what_is_lost_and_made_again_invites_nobody(world: ProviderWorld) -> None:
    event_id = invited(world, "google")
    clear(world)
    world.google.delete(world.google.find("Review"))
    call(world, "PATCH", f"/events/{event_id}", {"title": "Retro"})
    world.sync()
    later(world)
    assert list(world.google.by_title()) == ["Retro"]
    assert told(world) == []
    assert world.google.by_title()["Retro"].attendees == ()


def test_att_17_ann_is_no_guest_of_her_own_meeting(world: ProviderWorld) -> None:
    event = call(
        world, "POST", "/events",
        a_meeting(attendees=[{"email": ANN}, {"email": BOB}], notify=True, notify_from=world.outlook.link_id),
    )  # fmt: skip
    world.sync()
    assert event["title"] == "Review"
    assert told(world) == [("invitation", BOB)]


@pytest.mark.parametrize("name", ["google", "outlook"])
def test_att_17_whoever_lists_the_organiser_as_a_guest_stops_no_link(world: ProviderWorld, name: str) -> None:
    home = world.sides[name]
    guests = [{"email": ANN}, {"email": BOB}]
    ids = []
    for number in range(4):
        body = a_meeting(title=f"Review {number}", attendees=guests, notify=True, notify_from=home.link_id)
        ids.append(call(world, "POST", "/events", body)["id"])
    world.sync()
    for event_id in ids:
        patch(world, event_id, description="agenda", notify=True)
    later(world, 400, 4)
    assert (world.get_link(home.link_id).state, world.parked()) == ("active", {})
    assert {shown.description for shown in home.events().values()} == {"agenda"}
    assert not [copy.problem for copy in world.copies(home.link_id) if copy.problem or copy.unkept]

"""ATT: a guest's copy is the guest's: nothing is written for the organiser, and answers only as asked."""

from __future__ import annotations

import dataclasses
from datetime import timedelta
from typing import Any

import pytest

from hub.plugin.testing import series
from hub.plugin.types import Answer, Attendee, EventContent, Location, Person, SeriesException
from tests.provider_world import ANN, ProviderWorld, Side
from tests.scenarios.meetings import (
    BOB,
    BOSS,
    CAT,
    INVITATION,
    OWN,
    TEN,
    TUESDAY,
    answers,
    call,
    link_person,
    move,
    patch,
    person,
    told,
)
from tests.scenarios.play import clear, later, other, writes

SIDES = ["google", "outlook"]
ASKED = (Attendee(ANN, "Ann"), Attendee(CAT, "Cat"))


def invite(world: ProviderWorld, name: str, kind: str = "single") -> Side:
    """Have Bob invite Ann to a meeting at one provider; return his calendar."""
    bob = person(world.sides[name], BOB)
    meeting = dataclasses.replace(OWN, attendees=ASKED)
    if kind == "series":
        meeting = dataclasses.replace(series("Review", TEN, "FREQ=DAILY;COUNT=5"), attendees=ASKED)
    bob.create(meeting)
    world.sync()
    return bob


def invite_linked(world: ProviderWorld, own: Side, meeting: EventContent) -> Side:
    """Have Ann invite Bob, whose calendar is linked beside hers, and Cat; return his calendar."""
    bob = link_person(world, person(own, BOB))
    own.create(dataclasses.replace(meeting, attendees=(Attendee(BOB, "Bob"), Attendee(CAT, "Cat"))))
    world.sync()
    clear(world)
    return bob


def respond(world: ProviderWorld, said: str, **more: Any) -> Any:
    answer = call(world, "POST", f"/events/{world.hub_event('Review')[0]}/answer", {"answer": said, **more})
    for _ in range(2):
        world.sync()
    return answer


@pytest.mark.parametrize("name", SIDES)
def test_a_guest_who_takes_an_invitation_out_of_a_calendar_deletes_no_meeting(
    world: ProviderWorld, name: str
) -> None:
    own = world.sides[name]
    bob = invite_linked(world, own, OWN)
    bob.delete(bob.find("Review"))
    world.sync()
    later(world)
    assert bob.by_title() == {}
    own.update(own.find("Review"), location=Location("Room 2"))  # Which invites Bob again there.
    world.sync()
    later(world)
    for side in (world.google, world.outlook):
        assert side.by_title()["Review"].location == Location("Room 2")
    assert writes(own, "DELETE", "POST") == []
    own.delete(own.find("Review"))
    world.sync()
    later(world)
    assert not world.hub_events() and not world.google.by_title() and not world.outlook.by_title()


@pytest.mark.parametrize("name", SIDES)
def test_att_04_a_second_user_s_first_sync_invites_nobody(world: ProviderWorld, name: str) -> None:
    bob = person(world.sides[name], BOB)
    world.sides[name].create(dataclasses.replace(OWN, attendees=(Attendee(BOB, "Bob"),)))
    world.sync()
    clear(world)
    link_person(world, bob, calendar_id="cal_1")
    for _ in range(2):
        world.sync()
    assert len(world.hub_events()) == 1, "known by its UID"
    assert [len(side.events()) for side in world.sides.values()] == [1, 1, 1]
    assert (world.writes(), told(world)) == ([], [])


@pytest.mark.parametrize("name", SIDES)
def test_att_09_deleting_the_mirror_of_an_invitation_cancels_and_answers_nothing(
    world: ProviderWorld, name: str
) -> None:
    bob = invite(world, name)
    clear(world)
    mirror = other(world, name)
    mirror.delete(mirror.find("Review"))
    for _ in range(3):
        world.sync()
        later(world, times=1)
    assert list(bob.by_title()) == list(world.sides[name].by_title()) == ["Review"]
    assert answers(bob.by_title()["Review"])[ANN] == "needs_action"
    assert (writes(world.sides[name]), told(world)) == ([], [])


def test_att_11_a_write_goes_through_the_account_that_holds_the_event(world: ProviderWorld) -> None:
    bob = invite(world, "google")
    link_person(world, bob)
    world.sync()
    clear(world)
    patch(world, world.hub_event("Review")[0], title="Retro")
    for _ in range(3):
        world.sync()
        later(world, times=1)
    assert {call["person"] for call in writes(world.google, "PATCH")} == {BOB}
    assert list(bob.by_title()) == list(world.google.by_title()) == ["Retro"]
    assert (world.parked(), told(world)) == ({}, [])
    world.assert_quiet()


@pytest.mark.parametrize("name", SIDES)
def test_att_12_the_organiser_s_change_of_one_occurrence_is_that_alone(
    world: ProviderWorld, name: str
) -> None:
    bob = invite(world, name, "series")
    clear(world)
    late = SeriesException(TUESDAY, start=TUESDAY, end=TUESDAY + timedelta(minutes=90))
    there = bob.by_title()["Review"]
    bob.update(bob.find("Review"), when=dataclasses.replace(there.when, exceptions=(late,)))
    for _ in range(2):
        world.sync()
    event = world.hub_event("Review")[1]
    assert [(e.original_start, e.end) for e in event.when.exceptions] == [(TUESDAY, late.end)]
    assert event.organizer is not None and event.organizer.email == BOB
    mirror = other(world, name)
    assert [len(side.events()) for side in (bob, world.sides[name], mirror)] == [1, 1, 1]
    assert [(e.original_start, e.end) for e in mirror.by_title()["Review"].when.exceptions] == [
        (TUESDAY, late.end)
    ]
    assert (writes(world.sides[name]), told(world)) == ([], [])
    world.assert_quiet()


@pytest.mark.parametrize("listing", ["of changes", "full"])
@pytest.mark.parametrize("days", [1, 12])
def test_who_is_invited_to_single_days_and_then_to_all_of_a_series_has_each_day_once(
    world: ProviderWorld, listing: str, days: int
) -> None:
    """Only Google shows a day without its series (sheet 3.6)."""
    world.outlook.create(OWN)
    bob = person(world.google, BOB)
    series_id = bob.create(series("Jour", TEN, "FREQ=DAILY;COUNT=14"))
    dates = [TEN + timedelta(days=n) for n in range(days)]
    for day in [f"{series_id}_{date:%Y%m%d}T090000Z" for date in dates]:
        bob.control.update_raw(BOB, bob.calendar, day, {"attendees": [{"email": ANN}]})
    world.sync()
    assert sorted(c.when.start for c in world.outlook.events().values() if c.title == "Jour") == dates
    bob.update(series_id, attendees=ASKED[:1])
    if listing == "full":
        world.relist()
    for _ in range(3):
        world.sync()
    for events in (world.hub_events(), world.google.events(), world.outlook.events()):
        assert sorted((c.title, c.when.is_series) for c in events.values()) == [
            ("Jour", True),
            ("Review", False),
        ]
    assert (writes(world.google, "DELETE"), world.conflicts(), told(world)) == ([], [], [])
    world.assert_quiet()


@pytest.mark.parametrize("how", ["at the mirror", "by the API", "by the API, with notify"])
def test_att_13_guests_of_another_s_meeting_are_never_written(world: ProviderWorld, how: str) -> None:
    bob = invite(world, "google")
    clear(world)
    if how == "at the mirror":
        world.outlook.update(world.outlook.find("Review"), attendees=(*ASKED, Attendee("eve@example.test")))
    else:
        event_id = world.hub_event("Review")[0]
        guests = [{"email": ANN}, {"email": "eve@example.test"}]
        problem = patch(world, event_id, attendees=guests, **({"notify": True} if "notify" in how else {}))
        if "notify" in how:
            assert (problem["status"], problem["type"].rpartition(":")[2]) == (409, "not_the_organizer")
    for _ in range(3):
        world.sync()
    assert writes(world.google) == []
    assert [guest.email for guest in bob.by_title()["Review"].attendees] == [ANN, CAT]
    assert (world.parked(), told(world)) == ({}, []), "what nobody writes is no trouble"


@pytest.mark.parametrize("name", SIDES)
def test_att_21_no_answer_is_ever_sent_by_itself(unlinked: ProviderWorld, name: str) -> None:
    world = unlinked
    said = {"google": Answer.DECLINED, "outlook": Answer.ACCEPTED}
    world.link_both()
    for side in world.sides.values():
        guests = tuple(dataclasses.replace(a, answer=said[side.name]) for a in (Attendee(ANN, "Ann"),))
        meeting = dataclasses.replace(INVITATION, attendees=guests, own_answer=said[side.name])
        side.control.create(ANN, side.calendar, meeting, uid="one-meeting@boss.example.test")
    if name == "outlook":
        world.sides = dict(reversed(world.sides.items()))
    for _ in range(5):
        world.sync()
        later(world, times=1)
    for side in world.sides.values():
        assert side.by_title()["Review"].own_answer is said[side.name], side.name
        assert not [c for c in writes(side) if "attendees" in (c["body"] or {}) or c["method"] != "PATCH"]
    assert len(world.hub_events()) == 1
    assert (told(world), world.conflicts()) == ([], [])
    world.assert_quiet()


@pytest.mark.parametrize("name", SIDES)
def test_att_21_an_answer_given_at_the_provider_arrives_and_goes_nowhere(
    world: ProviderWorld, name: str
) -> None:
    invite(world, name)
    side = world.sides[name]
    clear(world)
    for said in (Answer.TENTATIVE, Answer.ACCEPTED):
        side.control.answer(ANN, side.calendar, side.find("Review"), said)
        world.sync()
        assert world.hub_event("Review")[1].own_answer is said
    assert (writes(side), told(world)) == ([], [])
    world.assert_quiet()


@pytest.mark.parametrize("name", SIDES)
@pytest.mark.parametrize("said", ["accepted", "tentative", "declined"])
def test_att_23_an_answer_goes_to_the_organiser_through_the_invitation_and_nowhere_else(
    world: ProviderWorld, name: str, said: str
) -> None:
    bob = invite(world, name)
    clear(world)
    respond(world, said, comment="Gladly")
    assert answers(bob.by_title()["Review"]) == {ANN: said, CAT: "needs_action"}
    assert world.hub_event("Review")[1].own_answer == said
    assert told(world) == [("reply", BOB)]
    (sent,) = writes(world.sides[name])
    if name == "google":
        assert [row["email"] for row in sent["body"]["attendees"]] == [ANN]
        assert sent["body"]["attendees"][0]["comment"] == "Gladly"
    else:
        assert sent["body"] == {"Comment": "Gladly", "SendResponse": True}
    respond(world, said)
    assert told(world) == [("reply", BOB)], "it is answered so already"
    assert [len(side.events()) for side in (bob, world.sides[name])] == [1, 1]


@pytest.mark.parametrize("name", SIDES)
def test_att_23_an_answer_for_one_occurrence_is_for_that_alone(world: ProviderWorld, name: str) -> None:
    bob = invite(world, name, "series")
    respond(world, "accepted")
    clear(world)
    respond(world, "declined", original_start=TUESDAY.isoformat())
    event = world.hub_event("Review")[1]
    assert event.own_answer is Answer.ACCEPTED
    assert [(e.original_start, e.own_answer) for e in event.when.exceptions] == [(TUESDAY, Answer.DECLINED)]
    there = bob.by_title()["Review"]
    assert answers(there)[ANN] == "accepted"
    (change,) = there.when.exceptions
    assert {a.email: a.answer for a in change.attendees or ()}[ANN] is Answer.DECLINED
    assert told(world) == [("reply", BOB)]


@pytest.mark.parametrize("name", SIDES)
def test_att_23_the_organiser_need_not_be_told(world: ProviderWorld, name: str) -> None:
    bob = invite(world, name)
    clear(world)
    respond(world, "accepted", notify=False)
    assert told(world) == []
    assert world.hub_event("Review")[1].own_answer is Answer.ACCEPTED
    said = answers(bob.by_title()["Review"])[ANN]
    assert said == ("accepted" if name == "google" else "needs_action"), "Graph tells it by the mail alone"


@pytest.mark.parametrize("name", SIDES)
@pytest.mark.parametrize("how", ["reset_after", "reset_before"])
def test_att_23_an_answer_whose_reply_was_lost_is_given_once(
    world: ProviderWorld, name: str, how: str
) -> None:
    bob = invite(world, name)
    clear(world)
    method, path = ("PATCH", r"/events/\w+$") if name == "google" else ("POST", r"/accept$")
    world.sides[name].control.fault(how, method=method, path=path)
    respond(world, "accepted")
    later(world)
    assert answers(bob.by_title()["Review"])[ANN] == "accepted"
    assert told(world) == [("reply", BOB)]
    world.sync()
    clear(world)
    world.assert_quiet()


def test_att_23_a_declined_meeting_that_leaves_the_calendar_is_gone_in_the_hub(world: ProviderWorld) -> None:
    world.outlook.control.switches(declined_stays=False)
    bob = invite(world, "outlook")
    clear(world)
    respond(world, "declined")
    assert answers(bob.by_title()["Review"])[ANN] == "declined"
    assert world.outlook.events() == world.google.events() == world.hub_events() == {}
    assert told(world) == [("reply", BOB)]


def test_att_23_what_is_no_invitation_cannot_be_answered(world: ProviderWorld) -> None:
    world.google.create(dataclasses.replace(OWN, attendees=(Attendee(ANN), Attendee(BOB))))
    world.sync()
    answer = respond(world, "declined")
    assert (answer["status"], answer["type"].rpartition(":")[2]) == (409, "no_invitation")
    assert answer["detail"] == "Nobody has invited the owner to this event, so there is nothing to answer."
    event_id = world.hub_event("Review")[0]
    for body in ({}, {"answer": "needs_action"}, {"answer": "accepted", "original_start": TEN.isoformat()}):
        assert call(world, "POST", f"/events/{event_id}/answer", body)["status"] == 422
    assert (world.hub_event("Review")[1].own_answer, told(world)) == (Answer.NEEDS_ACTION, [])


@pytest.mark.parametrize("name", SIDES)
def test_att_25_a_moved_occurrence_keeps_its_organiser(world: ProviderWorld, name: str) -> None:
    boss = Person("boss@x.org", "The boss")
    when = series("Review", TEN, "FREQ=DAILY;COUNT=5").when
    moved = SeriesException(TUESDAY, start=TUESDAY + timedelta(hours=1), end=TUESDAY + timedelta(hours=2))
    side = world.sides[name]
    side.create(
        dataclasses.replace(INVITATION, organizer=boss, when=dataclasses.replace(when, exceptions=(moved,)))
    )
    world.sync()
    event_id, event = world.hub_event("Review")
    assert event.organizer == boss
    shown = call(
        world,
        "GET",
        "/events?calendar_id=cal_1&start=2026-12-11T00:00:00Z&end=2026-12-12T00:00:00Z&expand=true",
    )
    assert [item["organizer"]["email"] for item in shown["items"]] == [boss.email]
    problem = patch(world, event_id, title="Mine", notify=True)
    assert (problem["status"], problem["type"].rpartition(":")[2]) == (409, "not_the_organizer")
    assert world.hub_event("Review")[1].title == "Review", "nothing is done of what is refused"
    assert (writes(side), told(world)) == ([], [])


def test_att_25_the_boss_s_meeting_is_the_boss_s(world: ProviderWorld) -> None:
    world.google.create(INVITATION)
    world.sync()
    assert world.hub_event("Review")[1].organizer == BOSS
    world.outlook.update(world.outlook.find("Review"), when=move(INVITATION, 30))
    world.sync()
    assert world.hub_event("Review")[1].organizer == BOSS
    assert told(world) == []


def test_what_was_written_to_a_single_day_is_not_said_of_the_whole_series(world: ProviderWorld) -> None:
    bob = person(world.google, BOB)
    series_id = bob.create(series("Jour", TEN, "FREQ=DAILY;COUNT=14"))
    day = f"{series_id}_{TEN + timedelta(days=1):%Y%m%d}T090000Z"
    bob.control.update_raw(BOB, bob.calendar, day, {"attendees": [{"email": ANN}]})
    world.sync()
    world.outlook.update(world.outlook.find("Jour"), title="Mine", description="for Friday")
    world.sync()
    bob.update(series_id, attendees=ASKED[:1])
    for _ in range(3):
        world.sync()
    later(world)
    (shown,) = [content for content in world.outlook.events().values() if content.when.is_series]
    assert (shown.title, shown.description) == ("Jour", "")


@pytest.mark.parametrize("name", SIDES)
def test_a_guest_who_takes_one_day_out_of_a_calendar_cancels_it_for_nobody(
    world: ProviderWorld, name: str
) -> None:
    bob = invite_linked(world, world.sides[name], series("Review", TEN, "FREQ=DAILY;COUNT=5"))
    invited = bob.find("Review")
    day = SeriesException(TEN + timedelta(days=1), cancelled=True)
    bob.update(invited, when=dataclasses.replace(bob.events()[invited].when, exceptions=(day,)))
    world.sync()
    later(world)
    for side in (world.google, world.outlook):
        assert side.by_title()["Review"].when.exceptions == ()
    assert world.writes() == [] and not world.conflicts()


@pytest.mark.parametrize("change", [{"past_days": 300}, {"direction": "import"}])
def test_an_invitation_that_was_taken_out_stays_away_when_the_link_changes(
    world: ProviderWorld, change: dict[str, Any]
) -> None:
    own = world.google
    bob = invite_linked(world, own, OWN)
    bob.delete(bob.find("Review"))
    world.sync()
    call(world, "PATCH", f"/links/{bob.link_id}", change)
    world.sync()
    call(world, "PATCH", f"/links/{bob.link_id}", {"direction": "two_way"})
    world.sync()
    later(world)
    assert bob.by_title() == {} and list(own.by_title()) == ["Review"]

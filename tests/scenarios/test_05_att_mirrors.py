"""ATT: the copies of meetings carry no guests, and whatever happens to them, nobody is mailed."""

from __future__ import annotations

import dataclasses
from datetime import timedelta

import pytest

from hub.models import Link
from hub.outbound import linking
from hub.plugin.testing import series, timed
from hub.plugin.types import Answer, Attendee, Reminder, SeriesException
from tests.provider_world import ANN, ProviderWorld
from tests.scenarios.meetings import (
    BOB,
    CAT,
    DAILY,
    DAN,
    GUESTS,
    INVITATION,
    OWN,
    TEN,
    TUESDAY,
    answers,
    call,
    move,
    patch,
    person,
    told,
)
from tests.scenarios.play import clear, other, writes

SIDES = ["google", "outlook"]
TWELVE = dataclasses.replace(OWN, attendees=tuple(Attendee(f"g{n}@example.test") for n in range(12)))


def test_att_01_deleting_the_copy_of_a_meeting_cancels_nothing_at_outlook_until_it_is_asked_for(
    world: ProviderWorld,
) -> None:
    world.outlook.create(TWELVE)
    world.sync()
    (mirror,) = world.google.events().values()
    assert mirror.attendees == ()
    event_id = world.hub_event("Review")[0]
    world.google.delete(world.google.find("Review"))
    world.sync()
    assert list(world.outlook.by_title()) == ["Review"], "Outlook would mail all guests"
    assert world.hub_events() == {}
    world.assert_quiet()
    call(world, "DELETE", f"/events/{event_id}?notify=true")
    world.sync()
    assert world.outlook.events() == {}
    assert told(world) == sorted(("cancellation", guest.email) for guest in TWELVE.attendees)
    clear(world)
    world.assert_quiet()


def test_att_01_deleting_the_copy_of_a_meeting_deletes_it_at_google_without_a_word(
    world: ProviderWorld,
) -> None:
    bob = person(world.google, BOB)
    world.google.create(OWN)
    assert list(bob.by_title()) == ["Review"]
    world.sync()
    world.outlook.delete(world.outlook.find("Review"))
    world.sync()
    assert world.google.events() == {}
    assert ["sendUpdates=none" in call["query"] for call in writes(world.google, "DELETE")] == [True]
    assert told(world) == []
    world.assert_quiet()


@pytest.mark.parametrize("source", SIDES)
def test_att_02_a_one_way_sync_that_has_lost_its_table_writes_nothing_where_it_reads(
    unlinked: ProviderWorld, source: str
) -> None:
    world, target = unlinked, other(unlinked, source)
    side = world.sides[source]
    world.link_primary(source, direction="import")
    world.link_primary(target.name, direction="export")
    side.create(OWN)
    world.sync()
    target.update(target.find("Review"), attendees=GUESTS)
    for place in (side, target):
        with world.ports.db.transaction() as session:
            linking.delete_link(session, world.ports, session.get_one(Link, place.link_id))
    clear(world)
    world.link_primary(source, direction="import")
    world.link_primary(target.name, direction="export")
    for _ in range(3):
        world.sync()
    assert writes(side) == []
    assert told(world) == []
    assert [len(place.events()) for place in (side, target)] == [1, 1]


@pytest.mark.parametrize("name", SIDES)
def test_att_03_the_first_import_answers_nothing(unlinked: ProviderWorld, name: str) -> None:
    world, side = unlinked, unlinked.sides[name]
    world.connect(name)
    endless = series("Stand-up", TEN, "FREQ=DAILY")
    side.create(dataclasses.replace(INVITATION, title="Stand-up", when=endless.when))
    world.link_both()
    world.sync()
    assert world.hub_event("Stand-up")[1].own_answer is Answer.NEEDS_ACTION
    assert side.by_title()["Stand-up"].own_answer is Answer.NEEDS_ACTION
    assert writes(side) == []
    world.assert_quiet()


@pytest.mark.parametrize("name", SIDES)
def test_att_05_a_changed_occurrence_of_a_meeting_comes_in_without_a_mail(
    world: ProviderWorld, name: str
) -> None:
    source, target = world.sides[name], other(world, name)
    moved = SeriesException(
        TUESDAY, start=TUESDAY + timedelta(hours=2), end=TUESDAY + timedelta(hours=3), title="Jour, late"
    )
    source.create(dataclasses.replace(DAILY, when=dataclasses.replace(DAILY.when, exceptions=(moved,))))
    world.sync()
    (there,) = target.events().values()
    assert [(e.original_start, e.start, e.title) for e in there.when.exceptions] == [
        (moved.original_start, moved.start, moved.title)
    ]
    source.update(source.find("Jour"), title="Jour fixe")
    world.sync()
    assert len(target.events()) == 1
    assert writes(source) == []
    assert told(world) == []
    world.assert_quiet()


def test_att_07_a_meeting_that_is_moved_at_its_copy_is_one_update_in_place(world: ProviderWorld) -> None:
    remote_id = world.google.create(OWN)
    world.sync()
    clear(world)
    world.outlook.update(world.outlook.find("Review"), when=move(OWN, 30))
    world.sync()
    assert [call["method"] for call in writes(world.google)] == ["PATCH"]
    (held,) = world.google.events().items()
    assert held[0] == remote_id
    assert held[1].when == move(OWN, 30)
    assert answers(held[1]) == {BOB: "accepted", CAT: "accepted", DAN: "declined"}
    assert told(world) == []
    world.assert_quiet()


@pytest.mark.parametrize("name", SIDES)
def test_att_07_a_meeting_that_is_moved_with_notify_tells_each_guest_once(
    world: ProviderWorld, name: str
) -> None:
    side = world.sides[name]
    remote_id = side.create(OWN)
    world.sync()
    clear(world)
    event_id = world.hub_event("Review")[0]
    when = move(OWN, 30)
    call(world, "PATCH", f"/events/{event_id}", {
        "start": {"date_time": when.start.isoformat(), "time_zone": when.start_zone},
        "end": {"date_time": when.end.isoformat(), "time_zone": when.end_zone},
        "notify": True,
    })  # fmt: skip
    world.sync()
    assert told(world) == [("update", guest) for guest in (BOB, CAT, DAN)]
    assert list(side.events()) == [remote_id]
    assert answers(side.by_title()["Review"]) == {BOB: "accepted", CAT: "accepted", DAN: "declined"}
    clear(world)
    world.assert_quiet()


def test_att_08_a_change_of_the_copy_leaves_the_guests_alone(world: ProviderWorld) -> None:
    world.google.create(OWN)
    world.sync()
    clear(world)
    world.outlook.update(world.outlook.find("Review"), title="Review, again")
    world.sync()
    assert [set(call["body"]) for call in writes(world.google)] == [{"summary"}]
    assert all("sendUpdates=none" in call["query"] for call in writes(world.google))
    assert len(world.google.by_title()["Review, again"].attendees) == 3
    world.assert_quiet()


@pytest.mark.parametrize("change", ["title", "reminders"])
def test_att_08_outlook_s_own_meeting_is_not_changed_by_its_copy_since_it_would_mail(
    world: ProviderWorld, change: str
) -> None:
    world.outlook.create(OWN)
    world.sync()
    clear(world)
    edit = {"title": "Mine"} if change == "title" else {"reminders": (Reminder(40),)}
    world.google.update(world.google.find("Review"), **edit)
    world.sync()
    assert writes(world.outlook) == []
    event_id, event = next(iter(world.hub_events().items()))
    assert "mails the guests" in world.parked()["outlook", event.title]
    world.assert_quiet(parked={("outlook", event.title)})
    patch(world, event_id, notify=True)
    assert told(world) == [("update", guest) for guest in (BOB, CAT, DAN)]
    (held,) = world.outlook.events().values()
    assert {name: getattr(held, name) for name in edit} == edit
    clear(world)
    world.assert_quiet()


def test_att_10_the_organiser_stays_among_the_guests(world: ProviderWorld) -> None:
    guests = (Attendee(ANN, "Ann", answer=Answer.ACCEPTED), *GUESTS)
    world.google.create(dataclasses.replace(OWN, attendees=guests))
    world.sync()
    (event_id, before) = world.hub_event("Review")
    assert before.own_answer is Answer.ACCEPTED
    for title in ("Review 1", "Review 2"):
        patch(world, event_id, title=title)
    for notified in ([{"email": BOB}], [{"email": BOB}, {"email": CAT}]):
        patch(world, event_id, attendees=notified, notify=True)
        held = world.google.by_title()["Review 2"]
        assert answers(held) | {CAT: ""} == {ANN: "accepted", BOB: "accepted", CAT: ""}
        assert held.own_answer is Answer.ACCEPTED
    clear(world)
    world.assert_quiet()


@pytest.mark.parametrize("name", SIDES)
@pytest.mark.parametrize("missing", ["organizer", "attendees"])
def test_att_15_a_meeting_without_an_organiser_or_guests_to_see_is_mirrored(
    world: ProviderWorld, name: str, missing: str
) -> None:
    source, target = world.sides[name], other(world, name)
    source.control.fault("thin", keys=[missing], times=1000)
    source.create(INVITATION)
    world.sync()
    source.update(source.find("Review"), title="Review 2")
    world.sync()
    assert list(target.by_title()) == ["Review 2"]
    assert told(world) == []
    assert world.parked() == {}


def test_att_15_a_room_without_an_address_is_no_guest_and_stays_where_it_is(world: ProviderWorld) -> None:
    room = Attendee("", "Room 5")
    world.outlook.create(dataclasses.replace(OWN, attendees=(*GUESTS, room)))
    world.sync()
    event_id, event = world.hub_event("Review")
    assert answers(event) == {BOB: "accepted", CAT: "accepted", DAN: "declined"}
    assert list(world.google.by_title()) == ["Review"]
    clear(world)
    patch(world, event_id, attendees=[{"email": BOB}], notify=True)
    (sent,) = [call["body"] for call in writes(world.outlook, "PATCH")]
    names = [guest["emailAddress"].get("name") for guest in sent["attendees"]]
    assert names == ["Bob", "Room 5"] or names == [BOB, "Room 5"]


def test_att_15_an_account_without_a_mail_address_connects_by_its_principal_name(
    unlinked: ProviderWorld,
) -> None:
    unlinked.outlook.control.fault("thin", path=r"/me$", keys=["mail"], times=5)
    unlinked.link_both()
    unlinked.outlook.create(timed("Lunch", TEN))
    unlinked.sync()
    assert list(unlinked.google.by_title()) == ["Lunch"]


@pytest.mark.parametrize("name", SIDES)
@pytest.mark.parametrize("change", [{"reminders": [{"minutes": 25}]}, {"color": "red", "show_as": "free"}])
def test_att_19_a_small_change_names_no_guest(
    world: ProviderWorld, name: str, change: dict[str, object]
) -> None:
    side = world.sides[name]
    side.create(DAILY)
    world.sync()
    clear(world)
    patch(world, world.hub_event("Jour")[0], **change)
    assert all("attendees" not in call["body"] for call in writes(side))
    assert [guest.email for guest in side.by_title()["Jour"].attendees] == [BOB, CAT, DAN]
    assert told(world) == []


def test_att_22_a_correction_of_the_private_copy_mails_nobody_from_either_account(
    world: ProviderWorld,
) -> None:
    world.outlook.create(DAILY)
    world.sync()
    clear(world)
    mirror = world.google.by_title()["Jour"]
    zone = dataclasses.replace(mirror.when, start_zone="Europe/Paris", end_zone="Europe/Paris")
    world.google.update(world.google.find("Jour"), when=zone)
    for _ in range(3):
        world.sync()
    assert writes(world.outlook) == []
    assert told(world) == []
    world.assert_quiet(parked={("outlook", "Jour")})

"""The list of guests as it goes out: Google's own, with what is to be otherwise."""

from __future__ import annotations

from hub.plugin.types import Attendee
from hub_google.people import guests
from hub_google.wire import Event, WirePerson

ANN, BOB, CAT = "ann@example.test", "bob@example.test", "cat@example.test"


def test_a_guest_of_whom_no_address_is_shown_stays_as_google_shows_it() -> None:
    own: WirePerson = {"email": ANN, "self": True, "organizer": True, "responseStatus": "accepted"}
    by_id: WirePerson = {"id": "4711", "displayName": "Cat from afar", "responseStatus": "accepted"}
    by_name: WirePerson = {"displayName": "Room 5"}
    item: Event = {"id": "x", "organizer": {"email": ANN, "self": True}}
    item["attendees"] = [by_id, own, {"email": BOB, "comment": "Late"}, by_name]
    assert guests([Attendee(ANN), Attendee(CAT)], item) == [own, {"email": CAT}, by_id, by_name]
    assert guests([], item) == [own, by_id, by_name]

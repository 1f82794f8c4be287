"""What a plugin answers is what its type says, or it is said where it is not."""

from __future__ import annotations

import dataclasses
from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import given, settings

from hub.plugin.checking import fault_in
from hub.plugin.strategies import contents
from hub.plugin.testing import timed
from hub.plugin.types import Attendee, EventContent, Location, Reminder, RemoteEvent, When

NINE = datetime(2027, 1, 4, 9)
EVENT = RemoteEvent("id", "1", timed("Talk", NINE), created_at=NINE.replace(tzinfo=UTC))


@settings(max_examples=100, deadline=None)
@given(contents())
def test_any_event_of_the_model_is_right_but_for_what_no_store_holds(content: EventContent) -> None:
    fault = fault_in(RemoteEvent("id", "", content))
    assert fault is None or fault.endswith(" holds a NUL")


def test_an_event_of_odd_but_right_values_is_right() -> None:
    content = dataclasses.replace(EVENT.content, title="Ümläut 👩‍👧", location=Location("", latitude=52.0))
    assert fault_in(dataclasses.replace(EVENT, content=content, uid="ü", notice="Ö")) is None


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"title": 5}, "/content/title must be text"),
        ({"title": None}, "/content/title must be text"),
        ({"description": "\ud800"}, "/content/description holds half a character"),
        ({"url": "a\0b"}, "/content/url holds a NUL"),
        ({"show_as": "busy"}, "/content/show_as must be one of its words"),
        ({"priority": "1"}, "/content/priority must be int"),
        ({"priority": True}, "/content/priority must be int"),
        ({"categories": ["red"]}, "/content/categories must be a tuple"),
        ({"reminders": (Reminder("5"),)}, "/content/reminders/0/minutes must be int"),  # type: ignore[arg-type]
        ({"attendees": (Attendee(""), Attendee(None))}, "/content/attendees/1/email must be text"),  # type: ignore[arg-type]
        ({"location": Location("", latitude=float("nan"))}, "/content/location/latitude must be a number"),
        ({"when": When(NINE.replace(tzinfo=UTC), NINE)}, "/content/when/start must be a date or a wall time"),
        ({"when": When(date(2027, 1, 4), NINE)}, "/content/when must hold dates only or wall times only"),
        ({"when": None}, "/content/when must be a When"),
    ],
)
def test_what_is_wrong_is_named_with_its_place(changes: dict[str, Any], where: str) -> None:
    content = dataclasses.replace(EVENT.content, **changes)
    assert fault_in(dataclasses.replace(EVENT, content=content)) == where


def test_instants_are_aware() -> None:
    assert (
        fault_in(dataclasses.replace(EVENT, updated_at=NINE))
        == "/updated_at must be an instant with its offset"
    )

"""The sandbox shows nothing that Graph's published schema does not have: the SDK's models come from it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import requests
from msgraph.generated.models.calendar import Calendar
from msgraph.generated.models.event import Event
from msgraph.generated.models.subscription import Subscription
from msgraph.generated.models.user import User

from hub.plugin.testing import PERSON, Connected, series, timed
from hub.plugin.types import RemoteCalendar

BESIDE_THE_SCHEMA = {"uid", "occurrenceId", "notificationContentType"}
"""What v1.0 answers with though its schema lacks it (Graph: event-get, resources/subscription)."""


def unknown(shown: dict[str, Any], model: Any) -> set[str]:
    known = set(model().get_field_deserializers())
    return {name for name in shown if "@odata" not in name} - known - BESIDE_THE_SCHEMA


@pytest.fixture
def read(ann: Connected) -> Any:
    def get(path: str, method: str = "GET", body: Any = None) -> Any:
        headers = {"Authorization": f"Bearer {ann.call.access_token}"}
        url = f"{ann.settings['API_URL']}/{path}"
        return requests.request(method, url, json=body, headers=headers, timeout=10).json()

    return get


def test_events_are_as_in_the_schema(ann: Connected, cal: RemoteCalendar, read: Any) -> None:
    start = ann.now.replace(tzinfo=None)
    ann.control.create(PERSON, cal.remote_id, timed("Single", start))
    ann.control.create(PERSON, cal.remote_id, series("Daily", start, "FREQ=DAILY;COUNT=3"))
    span = f"startDateTime={start.isoformat()}&endDateTime={(start + timedelta(days=9)).isoformat()}"
    shown = read("me/events")["value"] + read(f"me/calendarView?{span}")["value"]
    assert {event["type"] for event in shown} == {"singleInstance", "seriesMaster", "occurrence"}
    assert [unknown(event, Event) for event in shown] == [set()] * len(shown)
    known = set(Event().get_field_deserializers())
    assert known - set(shown[0]) <= {
        "attachments", "calendar", "cancelledOccurrences", "exceptionOccurrences", "extensions", "instances",
        "multiValueExtendedProperties", "originalStart", "singleValueExtendedProperties", "@odata.type",
    }  # fmt: skip


def test_calendars_people_and_subscriptions_are_as_in_the_schema(ann: Connected, read: Any) -> None:
    assert [unknown(c, Calendar) for c in read("me/calendars")["value"]] == [set(), set()]
    assert unknown(read("me"), User) == set()
    body = {
        "changeType": "updated",
        "notificationUrl": ann.callback.url,
        "resource": "me/events",
        "expirationDateTime": (ann.now + timedelta(days=1)).isoformat(),
    }
    assert unknown(read("subscriptions", "POST", body), Subscription) == set()

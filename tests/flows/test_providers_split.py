"""Series that are split over the API stand at both real providers as they do here, and nothing is doubled."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from hub.accounts import keys
from hub.domain.recurrence import occurrences
from hub.plugin.testing import series
from hub.plugin.types import Conference, EventContent, SeriesException, When
from tests.apps import app_over
from tests.provider_world import ProviderWorld

MONDAY = datetime(2026, 12, 7, 9)
WEEK, DAY = timedelta(weeks=1), timedelta(days=1)


class Consumer:
    """An application that calls the API of a hub with both providers."""

    def __init__(self, world: ProviderWorld) -> None:
        self.world = world
        self._client = app_over(world.ports).test_client()
        with world.ports.db.transaction() as session:
            self._key = keys.add_key(session, world.ports, "tnt_1", "test", keys.SCOPES)[1]

    def call(self, method: str, path: str, json: Any = None) -> Any:
        answer = self._client.open(
            f"/v1{path}", method=method, json=json, headers={"Authorization": f"Bearer {self._key}"}
        )
        assert answer.status_code < 300, answer.get_data(as_text=True)
        return answer.get_json(silent=True)

    def split(self, which: str, start: date | datetime, **changes: Any) -> Any:
        event_id, _ = self.world.hub_event(which)
        path = f"/events/{event_id}/occurrences/{start.isoformat()}?scope=this_and_following"
        return self.call("PATCH", path, changes)


@pytest.fixture
def consumer(world: ProviderWorld) -> Consumer:
    return Consumer(world)


def days(content: EventContent) -> list[str]:
    """Return when a series takes place, each with its title."""
    span = (datetime(2026, 1, 1, tzinfo=UTC), datetime(2028, 1, 1, tzinfo=UTC))
    return [
        f"{o.start.isoformat()} {(o.exception.title if o.exception else None) or content.title}"
        for o in occurrences(content.when, *span, "UTC")
    ]


@pytest.mark.parametrize("creator", ["google", "outlook", "api"])
def test_a_split_series_takes_place_at_both_providers_as_it_does_here(
    world: ProviderWorld, consumer: Consumer, creator: str
) -> None:
    exceptions = (
        SeriesException(MONDAY + WEEK, cancelled=True),
        SeriesException(MONDAY + 4 * WEEK, title="Special"),
        SeriesException(MONDAY + 5 * WEEK, cancelled=True),
    )
    content = series("Standup", MONDAY, "FREQ=WEEKLY;BYDAY=MO;COUNT=8", *exceptions)
    world.api_creates(content) if creator == "api" else world.sides[creator].create(content)
    world.sync()
    consumer.split("Standup", MONDAY + 3 * WEEK, title="Later", location={"name": "Garden"})
    world.assert_quiet()
    expected = {
        "Standup": [f"{(MONDAY + n * WEEK).isoformat()} Standup" for n in (0, 2)],
        "Later": [
            f"{(MONDAY + n * WEEK).isoformat()} {'Special' if n == 4 else 'Later'}" for n in (3, 4, 6, 7)
        ],
    }
    for side in world.sides.values():
        assert {title: days(shown) for title, shown in side.by_title().items()} == expected
    assert world.mails() == []


def test_an_all_day_series_and_one_in_another_zone_are_split_where_they_were_cut(
    world: ProviderWorld, consumer: Consumer
) -> None:
    first = date(2026, 12, 7)
    world.api_creates(EventContent(When(first, first + 2 * DAY, recurrence=("RRULE:FREQ=WEEKLY",)), "Days"))
    world.api_creates(series("Call", MONDAY, "FREQ=DAILY;COUNT=200", zone="America/New_York"))
    world.sync()
    consumer.split("Days", first + 2 * WEEK, title="Days 2")
    consumer.split("Call", MONDAY + 100 * DAY, title="Call 2")
    world.assert_quiet()
    for side in world.sides.values():
        shown = side.by_title()
        assert days(shown["Days"]) == ["2026-12-07 Days", "2026-12-14 Days"]
        assert shown["Days 2"].when.start == first + 2 * WEEK
        assert (len(days(shown["Call"])), len(days(shown["Call 2"]))) == (100, 100)


def test_a_split_costs_a_create_and_an_update_at_each_provider(
    world: ProviderWorld, consumer: Consumer
) -> None:
    world.api_creates(series("Standup", MONDAY, "FREQ=WEEKLY;COUNT=8"))
    world.sync()
    for side in world.sides.values():
        side.control.clear_ledger()
    consumer.split("Standup", MONDAY + 3 * WEEK, title="Later")
    world.sync()
    for side in world.sides.values():
        methods = sorted(call["method"] for call in side.control.ledger()["calls"] if call["write"])
        assert methods == ["PATCH", "POST"], side.name


@pytest.mark.parametrize(("name", "provider"), [("google", "Google Meet"), ("outlook", "teamsForBusiness")])
def test_fld_16_the_second_half_gets_a_meeting_of_its_own(
    world: ProviderWorld, consumer: Consumer, name: str, provider: str
) -> None:
    content = series("Standup", MONDAY, "FREQ=WEEKLY;COUNT=8")
    event_id = world.api_creates(content)
    consumer.call("PATCH", f"/events/{event_id}", {"conference": {"provider": provider}})
    world.sync()
    room = world.hub_event("Standup")[1].conference
    assert room is not None and room.url and room.provider == provider
    consumer.split("Standup", MONDAY + 3 * WEEK, title="Later")
    world.assert_quiet()
    own = world.hub_event("Later")[1].conference
    assert own is not None and own.url and own.provider == provider
    assert own.url != room.url, "one room is not used for two events"
    other = next(side for side in world.sides.values() if side.name != name)
    assert other.by_title()["Later"].conference == Conference(own.url)
    assert world.hub_event("Standup")[1].conference == room


def test_a_link_that_no_provider_has_made_goes_along(world: ProviderWorld, consumer: Consumer) -> None:
    event_id = world.api_creates(series("Standup", MONDAY, "FREQ=WEEKLY;COUNT=8"))
    link = {"url": "https://zoom.test/1", "provider": "Zoom"}
    consumer.call("PATCH", f"/events/{event_id}", {"conference": link})
    world.sync()
    consumer.split("Standup", MONDAY + 3 * WEEK, title="Later")
    world.assert_quiet()
    assert world.hub_event("Later")[1].conference == Conference("https://zoom.test/1", "Zoom")


def test_undoing_a_split_puts_one_series_back_at_both_providers(
    world: ProviderWorld, consumer: Consumer
) -> None:
    world.google.create(series("Standup", MONDAY, "FREQ=WEEKLY;COUNT=8"))
    world.sync()
    before = {name: days(side.by_title()["Standup"]) for name, side in world.sides.items()}
    consumer.split("Standup", MONDAY + 3 * WEEK, title="Later")
    world.sync()
    event_id, _ = world.hub_event("Standup")
    seq = consumer.call("GET", f"/events/{event_id}/history")["items"][-1]["seq"]
    consumer.call("POST", f"/changes/{seq}/undo", {})
    world.assert_quiet()
    for name, side in world.sides.items():
        assert {title: days(shown) for title, shown in side.by_title().items()} == {"Standup": before[name]}


def test_what_a_provider_cannot_hold_of_an_occurrence_survives_an_edit_there(
    world: ProviderWorld, consumer: Consumer
) -> None:
    event_id = world.api_creates(series("Standup", MONDAY, "FREQ=WEEKLY;COUNT=8"))
    world.sync()
    third = MONDAY + 2 * WEEK
    own = {"title": "Special", "visibility": "private", "categories": ["red"]}
    own["attachments"] = [{"url": "https://x.test/a"}]  # type: ignore[list-item]
    consumer.call("PATCH", f"/events/{event_id}/occurrences/{third.isoformat()}", own)
    world.sync()
    for name, side in world.sides.items():
        off = SeriesException(MONDAY + (4 if name == "google" else 5) * WEEK, cancelled=True)
        now = side.by_title()["Standup"].when
        when = When(
            now.start, now.end, now.start_zone, now.end_zone, now.recurrence,
            tuple(sorted((*now.exceptions, off), key=lambda e: str(e.original_start))),
        )  # fmt: skip
        side.update(side.find("Standup"), when=when)
        world.sync()
    read = consumer.call("GET", f"/events/{event_id}/occurrences/{third.isoformat()}")
    assert (read["title"], read["visibility"], read["categories"]) == ("Special", "private", ["red"])
    assert [a["url"] for a in read["attachments"]] == ["https://x.test/a"]
    exceptions = consumer.call("GET", f"/events/{event_id}")["exceptions"]
    assert [e["cancelled"] for e in exceptions] == [False, True, True]
    world.assert_quiet()

"""What Google does not say is played one way and the other, and the hub keeps all calendars equal in each.

A world has a value for each of the sandbox's switches of that kind. There are as many worlds as the switch
with the most values has, drawn so that each value has its world and that neighbours mix.
"""

from __future__ import annotations

import dataclasses
from datetime import date, datetime, timedelta
from typing import Any

import pytest

from hub.plugin.testing import all_day, series, timed
from hub.plugin.types import Answer, Attendee, Location, Reminder, SeriesException
from hub_google.sandbox.state import SWITCHES
from tests.provider_world import ANN, ProviderWorld

BOB = "bob@example.test"
TEN = datetime(2026, 12, 7, 10)
DAY = timedelta(days=1)
RULE = "FREQ=DAILY;COUNT=6"

VALUES: dict[str, tuple[Any, ...]] = {
    "exceptions_on_master_change": ("drop_missing", "keep", "drop_all"),
    "exceptions_ignore_time_min": (False, True),
    "token_remembers_window": (False, True),
    "noop_patch_moves_etag": (False, True),
    "reminders_move_etag": (True, False),
    "sequence_rises": ("times", "always", "never"),
    "shows_defaults": (False, True),
    "whole_cancelled_instances": (False, True),
    "guest_edits": ("local", "refused"),
    "both_inserts_win": (False, True),
    "conference": ("success", "pending", "failure"),
    "properties_match_any": (False, True),
    "clamp_page_size": (True, False),
    "forbidden_reason": ("invalid", "badRequest"),
    "forbidden_message": ("Sync token cannot be used with other request restrictions.", "Bad Request"),
    "updated_min_chains": (True, False),
    "empty_pages": (0, 2),
    "page_limit": (0, 2, 3),
    "overlap_pages": (False, True),
    "endless_pages": ("", "sized"),
    "most_attendees_shown": (0, 1),
    "sync_token_days": (30, 0.001),
    "updated_min_days": (30, 1),
    "tombstone_days": (0, 0.001),
    "error_details": (False, True),
    "compresses": (False, True),
    "channel_seconds": (604800, 600),
    "webhook_unauthorized": (0, 401, 403),
    "sync_before_answer": (False, True),
    "stops_again": (False, True),
    "drop_notifications": (0, 50),
    "duplicate_notifications": (0, 100),
    "deliver_after_stop": (False, True),
    "notify_delay": (0.0, 0.1),
    "delivery_tries": (6, 1),
    "delivery_backoff": (0.5, 0.05),
    "delivery_timeout": (10.0, 0.5),
    "reorder_notifications": (False, True),
    "most_channels": (0, 1),
    "tells_refresh_lifetime": (False, True),
    "rotates_refresh_tokens": (False, True),
}
ELSEWHERE = {
    "cut_texts": "test_fld_14_what_a_provider_cuts_is_told_and_not_taken_for_an_edit",
    "refuses_points": "test_an_event_without_length_may_be_refused",
    "repeat_page_token": "test_a_listing_in_circles_is_left",
    "read_lag": "test_reads_that_lag_show_the_state_of_before_and_no_change_is_lost",
    "quota_per_account": "test_a_quota_is_waited_for",
    "quota_per_project": "test_a_quota_is_waited_for",
    "quota_per_calendar": "test_a_quota_is_waited_for",
    "read_only_people": "test_an_account_made_read_only_still_reads",
    "testing_mode": "test_a_refresh_token_that_lay_too_long_is_dead",
}
"""Switches that need a story of their own, and its test."""
WORLDS = max(map(len, VALUES.values()))


def drawn(number: int) -> dict[str, Any]:
    return {
        name: values[(number + place) % len(values)] for place, (name, values) in enumerate(VALUES.items())
    }


def test_each_switch_of_the_sandbox_has_its_worlds_or_its_own_story() -> None:
    assert VALUES.keys() | ELSEWHERE.keys() == SWITCHES.keys()
    for name, values in VALUES.items():
        assert {str(drawn(n)[name]) for n in range(WORLDS)} == set(map(str, values))
        assert values[0] == SWITCHES[name]


@pytest.mark.parametrize("number", range(WORLDS))
def test_whatever_google_does_all_calendars_end_equal(unlinked: ProviderWorld, number: int) -> None:
    world = unlinked
    world.google.control.add_person(BOB)
    world.google.control.switches(**drawn(number))
    google, outlook = world.google, world.outlook
    world.connect("google")
    old = google.create(timed("Old", TEN, description="Text"))
    moved = SeriesException(
        TEN + DAY, start=TEN + DAY + timedelta(hours=3), end=TEN + DAY + timedelta(hours=4)
    )
    google.create(series("Daily", TEN, RULE, moved, SeriesException(TEN + 2 * DAY, cancelled=True)))
    google.create(all_day("Day", date(2026, 12, 9)))
    gone = google.create(timed("Gone", TEN + DAY))
    google.delete(gone)
    world.link_both()
    outlook.create(timed("Outlook's", TEN + timedelta(hours=5), location=Location("Room")))
    outlook.create(series("Outlook's daily", TEN, RULE))
    world.sync()
    same(world, "Old", "Daily", "Day", "Outlook's", "Outlook's daily")

    google.update(old, reminders=(Reminder(7),))
    outlook.update(outlook.find("Outlook's"), title="Renamed")
    event_id, content = world.hub_event("Day")
    world.api_updates(event_id, dataclasses.replace(content, description="Free"))
    world.sync()
    google.update(google.find("Daily"), title="Each day")
    google.update(google.find("Outlook's daily"), location=Location("Roof"))
    event_id, content = world.hub_event("Outlook's daily")
    off = dataclasses.replace(content.when, exceptions=(SeriesException(TEN + DAY, cancelled=True),))
    world.api_updates(event_id, dataclasses.replace(content, when=off))
    world.sync()
    later = dataclasses.replace(google.by_title()["Each day"].when, start=TEN + timedelta(hours=1),
                                end=TEN + timedelta(hours=2), exceptions=())  # fmt: skip
    google.update(google.find("Each day"), when=later)
    meeting = timed("Meeting", TEN, organizer=None, attendees=(Attendee(ANN), Attendee("cat@example.test")))
    google.control.create(BOB, BOB, meeting)
    world.sync()
    google.control.answer(ANN, ANN, google.find("Meeting"), Answer.ACCEPTED)
    world.sync()
    same(world, "Old", "Each day", "Day", "Renamed", "Outlook's daily", "Meeting")

    outlook.delete(outlook.find("Old"))
    google.delete(google.find("Renamed"))
    world.advance(3700)
    world.wait(0)
    world.sync()
    same(world, "Each day", "Day", "Outlook's daily", "Meeting")
    world.assert_quiet()


def same(world: ProviderWorld, *titles: str) -> None:
    assert {side.name: sorted(side.by_title()) for side in world.sides.values()} == dict.fromkeys(
        world.sides, sorted(titles)
    )

"""Where Microsoft's pages leave open how Outlook answers, the hub works right with either answer.

What Outlook's sandbox does by itself is what all other tests are played with; here it does the other thing,
switch by switch (`docs/sandboxes.md`), in one story between two calendars.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests

from hub.plugin.testing import all_day, series, timed
from hub.plugin.types import EventContent, Location, Reminder, SeriesException
from tests.provider_world import ANN, ProviderWorld, provider_world
from tests.scenarios.play import both_show, clear, later, lose_answer, mute, writes

TEN = datetime(2026, 12, 7, 10)
DAY, WEEK = timedelta(days=1), timedelta(weeks=1)
HOUR = timedelta(hours=1)

ANSWERS: dict[str, dict[str, Any]] = {
    "tokens": {
        "qualified_scopes": True, "token_seconds": 120, "single_use_refresh_tokens": True,
        "personal_tenant": "none", "redirect_uris": [],
    },
    "pages": {
        "delta_masters": "later", "shuffle_delta": True, "duplicate_delta": True, "empty_delta_pages": 1,
        "overlap_delta": True, "page_limit": 3, "swap_tokens": True, "removed_reason": "changed",
        "series_tombstones": True, "delta_lag": 0.0,
    },
    "links": {
        "delta_masters": "missing", "delta_by_calendar": False, "links_keep_preferences": True,
        "delta_page_size": 2, "delta_ignores_options": True, "most_on_a_page": 50, "resync_location": True,
    },
    "bodies": {"delta_text": False, "text_echo": True, "restless_html": True, "expand_in_views": False},
    "ids": {"immutable_occurrences": False, "immutable_oids": True},
    "regular ids": {"immutable_ids": False},
    "no names of IANA": {"iana_zones": "none", "first_day_required": True},
    "some names of IANA": {"iana_zones": "listed", "iana_echo": True, "iana_labels": False},
    "one undoes all": {"drop_exceptions": ["*"]},
    "nothing undoes": {"drop_exceptions": [], "drift_seconds": 30.0},
    "short memory": {
        "duplicate_transaction_status": 409, "existing_event_id": True, "transaction_seconds": 1,
        "extra_updates": 2, "longest_subject": 255, "most_reminder_minutes": 40_320, "most_occurrences": 999,
    },
    "throttling": {"concurrency": 1, "retry_after": "2.128", "throttled_status": 503},
}  # fmt: skip


@pytest.fixture
def unlinked(tmp_path: Path, sqlite_template: Path) -> Iterator[ProviderWorld]:
    """Both sandboxes with nobody connected yet; they notify nobody."""
    shutil.copy(sqlite_template, tmp_path / "hub.db")
    with provider_world(f"sqlite:///{tmp_path / 'hub.db'}", tmp_path) as made:
        mute(made)
        yield made


@pytest.mark.parametrize("answers", ANSWERS)
def test_two_calendars_agree_whichever_way_outlook_answers(unlinked: ProviderWorld, answers: str) -> None:
    world = unlinked
    world.outlook.control.switches(**ANSWERS[answers])
    world.link_both()
    outlook, google = world.outlook, world.google
    moved = SeriesException(TEN + WEEK, title="Moved", start=TEN + WEEK + HOUR, end=TEN + WEEK + 2 * HOUR)
    gone = SeriesException(TEN + 2 * WEEK, cancelled=True)
    outlook.create(timed("From Outlook", TEN, description="1 < 2\nand more"))
    outlook.create(series("Weekly", TEN, "FREQ=WEEKLY;BYDAY=MO;COUNT=6", moved, gone))
    outlook.create(series("Endless", TEN, "FREQ=WEEKLY;BYDAY=MO"))
    outlook.create(all_day("Day off", TEN.date()))
    google.create(timed("From Google", TEN, description="Tom & Jerry"))
    google.create(series("Daily", TEN, "FREQ=DAILY;COUNT=5", SeriesException(TEN + DAY, cancelled=True)))
    world.sync()
    assert sorted(google.by_title()) == sorted(outlook.by_title())
    google.update(google.find("Weekly"), title="Renamed at Google")
    google.update(google.find("From Outlook"), description="Other\ntext")
    outlook.update(outlook.find("Daily"), title="Renamed at Outlook")
    outlook.update(outlook.find("From Google"), when=timed("", TEN + DAY).when)
    world.sync()
    lose_answer(outlook, "cut", "POST")
    google.create(timed("Lost and found", TEN))
    world.sync()
    later(world)
    world.outlook.control.expire_cursors(ANN)
    outlook.delete(outlook.find("Endless"))
    google.delete(google.find("Day off"))
    world.sync()
    later(world)
    titles = ["From Google", "From Outlook", "Lost and found", "Renamed at Google", "Renamed at Outlook"]
    assert sorted(outlook.by_title()) == sorted(google.by_title()) == titles
    assert len(both_show(world, "Renamed at Google")) == 4
    world.assert_quiet()


@pytest.mark.parametrize(
    "zone",
    [
        None,
        "",
        "tzone://Microsoft/Custom",
        "Customized Time Zone",
        "tzone://Microsoft/Utc",
        "Romance Standard Time",
    ],
)
def test_what_is_made_in_a_mailbox_without_a_known_zone_takes_place_at_its_time(
    unlinked: ProviderWorld, zone: str | None
) -> None:
    world = unlinked
    box = world.outlook.control.base_url
    asked = {"email": ANN, "zone": zone}
    requests.post(f"{box}/_control/people", json=asked, timeout=10).raise_for_status()
    world.link_both()
    single = world.outlook.create(timed("Single", TEN))
    world.outlook.create(series("Weekly", TEN, "FREQ=WEEKLY;BYDAY=MO;COUNT=4"))
    world.outlook.create(all_day("Day", TEN.date()))
    world.sync()
    assert both_show(world, "Single") == ["12-07 10:00"]
    assert both_show(world, "Weekly") == ["12-07 10:00", "12-14 10:00", "12-21 10:00", "12-28 10:00"]
    assert both_show(world, "Day") == ["12-07"]
    world.google.update(world.google.find("Single"), when=timed("", TEN + HOUR).when)
    world.google.create(timed("From Google", TEN))
    world.sync()
    assert both_show(world, "Single") == ["12-07 11:00"]
    assert world.outlook.find("Single") == single
    world.assert_quiet()


def test_a_calendar_whose_changes_take_outlook_too_long_is_listed_in_parts(unlinked: ProviderWorld) -> None:
    world = unlinked
    world.outlook.control.switches(heavy_window_days=200, tiny_page=10)
    world.link_both()
    endless = world.outlook.create(series("Endless", TEN, "FREQ=WEEKLY;BYDAY=MO"))
    world.sync()
    assert world.get_link(world.outlook.link_id).problem and world.google.by_title() == {}
    later(world, 1000, 8)
    assert list(world.google.by_title()) == ["Endless"]
    world.outlook.update(endless, title="Renamed")
    clear(world)
    world.sync()
    assert list(world.google.by_title()) == ["Renamed"]
    assert {call["status"] for call in world.outlook.control.ledger()["calls"]} == {200}
    world.outlook.delete(endless)
    world.sync()
    world.assert_quiet()


NOTICES: dict[str, dict[str, Any]] = {
    "of little worth": {
        "shuffle_notifications": True, "duplicate_notifications": 50, "drop_notifications": 30,
        "deliver_after_stop": True, "extra_updates": 2, "pause_while_pending": False,
    },
    "for a short time": {
        "shorter_subscriptions": 60, "conflict_names_id": False, "extra_updates": 0,
        "calendar_subscriptions": False, "validation_code": "InvalidRequest",
    },
    "twice": {"refuse_second": False, "duplicate_notifications": 100},
    "before delta shows it": {"delta_lag": 3.0},
}  # fmt: skip


@pytest.mark.parametrize("kind", NOTICES)
def test_changes_arrive_with_notices_of_any_kind(unlinked: ProviderWorld, kind: str) -> None:
    world = unlinked
    world.outlook.control.switches(notify=True, **NOTICES[kind])
    world.link_both()
    for n in range(5):
        world.outlook.create(timed(f"E{n}", TEN + n * HOUR))

    def arrived() -> bool:
        world.advance(20)
        world.wait(0)
        return len(world.google.by_title()) == 5

    world.settle_until(arrived, "the events to Google")
    world.outlook.control.switches(notify=False)
    clear(world)
    world.assert_quiet()
    assert writes(world.google) == []


@pytest.mark.parametrize(
    ("limit", "content"),
    [
        ({"longest_subject": 20}, timed("A title of more than twenty letters", TEN)),
        ({"most_reminder_minutes": 60}, timed("Reminded", TEN, reminders=(Reminder(120),))),
        ({"most_occurrences": 3}, series("Counted", TEN, "FREQ=DAILY;COUNT=5")),
    ],
)
def test_what_is_too_long_for_outlook_is_said_and_stops_nothing_else(
    unlinked: ProviderWorld, limit: dict[str, Any], content: EventContent
) -> None:
    world = unlinked
    world.outlook.control.switches(**limit)
    world.link_both()
    world.google.create(content)
    world.google.create(timed("Short", TEN))
    world.sync()
    assert list(world.outlook.by_title()) == ["Short"]
    assert list(world.parked()) == [("outlook", content.title)]
    world.outlook.control.switches(**dict.fromkeys(limit, 0))
    world.google.update(world.google.find(content.title), location=Location("R5"))
    world.sync()
    assert world.parked() == {} and sorted(world.outlook.by_title()) == sorted(["Short", content.title])
    world.assert_quiet()


def test_a_day_that_outlook_refuses_doubles_no_series_and_is_told_of(world: ProviderWorld) -> None:
    world.outlook.control.switches(longest_subject=20)
    daily = series("Daily", TEN, "FREQ=DAILY;COUNT=3")
    other = SeriesException(TEN + DAY, title="Daily, for once with the whole team")
    world.google.create(replace(daily, when=replace(daily.when, exceptions=(other,))))
    world.sync()
    later(world)
    assert [list(side.by_title()) for side in world.sides.values()] == [["Daily"], ["Daily"]]
    assert len(world.hub_events()) == 1
    assert world.parked() == {("outlook", "Daily"): "At least one property failed validation: 35."}
    world.outlook.control.switches(longest_subject=0)
    world.google.update(world.google.find("Daily"), location=Location("R5"))
    world.sync()
    assert world.parked() == {}
    assert world.outlook.by_title()["Daily"].when.exceptions == (other,)
    world.assert_quiet()


@pytest.mark.parametrize("is_known", [False, True])
def test_a_day_that_outlook_says_is_gone_is_no_series_that_is_gone(
    world: ProviderWorld, is_known: bool
) -> None:
    daily = series("Daily", TEN, "FREQ=DAILY;COUNT=3")
    other = SeriesException(TEN + DAY, title="Team")
    changed = replace(daily.when, exceptions=(other,))
    if is_known:
        world.google.create(daily)
        world.sync()
    world.outlook.control.fault("status", status=404, method="PATCH", times=100)
    if is_known:
        world.google.update(world.google.find("Daily"), when=changed)
    else:
        world.google.create(replace(daily, when=changed))
    world.sync()
    later(world)
    assert len(world.outlook.events()) == len(world.google.events()) == len(world.hub_events()) == 1
    assert "no occurrence" in world.parked()["outlook", "Daily"]
    world.outlook.control.clear_faults()
    world.google.update(world.google.find("Daily"), location=Location("R5"))
    world.sync()
    assert world.parked() == {}
    assert world.outlook.by_title()["Daily"].when.exceptions == (other,)
    world.assert_quiet()

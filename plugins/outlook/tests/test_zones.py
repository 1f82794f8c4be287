"""Names of zones: those that Exchange takes, and what it shows besides."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub_outlook import zones
from hub_outlook.translate import from_remote

NAMES = {
    "Romance Standard Time": "Europe/Paris",
    "W. Europe Standard Time": "Europe/Berlin",
    "tzone://Microsoft/Utc": "UTC",
    "(UTC) Coordinated Universal Time": "UTC",
    "(UTC+01:00) Amsterdam, Berlin, Bern, Rome, Stockholm, Vienna": "Europe/Berlin",
    "(GMT-05:00) Eastern Time (US & Canada)": "America/New_York",
    "(UTC-07:00) Mountain Time (US & Canada)": "America/Denver",
    "(UTC+05:30) Chennai, Kolkata, Mumbai, New Delhi": "Asia/Calcutta",
    "(UTC+08:00) Beijing, Chongqing, Hong Kong, Urumqi": "Asia/Shanghai",
    "(UTC-06:00) Central America": "America/Guatemala",
    "GMT+6:30": "Asia/Rangoon",
    "UTC-02": "Etc/GMT+2",
    "UTC+3": "Etc/GMT-3",
    "+05:30": "Asia/Calcutta",
    "Asia/Calcutta": "Asia/Calcutta",
    "asia/kathmandu": "Asia/Kathmandu",
    "Antarctica/Troll": "Antarctica/Troll",
}


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_read(name: str) -> None:
    assert zones.read(name) == zones.Place(NAMES[name])


def test_of_a_place_that_nobody_knows_the_offset_is_kept() -> None:
    assert zones.read("(UTC-02:00) Mid-Somewhere") == zones.Place("Etc/GMT+2", is_sure=False)
    # The offset is Berlin's in summer only: the name lies, or means another place.
    assert zones.read("(UTC+02:00) Berlin") == zones.Place("Etc/GMT-2", is_sure=False)


@pytest.mark.parametrize(
    "name",
    [
        None,
        "",
        "Customized Time Zone",
        "tzone://Microsoft/Custom",
        "Special_Zone",
        "(UTC+99:00) X",
        "UTC+5.5",
    ],
)
def test_a_name_that_tells_nothing_is_none(name: str | None) -> None:
    assert zones.read(name) is None


@given(st.text(max_size=40))
def test_any_text_is_read_or_not(name: str) -> None:
    place = zones.read(name)
    assert place is None or ZoneInfo(place.iana)


def test_all_zones_but_two_have_a_windows_name_that_shows_the_same_clock() -> None:
    without = {z for z in available_timezones() if not zones.to_windows(z)}
    assert without <= {"Antarctica/Troll", "Factory", "localtime"}
    summer, winter = datetime(2027, 7, 1), datetime(2027, 1, 1)
    for name in available_timezones() - without:
        twin = zones.held_as(name)
        assert twin
        for at in (summer, winter):
            same = (
                at.replace(tzinfo=ZoneInfo(name)).utcoffset() == at.replace(tzinfo=ZoneInfo(twin)).utcoffset()
            )
            assert same or not zones.agree(name, twin, at)


# --- whole events ---


def saved(name: str) -> Any:
    return json.loads((Path(__file__).parent / "saved" / f"{name}.json").read_text())


def series_at(name: str, utc: datetime, first: str, days: list[str]) -> Any:
    """Return a weekly series in a zone of that name."""
    data = saved("series") | {"exceptionOccurrences": [], "cancelledOccurrences": []}
    data |= {"originalStartTimeZone": name, "originalEndTimeZone": name}
    for end, at in (("start", utc), ("end", utc + timedelta(hours=1))):
        data[end] = {"dateTime": f"{at.isoformat()}.0000000", "timeZone": "UTC"}
    data["recurrence"]["pattern"]["daysOfWeek"] = days
    data["recurrence"]["range"] |= {"startDate": first, "recurrenceTimeZone": name}
    return data


@pytest.mark.parametrize("name", ["Special_Zone", "Customized Time Zone", "(UTC-02:00) Special", ""])
def test_a_series_in_an_unknown_zone_stays_on_its_days_and_says_so(name: str) -> None:
    saturday = datetime(2027, 1, 9, 1)
    event = from_remote(series_at(name, saturday, "2027-01-08", ["friday"]))
    when = event.content.when
    assert when.recurrence == ("RRULE:FREQ=WEEKLY;BYDAY=FR;COUNT=6",)
    assert (when.start, when.start_zone) == (datetime(2027, 1, 8, 23), "Etc/GMT+2")
    assert event.notice and event.read_only
    assert (name or "no time zone") in event.notice and "Etc/GMT+2" in event.notice


@pytest.mark.parametrize(
    ("hour", "day", "zone"),
    [(23, "2027-01-09", "Etc/GMT-1"), (10, "2027-01-08", "UTC"), (0, "2027-01-07", "Etc/GMT+1")],
)
def test_the_zone_that_stands_for_an_unknown_one_puts_the_start_on_its_day(
    hour: int, day: str, zone: str
) -> None:
    at = datetime(2027, 1, 8, hour)
    weekday = f"{datetime.fromisoformat(day):%A}".casefold()
    when = from_remote(series_at("Special_Zone", at, day, [weekday])).content.when
    assert (str(when.start)[:10], when.start_zone) == (day, zone)
    assert isinstance(when.start, datetime)
    assert zones.to_utc(when.start, zone) == at


def test_a_single_event_in_an_unknown_zone_keeps_its_instant_may_be_written_and_says_so() -> None:
    data = saved("meeting") | {"originalStartTimeZone": "Customized Time Zone", "isOrganizer": True}
    event = from_remote(data)
    assert event.read_only is None
    assert event.notice and "Customized Time Zone" in event.notice
    known = from_remote(saved("meeting")).content.when
    assert isinstance(known.start, datetime) and known.start_zone
    assert event.content.when.start == zones.to_utc(known.start, known.start_zone)


def test_a_known_zone_has_nothing_to_say() -> None:
    for name in ("meeting", "series", "all_day"):
        assert from_remote(saved(name)).notice is None

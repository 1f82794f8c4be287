"""Wall times become instants, and rules become occurrences, the same whatever the season."""

from __future__ import annotations

import dataclasses
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.domain.recurrence import (
    COUNTED_OUT,
    RecurrenceError,
    check,
    instant,
    occurrences,
    span,
    starts,
    without_orphans,
)
from hub.plugin import strategies
from hub.plugin.testing import all_day, series, timed
from hub.plugin.types import SeriesException, When

BERLIN = "Europe/Berlin"
YEAR = (datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC))


def local_starts(when: When) -> list[object]:
    return [o.start for o in occurrences(when, *YEAR, BERLIN)]


def test_a_series_keeps_its_wall_time_when_clocks_change() -> None:
    when = series("Daily", datetime(2026, 3, 27, 9), "FREQ=DAILY;COUNT=5").when
    found = occurrences(when, *YEAR, BERLIN)
    assert [o.start.hour for o in found] == [9] * 5
    assert [o.starts_at.hour for o in found] == [8, 8, 7, 7, 7]


def test_an_until_in_utc_includes_the_last_occurrence_across_a_change_of_clocks() -> None:
    rule = "FREQ=WEEKLY;UNTIL=20260630T120000Z;INTERVAL=2;BYDAY=TU;WKST=MO"
    found = list(starts(series("Fortnightly", datetime(2026, 1, 13, 14), rule).when))
    assert len(found) == 13 and found[-1] == datetime(2026, 6, 30, 14)


def test_an_all_day_series_ends_with_the_day_of_its_until() -> None:
    when = When(date(2026, 11, 2), date(2026, 11, 3), recurrence=("RRULE:FREQ=DAILY;UNTIL=20261105",))
    assert list(starts(when)) == [date(2026, 11, d) for d in (2, 3, 4, 5)]


def test_exceptions_replace_their_occurrences() -> None:
    monday = datetime(2026, 12, 7, 9)
    moved = SeriesException(
        monday + timedelta(weeks=1), start=datetime(2026, 12, 16, 14), end=datetime(2026, 12, 16, 15)
    )
    gone = SeriesException(monday + timedelta(weeks=2), cancelled=True)
    when = series("Weekly", monday, "FREQ=WEEKLY;COUNT=3", moved, gone).when
    assert local_starts(when) == [monday, datetime(2026, 12, 16, 14)]


def test_an_exception_goes_with_the_day_that_a_new_rule_does_not_make() -> None:
    monday = datetime(2026, 12, 7, 9)
    kept = SeriesException(monday + timedelta(weeks=2), title="Kept")
    orphan = SeriesException(monday + timedelta(weeks=1), title="Orphan")
    fortnightly = series("Every other week", monday, "FREQ=WEEKLY;INTERVAL=2", orphan, kept).when
    assert without_orphans(fortnightly).exceptions == (kept,)
    single = dataclasses.replace(fortnightly, recurrence=())
    assert without_orphans(single).exceptions == ()


def test_a_series_of_which_every_day_is_cancelled_shows_nothing_and_ends() -> None:
    first = datetime(2026, 12, 7, 9)
    gone = [SeriesException(first + timedelta(days=n), cancelled=True) for n in range(8)]
    assert local_starts(series("Daily", first, "FREQ=DAILY;COUNT=8", *gone).when) == []


def test_dates_without_a_rule_are_a_series_too() -> None:
    when = When(
        datetime(2026, 12, 3, 10),
        datetime(2026, 12, 3, 11),
        BERLIN,
        BERLIN,
        ("RDATE;TZID=Europe/Madrid:20261210T100000,20261217T100000",),
    )
    assert local_starts(when) == [datetime(2026, 12, d, 10) for d in (3, 10, 17)]


def test_an_endless_series_is_expanded_only_in_the_window() -> None:
    when = series("Daily", datetime(2019, 1, 1, 9), "FREQ=DAILY").when
    week = (datetime(2026, 12, 7, tzinfo=UTC), datetime(2026, 12, 14, tzinfo=UTC))
    assert len(occurrences(when, *week, BERLIN)) == 7
    assert span(when, BERLIN)[1] is None


def test_an_event_that_began_before_the_window_overlaps_it() -> None:
    long = timed("Retreat", datetime(2025, 12, 30, 9), minutes=4 * 24 * 60).when
    assert len(occurrences(long, *YEAR, BERLIN)) == 1


@pytest.mark.parametrize(
    ("wall", "zone", "expected"),
    [
        (datetime(2026, 3, 8, 2, 30), "America/New_York", datetime(2026, 3, 8, 7, 30, tzinfo=UTC)),
        (datetime(2026, 11, 1, 1, 30), "America/New_York", datetime(2026, 11, 1, 5, 30, tzinfo=UTC)),
        (datetime(2026, 10, 4, 2, 15), "Australia/Lord_Howe", datetime(2026, 10, 3, 15, 45, tzinfo=UTC)),
        (date(2026, 12, 24), None, datetime(2026, 12, 23, 23, tzinfo=UTC)),
    ],
    ids=["in the gap", "the hour that comes twice", "half an hour's change", "a date"],
)
def test_a_wall_time_has_one_instant(wall: object, zone: str | None, expected: datetime) -> None:
    assert instant(wall, zone, BERLIN) == expected


@pytest.mark.parametrize("minutes", [30, 90, 600])
def test_an_occurrence_that_begins_at_a_skipped_time_is_as_long_as_the_others(minutes: int) -> None:
    begin = datetime(2026, 3, 27, 2, 30)
    nightly = series("Nightly", begin, "FREQ=DAILY;COUNT=4").when
    nightly = dataclasses.replace(nightly, end=begin + timedelta(minutes=minutes))
    titled = SeriesException(begin + timedelta(days=2), title="Special")
    for when in (nightly, dataclasses.replace(nightly, exceptions=(titled,))):
        lengths = {o.ends_at - o.starts_at for o in occurrences(when, *YEAR, BERLIN)}
        assert lengths == {timedelta(minutes=minutes)}


@pytest.mark.parametrize(
    ("when", "message"),
    [
        (timed("Backwards", datetime(2026, 12, 7, 9), minutes=-5).when, "before"),
        (all_day("Nothing", date(2026, 12, 7), days=0).when, "exclusive"),
        (When(date(2026, 12, 7), datetime(2026, 12, 8, 9)), "both"),
        (timed("Nowhere", datetime(2026, 12, 7, 9), zone="Mars/Olympus").when, "IANA"),
        (series("Odd", datetime(2026, 12, 7, 9), "FREQ=SOMETIMES").when, "cannot be read"),
        (series("Over", datetime(2026, 12, 7, 9), "FREQ=DAILY;UNTIL=20200101T000000Z").when, "no occurrence"),
    ],
    ids=["end before start", "no day", "mixed", "zone", "rule", "ended"],
)
def test_a_time_that_makes_no_sense_is_refused_with_its_reason(when: When, message: str) -> None:
    with pytest.raises(RecurrenceError, match=message):
        check(when)


@given(strategies.series_whens(), st.sampled_from([BERLIN, "Pacific/Apia", "Australia/Lord_Howe"]))
def test_a_series_spans_from_the_first_to_the_last_of_all_its_occurrences(when: When, zone: str) -> None:
    starts_at, ends_at = span(when, zone)
    ever = datetime(1, 1, 3, tzinfo=UTC), datetime(9999, 12, 29, tzinfo=UTC)
    found = occurrences(when, *ever, zone, limit=COUNTED_OUT)
    assert all(o.starts_at >= starts_at for o in found)
    if ends_at is not None and len(found) < COUNTED_OUT:
        end = instant(when.end, when.end_zone or when.start_zone, zone)
        assert ends_at == max([end, *(o.ends_at for o in found)])

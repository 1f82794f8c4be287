"""Edits of one occurrence, and of all of a series: exceptions follow their occurrences."""

from __future__ import annotations

import dataclasses
from datetime import UTC, date, datetime, timedelta
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.domain.recurrence import as_it_takes_place, occurrence_at, occurrences, starts
from hub.domain.series import as_exception, led_by, moved, with_exception
from hub.domain.split import NoOccurrenceError, SeriesError
from hub.plugin.testing import series
from hub.plugin.types import Conference, EventContent, Location, SeriesException, When

MONDAY = datetime(2026, 11, 2, 9)
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
WEEKLY = series("Weekly", MONDAY, "FREQ=WEEKLY;BYDAY=MO,WE;UNTIL=20261216T080000Z")


def to(when: When, start: datetime | date, **changes: object) -> When:
    """Return a time with another start, as long as before."""
    return dataclasses.replace(when, start=start, end=start + (when.end - when.start), **changes)  # type: ignore[operator,arg-type]


def test_an_occurrence_takes_its_own_values_and_gives_them_back() -> None:
    place = Location("Elsewhere")
    once = with_exception(WEEKLY, SeriesException(MONDAY + 2 * DAY, title="Once", location=place))
    assert once.when.exceptions == (SeriesException(MONDAY + 2 * DAY, title="Once", location=place),)
    as_series = dataclasses.replace(as_exception(once, MONDAY + 2 * DAY), title="Weekly", location=None)
    assert with_exception(once, as_series) == WEEKLY


def test_what_an_occurrence_has_none_of_is_not_what_its_series_has() -> None:
    content = dataclasses.replace(
        WEEKLY, location=Location("Room"), conference=Conference("https://m.test/1"), color="red"
    )
    cleared = SeriesException(MONDAY, location=Location(""), conference=Conference(""), color="")
    changed = with_exception(content, cleared)
    shown = as_it_takes_place(changed, occurrence_at(changed.when, MONDAY, "UTC"))
    assert (shown.location, shown.conference, shown.color) == (None, None, None)
    bare = dataclasses.replace(content, location=None, conference=None, color=None)
    assert with_exception(bare, cleared) == bare, "it has none either"


def test_an_occurrence_moved_to_its_own_time_is_not_moved() -> None:
    usual = SeriesException(MONDAY, start=MONDAY, end=MONDAY + HOUR, start_zone="Europe/Berlin")
    assert with_exception(WEEKLY, usual) == WEEKLY
    zoned = dataclasses.replace(usual, start_zone="Europe/London", end_zone="Europe/London")
    (exception,) = with_exception(WEEKLY, zoned).when.exceptions
    assert (exception.start, exception.start_zone) == (MONDAY, "Europe/London")


def test_an_occurrence_is_changed_only_where_there_is_one() -> None:
    with pytest.raises(NoOccurrenceError):
        with_exception(WEEKLY, SeriesException(MONDAY + DAY, title="Nowhere"))
    with pytest.raises(SeriesError, match="before the start"):
        with_exception(WEEKLY, SeriesException(MONDAY, start=MONDAY, end=MONDAY - HOUR))


def test_a_change_from_the_first_occurrence_on_shows_there_too() -> None:
    own = SeriesException(MONDAY, title="First", start=MONDAY + HOUR, end=MONDAY + 2 * HOUR)
    content = with_exception(WEEKLY, own)
    assert led_by(content, {"title": "New"}).when.exceptions == (dataclasses.replace(own, title=None),)
    assert led_by(content, {"start": None}).when.exceptions == (SeriesException(MONDAY, title="First"),)
    assert led_by(content, {"title": "New", "end": None}) == WEEKLY


# --- all of them ---

EXCEPTIONS = (
    SeriesException(MONDAY + 2 * DAY, cancelled=True),
    SeriesException(MONDAY + 7 * DAY, title="Other"),
    SeriesException(MONDAY + 9 * DAY, start=MONDAY + 10 * DAY, end=MONDAY + 10 * DAY + HOUR),
)
CHANGED = dataclasses.replace(WEEKLY.when, exceptions=EXCEPTIONS)


def test_exceptions_follow_a_series_that_begins_an_hour_later() -> None:
    later = moved(CHANGED, to(CHANGED, MONDAY + HOUR))
    assert [e.original_start for e in later.exceptions] == [e.original_start + HOUR for e in EXCEPTIONS]
    assert later.exceptions[0].cancelled
    assert later.exceptions[2].start == MONDAY + 10 * DAY, "what has a time of its own keeps it"
    assert len(list(starts(later))) == len(list(starts(CHANGED))), "the last one is not lost to UNTIL"


def test_the_days_of_a_rule_move_along_with_the_first() -> None:
    tuesday = moved(CHANGED, to(CHANGED, MONDAY + DAY))
    assert tuesday.recurrence[0].startswith("RRULE:FREQ=WEEKLY;BYDAY=TU,TH;UNTIL=")
    assert list(starts(tuesday)) == [start + DAY for start in starts(CHANGED)]
    assert [e.original_start for e in tuesday.exceptions] == [e.original_start + DAY for e in EXCEPTIONS]


@pytest.mark.parametrize(
    ("rule", "start", "days", "moved_rule"),
    [
        ("FREQ=WEEKLY;INTERVAL=2;BYDAY=FR,SU", datetime(2026, 11, 6, 9), 1, "BYDAY=SA,MO;COUNT=6;WKST=TU"),
        ("FREQ=MONTHLY;BYMONTHDAY=2", MONDAY, 1, "BYMONTHDAY=3"),
        ("FREQ=MONTHLY;BYDAY=1MO", MONDAY, 8, "BYDAY=2TU"),
        ("FREQ=MONTHLY;BYDAY=-1MO", datetime(2026, 11, 30, 9), -1, "BYDAY=-1SU"),
        ("FREQ=YEARLY;BYMONTH=11;BYMONTHDAY=2", MONDAY, 30, "BYMONTH=12;BYMONTHDAY=2"),
        ("FREQ=DAILY;INTERVAL=3", MONDAY, 2, "FREQ=DAILY;INTERVAL=3"),
    ],
)
def test_each_kind_of_rule_moves_along(rule: str, start: datetime, days: int, moved_rule: str) -> None:
    before = series("Series", start, f"{rule};COUNT=6").when
    after = moved(before, to(before, start + days * DAY))
    assert moved_rule in after.recurrence[0]
    made = list(starts(after))
    assert len(made) == 6 and made[0] == start + days * DAY


def test_a_fortnight_stays_a_fortnight_when_its_days_cross_a_sunday() -> None:
    before = series("Series", datetime(2026, 11, 6, 9), "FREQ=WEEKLY;INTERVAL=2;BYDAY=FR,SU;COUNT=6").when
    after = moved(before, to(before, datetime(2026, 11, 7, 9)))
    assert list(starts(after)) == [start + DAY for start in starts(before)]


def test_a_move_whose_days_cannot_be_guessed_is_refused_with_a_way_out() -> None:
    before = series("Series", MONDAY, "FREQ=MONTHLY;BYMONTHDAY=2,16").when
    with pytest.raises(SeriesError, match="send the recurrence"):
        moved(before, to(before, MONDAY + DAY))


def test_exceptions_of_months_follow_by_their_place_and_not_by_days() -> None:
    off = SeriesException(datetime(2026, 12, 7, 9), cancelled=True)
    before = series("First Monday", MONDAY, "FREQ=MONTHLY;BYDAY=1MO", off).when
    after = moved(before, to(before, MONDAY + DAY))
    assert after.recurrence == ("RRULE:FREQ=MONTHLY;BYDAY=1TU",)
    assert after.exceptions == (SeriesException(datetime(2026, 12, 1, 9), cancelled=True),)


def test_a_series_goes_to_another_zone_and_its_moved_occurrences_stay_at_their_moment() -> None:
    before = occurrences(
        CHANGED, datetime(2026, 11, 12, tzinfo=UTC), datetime(2026, 11, 13, tzinfo=UTC), "UTC"
    )
    abroad = moved(
        CHANGED, dataclasses.replace(CHANGED, start_zone="America/New_York", end_zone="America/New_York")
    )
    after = occurrences(abroad, datetime(2026, 11, 12, tzinfo=UTC), datetime(2026, 11, 13, tzinfo=UTC), "UTC")
    assert [o.starts_at for o in after] == [o.starts_at for o in before]
    assert len(list(starts(abroad))) == len(list(starts(CHANGED)))


def test_a_series_becomes_all_day_with_its_exceptions() -> None:
    days = moved(
        CHANGED, When(MONDAY.date(), MONDAY.date() + DAY, None, None, CHANGED.recurrence, EXCEPTIONS)
    )
    assert days.recurrence == ("RRULE:FREQ=WEEKLY;BYDAY=MO,WE;UNTIL=20261216",)
    assert [e.original_start for e in days.exceptions] == [
        date(2026, 11, 4),
        date(2026, 11, 9),
        date(2026, 11, 11),
    ]
    assert days.exceptions[2].start == date(2026, 11, 12)


def test_added_dates_move_along() -> None:
    lines = ("RRULE:FREQ=WEEKLY;COUNT=2", "RDATE;TZID=Europe/Berlin:20261105T150000")
    before = dataclasses.replace(WEEKLY.when, recurrence=lines)
    after = moved(before, to(before, MONDAY + HOUR))
    assert after.recurrence[1] == "RDATE;TZID=Europe/Berlin:20261105T160000"


def test_a_single_event_just_moves() -> None:
    single = EventContent(When(MONDAY, MONDAY + HOUR, "UTC", "UTC")).when
    assert moved(single, to(single, MONDAY + DAY)) == to(single, MONDAY + DAY)


@given(
    st.builds(
        "FREQ=WEEKLY;INTERVAL={};BYDAY={};WKST={}{}".format,
        st.integers(1, 3),
        st.sampled_from(["MO", "MO,WE", "MO,TU,SU", "MO,FR,SA"]),
        st.sampled_from(["MO", "SU", "WE"]),
        st.sampled_from(["", ";COUNT=7", ";UNTIL=20270131T080000Z"]),
    )
    | st.builds("FREQ=DAILY;INTERVAL={}".format, st.integers(1, 5)),
    st.integers(-10, 10),
    st.integers(-9, 14),
    st.sets(st.integers(0, 12), max_size=4),
)
def test_all_occurrences_of_weeks_and_days_move_by_as_much(
    rule: str, days: int, hours: int, places: set[int]
) -> None:
    before = series("Series", MONDAY, rule).when
    made = list(islice(starts(before), 15))
    off = tuple(SeriesException(made[i], cancelled=True) for i in sorted(places) if i < len(made))
    before, shift = dataclasses.replace(before, exceptions=off), days * DAY + hours * HOUR
    after = moved(before, to(before, MONDAY + shift))
    assert list(islice(starts(after), 15)) == [start + shift for start in made]
    assert [e.original_start for e in after.exceptions] == [e.original_start + shift for e in off]

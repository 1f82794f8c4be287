"""A series cut in two holds each occurrence exactly once, with what is said of it."""

from __future__ import annotations

import dataclasses
from datetime import UTC, date, datetime, timedelta
from itertools import islice

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from hub.domain.recurrence import RecurrenceError, occurrences, starts
from hub.domain.split import NoOccurrenceError, SeriesError, split
from hub.plugin.testing import series
from hub.plugin.types import EventContent, SeriesException, When

MONDAY = datetime(2026, 11, 2, 9)
YEARS = (datetime(2026, 1, 1, tzinfo=UTC), datetime(2030, 1, 1, tzinfo=UTC))
MOST = 6000
"""More occurrences than any rule here has in these years: nothing that is compared is cut short."""
ZONES = ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "UTC", None]

RULES = st.one_of(
    st.builds("FREQ=DAILY;INTERVAL={}".format, st.integers(1, 4)),
    st.builds(
        "FREQ=WEEKLY;INTERVAL={};BYDAY={};WKST={}".format,
        st.integers(1, 3),
        st.sampled_from(["MO", "MO,WE", "TU,SU", "SA,SU,MO", "MO,TU,WE,TH,FR"]),
        st.sampled_from(["MO", "SU"]),
    ),
    st.sampled_from([
        "FREQ=WEEKLY",
        "FREQ=MONTHLY",
        "FREQ=MONTHLY;BYMONTHDAY=1,15",
        "FREQ=MONTHLY;BYMONTHDAY=-1",
        "FREQ=MONTHLY;BYDAY=2TU",
        "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1",
        "FREQ=MONTHLY;INTERVAL=2;BYDAY=-1FR",
        "FREQ=YEARLY;BYMONTH=3,11;BYDAY=1MO",
        "FREQ=YEARLY;BYWEEKNO=20",
        "FREQ=HOURLY;INTERVAL=7",
    ]),
)  # fmt: skip
ENDS = st.one_of(
    st.just(""),
    st.builds(";COUNT={}".format, st.integers(2, 40)),
    st.sampled_from([";UNTIL=20270630T170000Z", ";UNTIL=20261231T080000Z"]),
)


@st.composite
def a_series(draw: st.DrawFn) -> EventContent:
    zone = draw(st.sampled_from(ZONES))
    start: date | datetime = datetime(2026, 3, 1) + timedelta(
        days=draw(st.integers(0, 300)), minutes=draw(st.sampled_from([0, 90, 150, 540, 1380]))
    )
    end = draw(ENDS)
    if draw(st.booleans()):
        start, zone = start.date(), None  # type: ignore[union-attr]
        end = end[: end.index("T")] if "T0" in end or "T1" in end else end
    elif zone is None:
        end = end.rstrip("Z")
    rule = draw(RULES)
    assume((not isinstance(start, datetime) and "HOURLY" not in rule) or isinstance(start, datetime))
    finish = start + timedelta(days=1)
    lines = [f"RRULE:{rule}{end}"]
    if isinstance(start, datetime) and draw(st.booleans()):
        head = f"RDATE;TZID={zone}" if zone else "RDATE"
        lines.append(f"{head}:{start + timedelta(days=3, hours=2):%Y%m%dT%H%M%S}")
    return EventContent(When(start, finish, zone, zone, tuple(lines)), "Series")


@example(series("Often", MONDAY.replace(month=3), "FREQ=HOURLY;INTERVAL=7"), 12, {3})
@given(a_series(), st.integers(0, 30), st.sets(st.integers(0, 40), max_size=6))
def test_what_took_place_before_the_cut_and_after_it_is_what_took_place(
    content: EventContent, place: int, cancelled: set[int]
) -> None:
    try:
        made = list(islice(starts(content.when), 80))
    except RecurrenceError:
        assume(False)
    assume(made)
    gone = tuple(SeriesException(made[i], cancelled=True) for i in sorted(cancelled) if i < len(made))
    content = dataclasses.replace(content, when=dataclasses.replace(content.when, exceptions=gone))
    cut = made[min(place, len(made) - 1)]
    try:
        halves = split(content, cut)
    except SeriesError:
        assume(False)
    whole = occurrences(content.when, *YEARS, "UTC", MOST)
    assert len(whole) < MOST
    parts = [half.when for half in (halves.before, halves.after) if half is not None]
    found = [o for when in parts for o in occurrences(when, *YEARS, "UTC", MOST)]
    assert sorted(found, key=lambda o: o.starts_at) == whole
    if halves.before is not None:
        assert list(starts(halves.before.when)) == made[: made.index(cut)]
        assert halves.after.when.start == cut


def test_a_count_is_divided_and_an_end_stays() -> None:
    halves = split(series("Standup", MONDAY, "FREQ=DAILY;COUNT=10"), MONDAY + timedelta(days=4))
    assert halves.before is not None
    assert halves.before.when.recurrence == ("RRULE:FREQ=DAILY;UNTIL=20261105T080000Z",)
    assert halves.after.when.recurrence == ("RRULE:FREQ=DAILY;COUNT=6",)
    endless = split(series("Weekly", MONDAY, "FREQ=WEEKLY"), MONDAY + timedelta(weeks=5))
    assert endless.after.when.recurrence == ("RRULE:FREQ=WEEKLY",)
    until = split(series("Weekly", MONDAY, "FREQ=WEEKLY;UNTIL=20270101T080000Z"), MONDAY + timedelta(weeks=5))
    assert until.after.when.recurrence == ("RRULE:FREQ=WEEKLY;UNTIL=20270101T080000Z",)


def test_an_all_day_series_ends_with_a_date() -> None:
    when = When(date(2026, 11, 2), date(2026, 11, 4), recurrence=("RRULE:FREQ=WEEKLY",))
    halves = split(EventContent(when), date(2026, 11, 16))
    assert halves.before is not None
    assert halves.before.when.recurrence == ("RRULE:FREQ=WEEKLY;UNTIL=20261109",)
    assert (halves.after.when.start, halves.after.when.end) == (date(2026, 11, 16), date(2026, 11, 18))


def test_each_exception_goes_to_its_half_wherever_it_was_moved() -> None:
    day = timedelta(days=1)
    moved_over = SeriesException(MONDAY + day, start=MONDAY + 6 * day, end=MONDAY + 6 * day)
    pivot = SeriesException(MONDAY + 4 * day, title="Special")
    moved_back = SeriesException(MONDAY + 5 * day, start=MONDAY + 2 * day, end=MONDAY + 2 * day)
    content = series("Standup", MONDAY, "FREQ=DAILY;COUNT=10", moved_over, pivot, moved_back)
    halves = split(content, MONDAY + 4 * day)
    assert halves.before is not None
    assert halves.before.when.exceptions == (moved_over,)
    assert halves.after.when.exceptions == (pivot, moved_back)


def test_dates_of_their_own_go_to_their_half() -> None:
    line = "RDATE;TZID=Europe/Berlin:20261104T150000,20261125T150000"
    content = series("Weekly", MONDAY, "FREQ=WEEKLY;COUNT=4")
    when = dataclasses.replace(content.when, recurrence=(*content.when.recurrence, line))
    halves = split(dataclasses.replace(content, when=when), MONDAY + timedelta(weeks=2))
    assert halves.before is not None
    assert halves.before.when.recurrence[1:] == ("RDATE;TZID=Europe/Berlin:20261104T150000",)
    assert halves.after.when.recurrence == (
        "RRULE:FREQ=WEEKLY;COUNT=2", "RDATE;TZID=Europe/Berlin:20261125T150000",
    )  # fmt: skip


def test_a_series_of_dates_alone_is_cut_between_them() -> None:
    line = "RDATE;VALUE=DATE:20261110,20261120,20261130"
    content = EventContent(When(date(2026, 11, 2), date(2026, 11, 3), recurrence=(line,)))
    halves = split(content, date(2026, 11, 20))
    assert halves.before is not None
    assert list(starts(halves.before.when)) == [date(2026, 11, 2), date(2026, 11, 10)]
    assert list(starts(halves.after.when)) == [date(2026, 11, 20), date(2026, 11, 30)]


@pytest.mark.parametrize(
    ("rule", "at", "after"),
    [
        ("FREQ=WEEKLY;COUNT=4", "20261118", "FREQ=WEEKLY;COUNT=2;BYDAY=MO"),
        (
            "FREQ=WEEKLY;BYDAY=MO,TH;UNTIL=20261130T230000Z",
            "20261118",
            "FREQ=WEEKLY;BYDAY=MO,TH;UNTIL=20261130T230000Z",
        ),
        ("FREQ=MONTHLY", "20261118", "FREQ=MONTHLY;BYMONTHDAY=2"),
        ("FREQ=YEARLY;COUNT=3", "20261118", "FREQ=YEARLY;COUNT=3;BYMONTH=11;BYMONTHDAY=2"),
        ("FREQ=WEEKLY;INTERVAL=2", "20261118", "FREQ=WEEKLY;INTERVAL=2;BYDAY=MO"),
    ],
)
def test_a_series_is_cut_at_a_date_of_its_own(rule: str, at: str, after: str) -> None:
    line = f"RDATE;TZID=Europe/Berlin:{at}T090000,20261121T090000"
    content = series("Weekly", MONDAY, rule)
    when = dataclasses.replace(content.when, recurrence=(*content.when.recurrence, line))
    cut = datetime(2026, 11, 18, 9)
    halves = split(dataclasses.replace(content, when=when), cut)
    assert halves.before is not None
    assert halves.after.when.recurrence == (f"RRULE:{after}", "RDATE;TZID=Europe/Berlin:20261121T090000")
    whole = list(islice(starts(when), 60))
    first = list(starts(halves.before.when))
    assert first == [start for start in whole if start < cut]
    assert first + list(islice(starts(halves.after.when), 60 - len(first))) == whole


def test_nothing_is_cut_off_before_the_first_occurrence() -> None:
    content = series("Weekly", MONDAY, "FREQ=WEEKLY")
    halves = split(content, MONDAY)
    assert halves.before is None and halves.after == content


def test_a_date_that_the_rule_does_not_make_is_refused_with_a_way_out() -> None:
    content = series("Weekly", MONDAY, "FREQ=WEEKLY")
    for odd in (MONDAY + timedelta(hours=1), MONDAY.date(), MONDAY - timedelta(weeks=1)):
        with pytest.raises(NoOccurrenceError):
            split(content, odd)
    extra = dataclasses.replace(
        content.when, recurrence=("RRULE:FREQ=WEEKLY", "RDATE;TZID=Europe/Berlin:20261111T150000")
    )
    with pytest.raises(SeriesError, match="split it at another one"):
        split(dataclasses.replace(content, when=extra), datetime(2026, 11, 11, 15))

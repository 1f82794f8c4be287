"""Rules are read as they are meant, and no rule, however hostile, takes long or much memory."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import islice
from time import process_time
from zoneinfo import ZoneInfo, available_timezones

import pytest
from dateutil.rrule import rrulestr
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.domain.recurrence import fault_of, occurrences, span, without_orphans
from hub.plugin import rules
from hub.plugin.rules import RecurrenceError
from hub.plugin.testing import series
from hub.plugin.types import SeriesException, When

BERLIN = "Europe/Berlin"
WEDNESDAY = datetime(2026, 12, 2, 9)
WEEK = (datetime.fromisoformat("2026-12-07T00:00Z"), datetime.fromisoformat("2026-12-14T00:00Z"))


def first(rule: str, count: int = 5, start: rules.Time = WEDNESDAY) -> list[rules.Time]:
    return list(islice(rules.starts([f"RRULE:{rule}"], start, BERLIN), count))


# --- what is meant ---


def test_the_first_start_is_an_occurrence_and_counts_though_the_rule_does_not_make_it() -> None:
    days = first("FREQ=WEEKLY;BYDAY=MO;COUNT=3")
    assert days == [WEDNESDAY, datetime(2026, 12, 7, 9), datetime(2026, 12, 14, 9)]
    assert first("FREQ=WEEKLY;BYDAY=MO;UNTIL=20261207T080000Z") == days[:2]
    assert list(rules.fitting("RRULE:FREQ=WEEKLY;BYDAY=MO;COUNT=2", WEDNESDAY, BERLIN)) == days[1:]


def test_a_rule_that_ended_before_its_first_start_has_no_occurrence() -> None:
    assert first("FREQ=DAILY;UNTIL=20261202T075959Z") == []


def test_a_day_of_the_month_each_year_means_the_month_of_the_first_start() -> None:
    start = datetime(2010, 3, 30, 9)
    assert first("FREQ=YEARLY;BYMONTHDAY=30", 3, start) == [datetime(y, 3, 30, 9) for y in (2010, 2011, 2012)]
    friday = first("FREQ=YEARLY;BYMONTHDAY=13;BYDAY=FR", 2, datetime(2026, 11, 13, 9))
    assert friday == [datetime(2026, 11, 13, 9), datetime(2027, 8, 13, 9)], "with a weekday: any month"


def test_beside_a_count_an_until_ends_the_series_if_it_comes_first() -> None:
    assert len(first("FREQ=DAILY;COUNT=4;UNTIL=20270101T000000Z", 9)) == 4
    assert len(first("FREQ=DAILY;COUNT=9;UNTIL=20261204", 9)) == 3


@pytest.mark.parametrize(
    ("until", "last"),
    [
        ("20261205", datetime(2026, 12, 5, 9)),
        ("20261205T090000", datetime(2026, 12, 5, 9)),
        ("20261205T080000Z", datetime(2026, 12, 5, 9)),
        ("20261205T075959Z", datetime(2026, 12, 4, 9)),
    ],
)
def test_every_form_of_until_ends_with_the_occurrence_that_is_meant(until: str, last: datetime) -> None:
    assert first(f"FREQ=DAILY;UNTIL={until}", 9)[-1] == last
    assert first(f"FREQ=DAILY;UNTIL={until}", 9, date(2026, 12, 2))[-1] == date(2026, 12, 5)


def test_what_others_have_added_to_a_rule_does_not_matter() -> None:
    line = "RRULE;X-EVOLUTION-ENDDATE=20231111T090000Z:FREQ=DAILY;COUNT=10;INTERVAL=4;X-OTHER=1"
    found = list(rules.starts([line], WEDNESDAY, BERLIN))
    assert found == [WEDNESDAY + timedelta(days=4 * n) for n in range(10)]


def test_several_rules_and_dates_make_each_occurrence_once() -> None:
    lines = [
        "RRULE:FREQ=WEEKLY;COUNT=3",
        "RRULE:FREQ=DAILY;COUNT=2",
        "RDATE;TZID=America/New_York:20261209T030000",
        "RDATE:20261204T080000Z/PT1H",
    ]
    days = [2, 3, 4, 9, 16]
    assert list(rules.starts(lines, WEDNESDAY, BERLIN)) == [datetime(2026, 12, d, 9) for d in days]


# --- hostile rules ---

IMPOSSIBLE = [
    "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30",
    "FREQ=SECONDLY;BYMONTH=2;BYMONTHDAY=30",
    "FREQ=SECONDLY;BYSETPOS=2",
    "FREQ=MINUTELY;BYMONTH=2;BYMONTHDAY=30;BYHOUR=23",
    "FREQ=HOURLY;BYSETPOS=2",
    "FREQ=DAILY;BYSETPOS=366",
    "FREQ=WEEKLY;BYSETPOS=9",
    "FREQ=WEEKLY;BYDAY=MO;BYSETPOS=2",
    "FREQ=DAILY;INTERVAL=7;BYDAY=TU",
    "FREQ=MINUTELY;INTERVAL=10080;BYDAY=TU",
    "FREQ=HOURLY;INTERVAL=24;BYHOUR=5",
    "FREQ=MONTHLY;BYMONTHDAY=31;BYMONTH=4",
    "FREQ=MONTHLY;BYMONTH=2;BYMONTHDAY=30,31;COUNT=1000000000",
    "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30;UNTIL=99991231T235959Z",
    "FREQ=YEARLY;BYWEEKNO=53;BYMONTH=6",
    "FREQ=YEARLY;BYYEARDAY=366;BYMONTH=1",
]
NONSENSE = [
    "FREQ=DAILY;INTERVAL=0",
    "FREQ=DAILY;INTERVAL=-1",
    "FREQ=DAILY;COUNT=0",
    "FREQ=DAILY;COUNT=-3",
    "FREQ=DAILY;COUNT=1.5",
    "FREQ=DAILY;COUNT=99999999999999999999",
    "FREQ=MONTHLY;BYMONTHDAY=0",
    "FREQ=MONTHLY;BYMONTHDAY=32",
    "FREQ=YEARLY;BYDAY=400MO",
    "FREQ=DAILY;BYDAY=1MO",
    "FREQ=SECONDLY;INTERVAL=61;BYSECOND=70",
    "FREQ=DAILY;UNTIL=20261301",
    "FREQ=DAILY;UNTIL=soon",
    "FREQ=DAILY;BYEASTER=1",
    "FREQ=MINUTELY;BYHOUR=3;BYSETPOS=-2",
    "FREQ=SECONDLY;INTERVAL=7;BYMINUTE=3",
    "FREQ=DAILY;WKST=XX",
    "FREQ=DAILY;BYHOUR=",
    "FREQ=SOMETIMES",
    "COUNT=3",
    "",
]
FREQUENT = [
    "FREQ=SECONDLY",
    "FREQ=SECONDLY;COUNT=999999999999999999",
    "FREQ=SECONDLY;UNTIL=99991231T235959Z",
    "FREQ=MINUTELY;INTERVAL=7",
    "FREQ=DAILY;BYHOUR=0,6,12;BYMINUTE=0,30;BYSECOND=0,1,2,3",
    "FREQ=DAILY;COUNT=1000000",
    "FREQ=DAILY;UNTIL=99991231T235959Z",
    "FREQ=YEARLY;INTERVAL=99999999999",
    "FREQ=SECONDLY;INTERVAL=999999999999999999",
    "FREQ=YEARLY;COUNT=9999",
    "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=29;BYDAY=MO;COUNT=1000",
    "FREQ=SECONDLY;BYMONTH=2;BYMONTHDAY=29;BYHOUR=3;BYMINUTE=0;BYSECOND=0;COUNT=1000",
]
SECONDS = 2.0


@pytest.mark.parametrize("rule", IMPOSSIBLE)
def test_a_rule_that_never_matches_is_recognised_soon(rule: str) -> None:
    begun = process_time()
    fault = fault_of(series("", WEDNESDAY, rule).when)
    assert fault is not None and ("no occurrence" in fault or "empty set" in fault)
    assert process_time() - begun < SECONDS


@pytest.mark.parametrize("rule", NONSENSE)
def test_a_rule_that_makes_no_sense_is_refused(rule: str) -> None:
    with pytest.raises(RecurrenceError):
        first(rule)


@pytest.mark.parametrize("rule", FREQUENT)
def test_a_rule_that_matches_all_the_time_or_for_ever_is_bounded(rule: str) -> None:
    start = datetime(2019, 3, 4, 9)
    gone = SeriesException(start + timedelta(days=365 * 30), cancelled=True)
    when = series("", start, rule, gone).when
    begun = process_time()
    fault_of(when)
    span(when, BERLIN)
    occurrences(when, *WEEK, BERLIN)
    without_orphans(when)
    assert process_time() - begun < SECONDS


@pytest.mark.parametrize(
    ("rule", "number"),
    [
        ("FREQ=HOURLY;INTERVAL=4", 42),
        ("FREQ=MINUTELY;INTERVAL=90", 112),
        ("FREQ=HOURLY;BYDAY=MO,TU;BYHOUR=9,10", 4),
        ("FREQ=SECONDLY;BYDAY=MO;BYHOUR=9;BYMINUTE=0,30", 120),
        ("FREQ=MINUTELY;BYDAY=MO;BYHOUR=9", 60),
        ("FREQ=DAILY", 7),
        ("FREQ=WEEKLY;INTERVAL=11;BYDAY=MO,FR", 2),
    ],
)
def test_a_frequent_series_of_long_ago_is_shown_today(rule: str, number: int) -> None:
    when = series("", datetime(2008, 3, 3, 9), rule).when
    found = occurrences(when, *WEEK, BERLIN, limit=10_000)
    assert len(found) == number
    sooner = series("", datetime(2026, 11, 30, 9), rule).when
    if "INTERVAL" not in rule:
        assert [o.start for o in found] == [o.start for o in occurrences(sooner, *WEEK, BERLIN)]


def test_a_series_with_all_occurrences_cancelled_ends_the_search() -> None:
    gone = [SeriesException(WEDNESDAY + timedelta(days=n), cancelled=True) for n in range(8)]
    when = series("", WEDNESDAY, "FREQ=DAILY;COUNT=8", *gone).when
    assert occurrences(when, *WEEK, BERLIN) == [] and fault_of(when) is None


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(["SECONDLY", "MINUTELY", "HOURLY", "DAILY", "WEEKLY", "MONTHLY", "YEARLY"]),
    st.integers(1, 400),
    st.sampled_from(["", ";BYDAY=MO,TH", ";BYMONTH=2,7", ";BYMONTHDAY=-1,5", ";BYHOUR=3,9;BYMINUTE=0"]),
    st.sampled_from(["", ";WKST=SU", ";UNTIL=20270301T000000Z"]),
)
def test_a_search_that_begins_late_finds_the_same_as_one_from_the_start(
    freq: str, interval: int, by: str, tail: str
) -> None:
    start, since = datetime(2026, 9, 2, 9, 30), datetime(2026, 11, 1)
    if freq == "SECONDLY":
        since = datetime(2026, 9, 2, 13)
    lines = [f"RRULE:FREQ={freq};INTERVAL={interval}{by}{tail}"]
    try:
        every = [
            m for m in islice(rules.starts(lines, start, BERLIN), 40_000) if rules.at_midnight(m) >= since
        ]
        late = (m for m in rules.starts(lines, start, BERLIN, since) if rules.at_midnight(m) >= since)
        found = list(islice(late, 20))
    except RecurrenceError:
        return
    assert found[: len(every)] == every[:20] if len(every) < 20 else found == every[:20]


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(["SECONDLY", "MINUTELY", "HOURLY", "DAILY", "WEEKLY"]),
    st.sampled_from([1, 2, 3, 7, 53, 1000, 10**9, 10**17]),
    st.sampled_from(["", ";WKST=SU", ";WKST=TH"]),
    st.lists(st.sampled_from(["MO", "TU", "WE", "TH", "FR", "SA", "SU"]), max_size=7),
    st.datetimes(datetime(1900, 1, 1), datetime(8000, 1, 1)).map(lambda at: at.replace(microsecond=0)),
)
def test_a_simple_rule_makes_the_same_as_dateutil(
    freq: str, interval: int, start_of_week: str, days: list[str], start: datetime
) -> None:
    rule = f"FREQ={freq};INTERVAL={interval}{start_of_week}"
    if freq == "WEEKLY" and days:
        rule += f";BYDAY={','.join(days)}"
    expected = list(islice(rrulestr(rule, dtstart=start), 20))
    found = islice(rules.fitting(f"RRULE:{rule}", start, BERLIN), 20)
    assert list(found) == [moment for moment in expected if moment <= start + rules.HORIZON]


@given(st.datetimes(), st.sampled_from(sorted(available_timezones())))
def test_an_instant_is_the_one_that_the_clock_of_a_zone_tells(wall: datetime, zone: str) -> None:
    place = ZoneInfo(zone)
    try:
        expected = wall.replace(tzinfo=place).astimezone(UTC)
    except OverflowError:
        expected = wall.replace(tzinfo=UTC)
    assert rules.to_utc(wall, place) == expected


@given(st.datetimes(), st.sampled_from(sorted(available_timezones())))
def test_a_wall_time_is_what_the_clock_of_a_zone_shows_at_an_instant(utc: datetime, zone: str) -> None:
    place = ZoneInfo(zone)
    try:
        expected = utc.replace(tzinfo=UTC).astimezone(place).replace(tzinfo=None, fold=0)
    except OverflowError:
        expected = utc
    assert (found := rules.to_wall(utc, place)) == expected and found.fold == 0


def test_a_when_of_dates_holds_dates() -> None:
    when = When(date(2026, 12, 24), date(2026, 12, 25), recurrence=("RRULE:FREQ=YEARLY",))
    assert [o.start for o in occurrences(when, *(t.replace(year=2029) for t in WEEK), BERLIN)] == []
    assert rules.hits(when.recurrence, when.start, None, [date(2031, 12, 24), date(2031, 12, 25)]) == {
        date(2031, 12, 24)
    }

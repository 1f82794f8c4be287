"""RFC 5545 rules and Graph's patterns mean the same dates, or the rule is refused with a reason."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timedelta
from itertools import islice
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.plugin import rules
from hub.plugin.types import EventContent, When
from hub_outlook import recurrence
from hub_outlook.project import project
from hub_outlook.recurrence import UnmappableError, from_graph, to_graph
from hub_outlook.sandbox import series

BERLIN = "Europe/Berlin"
DAYS = list(recurrence.CODES)


def when(rule: str, start: datetime, hours: int = 1) -> When:
    return When(start, start + timedelta(hours=hours), BERLIN, BERLIN, (f"RRULE:{rule}",))


@pytest.mark.parametrize(
    ("rule", "start", "pattern", "shown"),
    [
        ("FREQ=DAILY", (2027, 1, 4), {"type": "daily", "interval": 1}, None),
        (
            "FREQ=DAILY;BYDAY=MO,TU,WE,TH,FR",
            (2027, 1, 4),
            {"type": "weekly", "daysOfWeek": DAYS[:5]},
            "FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR",
        ),
        ("FREQ=WEEKLY", (2027, 1, 5), {"daysOfWeek": ["tuesday"]}, "FREQ=WEEKLY;BYDAY=TU"),
        ("FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,SU;WKST=SU", (2027, 1, 4), {"firstDayOfWeek": "sunday"}, None),
        ("FREQ=WEEKLY;INTERVAL=2;BYDAY=MO", (2027, 1, 4), {"firstDayOfWeek": "monday"}, None),
        (
            "FREQ=MONTHLY",
            (2027, 1, 28),
            {"type": "absoluteMonthly", "dayOfMonth": 28},
            "FREQ=MONTHLY;BYMONTHDAY=28",
        ),
        ("FREQ=MONTHLY;BYMONTHDAY=-1", (2027, 1, 31), {"dayOfMonth": 31}, None),
        ("FREQ=MONTHLY;BYMONTHDAY=28,29,30;BYSETPOS=-1", (2027, 1, 30), {"dayOfMonth": 30}, None),
        ("FREQ=MONTHLY;BYDAY=2TU", (2027, 1, 12), {"type": "relativeMonthly", "index": "second"}, None),
        ("FREQ=MONTHLY;BYDAY=-1FR", (2027, 1, 29), {"index": "last", "daysOfWeek": ["friday"]}, None),
        ("FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=1", (2027, 1, 1), {"index": "first"}, None),
        ("FREQ=MONTHLY;BYDAY=WE", (2027, 1, 6), {"type": "weekly"}, "FREQ=WEEKLY;BYDAY=WE"),
        (
            "FREQ=YEARLY",
            (2027, 12, 24),
            {"type": "absoluteYearly", "month": 12},
            "FREQ=YEARLY;BYMONTH=12;BYMONTHDAY=24",
        ),
        ("FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=28,29;BYSETPOS=-1", (2027, 2, 28), {"dayOfMonth": 29}, None),
        (
            "FREQ=YEARLY;BYMONTH=1;BYDAY=MO,TU,WE,TH,FR,SA,SU;BYSETPOS=-1",
            (2027, 1, 31),
            {"type": "relativeYearly", "index": "last"},
            "FREQ=YEARLY;BYMONTH=1;BYMONTHDAY=31",
        ),
        ("FREQ=YEARLY;BYMONTH=11;BYDAY=4TH", (2027, 11, 25), {"type": "relativeYearly", "month": 11}, None),
    ],
)
def test_a_rule_becomes_the_pattern_of_the_table_and_comes_back(
    rule: str, start: tuple[int, int, int], pattern: dict[str, object], shown: str | None
) -> None:
    found = to_graph(when(rule, datetime(*start, 9)))
    assert found["pattern"].items() >= pattern.items()
    assert from_graph(found, BERLIN) == f"RRULE:{shown or rule}"


@pytest.mark.parametrize(
    ("rule", "reason"),
    [
        ("FREQ=HOURLY", "this often"),
        ("FREQ=DAILY;BYHOUR=9", "BYHOUR"),
        ("FREQ=YEARLY;BYWEEKNO=20", "BYWEEKNO"),
        ("FREQ=MONTHLY;BYMONTHDAY=1,15", "several days"),
        ("FREQ=MONTHLY;BYMONTHDAY=31", "last day of shorter months"),
        ("FREQ=MONTHLY;BYMONTHDAY=-2", "last day of shorter months"),
        ("FREQ=MONTHLY;BYDAY=1MO,3MO", "several weekdays"),
        ("FREQ=MONTHLY;BYDAY=5MO", "first to fourth"),
        ("FREQ=MONTHLY;BYMONTHDAY=13;BYDAY=FR", "certain days"),
        ("FREQ=YEARLY;BYMONTH=1,7", "several months"),
        ("FREQ=DAILY;BYMONTH=1", "parts of months"),
        ("FREQ=WEEKLY;BYDAY=TU", "does not fit its rule"),
        ("FREQ=DAILY;UNTIL=20200101T000000Z", "ends before"),
        ("FREQ=WEEKLY;INTERVAL=100", "interval"),
        ("FREQ=WEEKLY;BYDAY=XX", "cannot be read"),
    ],
)
def test_a_rule_that_outlook_cannot_hold_is_refused_with_a_reason(rule: str, reason: str) -> None:
    with pytest.raises(UnmappableError, match=reason):
        to_graph(when(rule, datetime(2027, 1, 4, 9)))


@pytest.mark.parametrize("extra", ["20270104T090000", "20270104T090000,20270110T090000"])
def test_an_extra_date_that_the_rule_makes_anyway_is_none(extra: str) -> None:
    daily = when("FREQ=DAILY;COUNT=9", datetime(2027, 1, 4, 9))
    lines = (*daily.recurrence, f"RDATE;TZID=Europe/Berlin:{extra}")
    assert to_graph(replace(daily, recurrence=lines)) == to_graph(daily)
    content = EventContent(replace(daily, recurrence=lines))
    held = project(content)
    assert held.content.when == daily and "when" not in {loss.field for loss in held.losses}


def test_extra_dates_and_overlapping_occurrences_are_refused() -> None:
    start = datetime(2027, 1, 4, 9)
    two = When(start, start, BERLIN, BERLIN, ("RRULE:FREQ=DAILY", "RDATE;TZID=Europe/Berlin:20270110T100000"))
    with pytest.raises(UnmappableError, match="extra dates"):
        to_graph(two)
    with pytest.raises(UnmappableError, match="overlap"):
        to_graph(when("FREQ=DAILY", start, hours=30))


@pytest.mark.parametrize(
    ("until", "last"),
    [
        ("20270131T080000Z", "2027-01-31"),
        ("20270131T075959Z", "2027-01-30"),
        ("20270131T235959Z", "2027-01-31"),
        ("20270131", "2027-01-31"),
    ],
)
def test_until_ends_with_the_last_occurrence_that_starts_by_then(until: str, last: str) -> None:
    found = to_graph(when(f"FREQ=DAILY;UNTIL={until}", datetime(2027, 1, 4, 9)))
    assert found["range"]["endDate"] == last
    assert from_graph(found, BERLIN).startswith("RRULE:FREQ=DAILY;UNTIL=2027")


def test_placeholders_of_a_read_do_not_matter() -> None:
    shown = series.checked(
        {"pattern": {"type": "daily", "interval": 3}, "range": {"type": "noEnd", "startDate": "2027-01-04"}},
        date(2027, 1, 4),
        "UTC",
    )
    assert shown["pattern"]["firstDayOfWeek"] == "sunday" and shown["range"]["endDate"] == "0001-01-01"
    assert from_graph(shown, "UTC") == "RRULE:FREQ=DAILY;INTERVAL=3"  # type: ignore[arg-type]


PATTERNS = st.fixed_dictionaries(
    {
        "type": st.sampled_from(list(series.REQUIRED)),
        "interval": st.integers(1, 4),
        "month": st.integers(1, 12),
        "dayOfMonth": st.integers(1, 31),
        "daysOfWeek": st.lists(st.sampled_from(DAYS), min_size=1, unique=True),
        "firstDayOfWeek": st.sampled_from(DAYS),
        "index": st.sampled_from(list(series.INDEXES)),
    }
)


@settings(max_examples=200, deadline=None)
@given(PATTERNS, st.dates(date(2024, 1, 1), date(2028, 12, 31)))
def test_every_pattern_of_graph_reads_as_a_rule_of_the_same_dates(
    pattern: dict[str, Any], start: date
) -> None:
    span = {"type": "numbered", "startDate": start.isoformat(), "numberOfOccurrences": 12}
    shown = series.checked({"pattern": pattern, "range": span}, start, "W. Europe Standard Time")
    theirs = series.dates(shown)
    line = from_graph(shown, BERLIN)  # type: ignore[arg-type]
    first = recurrence.first_start(line, datetime.combine(start, datetime.min.time()), BERLIN)
    ours = [d.date() for d in islice(rules.starts((line,), first, BERLIN), 12)]  # type: ignore[union-attr]
    assert ours == theirs
    assert isinstance(first, datetime)
    written = to_graph(When(first, first + timedelta(hours=1), BERLIN, BERLIN, (line,)))
    again = series.checked(written, first.date(), "W. Europe Standard Time")
    assert series.dates(again) == theirs
    assert from_graph(written, BERLIN) == line

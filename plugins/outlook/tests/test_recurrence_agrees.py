"""Any rule that goes to Outlook takes place there at the same moments as in the hub, for ten years.

The hub expands the RRULE; the sandbox expands pattern and range by itself, as Exchange's pages say.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from hub.domain.recurrence import occurrences
from hub.plugin.types import When
from hub_outlook import zones
from hub_outlook.recurrence import UnmappableError, from_graph, to_graph
from hub_outlook.sandbox import series

ZONES = [
    "Europe/Berlin", "America/New_York", "America/Sao_Paulo", "Australia/Lord_Howe", "Asia/Kolkata",
    "Pacific/Auckland", "UTC", None,
]  # fmt: skip
WEEKDAYS = ["MO", "TU", "WE", "TH", "FR", "SA", "SU"]
TEN_YEARS = timedelta(days=3653)

days = st.lists(st.sampled_from(WEEKDAYS), min_size=1, max_size=7, unique=True).map(",".join)
positions = st.sampled_from([1, 2, 3, 4, 5, -1, -2])
nth = st.tuples(positions, st.sampled_from(WEEKDAYS)).map(lambda pair: f"{pair[0]}{pair[1]}")
month_days = st.one_of(st.integers(1, 31), st.integers(-3, -1)).map(str)
clamped = st.integers(28, 31).map(lambda last: ",".join(str(day) for day in range(28, last + 1)))
months = st.integers(1, 12).map(str)


def parts(**names: Any) -> st.SearchStrategy[dict[str, str]]:
    return st.fixed_dictionaries({}, optional=names)


RULES = st.one_of(
    st.tuples(st.just("DAILY"), parts(BYDAY=days)),
    st.tuples(st.just("WEEKLY"), parts(BYDAY=days, WKST=st.sampled_from(WEEKDAYS))),
    st.tuples(st.just("MONTHLY"), parts(BYMONTHDAY=month_days)),
    st.tuples(st.just("MONTHLY"), st.fixed_dictionaries({"BYMONTHDAY": clamped, "BYSETPOS": st.just("-1")})),
    st.tuples(st.just("MONTHLY"), st.fixed_dictionaries({"BYDAY": st.one_of(nth, days)})),
    st.tuples(st.just("MONTHLY"), st.fixed_dictionaries({"BYDAY": days, "BYSETPOS": positions.map(str)})),
    st.tuples(st.just("YEARLY"), parts(BYMONTH=months, BYMONTHDAY=month_days)),
    st.tuples(st.just("YEARLY"), st.fixed_dictionaries({"BYMONTH": months, "BYDAY": nth})),
    st.tuples(
        st.just("YEARLY"),
        st.fixed_dictionaries({"BYMONTH": months, "BYDAY": days, "BYSETPOS": positions.map(str)}),
    ),
)
ENDS = st.one_of(
    st.just(""),
    st.integers(1, 1200).map(lambda n: f";COUNT={n}"),
    st.tuples(st.integers(0, 4000), st.integers(0, 86399)).map(lambda pair: f";{pair[0]}/{pair[1]}"),
)
STARTS = st.datetimes(datetime(2024, 1, 1), datetime(2028, 12, 31)).map(lambda d: d.replace(microsecond=0))


@st.composite
def whens(draw: st.DrawFn) -> When:
    freq, more = draw(RULES)
    zone, start, end = draw(st.sampled_from(ZONES)), draw(STARTS), draw(ENDS)
    rule = f"FREQ={freq};INTERVAL={draw(st.sampled_from([1, 1, 2, 3, 12]))}"
    rule += "".join(f";{name}={value}" for name, value in more.items())
    if "/" in end:
        after, second = map(int, end[1:].split("/"))
        until = start.replace(hour=0, minute=0, second=0) + timedelta(days=after, seconds=second)
        end = (
            f";UNTIL={until:%Y%m%d}" if zone is None else f";UNTIL={zones.to_utc(until, zone):%Y%m%dT%H%M%SZ}"
        )
    first: date | datetime = start
    if zone is None:
        first = start.date()
        return _fitting(When(first, first + timedelta(days=1), None, None, (f"RRULE:{rule}{end}",)))
    return _fitting(When(start, start + timedelta(minutes=30), zone, zone, (f"RRULE:{rule}{end}",)))


def _fitting(when: When) -> When:
    """Begin on the first day that the rule makes, which a start drawn at random seldom is."""
    from hub.plugin import rules

    line = when.recurrence[0]
    try:
        first = next(rules.fitting(line, when.start, when.start_zone), when.start)
    except rules.RecurrenceError:
        return when
    return When(first, first + (when.end - when.start), when.start_zone, when.end_zone, (line,))  # type: ignore[operator]


def in_outlook(when: When) -> list[datetime]:
    """Return the instants at which Exchange lets a series begin; all-day ones as midnights in UTC."""
    first = when.start.date() if isinstance(when.start, datetime) else when.start
    recurrence: Any = to_graph(when)
    stored = series.checked(recurrence, first, recurrence["range"]["recurrenceTimeZone"])
    zone = zones.to_iana(stored["range"]["recurrenceTimeZone"]) or "UTC"
    at = when.start.time() if isinstance(when.start, datetime) else datetime.min.time()
    walls = [datetime.combine(day, at) for day in series.dates(stored)]
    return [zones.to_utc(wall, zone).replace(tzinfo=UTC) for wall in walls]


@settings(max_examples=120, deadline=None)
@given(whens())
def test_what_maps_takes_place_at_the_same_moments_for_ten_years(when: When) -> None:
    try:
        recurrence = to_graph(when)
    except UnmappableError:
        assume(False)
    begin = datetime.combine(when.start, datetime.min.time(), UTC) - timedelta(days=2)
    ours = [o.starts_at for o in occurrences(when, begin, begin + TEN_YEARS, "UTC", limit=10_000)]
    theirs = [moment for moment in in_outlook(when) if moment < begin + TEN_YEARS]
    assert ours == theirs
    shown = from_graph(recurrence, when.start_zone)
    again = When(when.start, when.end, when.start_zone, when.end_zone, (shown,))
    assert from_graph(to_graph(again), when.start_zone) == shown
    assert in_outlook(again) == in_outlook(when)


@pytest.mark.parametrize("count", [999, 1000, 1200, 3000])
def test_a_long_count_ends_with_the_same_occurrence(count: int) -> None:
    start = datetime(2027, 1, 4, 9)
    when = When(start, start + timedelta(hours=1), "UTC", "UTC", (f"RRULE:FREQ=DAILY;COUNT={count}",))
    assert len(in_outlook(when)) == count

"""The layout of a week: every event has its place, and none hides another."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from hub.accounts.agenda import Entry
from hub.domain.recurrence import occurrences
from hub.models import Event
from hub.plugin.types import EventContent, When
from hub.web.week import MOST_COLUMNS, ROWS, bounds, layout, monday

BERLIN = ZoneInfo("Europe/Berlin")
FIRST = date(2026, 11, 30)


def entry(start: date | datetime, end: date | datetime) -> Entry:
    zone = "Europe/Berlin" if isinstance(start, datetime) else None
    when = When(start, end, zone, zone)
    far = (datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC))
    (occurrence,) = occurrences(when, *far, "Europe/Berlin")
    return Entry(Event(id=str(start)), EventContent(when=when), occurrence)


def test_a_week_begins_on_monday_and_lasts_seven_days_of_its_zone() -> None:
    assert monday(date(2026, 12, 6)) == FIRST
    start, end = bounds(date(2026, 10, 19), BERLIN)
    assert end - start == timedelta(days=7, hours=1), "the clocks go back in this week"


def test_an_all_day_event_stands_on_each_of_its_days_only() -> None:
    days = layout([entry(date(2026, 12, 2), date(2026, 12, 4))], FIRST, BERLIN, FIRST)
    assert [len(day.whole) for day in days] == [0, 0, 1, 1, 0, 0, 0]


def test_an_event_over_midnight_stands_on_both_days_and_one_that_ends_at_midnight_on_one() -> None:
    over = entry(datetime(2026, 12, 1, 22), datetime(2026, 12, 2, 2))
    until = entry(datetime(2026, 12, 3, 20), datetime(2026, 12, 4, 0))
    days = layout([over, until], FIRST, BERLIN, FIRST)
    assert [(b.row, b.rows) for b in days[1].timed] == [(88, 8)]
    assert [(b.row, b.rows, b.label) for b in days[2].timed] == [(0, 8, "until 02:00")]
    assert [(b.row, b.rows) for b in days[3].timed] == [(80, 16)]
    assert days[4].timed == []


def test_a_day_in_the_middle_of_a_long_event_shows_it_as_all_day() -> None:
    days = layout([entry(datetime(2026, 12, 1, 12), datetime(2026, 12, 4, 12))], FIRST, BERLIN, FIRST)
    assert [len(day.whole) for day in days] == [0, 0, 1, 1, 0, 0, 0]
    assert [len(day.timed) for day in days] == [0, 1, 0, 0, 1, 0, 0]


def test_an_event_of_no_length_can_still_be_clicked() -> None:
    at = datetime(2026, 12, 1, 23, 59)
    (block,) = layout([entry(at, at)], FIRST, BERLIN, FIRST)[1].timed
    assert block.row + block.rows == ROWS
    assert block.rows > 0


@given(st.lists(st.tuples(st.integers(0, 95), st.integers(1, 40)), max_size=MOST_COLUMNS))
def test_events_that_overlap_never_share_a_column(spans: list[tuple[int, int]]) -> None:
    begin = datetime(2026, 12, 1)
    entries = [
        entry(begin + timedelta(minutes=15 * row), begin + timedelta(minutes=15 * min(ROWS, row + rows)))
        for row, rows in spans
    ]
    blocks = layout(entries, FIRST, BERLIN, FIRST)[1].timed
    assert len(blocks) == len(spans)
    for i, one in enumerate(blocks):
        assert 0 <= one.row < one.row + one.rows <= ROWS
        assert one.column < one.columns
        for other in blocks[i + 1 :]:
            apart = one.row + one.rows <= other.row or other.row + other.rows <= one.row
            assert apart or (one.column != other.column and one.columns == other.columns)

"""The layout of a week: which day, which rows, side by side where events overlap. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from hub.accounts.agenda import Entry
from hub.web import words

ROWS = 96
"""Rows of a day: quarters of an hour."""
SHORTEST = 2
MOST_COLUMNS = 6


@dataclass(slots=True)
class Block:
    """One event as it is drawn on one day."""

    entry: Entry
    label: str
    """Its time, for people."""
    zone: str = ""
    """That its own time zone is another than the week's, and what clocks show there."""
    row: int = 0
    rows: int = 0
    column: int = 0
    columns: int = 1

    @property
    def color(self) -> str | None:
        return words.color(self.entry.content.color)


@dataclass(slots=True)
class Day:
    """One day of the week."""

    on: date
    is_today: bool
    whole: list[Block] = field(default_factory=list)
    timed: list[Block] = field(default_factory=list)


def monday(on: date) -> date:
    return on - timedelta(days=on.weekday())


def bounds(first: date, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """Return the instants at which the week begins and ends."""
    start = datetime.combine(first, time.min, zone)
    end = datetime.combine(first + timedelta(days=7), time.min, zone)
    return start.astimezone(UTC), end.astimezone(UTC)


def layout(entries: Sequence[Entry], first: date, zone: ZoneInfo, today: date) -> list[Day]:
    """Return the seven days with their events placed."""
    days = [Day(first + timedelta(days=i), first + timedelta(days=i) == today) for i in range(7)]
    for entry in entries:
        for day in days:
            _place(entry, day, zone)
    for day in days:
        day.timed.sort(key=lambda b: (b.row, -b.rows))
        _spread(day.timed)
    return days


def _place(entry: Entry, day: Day, zone: ZoneInfo) -> None:
    occurrence = entry.occurrence
    if not isinstance(occurrence.start, datetime):
        last = occurrence.end if not isinstance(occurrence.end, datetime) else occurrence.end.date()
        if occurrence.start <= day.on < max(last, occurrence.start + timedelta(days=1)):
            day.whole.append(Block(entry, "all day"))
        return
    start, end = occurrence.starts_at.astimezone(zone), occurrence.ends_at.astimezone(zone)
    is_first = start.date() == day.on
    if not is_first and not (start.date() < day.on and end > datetime.combine(day.on, time.min, zone)):
        return
    if start.date() < day.on < end.date():
        day.whole.append(Block(entry, "all day", _there(entry, zone)))
        return
    begin = _quarter(start.time()) if is_first else 0
    finish = ROWS if end.date() > day.on else -(-(end.hour * 60 + end.minute) // 15)
    begin = min(begin, ROWS - SHORTEST)
    label = f"{start:%H:%M}–{end:%H:%M}" if is_first else f"until {end:%H:%M}"
    there = _there(entry, zone)
    day.timed.append(Block(entry, label, there, begin, max(SHORTEST, finish - begin)))


def _there(entry: Entry, zone: ZoneInfo) -> str:
    occurrence, when = entry.occurrence, entry.content.when
    own = (occurrence.exception.start_zone if occurrence.exception else None) or when.start_zone
    if own is None or own == str(zone) or not isinstance(occurrence.start, datetime):
        return ""
    return f" ({occurrence.start:%H:%M} in {own.split('/')[-1].replace('_', ' ')})"


def _quarter(at: time) -> int:
    return (at.hour * 60 + at.minute) // 15


def _spread(blocks: list[Block]) -> None:
    """Give blocks that overlap, directly or through others, columns side by side."""
    cluster: list[Block] = []
    until = 0
    for block in blocks:
        if cluster and block.row >= until:
            _columns(cluster)
            cluster = []
        cluster.append(block)
        until = max(until if len(cluster) > 1 else 0, block.row + block.rows)
    _columns(cluster)


def _columns(cluster: list[Block]) -> None:
    ends: list[int] = []
    for block in cluster:
        free = next((i for i, end in enumerate(ends) if end <= block.row), None)
        if free is None:
            free = len(ends) if len(ends) < MOST_COLUMNS else MOST_COLUMNS - 1
            if free == len(ends):
                ends.append(0)
        ends[free] = block.row + block.rows
        block.column = free
    for block in cluster:
        block.columns = max(1, len(ends))

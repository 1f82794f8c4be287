"""RFC 5545 rules to Graph's recurrence pattern and range, and back: exactly, or not at all.

Graph: resources/recurrencepattern, resources/recurrencerange; Exchange clamps a day that a month lacks
to its last (EWS: AbsoluteMonthlyRecurrence), where RFC 5545 leaves that month out.
"""

from __future__ import annotations

import calendar
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from itertools import islice, pairwise

from hub.plugin import rules
from hub.plugin.types import When
from hub_outlook import zones
from hub_outlook.wire import Pattern, Range, Recurrence

DAYS = {
    "MO": "monday",
    "TU": "tuesday",
    "WE": "wednesday",
    "TH": "thursday",
    "FR": "friday",
    "SA": "saturday",
    "SU": "sunday",
}
CODES = {name: code for code, name in DAYS.items()}
INDEXES = {1: "first", 2: "second", 3: "third", 4: "fourth", -1: "last"}
POSITIONS = {name: position for position, name in INDEXES.items()}
LONGEST = {"DAILY": 999, "WEEKLY": 99, "MONTHLY": 99, "YEARLY": 99}
"""Exchange's largest intervals (EWS: IntervalRecurrencePatternBaseType)."""
KNOWN = {"FREQ", "INTERVAL", "COUNT", "UNTIL", "BYDAY", "BYMONTHDAY", "BYMONTH", "BYSETPOS", "WKST"}
MOST_COUNTED = 999
"""The most occurrences that a range counts; a longer series is given its last day instead."""
SAMPLE = 64
"""How many occurrences are looked at to see whether they overlap."""


class UnmappableError(ValueError):
    """A rule that the other side cannot express; the text is a sentence for people."""


@dataclass(frozen=True)
class _Rule:
    """The parts of one RRULE line."""

    freq: str
    interval: int
    count: int | None
    until: str | None
    days: tuple[tuple[int | None, str], ...]
    month_days: tuple[int, ...]
    months: tuple[int, ...]
    positions: tuple[int, ...]
    week_start: str

    @property
    def weekdays(self) -> list[str]:
        return [day for _, day in self.days]

    @property
    def has_ordinals(self) -> bool:
        return any(ordinal is not None for ordinal, _ in self.days)


def _parse(line: str, start: date | datetime) -> _Rule:
    name, _, value = line.partition(":")
    if name.upper() != "RRULE":
        raise UnmappableError("Outlook has no extra dates (RDATE) beside a rule.")
    try:
        parts = rules.parts_of(value, start)
    except rules.RecurrenceError:
        raise UnmappableError("The rule of this series cannot be read.") from None
    unknown = sorted(parts.keys() - KNOWN)
    if unknown:
        raise UnmappableError(f"Outlook has no rules with {unknown[0]}.")
    return _Rule(
        parts["FREQ"],
        int(parts.get("INTERVAL", "1")),
        int(parts["COUNT"]) if "COUNT" in parts else None,
        parts.get("UNTIL"),
        tuple((int(d[:-2]) if d[:-2] else None, d[-2:]) for d in _split(parts, "BYDAY")),
        tuple(int(d) for d in _split(parts, "BYMONTHDAY")),
        tuple(int(d) for d in _split(parts, "BYMONTH")),
        tuple(int(d) for d in _split(parts, "BYSETPOS")),
        parts.get("WKST", "MO"),
    )


def _split(parts: rules.Parts, name: str) -> list[str]:
    return [p for p in parts.get(name, "").split(",") if p]


# --- RFC 5545 -> Graph ---


def to_graph(when: When) -> Recurrence:
    """Return the recurrence of a series whose zone Outlook can hold.

    Raises:
        UnmappableError: there is no recurrence that means exactly this.
    """
    return _to_graph(when.recurrence, when.start, when.end, when.start_zone)


@lru_cache(maxsize=2048)
def _to_graph(
    lines: tuple[str, ...], start: date | datetime, end: date | datetime, start_zone: str | None
) -> Recurrence:
    lines = _without_repeats(lines, start, start_zone)
    if len(lines) != 1:
        raise UnmappableError("Outlook has only one rule for a series, and no extra dates.")
    rule = _parse(lines[0], start)
    if not 1 <= rule.interval <= LONGEST.get(rule.freq, 0):
        raise UnmappableError("Outlook has no series that repeat this often, or with such an interval.")
    pattern = _pattern(rule, start)
    pattern["interval"] = rule.interval
    found: Recurrence = {"pattern": pattern, "range": _range(rule, lines[0], start, start_zone)}
    _check_occurrences(lines[0], start, end, start_zone)
    return found


def _without_repeats(lines: tuple[str, ...], start: date | datetime, zone: str | None) -> tuple[str, ...]:
    """Return the lines without those of dates that the rules make anyway: they say nothing more."""
    made_by = tuple(line for line in lines if line.upper().startswith("RRULE"))
    if not made_by or made_by == lines:
        return lines
    try:
        return tuple(line for line in lines if line in made_by or not _repeats(line, made_by, start, zone))
    except rules.RecurrenceError:
        return lines


def _repeats(line: str, made_by: tuple[str, ...], start: date | datetime, zone: str | None) -> bool:
    """Whether a line is one of extra dates, and names none but those that the rules make.

    Raises:
        RecurrenceError: it, or a rule, cannot be read.
    """
    name, params, value = rules.split(line)
    if name != "RDATE":
        return False
    dates = {rules.read_stamp(text, start, zone, params.get("TZID")) for text in value.split(",") if text}
    return dates <= rules.hits(made_by, start, zone, dates, beyond=False)


def _pattern(rule: _Rule, start: date | datetime) -> Pattern:
    match rule.freq:
        case "DAILY":
            return _daily(rule)
        case "WEEKLY":
            return _weekly(rule, start)
        case "MONTHLY":
            return _monthly(rule, start)
        case _:
            return _yearly(rule, start)


def _daily(rule: _Rule) -> Pattern:
    if rule.month_days or rule.months or rule.positions:
        raise UnmappableError("Outlook has no daily rule with parts of months.")
    if not rule.days:
        return {"type": "daily"}
    if rule.interval == 1 and not rule.has_ordinals:
        return _weeks(rule.weekdays, "MO")
    raise UnmappableError("Outlook has no rule for every few days on certain weekdays.")


def _weekly(rule: _Rule, start: date | datetime) -> Pattern:
    if rule.month_days or rule.months or rule.positions or rule.has_ordinals:
        raise UnmappableError("Outlook has no weekly rule with parts of months.")
    return _weeks(rule.weekdays or [list(DAYS)[start.weekday()]], rule.week_start)


def _weeks(weekdays: list[str], week_start: str) -> Pattern:
    return {"type": "weekly", "daysOfWeek": _names(weekdays), "firstDayOfWeek": DAYS[week_start]}


def _names(weekdays: list[str]) -> list[str]:
    wanted = set(weekdays)
    return [name for code, name in DAYS.items() if code in wanted]


def _monthly(rule: _Rule, start: date | datetime) -> Pattern:
    if rule.months:
        raise UnmappableError("Outlook has no monthly rule for some months only.")
    if rule.days:
        if not rule.has_ordinals and not rule.positions and not rule.month_days and rule.interval == 1:
            return _weeks(rule.weekdays, "MO")
        return {"type": "relativeMonthly", **_relative(rule)}
    return {"type": "absoluteMonthly", "dayOfMonth": _clamped(rule, start, 28)}


def _yearly(rule: _Rule, start: date | datetime) -> Pattern:
    if len(rule.months) > 1 or (not rule.months and (rule.days or rule.month_days)):
        raise UnmappableError("Outlook has no yearly rule for several months.")
    month = rule.months[0] if rule.months else start.month
    if rule.days:
        return {"type": "relativeYearly", "month": month, **_relative(rule)}
    shortest = calendar.monthrange(2001, month)[1]
    return {"type": "absoluteYearly", "month": month, "dayOfMonth": _clamped(rule, start, shortest, month)}


def _relative(rule: _Rule) -> Pattern:
    if rule.month_days:
        raise UnmappableError("Outlook has no rule for weekdays on certain days of a month.")
    if rule.has_ordinals:
        if len(rule.days) != 1 or rule.positions:
            raise UnmappableError("Outlook has no rule for several weekdays of a month.")
        position = rule.days[0][0]
    else:
        position = rule.positions[0] if len(rule.positions) == 1 else None
    if position not in INDEXES:
        raise UnmappableError("Outlook knows only the first to fourth and the last weekday of a month.")
    return {"daysOfWeek": _names(rule.weekdays), "index": INDEXES[position]}


def _clamped(rule: _Rule, start: date | datetime, shortest: int, month: int | None = None) -> int:
    """Return the day of the month, where Exchange's clamping and the rule mean the same."""
    days = tuple(sorted(rule.month_days))
    if rule.positions == (-1,) and days and days[0] == 28 and days == tuple(range(28, days[-1] + 1)):
        return days[-1]
    if rule.positions or len(days) > 1:
        raise UnmappableError("Outlook has no rule for several days of a month.")
    day = days[0] if days else start.day
    if day == -1:
        return 31 if month is None else calendar.monthrange(2000, month)[1]
    if not 1 <= day <= shortest:
        raise UnmappableError(
            "Outlook would move this series to the last day of shorter months instead of leaving them out."
        )
    return day


def _range(rule: _Rule, line: str, start: date | datetime, start_zone: str | None) -> Range:
    first = _date(start)
    found: Range = {"startDate": first.isoformat(), "recurrenceTimeZone": _windows(start_zone)}
    if rule.count is None and rule.until is None:
        return {**found, "type": "noEnd"}
    if rule.until is None and rule.count is not None and rule.count <= MOST_COUNTED:
        return {**found, "type": "numbered", "numberOfOccurrences": rule.count}
    last = _last_date(rule.until, start, start_zone) if rule.until else date.max
    if rule.count is not None and last >= first:
        last = min(last, _counted_out(rule.count, line, start, start_zone, last))
    if last < first:
        raise UnmappableError("This series ends before it begins.")
    return {**found, "type": "endDate", "endDate": last.isoformat()}


def _windows(start_zone: str | None) -> str:
    name = zones.to_windows(start_zone) if start_zone else "UTC"
    if name is None:
        raise UnmappableError(f"Outlook has no time zone for {start_zone}.")
    return name


def _counted_out(count: int, line: str, start: date | datetime, start_zone: str | None, last: date) -> date:
    """Return the day of the last occurrence that is counted."""
    days = [d for d in map(_date, _fitting(line, start, start_zone)) if d <= last]
    if len(days) < count and last == date.max:
        raise UnmappableError("This series repeats more often than Outlook counts.")
    return days[-1] if days else last


def _last_date(until: str, start: date | datetime, start_zone: str | None) -> date:
    try:
        end = rules.until_of(until, start, start_zone)
    except rules.RecurrenceError:
        raise UnmappableError("The end of this series cannot be read.") from None
    if isinstance(start, datetime) and end.time() < start.time():
        return end.date() - timedelta(days=1)
    return end.date()


def _check_occurrences(line: str, start: date | datetime, end: date | datetime, zone: str | None) -> None:
    found = [rules.at_midnight(moment) for moment in islice(_fitting(line, start, zone), SAMPLE)]
    if not found or found[0] != rules.at_midnight(start):
        raise UnmappableError("The first occurrence of this series does not fit its rule.")
    span = length(start, end)
    if any(b - a < span for a, b in pairwise(found)):
        raise UnmappableError("Outlook has no series whose occurrences overlap.")


def _fitting(line: str, start: date | datetime, zone: str | None) -> Iterator[date | datetime]:
    try:
        yield from rules.fitting(line, start, zone)
    except rules.RecurrenceError:
        raise UnmappableError("The rule of this series cannot be read.") from None


# --- Graph -> RFC 5545 ---


def from_graph(recurrence: Recurrence, start_zone: str | None) -> str:
    """Return the RRULE line of a pattern and range.

    Args:
        recurrence: as Graph shows it, placeholders and all.
        start_zone: IANA zone of the series, None if all-day.

    Raises:
        UnmappableError: it is of a type that the plugin does not know.
    """
    pattern, span = recurrence["pattern"], recurrence["range"]
    parts = [*_rule_parts(pattern), *_end_parts(span, start_zone)]
    return "RRULE:" + ";".join(parts)


def _rule_parts(pattern: Pattern) -> list[str]:
    kind = pattern["type"].casefold()
    interval = pattern.get("interval") or 1
    every = [f"INTERVAL={interval}"] if interval != 1 else []
    match kind:
        case "daily":
            return ["FREQ=DAILY", *every]
        case "weekly":
            week_start = CODES[(pattern.get("firstDayOfWeek") or "sunday").casefold()]
            # The first day of a week matters only where weeks are left out.
            tail = [f"WKST={week_start}"] if interval > 1 and week_start != "MO" else []
            return ["FREQ=WEEKLY", *every, f"BYDAY={','.join(_codes(pattern))}", *tail]
        case "absolutemonthly":
            return ["FREQ=MONTHLY", *every, *_month_day(pattern["dayOfMonth"], 28)]
        case "relativemonthly":
            return ["FREQ=MONTHLY", *every, *_weekday_of(pattern)]
        case "absoluteyearly":
            month = pattern["month"]
            return ["FREQ=YEARLY", *every, f"BYMONTH={month}", *_year_day(pattern["dayOfMonth"], month)]
        case "relativeyearly":
            month = pattern["month"]
            if _is_last_day(pattern):
                return ["FREQ=YEARLY", *every, f"BYMONTH={month}", *_year_day(31, month)]
            return ["FREQ=YEARLY", *every, f"BYMONTH={month}", *_weekday_of(pattern)]
    raise UnmappableError(f"The repetition “{pattern['type']}” is not known.")


def _codes(pattern: Pattern) -> list[str]:
    wanted = {day.casefold() for day in pattern.get("daysOfWeek") or []}
    found = [code for code, name in DAYS.items() if name in wanted]
    if not found:
        raise UnmappableError("The repetition names no weekday.")
    return found


def _month_day(day: int, sure: int) -> list[str]:
    if day <= sure:
        return [f"BYMONTHDAY={day}"]
    if day == 31:
        return ["BYMONTHDAY=-1"]
    return ["BYMONTHDAY=" + ",".join(str(d) for d in range(28, day + 1)), "BYSETPOS=-1"]


def _year_day(day: int, month: int) -> list[str]:
    longest, shortest = (calendar.monthrange(year, month)[1] for year in (2000, 2001))
    return _month_day(min(day, longest), shortest)


def _is_last_day(pattern: Pattern) -> bool:
    return len(_codes(pattern)) == 7 and (pattern.get("index") or "").casefold() == "last"


def _weekday_of(pattern: Pattern) -> list[str]:
    position = POSITIONS[(pattern.get("index") or "first").casefold()]
    codes = _codes(pattern)
    if len(codes) == 7:
        return [f"BYMONTHDAY={position}"]
    if len(codes) == 1:
        return [f"BYDAY={position}{codes[0]}"]
    return [f"BYDAY={','.join(codes)}", f"BYSETPOS={position}"]


def _end_parts(span: Range, start_zone: str | None) -> list[str]:
    kind = span["type"].casefold()
    if kind == "numbered":
        return [f"COUNT={span['numberOfOccurrences']}"]
    if kind == "noend":
        return []
    if kind != "enddate":
        raise UnmappableError(f"The end “{span['type']}” of the repetition is not known.")
    last = date.fromisoformat(span["endDate"])
    if start_zone is None:
        return [f"UNTIL={rules.stamp_of(last)}"]
    end = datetime.combine(last, time(23, 59, 59))
    try:
        end = zones.to_utc(end, start_zone)
    except OverflowError:
        pass  # The end of the last year that there is.
    return [f"UNTIL={rules.stamp_of(end)}Z"]


# --- both ---


def first_start(line: str, start: date | datetime, start_zone: str | None) -> date | datetime:
    """Return the first occurrence: in Graph a series may start on a day that its pattern leaves out."""
    return next(rules.fitting(line, start, start_zone), start)


def usual_end(start: date | datetime, when: When) -> date | datetime:
    """Return the end, by the clock, of an occurrence as long as its series' others; time may end before."""
    try:
        return start + length(when.start, when.end)
    except OverflowError:
        return start


def length(start: date | datetime, end: date | datetime) -> timedelta:
    """Return how long an event lasts by the clock; both ends are of one kind."""
    return rules.at_midnight(end) - rules.at_midnight(start)


def _date(value: date | datetime) -> date:
    return value.date() if isinstance(value, datetime) else value

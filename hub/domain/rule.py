"""The lines of a recurrence (RFC 5545 3.3.10, 3.8.5): read into their parts and written again. Pure."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime

from hub.domain.recurrence import instant
from hub.plugin import rules
from hub.plugin.types import When

WEEKDAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")


@dataclass(frozen=True, slots=True)
class Rule:
    """An RRULE by its parts, in their order."""

    parts: tuple[tuple[str, str], ...]

    @classmethod
    def read(cls, line: str) -> Rule:
        """Return the parts of a line; parameters of the line itself are dropped, since they mean nothing."""
        pairs = (part.partition("=")[::2] for part in line.partition(":")[2].split(";") if part)
        return cls(tuple((name.upper(), value) for name, value in pairs))

    def __str__(self) -> str:
        return "RRULE:" + ";".join(f"{name}={value}" for name, value in self.parts)

    def get(self, name: str) -> str | None:
        return next((value for known, value in self.parts if known == name), None)

    def with_parts(self, **values: str | None) -> Rule:
        """Return the rule with other values; None takes a part away, a new one comes last."""
        kept = [(name, values.get(name, value)) for name, value in self.parts]
        new = [(name, value) for name, value in values.items() if self.get(name) is None]
        return Rule(tuple((name, value) for name, value in [*kept, *new] if value is not None))

    @property
    def count(self) -> int | None:
        text = self.get("COUNT")
        return None if text is None else int(text)


def explicit(rule: Rule, when: When) -> Rule:
    """Return a rule that names the days which it takes from the start of its series, to begin on another."""
    days = any(rule.get(name) for name in ("BYDAY", "BYMONTHDAY", "BYYEARDAY", "BYWEEKNO"))
    freq = (rule.get("FREQ") or "").upper()
    if days or freq not in ("WEEKLY", "MONTHLY", "YEARLY"):
        return rule
    if freq == "WEEKLY":
        return rule.with_parts(BYDAY=WEEKDAYS[when.start.weekday()])
    month = {"BYMONTH": rule.get("BYMONTH") or str(when.start.month)} if freq == "YEARLY" else {}
    return rule.with_parts(**month, BYMONTHDAY=str(when.start.day))


def is_rule(line: str) -> bool:
    return line.upper().startswith("RRULE")


def is_dates(line: str) -> bool:
    return line.upper().startswith("RDATE")


def until(last: date | datetime, when: When) -> str:
    """Return the UNTIL that ends a series with the occurrence `last`: of the kind that its start asks for."""
    if not isinstance(last, datetime) or when.start_zone is None:
        return rules.stamp_of(last)
    return rules.stamp_of(instant(last, when.start_zone, "UTC").replace(tzinfo=None)) + "Z"


def dates_line(dates: Iterable[date | datetime], when: When) -> str:
    """Return the RDATE line of dates, or of wall times in the series' zone."""
    zone = f";TZID={when.start_zone}" if when.start_zone else ""
    kind = ";VALUE=DATE" if when.all_day else zone
    return f"RDATE{kind}:" + ",".join(rules.stamp_of(each) for each in sorted(dates))


def alone(when: When, line: str) -> When:
    """Return a time that repeats by one line only."""
    return dataclasses.replace(when, recurrence=(line,), exceptions=())

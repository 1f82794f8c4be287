"""Fields and values of events in words for people: for changes, undos and conflicts. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any

from hub.domain.recurrence import OVERRIDABLE
from hub.domain.rule import Rule, is_rule

MOST = 160
EXCEPTIONAL = OVERRIDABLE
"""The fields that an occurrence may have otherwise than its series."""
_WEEKDAYS = {"MO": "Mon", "TU": "Tue", "WE": "Wed", "TH": "Thu", "FR": "Fri", "SA": "Sat", "SU": "Sun"}
_NTH = {
    "1": "first",
    "2": "second",
    "3": "third",
    "4": "fourth",
    "5": "fifth",
    "-1": "last",
    "-2": "last but one",
}
_UNITS = {"DAILY": "day", "WEEKLY": "week", "MONTHLY": "month", "YEARLY": "year"}
_PLAIN = frozenset({"FREQ", "INTERVAL", "COUNT", "UNTIL", "BYDAY", "BYMONTHDAY", "BYMONTH", "WKST"})
_FIELDS = {
    "when": "time",
    "show_as": "busy or free",
    "description": "notes",
    "description_html": "formatting of the notes",
    "location": "place",
    "organizer": "organiser",
    "attendees": "guests",
    "color": "colour",
    "url": "web address",
}
_COLOR = re.compile(r"#[0-9a-fA-F]{6}|[a-zA-Z]{3,30}")
CLOCK = "%a %-d %b %Y, %H:%M"
DAY = "%a %-d %b %Y"


def field(name: str) -> str:
    """Return what people call a field."""
    return _FIELDS.get(name, name.replace("_", " "))


def value(name: str, given: Any) -> str:
    """Return a field's value, as the log keeps it, in a few words."""
    if given in (None, "", [], {}):
        return "nothing"
    if name == "when":
        return _when(given)
    if name in ("split_into", "split_from"):
        return "another series"
    if name == "deleted":
        return f"“{given.get('title') or '(untitled)'}”, {_when(given['when'])}"
    if isinstance(given, list):
        return _short(", ".join(value("", item) for item in given))
    if isinstance(given, Mapping):
        known = [given[key] for key in ("name", "email", "url", "title") if given.get(key)]
        return _short(str(known[0]) if known else ", ".join(f"{k}: {v}" for k, v in given.items()))
    return _short(str(given).replace("_", " ") if name in ("show_as", "status", "visibility") else str(given))


def color(given: str | None) -> str | None:
    """Return a colour that may be shown as it is given, if it is one."""
    return given if given and _COLOR.fullmatch(given) else None


def moment(value: date | datetime) -> str:
    return f"{value:{CLOCK}}" if isinstance(value, datetime) else f"{value:{DAY}}"


def minutes(count: int) -> str:
    for size, name in ((1440, "day"), (60, "hour")):
        if count and count % size == 0:
            return f"{count // size} {name}{'' if count == size else 's'}"
    return f"{count} minute{'' if count == 1 else 's'}"


def repeats(lines: Sequence[str]) -> str:
    """Return how a series repeats; a rule that is hard to say is shown as it is written."""
    said = [_rule(Rule.read(line), line) if is_rule(line) else "and on dates of its own" for line in lines]
    return ", ".join(said)


def _rule(rule: Rule, line: str) -> str:
    unit = _UNITS.get(rule.get("FREQ") or "")
    if unit is None or not {name for name, _ in rule.parts} <= _PLAIN:
        return line
    every = rule.get("INTERVAL") or "1"
    text = f"every {unit}" if every == "1" else f"every {every} {unit}s"
    if days := rule.get("BYDAY"):
        text += f" on {', '.join(_weekday(day) for day in days.split(','))}"
    if days := rule.get("BYMONTHDAY"):
        text += " on the last day" if days == "-1" else f" on day {days.replace(',', ', ')}"
    if months := rule.get("BYMONTH"):
        text += f" in month {months.replace(',', ', ')}"
    if count := rule.get("COUNT"):
        text += f", {count} times"
    if until := rule.get("UNTIL"):
        text += f", until {datetime.strptime(until[:8], '%Y%m%d'):{DAY}}"  # noqa: DTZ007
    return text


def _weekday(day: str) -> str:
    place, name = day[:-2], day[-2:]
    text = _WEEKDAYS.get(name, name)
    return f"the {_NTH.get(place.removeprefix('+'), place)} {text}" if place else text


def _short(text: str) -> str:
    return text if len(text) <= MOST else f"{text[: MOST - 1]}…"


def _when(given: Mapping[str, Any]) -> str:
    start, end = given["start"], given["end"]
    if len(start) == 10:
        first, last = date.fromisoformat(start), date.fromisoformat(end) - timedelta(days=1)
        text = f"{first:{DAY}}" if last <= first else f"{first:{DAY}} to {last:{DAY}}"
    else:
        begin, finish = datetime.fromisoformat(start), datetime.fromisoformat(end)
        same_day = begin.date() == finish.date()
        text = f"{begin:{CLOCK}} to {finish:%H:%M}" if same_day else f"{begin:{CLOCK}} to {finish:{CLOCK}}"
        text += f" ({given['start_zone']})" if given.get("start_zone") else ""
    if given.get("recurrence"):
        count = len(given.get("exceptions") or ())
        but = "" if not count else " with 1 exception" if count == 1 else f" with {count} exceptions"
        text += f", repeats {repeats(given['recurrence'])}{but}"
    return text

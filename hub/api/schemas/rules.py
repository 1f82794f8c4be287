"""What is taken of a recurrence: its lines one by one, before the time that they repeat is known."""

from __future__ import annotations

import re

from marshmallow import ValidationError

_PARTS = (
    "FREQ", "INTERVAL", "COUNT", "UNTIL", "BYMONTH", "BYWEEKNO", "BYYEARDAY", "BYMONTHDAY", "BYDAY",
    "BYSETPOS", "WKST",
)  # fmt: skip
_FREQUENCIES = ("DAILY", "WEEKLY", "MONTHLY", "YEARLY")
_TOO_OFTEN = ("HOURLY", "MINUTELY", "SECONDLY")
"""Read from providers, and held by few of them."""
_DATE = r"\d{8}(T\d{6}Z?)?"
_DATES = re.compile(rf"(RDATE|EXDATE)(;TZID=[^;:]+|;VALUE=DATE(-TIME)?)*:{_DATE}(,{_DATE})*", re.IGNORECASE)


def rule_line(value: str) -> None:
    """Refuse what no calendar provider keeps, and what takes for ever to compute.

    Raises:
        ValidationError: it says what to write instead.
    """
    upper = value.upper()
    if not value.isprintable() or not upper.startswith(("RRULE:", "RDATE:", "RDATE;", "EXDATE:", "EXDATE;")):
        raise ValidationError("must be one RFC 5545 line that begins with RRULE:, RDATE or EXDATE")
    if not upper.startswith("RRULE:"):
        if not _DATES.fullmatch(value):
            name = upper[:6].rstrip(":;")
            raise ValidationError(f"must look like {name};TZID=Europe/Berlin:20261224T090000,20261231T090000")
        return
    parts = [part.partition("=")[::2] for part in upper.removeprefix("RRULE:").split(";")]
    _known_once([name for name, _ in parts])
    _values(dict(parts))


def _known_once(names: list[str]) -> None:
    if odd := {"BYHOUR", "BYMINUTE", "BYSECOND"} & set(names):
        raise ValidationError(
            f"an event repeats at its own time of day: {min(odd)} is not taken; make a series for each time"
        )
    unknown = [name for name in names if name not in _PARTS]
    if unknown:
        raise ValidationError(f"{unknown[0] or 'nothing'!r} is no part of a rule: {', '.join(_PARTS)} are")
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise ValidationError(f"{twice[0]} may stand there once only")


def _values(parts: dict[str, str]) -> None:
    if parts.get("FREQ") in _TOO_OFTEN:
        raise ValidationError(
            f"{parts['FREQ']} is not taken: an event repeats once a day at most; make a daily series for "
            "each time of day"
        )
    if parts.get("FREQ") not in _FREQUENCIES:
        raise ValidationError(f"FREQ must be one of {', '.join(_FREQUENCIES)}")
    for name in ("INTERVAL", "COUNT"):
        if not re.fullmatch("[1-9][0-9]{0,3}", parts.get(name, "1")):
            raise ValidationError(f"{name} must be a whole number from 1 to 9999")
    if "COUNT" in parts and "UNTIL" in parts:
        raise ValidationError("may hold COUNT or UNTIL, not both: the series ends once")
    if not re.fullmatch(_DATE, parts.get("UNTIL", "20261231")):
        raise ValidationError("UNTIL must look like 20261231, 20261231T235959 or 20261231T225959Z")


def one_rule(lines: list[str]) -> None:
    if sum(line.upper().startswith("RRULE") for line in lines) > 1:
        raise ValidationError("may hold one RRULE only: make a series for each")

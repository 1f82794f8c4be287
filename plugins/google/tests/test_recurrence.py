"""Loose recurrence lines are read as they were meant."""

from datetime import date, datetime

import pytest

from hub.plugin.rules import hits
from hub_google.recurrence import read_lines
from hub_google.times import Time

MONDAY = datetime(2027, 1, 4, 9)
BERLIN = "Europe/Berlin"


@pytest.mark.parametrize(
    ("lines", "start", "rules"),
    [
        (["RRULE:freq=daily;interval=1"], MONDAY, ("RRULE:FREQ=DAILY",)),
        (["RRULE;X-NOTE=1:FREQ=DAILY"], MONDAY, ("RRULE:FREQ=DAILY",)),
        (["RRULE:FREQ=DAILY;UNTIL=20270108"], MONDAY, ("RRULE:FREQ=DAILY;UNTIL=20270108T225959Z",)),
        (["RRULE:FREQ=DAILY;UNTIL=20270108T090000"], MONDAY, ("RRULE:FREQ=DAILY;UNTIL=20270108T080000Z",)),
        (["RRULE:FREQ=DAILY;UNTIL=20270107T230000Z"], date(2027, 1, 4), ("RRULE:FREQ=DAILY;UNTIL=20270108",)),
        (
            ["RRULE:DATE;TZID=Europe/Berlin:20270105T090000"],
            MONDAY,
            ("RDATE;TZID=Europe/Berlin:20270105T090000",),
        ),
        (
            ["RDATE:20270106T080000Z,20270105T080000Z"],
            MONDAY,
            ("RDATE;TZID=Europe/Berlin:20270105T090000,20270106T090000",),
        ),
        (["RDATE;VALUE=DATE:20270110"], date(2027, 1, 4), ("RDATE;VALUE=DATE:20270110",)),
        (["RRULE:FREQ=YEARLY;BYMONTHDAY=30"], MONDAY, ("RRULE:FREQ=YEARLY;BYMONTH=1;BYMONTHDAY=30",)),
    ],
)
def test_lines_end_in_one_form(lines: list[str], start: Time, rules: tuple[str, ...]) -> None:
    assert read_lines(lines, start, BERLIN)[0] == rules
    assert read_lines(rules, start, BERLIN)[0] == rules


@pytest.mark.parametrize(
    "line",
    [
        "EXDATE:20270105T080000Z",
        "EXDATE;TZID=Europe/Berlin:20270105T090000",
        "EXDATE:20270105T090000",
        "EXDATE;VALUE=DATE:20270105",
        "EXDATE;TZID=America/New_York:20270105T030000",
    ],
)
def test_every_form_of_exdate_leaves_out_the_same_occurrence(line: str) -> None:
    rules, left_out = read_lines(["RRULE:FREQ=DAILY;COUNT=5", line], MONDAY, BERLIN)
    assert hits(rules, MONDAY, BERLIN, left_out) == {datetime(2027, 1, 5, 9)}


def test_an_exdate_that_hits_nothing_is_harmless() -> None:
    rules, left_out = read_lines(["RRULE:FREQ=WEEKLY", "EXDATE:20270105T090000"], MONDAY, BERLIN)
    assert hits(rules, MONDAY, BERLIN, left_out) == set()


def test_a_rule_for_every_second_is_not_counted_out() -> None:
    far = datetime(2029, 1, 1)
    assert hits(["RRULE:FREQ=SECONDLY"], MONDAY, BERLIN, [far]) == {far}
    assert hits(["RRULE:FREQ=SECONDLY"], MONDAY, BERLIN, [far, MONDAY], beyond=False) == {MONDAY}


def test_until_in_utc_keeps_the_last_occurrence_across_a_change_of_clocks() -> None:
    start = datetime(2026, 1, 13, 14)
    last = datetime(2026, 6, 30, 14)
    rules, _ = read_lines(["RRULE:FREQ=WEEKLY;INTERVAL=2;UNTIL=20260630T120000Z;BYDAY=TU"], start, BERLIN)
    assert hits(rules, start, BERLIN, [last]) == {last}


@pytest.mark.parametrize(
    "line", ["EXRULE:FREQ=DAILY", "RRULE", "RRULE:COUNT=3", "RRULE:FREQ=SOMETIMES", "RDATE:soon"]
)
def test_what_cannot_be_held_is_refused_and_not_guessed(line: str) -> None:
    with pytest.raises(ValueError):
        read_lines([line], MONDAY, BERLIN)

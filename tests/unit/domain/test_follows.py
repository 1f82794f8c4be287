"""What looks like one series split in two, and what does not."""

from __future__ import annotations

import dataclasses
from datetime import datetime, timedelta

import pytest

from hub.domain.follows import Begun, Cut, goes_on, halves
from hub.plugin.testing import series
from hub.plugin.types import EventContent, When

MONDAY = datetime(2026, 11, 2, 9)
SPLIT = MONDAY + timedelta(weeks=5)
WEEKLY = series("Workout", MONDAY, "FREQ=WEEKLY;BYDAY=MO").when
ENDED = series("Workout", MONDAY, "FREQ=WEEKLY;BYDAY=MO;UNTIL=20261207T075959Z").when
OLD = Cut("old", "Workout", WEEKLY, ENDED)


def begun(content: EventContent, event_id: str = "new") -> Begun:
    return Begun(event_id, content.title, content.when)


@pytest.mark.parametrize(
    "new",
    [
        series("Workout", SPLIT, "FREQ=WEEKLY;BYDAY=MO"),
        series("Workout", SPLIT + timedelta(hours=1), "FREQ=WEEKLY"),
        series("Workout v1", SPLIT + timedelta(days=4), "FREQ=WEEKLY;BYDAY=FR"),
        series("Renamed", SPLIT, "FREQ=DAILY"),
        series("Workout", SPLIT - timedelta(days=3), "FREQ=WEEKLY;BYDAY=FR"),
    ],
    ids=["as before", "another hour", "another day and title", "another rule", "an earlier day"],
)
def test_a_series_that_begins_in_the_gap_goes_on(new: EventContent) -> None:
    assert goes_on(OLD, begun(new))


@pytest.mark.parametrize(
    "new",
    [
        series("Workout", SPLIT + timedelta(weeks=1), "FREQ=WEEKLY"),
        series("Workout", SPLIT - timedelta(weeks=1), "FREQ=WEEKLY"),
        series("Party", SPLIT + timedelta(hours=11), "FREQ=WEEKLY"),
        EventContent(When(SPLIT, SPLIT + timedelta(hours=1), "Europe/Berlin", "Europe/Berlin"), "Workout"),
    ],
    ids=["after the gap", "before the gap", "nothing in common", "a single event"],
)
def test_what_begins_elsewhere_or_is_something_else_does_not(new: EventContent) -> None:
    assert not goes_on(OLD, begun(new))


@pytest.mark.parametrize(
    "after",
    [
        WEEKLY,
        dataclasses.replace(ENDED, recurrence=("RRULE:FREQ=DAILY;UNTIL=20261207T075959Z",)),
        dataclasses.replace(ENDED, start=MONDAY + timedelta(hours=1), end=MONDAY + timedelta(hours=2)),
        dataclasses.replace(ENDED, recurrence=()),
    ],
    ids=["not cut", "another rule", "moved", "a single event now"],
)
def test_a_series_that_was_changed_otherwise_was_not_split(after: When) -> None:
    old = Cut("old", "Workout", WEEKLY, after)
    assert not goes_on(old, begun(series("Workout", SPLIT, "FREQ=WEEKLY")))


def test_where_two_fit_nothing_is_said() -> None:
    new = begun(series("Workout", SPLIT, "FREQ=WEEKLY"))
    other = Cut("other", "Workout", WEEKLY, ENDED)
    assert halves([OLD], [new]) == {"new": "old"}
    assert halves([OLD, other], [new]) == {}
    assert halves([OLD], [new, dataclasses.replace(new, event_id="new2")]) == {}

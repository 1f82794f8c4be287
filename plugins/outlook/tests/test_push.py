"""Writes are few, safe to repeat, mail nobody, and never guess."""

from __future__ import annotations

import dataclasses
from dataclasses import replace
from datetime import date, datetime, timedelta
from itertools import islice
from typing import Any

import pytest

from hub.plugin import rules
from hub.plugin.errors import CalendarLostError, GoneError, RefusedError, RetryLaterError, VersionMovedError
from hub.plugin.testing import PERSON, Connected, series, timed
from hub.plugin.types import (
    Attendee,
    EventContent,
    Location,
    PushCreate,
    PushDelete,
    PushUpdate,
    Reminder,
    RemoteCalendar,
    SeriesException,
    ShowAs,
    When,
)

MONDAY = datetime(2027, 1, 4, 9)
DROPPING = ["recurrence", "start", "end"]
RULE = "FREQ=WEEKLY;BYDAY=MO;COUNT=6"


def cancelled(week: int) -> SeriesException:
    return SeriesException(MONDAY + timedelta(weeks=week), cancelled=True)


@pytest.mark.parametrize("rule", ["FREQ=YEARLY;INTERVAL=13;BYMONTHDAY=1", "FREQ=YEARLY;INTERVAL=99"])
def test_a_series_without_end_is_changed_far_in_the_future(
    ann: Connected, cal: RemoteCalendar, rule: str
) -> None:
    when = When(date(2015, 1, 1), date(2015, 1, 2), recurrence=(f"RRULE:{rule}",))
    far = list(islice(rules.starts(when.recurrence, when.start, None), 12))[-1]
    changed = SeriesException(far, title="Far")
    content = EventContent(replace(when, exceptions=(changed,)), "Rare", reminders=())
    assert ann.create(cal, content).content.when.exceptions == (changed,)


def moved(week: int, hours: int) -> SeriesException:
    start = MONDAY + timedelta(weeks=week)
    to = start + timedelta(hours=hours)
    return SeriesException(start, start=to, end=to + timedelta(hours=1))


@pytest.mark.parametrize("switches", [{}, {"duplicate_transaction_status": 409, "existing_event_id": True}])
def test_a_used_transaction_id_leads_to_the_first_event_as_it_is(
    ann: Connected, cal: RemoteCalendar, switches: dict[str, Any]
) -> None:
    ann.control.switches(**switches)
    first = ann.create(cal, timed("Lunch", MONDAY))
    with pytest.raises(RetryLaterError):
        ann.create(cal, timed("Late lunch", MONDAY))
    second = ann.create(cal, timed("Late lunch", MONDAY), attempt=1)
    assert (second.remote_id, second.content.title, second.tag) == (first.remote_id, "Lunch", "evt-1")


def test_a_crash_between_a_series_and_its_exceptions_is_made_good(
    ann: Connected, cal: RemoteCalendar
) -> None:
    content = series("Weekly", MONDAY, RULE, cancelled(1), moved(3, 4))
    push = PushCreate("0" * 32, "evt-1", content)
    ann.control.fault("reset_before", method="DELETE")
    with pytest.raises(RetryLaterError):
        ann.hooks.push_event(call=ann.call, calendar=cal, push=push)
    event = ann.hooks.push_event(call=ann.call, calendar=cal, push=replace(push, attempt=1))
    assert event.content.when.exceptions == ()
    assert ann.update(cal, event, content).content.when.exceptions == content.when.exceptions
    assert len(ann.control.events(PERSON, cal.remote_id)) == 1


def test_an_occurrence_moved_past_its_neighbour_is_refused_in_plain_words(
    ann: Connected, cal: RemoteCalendar
) -> None:
    event = ann.create(cal, series("Weekly", MONDAY, RULE))
    with pytest.raises(RefusedError, match=r"cannot move the occurrence of .* of “Weekly” to"):
        ann.update(cal, event, series("Weekly", MONDAY, RULE, moved(1, 24 * 8)))


def test_exceptions_are_changed_without_touching_the_master(ann: Connected, cal: RemoteCalendar) -> None:
    event = ann.create(cal, series("Weekly", MONDAY, RULE, moved(3, 4)))
    ann.control.clear_ledger()
    other = replace(moved(3, 5), title="Special", location=Location("Attic"), show_as=ShowAs.FREE)
    event = ann.update(cal, event, series("Weekly", MONDAY, RULE, cancelled(1), other))
    assert [e.original_start for e in event.content.when.exceptions] == [
        MONDAY + timedelta(weeks=1),
        MONDAY + timedelta(weeks=3),
    ]
    assert event.content.when.exceptions[1] == other
    assert sorted(call["method"] for call in ann.control.writes()) == ["DELETE", "PATCH"]


def test_an_occurrence_goes_back_to_its_series(ann: Connected, cal: RemoteCalendar) -> None:
    event = ann.create(cal, series("Weekly", MONDAY, RULE, replace(moved(3, 4), title="Special")))
    event = ann.update(cal, event, series("Weekly", MONDAY, RULE))
    assert event.content.when.exceptions == ()


def test_a_cancelled_occurrence_comes_back_and_the_others_stay(ann: Connected, cal: RemoteCalendar) -> None:
    event = ann.create(cal, series("Weekly", MONDAY, RULE, cancelled(1), cancelled(2), moved(4, 3)))
    event = ann.update(cal, event, series("Weekly", MONDAY, RULE, cancelled(2), moved(4, 3)))
    assert event.content.when.exceptions == (cancelled(2), moved(4, 3))


def test_a_cancelled_occurrence_that_stays_gone_is_refused(ann: Connected, cal: RemoteCalendar) -> None:
    ann.control.switches(drop_exceptions=[])
    event = ann.create(cal, series("Weekly", MONDAY, RULE, cancelled(1)))
    with pytest.raises(RefusedError, match="bring a cancelled occurrence"):
        ann.update(cal, event, series("Weekly", MONDAY, RULE))


@pytest.mark.parametrize("drop", [True, False])
def test_a_series_moved_by_an_hour_keeps_what_was_cancelled(
    ann: Connected, cal: RemoteCalendar, drop: bool
) -> None:
    ann.control.switches(drop_exceptions=DROPPING if drop else [])
    event = ann.create(cal, series("Weekly", MONDAY, RULE, cancelled(1)))
    later = MONDAY + timedelta(hours=1)
    gone = SeriesException(later + timedelta(weeks=1), cancelled=True)
    event = ann.update(cal, event, series("Weekly", later, RULE, gone))
    assert event.content.when.start == later and event.content.when.exceptions == (gone,)


def test_a_single_event_becomes_a_series_and_single_again(ann: Connected, cal: RemoteCalendar) -> None:
    event = ann.create(cal, timed("Talk", MONDAY))
    event = ann.update(cal, event, series("Talk", MONDAY, RULE))
    assert event.content.when.recurrence == (f"RRULE:{RULE}",)
    event = ann.update(cal, event, timed("Talk", MONDAY))
    assert event.content.when.recurrence == ()


def test_a_changed_occurrence_moves_the_version_of_its_series(ann: Connected, cal: RemoteCalendar) -> None:
    event = ann.create(cal, series("Weekly", MONDAY, RULE))
    ann.control.update(
        PERSON, cal.remote_id, event.remote_id, when=series("", MONDAY, RULE, moved(2, 2)).when
    )
    with pytest.raises(VersionMovedError):
        ann.update(cal, event, series("Weekly", MONDAY, RULE, cancelled(1)))


def test_an_all_day_series_keeps_its_dates_and_exceptions(ann: Connected, cal: RemoteCalendar) -> None:
    first, week = date(2027, 1, 4), timedelta(weeks=1)
    to = first + 2 * week + timedelta(days=2)
    exceptions = (
        SeriesException(first + week, cancelled=True),
        SeriesException(first + 2 * week, start=to, end=to + timedelta(days=1)),
    )
    rule = "RRULE:FREQ=WEEKLY;BYDAY=MO;UNTIL=20270215"
    when = When(first, first + timedelta(days=1), recurrence=(rule,), exceptions=exceptions)
    event = ann.create(cal, EventContent(when=when, title="Cleaning"))
    assert event.content.when == when
    event = ann.update(
        cal, event, EventContent(when=replace(when, exceptions=exceptions[:1]), title="Cleaning")
    )
    assert event.content.when.exceptions == exceptions[:1]


def test_guests_are_never_written_nor_mailed(ann: Connected, cal: RemoteCalendar) -> None:
    content = timed("Talk", MONDAY, attendees=(Attendee("bob@example.test"),))
    event = ann.create(cal, content)
    event = ann.update(cal, event, replace(content, title="Renamed"))
    assert event.content.attendees == () and ann.control.mails() == []


def test_text_that_only_looks_different_is_not_written(ann: Connected, cal: RemoteCalendar) -> None:
    event = ann.create(cal, timed("Talk", MONDAY, description="One\nTwo"))
    ann.control.clear_ledger()
    push = PushUpdate(
        event.remote_id,
        event.version,
        replace(event.content, description="One  \nTwo\n"),
        event.content,
        frozenset({"description"}),
    )
    shown = ann.hooks.push_event(call=ann.call, calendar=cal, push=push)
    assert shown.content == event.content and ann.control.writes() == []


def test_all_plain_fields_are_updated_in_one_call(ann: Connected, cal: RemoteCalendar) -> None:
    event = ann.create(cal, timed("Talk", MONDAY))
    wanted = replace(
        event.content,
        title="Other",
        description="<b>plain & simple</b>",
        location=Location("Hall", "Main Street 1", 52.5, 13.4),
        show_as=ShowAs.OUT_OF_OFFICE,
        reminders=(Reminder(5),),
        categories=("blue", "Red"),
        priority=1,
    )
    ann.control.clear_ledger()
    event = ann.update(cal, event, wanted)
    assert event.content == wanted and len(ann.control.ledger()["calls"]) == 1


def test_a_read_only_calendar_refuses_writes_for_good(ann: Connected) -> None:
    birthdays = next(c for c in ann.hooks.list_calendars(call=ann.call) if c.name == "Birthdays")
    assert not birthdays.writable
    with pytest.raises(RefusedError) as caught:
        ann.create(birthdays, timed("Talk", MONDAY))
    assert caught.value.scope == "calendar"


def test_what_outlook_cannot_hold_is_refused_before_any_call(ann: Connected, cal: RemoteCalendar) -> None:
    ann.control.clear_ledger()
    with pytest.raises(RefusedError, match="BYHOUR"):
        ann.create(cal, series("Often", MONDAY, "FREQ=DAILY;BYHOUR=9,15"))
    assert ann.control.ledger()["calls"] == []


def test_an_unanswered_create_that_exchange_gave_up_is_tried_again_later(
    ann: Connected, cal: RemoteCalendar
) -> None:
    body = '{"error": {"code": "ErrorIrresolvableConflict", "message": ""}}'
    ann.control.fault("status", method="POST", status=409, body=body)
    with pytest.raises(RetryLaterError):
        ann.create(cal, timed("Talk", MONDAY))


def test_an_event_in_another_calendar_is_gone_from_this_one(ann: Connected, cal: RemoteCalendar) -> None:
    team = next(c for c in ann.hooks.list_calendars(call=ann.call) if c.name == "Team")
    event = ann.create(team, timed("Talk", MONDAY))
    with pytest.raises(GoneError):
        ann.hooks.get_event(call=ann.call, calendar=cal, remote_id=event.remote_id)


def test_a_lost_calendar_is_never_read_as_a_deleted_event(ann: Connected, cal: RemoteCalendar) -> None:
    event = ann.create(cal, timed("Talk", MONDAY))
    lost = dataclasses.replace(cal, remote_id=cal.remote_id[:-8] + "AAAAAAA=")
    with pytest.raises(CalendarLostError):
        ann.hooks.get_event(call=ann.call, calendar=lost, remote_id=event.remote_id)


def test_a_deletion_without_a_version_deletes_what_is_there(ann: Connected, cal: RemoteCalendar) -> None:
    event = ann.create(cal, timed("Talk", MONDAY))
    ann.control.update(PERSON, cal.remote_id, event.remote_id, title="Newer")
    assert ann.hooks.push_event(call=ann.call, calendar=cal, push=PushDelete(event.remote_id, "")) is None
    assert ann.control.events(PERSON, cal.remote_id) == {}


@pytest.mark.parametrize("status", [404, 410])
@pytest.mark.parametrize("method", ["PATCH", "DELETE"])
@pytest.mark.parametrize("content", [timed("Lunch", MONDAY), series("Lunch", MONDAY, RULE)])
def test_an_event_that_is_said_to_be_gone_and_is_shown_is_not_made_again(
    ann: Connected, cal: RemoteCalendar, content: EventContent, method: str, status: int
) -> None:
    event = ann.create(cal, content)
    ann.control.fault("status", status=status, method=method)
    with pytest.raises(RetryLaterError, match="shows it"):
        if method == "PATCH":
            ann.update(cal, event, replace(content, title="Brunch"))
        else:
            ann.hooks.push_event(call=ann.call, calendar=cal, push=PushDelete(event.remote_id, event.version))
    assert [c.title for c in ann.control.events(PERSON, cal.remote_id).values()] == ["Lunch"]

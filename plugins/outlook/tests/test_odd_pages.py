"""The sandbox's odd pages, ids and lags, and what the plugin makes of them."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from hub.plugin.errors import CursorExpiredError, GoneError, RetryLaterError
from hub.plugin.testing import PERSON, Connected, latest, series, timed
from hub.plugin.types import PushDelete, RemoteCalendar

MONDAY = datetime(2027, 1, 4, 9)


def fill(ann: Connected, cal: RemoteCalendar, count: int = 12) -> set[str]:
    spread = timedelta(days=20)
    return {
        ann.control.create(PERSON, cal.remote_id, timed(f"Event {n}", MONDAY + n * spread))
        for n in range(count)
    }


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ask for pages of two, so that few events make many pages."""
    monkeypatch.setattr("hub_outlook.changes.SIZED", "odata.maxpagesize=2")


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("how", ["sized", "days"])
def test_a_listing_in_circles_is_read_in_another_way(ann: Connected, cal: RemoteCalendar, how: str) -> None:
    ids = fill(ann, cal)
    ann.control.switches(endless_delta=how, delta_page_size=2)
    changes, cursor, pages = ann.list_all(cal)
    assert set(latest(changes)) == ids
    assert all(change.event for change in changes)
    assert pages[-1].window == ann.window
    ann.control.update(PERSON, cal.remote_id, min(ids), title="Renamed")
    changes, cursor, _ = ann.list_all(cal, cursor)
    renamed = latest(changes)
    assert [c.event.content.title for c in renamed.values() if c.event] in (["Renamed"], [])
    assert set(renamed) == {min(ids)}, "in the other halves it is only suspected gone"
    changes, _, _ = ann.list_all(cal, cursor)
    assert changes == []


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("listing", ["full", "of changes"])
def test_a_listing_in_circles_whatever_is_tried_is_given_up(
    ann: Connected, cal: RemoteCalendar, listing: str
) -> None:
    ids = fill(ann, cal, 6)
    _, cursor, _ = ann.list_all(cal)
    for remote_id in ids:
        ann.control.update(PERSON, cal.remote_id, remote_id, title="Changed", when=timed("", MONDAY).when)
    ann.control.switches(endless_delta="always", delta_page_size=2)
    ann.control.clear_ledger()
    with pytest.raises(CursorExpiredError, match="again and again"):
        ann.list_all(cal, cursor if listing == "of changes" else None)
    assert len(ann.control.ledger()["calls"]) < 150


@pytest.mark.usefixtures("small")
def test_the_last_item_of_a_page_may_be_the_first_of_the_next(ann: Connected, cal: RemoteCalendar) -> None:
    ids = fill(ann, cal, 7)
    ann.control.switches(overlap_delta=True)
    changes, _, _ = ann.list_all(cal)
    assert set(latest(changes)) == ids
    assert len(changes) > len(ids)


def test_a_list_of_calendars_that_hides_its_next_page_is_read_whole(
    ann: Connected, cal: RemoteCalendar
) -> None:
    assert cal.primary
    ann.control.add_person(PERSON, calendars=[{"name": f"C{n:03}"} for n in range(130)])
    for hides in (False, True):
        ann.control.switches(lost_next_link=hides)
        names = [c.name for c in ann.hooks.list_calendars(call=ann.call)]
        assert len([n for n in names if n.startswith("C") and n[1:].isdigit()]) == 130


def test_a_list_of_calendars_without_end_is_never_taken_for_whole(ann: Connected) -> None:
    link = f"{ann.settings['API_URL']}/me/calendars"
    body = f'{{"value": [{{"id": "x"}}], "@odata.nextLink": "{link}"}}'
    ann.control.fault("status", status=200, body=body, path="/me/calendars$", times=100)
    with pytest.raises(RetryLaterError):
        ann.hooks.list_calendars(call=ann.call)


def test_a_calendar_without_a_name_is_shown_by_its_id(ann: Connected) -> None:
    ann.control.add_person(PERSON, calendars=[{"name": ""}])
    assert [c for c in ann.hooks.list_calendars(call=ann.call) if c.name == c.remote_id]


TWINS = {
    "a letter's case": ("AAMkAGI2wAAA=", "AAMkAGI2WAAA="),
    "- and _": ("AQMkr3Ug_AAA=", "AQMkr3Ug-AAA="),
    "/ and +": ("AQMk/r3Ug+AAA=", "AQMk+r3Ug/AAA="),
}


@pytest.mark.parametrize("kind", TWINS)
def test_ids_are_kept_byte_for_byte_and_encoded_in_addresses(
    ann: Connected, cal: RemoteCalendar, kind: str
) -> None:
    for remote_id in TWINS[kind]:
        ann.control.create(PERSON, cal.remote_id, timed(remote_id, MONDAY), remote_id=remote_id)
    changes, cursor, _ = ann.list_all(cal)
    assert {c.remote_id: c.event.content.title for c in changes if c.event} == {i: i for i in TWINS[kind]}
    events = {i: ann.hooks.get_event(call=ann.call, calendar=cal, remote_id=i) for i in TWINS[kind]}
    assert {i: e.content.title for i, e in events.items()} == {i: i for i in TWINS[kind]}
    ann.update(cal, events[TWINS[kind][0]], timed("Renamed", MONDAY))
    gone = PushDelete(TWINS[kind][1], events[TWINS[kind][1]].version)
    ann.hooks.push_event(call=ann.call, calendar=cal, push=gone)
    changes, _, _ = ann.list_all(cal, cursor)
    found: dict[str, Any] = {c.remote_id: c.event and c.event.content.title for c in changes}
    assert found == {TWINS[kind][0]: "Renamed", TWINS[kind][1]: None}


@pytest.mark.parametrize("immutable", [True, False])
def test_a_move_changes_the_id_where_immutable_ids_are_not_to_be_had(
    ann: Connected, cal: RemoteCalendar, immutable: bool
) -> None:
    ann.control.switches(immutable_ids=immutable)
    team = next(c for c in ann.hooks.list_calendars(call=ann.call) if c.name == "Team")
    ann.control.create(PERSON, cal.remote_id, timed("Trip", MONDAY))
    (change,), cursor, _ = ann.list_all(cal)
    _, there, _ = ann.list_all(team)
    ann.control.move(PERSON, cal.remote_id, change.remote_id, team.remote_id)
    (gone,), _, _ = ann.list_all(cal, cursor)
    (new,), _, _ = ann.list_all(team, there)
    assert (gone.remote_id, gone.event, gone.certain) == (change.remote_id, None, False)
    assert (new.remote_id == change.remote_id) is immutable
    assert new.event and change.event and new.event.uid == change.event.uid
    with pytest.raises(GoneError):
        ann.hooks.get_event(call=ann.call, calendar=cal, remote_id=change.remote_id)


def test_a_calendar_with_another_id_holds_its_events_and_ends_its_cursors(
    ann: Connected, cal: RemoteCalendar
) -> None:
    remote_id = ann.control.create(PERSON, cal.remote_id, timed("Trip", MONDAY))
    _, cursor, _ = ann.list_all(cal)
    new_id = ann.control.rename_calendar(PERSON, cal.remote_id)
    assert ann.control.rename_calendar(PERSON, new_id) not in (new_id, cal.remote_id)
    with pytest.raises(CursorExpiredError):
        ann.list_all(cal, cursor)
    (now,) = [c for c in ann.hooks.list_calendars(call=ann.call) if c.primary]
    assert [c.remote_id for c in ann.list_all(now)[0]] == [remote_id]


def test_a_moved_mailbox_has_other_ids_for_all_and_forgets_its_grants(
    ann: Connected, cal: RemoteCalendar
) -> None:
    remote_id = ann.control.create(PERSON, cal.remote_id, series("Daily", MONDAY, "FREQ=DAILY;COUNT=3"))
    person = ann.control.renew(PERSON)
    (calendar,) = [c["remote_id"] for c in person["calendars"] if c["primary"]]
    assert calendar != cal.remote_id
    assert [c.title for c in ann.control.events(PERSON, calendar).values()] == ["Daily"]
    assert remote_id not in ann.control.events(PERSON, calendar)


def test_reads_that_lag_show_the_state_of_before(ann: Connected, cal: RemoteCalendar) -> None:
    remote_id = ann.control.create(PERSON, cal.remote_id, timed("Before", MONDAY))
    event = ann.hooks.get_event(call=ann.call, calendar=cal, remote_id=remote_id)
    ann.control.switches(read_lag=30)
    ann.control.update(PERSON, cal.remote_id, remote_id, title="After")
    new = ann.control.create(PERSON, cal.remote_id, timed("New", MONDAY))
    assert ann.hooks.get_event(call=ann.call, calendar=cal, remote_id=remote_id) == event
    with pytest.raises(GoneError):
        ann.hooks.get_event(call=ann.call, calendar=cal, remote_id=new)
    ann.control.advance(31)
    assert ann.hooks.get_event(call=ann.call, calendar=cal, remote_id=remote_id).content.title == "After"


def test_an_expired_link_may_come_with_a_fresh_one_and_without(ann: Connected, cal: RemoteCalendar) -> None:
    _, cursor, _ = ann.list_all(cal)
    for code in ("SyncStateNotFound", "resyncRequired", "syncStateInvalid"):
        for headers in ({}, {"Location": f"{ann.settings['API_URL']}/me/calendarView/delta?$deltatoken="}):
            body = f'{{"error": {{"code": "{code}", "message": "gone"}}}}'
            ann.control.fault("status", status=410, body=body, headers=headers, path="delta")
            with pytest.raises(CursorExpiredError):
                ann.list_all(cal, cursor)

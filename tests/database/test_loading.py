"""Rows of classes that come straight from the driver are the session's own, as if it had loaded them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from sqlalchemy import bindparam, inspect, select, update
from sqlalchemy.orm import aliased, selectinload

from hub.db import Database, forget
from hub.direct import DirectResult
from hub.models import Account, Calendar, Event, RemoteCalendar

pytestmark = pytest.mark.both_databases

NOW = datetime(2026, 5, 4, 9, tzinfo=UTC)
OF_ID = select(Event).where(Event.id == bindparam("event_id"))
BESIDE = (
    select(Event, Calendar.name, RemoteCalendar)
    .join(Calendar, Calendar.id == Event.calendar_id)
    .join(RemoteCalendar, RemoteCalendar.remote_id == Event.id, isouter=True)
    .order_by(Event.id)
)
ANEW = OF_ID.execution_options(populate_existing=True)
OTHER = aliased(Event)
OF_OTHER = select(OTHER).where(OTHER.id == bindparam("event_id"))
OF_ACCOUNT = select(Account).where(Account.id == bindparam("account_id"))
ACCOUNT_ANEW = OF_ACCOUNT.execution_options(populate_existing=True)
WITH_CALENDARS = OF_ACCOUNT.options(selectinload(Account.remote_calendars))
TIMES = 3
"""Once SQLAlchemy's way, once compiled, once as compiled before."""
FIRST = {"event_id": "evt_1"}
MINE = {"account_id": "acc_1"}


@pytest.fixture
def db(with_calendar: Database) -> Database:
    with with_calendar.transaction() as session:
        session.add_all(an_event(f"evt_{n}") for n in (1, 2))
        session.add(
            Account(
                id="acc_1", tenant_id="tnt_1", user_id="usr_1", provider="memory", remote_id="me",
                email="me@example.test", created_at=NOW,
            )
        )  # fmt: skip
        session.flush()
        session.add(
            RemoteCalendar(id="rcl_1", account_id="acc_1", remote_id="evt_2", name="A", access_role="owner")
        )
    return with_calendar


def an_event(event_id: str) -> Event:
    return Event(
        id=event_id, tenant_id="tnt_1", calendar_id="cal_1", uid="Call",
        content={"status": "tentative"}, extra={}, starts_at=NOW, ends_at=None, created_at=NOW,
        updated_at=NOW,
    )  # fmt: skip


def columns(row: object) -> dict[str, object]:
    return {name: getattr(row, name) for name in inspect(type(row)).column_attrs.keys()}  # noqa: SIM118


def test_a_row_is_the_same_by_both_ways(db: Database) -> None:
    found = []
    for _ in range(TIMES):
        with db.reading() as session:
            result = session.execute(OF_ID, FIRST)
            row = result.scalars().one()
            found.append(columns(row))
            assert session.get_one(Event, "evt_1") is row and inspect(row).persistent
            assert session.scalars(OF_ID, FIRST).one() is row and row not in session.dirty
    assert found[0] == found[1] == found[2]
    assert isinstance(result, DirectResult) == db.is_sqlite


def test_classes_stand_beside_columns_and_may_be_missing(db: Database) -> None:
    for _ in range(TIMES):
        with db.reading() as session:
            first, second = session.execute(BESIDE).all()
            assert (first.Event.id, first.name, first.RemoteCalendar) == ("evt_1", "Work", None)
            assert second[2].name == "A" and second[2].remote_id == second[0].id == "evt_2"


def test_what_is_changed_of_a_row_is_written(db: Database) -> None:
    for n in range(TIMES):
        with db.transaction() as session:
            session.scalars(OF_ID, FIRST).one().uid = f"Call {n}"
        with db.reading() as session:
            assert session.get_one(Event, "evt_1").uid == f"Call {n}"


def test_a_change_stays_unless_the_row_is_wanted_anew(db: Database) -> None:
    for _ in range(TIMES):
        with db.reading() as session:
            row = session.scalars(OF_ID, FIRST).one()
            row.uid = "Lunch"
            assert session.scalars(OF_ID, FIRST).one().uid == "Lunch" and row in session.dirty
            assert session.scalars(ANEW, FIRST).one() is row
            assert row.uid == "Call" and row not in session.dirty


def test_what_belongs_to_a_row_is_read_again_with_it(db: Database) -> None:
    for _ in range(TIMES):
        with db.reading() as session:
            row = session.scalars(WITH_CALENDARS, MINE).one()
            assert [calendar.id for calendar in row.remote_calendars] == ["rcl_1"]
            assert session.scalars(ACCOUNT_ANEW, MINE).one() is row
            assert "remote_calendars" in inspect(row).unloaded


def test_what_was_forgotten_is_read_again(db: Database) -> None:
    for n in range(TIMES):
        with db.transaction() as session:
            row = session.scalars(OF_ID, FIRST).one()
            forget(session, Event)
            session.connection().exec_driver_sql(f"UPDATE events SET uid = 'Lunch {n}' WHERE id = 'evt_1'")
            assert session.scalars(OF_ID, FIRST).one() is row
            assert (row.uid, row.tenant_id) == (f"Lunch {n}", "tnt_1")
            assert row not in session.dirty and not inspect(row).expired_attributes & {"split_from", "uid"}


def test_what_was_set_on_a_forgotten_row_stays_when_the_rest_is_read(db: Database) -> None:
    for n in range(TIMES):
        with db.transaction() as session:
            row = session.scalars(OF_ID, FIRST).one()
            forget(session, Event)
            row.uid = f"Lunch {n}"
            assert session.scalars(OF_ID, FIRST).one() is row
            assert (row.uid, row.tenant_id) == (f"Lunch {n}", "tnt_1") and row in session.dirty
        with db.reading() as session:
            assert session.get_one(Event, "evt_1").uid == f"Lunch {n}"


def test_what_a_new_row_was_made_without_is_read_as_it_is_there_now(db: Database) -> None:
    for n in range(TIMES):
        with db.transaction() as session:
            row = an_event(f"new_{n}")
            session.add(row)
            session.flush()
            session.connection().exec_driver_sql(f"UPDATE events SET part_of = 'evt_2' WHERE id = 'new_{n}'")
            assert session.scalars(OF_ID, {"event_id": f"new_{n}"}).one().part_of == "evt_2"


def test_many_rows_at_once_are_updated_as_ever(db: Database) -> None:
    both = update(Event)
    for n in range(TIMES):
        with db.transaction() as session:
            session.execute(both, [{"id": f"evt_{i}", "uid": f"Call {n}"} for i in (1, 2)])
        with db.reading() as session:
            assert set(session.scalars(select(Event.uid))) == {f"Call {n}"}


def test_a_row_leaves_its_session_at_the_end_and_goes_back_with_a_failure(db: Database) -> None:
    for _ in range(TIMES):
        with pytest.raises(KeyError), db.transaction() as session:
            row = session.scalars(OF_ID, FIRST).one()
            row.uid = "Lunch"
            session.flush()
            raise KeyError
        assert inspect(row).detached
        with db.reading() as session:
            assert session.scalars(OF_ID, FIRST).one().uid == "Call"


def test_related_rows_and_aliases_are_loaded_as_ever(db: Database) -> None:
    for _ in range(TIMES):
        with db.reading() as session:
            row = session.scalars(OF_ACCOUNT, MINE).one()
            assert [calendar.id for calendar in row.remote_calendars] == ["rcl_1"]
            event = session.scalars(OF_ID, FIRST).one()
            assert session.scalars(OF_OTHER, FIRST).one() is event

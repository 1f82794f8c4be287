"""Rows of classes that come straight from the driver are the session's own, as if it had loaded them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from sqlalchemy import bindparam, inspect, select, update
from sqlalchemy.exc import InvalidRequestError
from sqlalchemy.orm import aliased, selectinload

from hub.db import Database, forget
from hub.direct import DirectResult
from hub.models import Calendar, Event, SeriesExceptionRow

pytestmark = pytest.mark.both_databases

NOW = datetime(2026, 5, 4, 9, tzinfo=UTC)
OF_ID = select(Event).where(Event.id == bindparam("event_id"))
BESIDE = (
    select(Event, Calendar.name, SeriesExceptionRow)
    .join(Calendar, Calendar.id == Event.calendar_id)
    .join(SeriesExceptionRow, SeriesExceptionRow.event_id == Event.id, isouter=True)
    .order_by(Event.id)
)
ANEW = OF_ID.execution_options(populate_existing=True)
WITH_EXCEPTIONS = OF_ID.options(selectinload(Event.exceptions))
OTHER = aliased(Event)
OF_OTHER = select(OTHER).where(OTHER.id == bindparam("event_id"))
TIMES = 3
"""Once SQLAlchemy's way, once compiled, once as compiled before."""
FIRST = {"event_id": "evt_1"}


@pytest.fixture
def db(with_calendar: Database) -> Database:
    with with_calendar.transaction() as session:
        session.add_all(an_event(f"evt_{n}") for n in (1, 2))
        session.flush()
        start = datetime(2026, 5, 6, 9)
        session.add(
            SeriesExceptionRow(event_id="evt_2", original_start=start, cancelled=True, content={"a": 1})
        )
    return with_calendar


def an_event(event_id: str) -> Event:
    return Event(
        id=event_id, tenant_id="tnt_1", calendar_id="cal_1", uid=event_id, title="Call",
        start=datetime(2026, 5, 5, 9), end=datetime(2026, 5, 5, 10), recurrence=["RRULE:FREQ=DAILY"],
        details={"status": "tentative"}, extra={}, starts_at=NOW, ends_at=None, created_at=NOW,
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
            assert (first.Event.id, first.name, first.SeriesExceptionRow) == ("evt_1", "Work", None)
            assert second[2].content == {"a": 1} and second[2].event_id == second[0].id == "evt_2"


def test_what_is_changed_of_a_row_is_written(db: Database) -> None:
    for n in range(TIMES):
        with db.transaction() as session:
            session.scalars(OF_ID, FIRST).one().title = f"Call {n}"
        with db.reading() as session:
            assert session.get_one(Event, "evt_1").title == f"Call {n}"


def test_a_change_stays_unless_the_row_is_wanted_anew(db: Database) -> None:
    for _ in range(TIMES):
        with db.reading() as session:
            row = session.scalars(OF_ID, FIRST).one()
            row.title = "Lunch"
            assert session.scalars(OF_ID, FIRST).one().title == "Lunch" and row in session.dirty
            assert session.scalars(WITH_EXCEPTIONS, FIRST).one().exceptions == []
            assert session.scalars(ANEW, FIRST).one() is row
            assert row.title == "Call" and row not in session.dirty
            assert "exceptions" in inspect(row).unloaded


def test_what_was_forgotten_is_read_again(db: Database) -> None:
    for n in range(TIMES):
        with db.transaction() as session:
            row = session.scalars(OF_ID, FIRST).one()
            forget(session, Event)
            session.connection().exec_driver_sql(f"UPDATE events SET title = 'Lunch {n}' WHERE id = 'evt_1'")
            assert session.scalars(OF_ID, FIRST).one() is row
            assert (row.title, row.uid) == (f"Lunch {n}", "evt_1")
            assert row not in session.dirty and not inspect(row).expired_attributes & {"title", "uid"}


def test_what_was_set_on_a_forgotten_row_stays_when_the_rest_is_read(db: Database) -> None:
    for n in range(TIMES):
        with db.transaction() as session:
            row = session.scalars(OF_ID, FIRST).one()
            forget(session, Event)
            row.title = f"Lunch {n}"
            assert session.scalars(OF_ID, FIRST).one() is row
            assert (row.title, row.uid) == (f"Lunch {n}", "evt_1") and row in session.dirty
        with db.reading() as session:
            assert session.get_one(Event, "evt_1").title == f"Lunch {n}"


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
            session.execute(both, [{"id": f"evt_{i}", "title": f"Call {n}"} for i in (1, 2)])
        with db.reading() as session:
            assert set(session.scalars(select(Event.title))) == {f"Call {n}"}


def test_a_row_leaves_its_session_at_the_end_and_goes_back_with_a_failure(db: Database) -> None:
    for _ in range(TIMES):
        with pytest.raises(KeyError), db.transaction() as session:
            row = session.scalars(OF_ID, FIRST).one()
            row.title = "Lunch"
            session.flush()
            raise KeyError
        assert inspect(row).detached
        with db.reading() as session:
            assert session.scalars(OF_ID, FIRST).one().title == "Call"


def test_related_rows_and_aliases_are_loaded_as_ever(db: Database) -> None:
    for _ in range(TIMES):
        with db.reading() as session:
            second = {"event_id": "evt_2"}
            row = session.scalars(OF_ID, second).one()
            with pytest.raises(InvalidRequestError, match="lazy='raise'"):
                assert row.exceptions
            assert session.scalars(OF_OTHER, second).one() is row
        with db.reading() as session:
            assert len(session.scalars(WITH_EXCEPTIONS, second).one().exceptions) == 1

"""Changed rows are written by one short statement each, and otherwise as SQLAlchemy's session writes them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import event, select
from sqlalchemy.orm import selectinload
from sqlalchemy.orm.exc import StaleDataError

from hub.db import Database
from hub.models import Account, Change, Event, RemoteCalendar

pytestmark = pytest.mark.both_databases

NOW = datetime(2026, 5, 4, 9, tzinfo=UTC)


@pytest.fixture
def db(with_calendar: Database) -> Database:
    with with_calendar.transaction() as session:
        session.add_all(an_event(f"evt_{n}") for n in range(1, 4))
    return with_calendar


def an_event(event_id: str) -> Event:
    return Event(
        id=event_id, tenant_id="tnt_1", calendar_id="cal_1", uid="Call",
        content={"when": {"start": "2026-05-05", "end": "2026-05-06"}}, extra={}, starts_at=NOW, ends_at=NOW,
        created_at=NOW, updated_at=NOW,
    )  # fmt: skip


@contextmanager
def updates(db: Database) -> Iterator[list[str]]:
    """Collect the updates that a block makes."""
    found: list[str] = []

    def note(_c: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if statement.startswith("UPDATE"):
            found.append(statement)

    event.listen(db.engine, "before_cursor_execute", note)
    yield found
    event.remove(db.engine, "before_cursor_execute", note)


def uids(db: Database) -> list[str]:
    with db.reading() as session:
        return list(session.scalars(select(Event.uid).order_by(Event.id)))


def test_only_what_differs_is_written_and_rows_with_the_same_columns_at_once(db: Database) -> None:
    with updates(db) as made, db.transaction() as session:
        first, second, third = session.scalars(select(Event).order_by(Event.id.desc()))
        first.uid, first.version = "Lunch", first.version
        second.uid, third.content = "Lunch", {"status": "tentative"}
    assert len(made) == 2 and not any("version" in statement for statement in made)
    assert uids(db) == ["Call", "Lunch", "Lunch"]
    with db.reading() as session:
        assert session.get_one(Event, "evt_1").content == {"status": "tentative"}


def test_nothing_is_written_where_nothing_differs(db: Database) -> None:
    with updates(db) as made, db.transaction() as session:
        row = session.get_one(Event, "evt_1")
        row.uid, row.deleted_at = "Lunch", NOW
        row.uid, row.deleted_at = "Call", None
    assert made == []


def test_a_row_stays_in_its_session_and_is_written_again_when_it_changes_again(db: Database) -> None:
    with db.transaction() as session:
        row = session.get_one(Event, "evt_1")
        row.uid = "Lunch"
        session.flush()
        assert session.get_one(Event, "evt_1") is row and row not in session.dirty
        assert session.scalar(select(Event.uid).where(Event.id == "evt_1")) == "Lunch"
        row.uid = "Dinner"
    assert uids(db)[0] == "Dinner"


def test_a_transaction_that_fails_leaves_nothing_of_it(db: Database) -> None:
    with pytest.raises(KeyError), db.transaction() as session:
        session.get_one(Event, "evt_1").uid = "Lunch"
        session.flush()
        raise KeyError
    assert uids(db)[0] == "Call"


def test_a_row_that_is_gone_is_not_taken_for_written(db: Database) -> None:
    with pytest.raises(StaleDataError), db.transaction() as session:
        row, other = session.get_one(Event, "evt_1"), session.get_one(Event, "evt_2")
        session.connection().exec_driver_sql("DELETE FROM events WHERE id = 'evt_1'")
        row.uid = other.uid = "Lunch"
    assert uids(db) == ["Call", "Call", "Call"]


def test_new_rows_relations_and_expressions_are_left_to_sqlalchemy(db: Database) -> None:
    with db.transaction() as session:
        row = session.get_one(Event, "evt_1")
        account = Account(
            id="acc_1", tenant_id="tnt_1", user_id="usr_1", provider="memory", remote_id="me",
            email="me@example.test", created_at=NOW,
        )  # fmt: skip
        session.add_all([an_event("evt_4"), account])
        row.uid = "Lunch"
        row.version = Event.version + 1
    with db.transaction() as session:
        loaded = selectinload(Account.remote_calendars)
        account = session.get_one(Account, "acc_1", options=[loaded])
        account.remote_calendars = [RemoteCalendar(id="rcl_1", remote_id="a", name="A", access_role="owner")]
        account.name = "Me"
    assert uids(db) == ["Lunch", "Call", "Call", "Call"]
    with db.reading() as session:
        assert session.get_one(Event, "evt_1").version == 2
        assert session.get_one(Account, "acc_1").name == "Me"
        assert session.scalars(select(RemoteCalendar)).one().account_id == "acc_1"


def test_a_key_may_have_several_columns(db: Database) -> None:
    with db.transaction() as session:
        session.add_all(a_change(seq) for seq in (1, 2))
    with db.transaction() as session:
        session.get_one(Change, ("tnt_1", 2)).run_id = "run_2"
    with db.reading() as session:
        assert session.scalars(select(Change.run_id).order_by(Change.seq)).all() == [None, "run_2"]


def a_change(seq: int) -> Change:
    return Change(
        tenant_id="tnt_1", seq=seq, kind="updated", calendar_id="cal_1", event_id="evt_1", event_version=seq,
        fields={}, actor="hub", at=NOW,
    )  # fmt: skip


@pytest.mark.parametrize(
    "value",
    [{}, {"Straße": ["ä", None, True, 1.5]}, {"long": [2**70, -(2**63) - 1]}, {"of an emoji": "\\ud83d"}],
    ids=["nothing", "usual", "long numbers", "what looks like half a character"],
)
def test_json_comes_back_as_it_was_stored(db: Database, value: dict[str, Any]) -> None:
    with db.transaction() as session:
        session.get_one(Event, "evt_1").extra = value
    with db.reading() as session:
        assert session.get_one(Event, "evt_1").extra == value

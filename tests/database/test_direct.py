"""What goes straight to the driver finds, changes and fails as it does by SQLAlchemy's own way."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import bindparam, delete, event, exists, select, update
from sqlalchemy.exc import IntegrityError, StatementError
from sqlalchemy.orm import aliased

from hub.db import Database, table_of
from hub.direct import EXACT, MOST, DirectResult
from hub.models import Tenant, User

pytestmark = pytest.mark.both_databases

NOW = datetime(2026, 5, 4, 9, tzinfo=UTC)
USERS = table_of(User)
OF_IDS = (
    select(USERS.c.id, User.created_at, User.external_id.label("name"))
    .where(USERS.c.id.in_(bindparam("ids", expanding=True)), User.tenant_id == "tnt_1")
    .order_by(USERS.c.id)
)
OTHER = aliased(User)
PAIRS = select(User.id, OTHER.id, exists().where(Tenant.id == bindparam("tenant"))).where(
    User.id < OTHER.id, User.created_at <= bindparam("now", type_=User.created_at.type)
)
RENAME = update(User).where(User.id == bindparam("which"))
COUNT_ON = update(User).where(User.id == bindparam("which")).returning(User.id, User.created_at)
REMOVE = delete(User).where(User.id.in_(bindparam("ids", expanding=True)))
TIMES = 3
"""Once SQLAlchemy's way, once compiled, once as compiled before."""


@pytest.fixture
def db(database_url: str) -> Iterator[Database]:
    db = Database(database_url)
    with db.transaction() as session:
        session.add(Tenant(id="tnt_1", name="Tests", created_at=NOW))
        session.flush()
        session.add_all(
            User(id=f"usr_{n}", tenant_id="tnt_1", external_id=f"me_{n}", created_at=NOW) for n in (1, 2, 3)
        )
    yield db
    db.engine.dispose()


def names(db: Database) -> list[str]:
    with db.reading() as session:
        return list(session.scalars(select(User.external_id).order_by(User.id)))


def test_rows_are_as_they_are_by_the_long_way(db: Database) -> None:
    found = []
    with db.reading() as session:
        for _ in range(TIMES):
            result = session.connection().execute(OF_IDS, {"ids": ["usr_1", "usr_2"]})
            found.append(rows := result.all())
            assert (rows[0].id, rows[0].created_at, rows[0].name) == ("usr_1", NOW, "me_1")
            assert rows[0]._mapping[USERS.c.id] == "usr_1"
    assert found[0] == found[1] == found[2] and len(found[0]) == 2
    assert isinstance(result, DirectResult) == db.is_sqlite


def test_lists_of_each_length_are_found(db: Database) -> None:
    ids = [f"usr_{n}" for n in range(MOST + 3)]
    with db.reading() as session:
        for _ in range(TIMES):
            for length in (0, 1, 2, EXACT, EXACT + 1, 2 * EXACT, 3 * EXACT + 5, MOST, MOST + 3):
                rows = session.connection().execute(OF_IDS, {"ids": ids[:length]}).all()
                assert [row[0] for row in rows] == [
                    i for i in ids[:length] if i in ("usr_1", "usr_2", "usr_3")
                ]


def test_two_columns_of_one_name_and_what_is_true_or_not(db: Database) -> None:
    values = {"tenant": "tnt_1", "now": NOW}
    with db.reading() as session:
        for _ in range(TIMES):
            first, *_, last = session.connection().execute(PAIRS.order_by(User.id), values)
            assert first[2] is True and last[:2] == ("usr_2", "usr_3")
            pairs = session.connection().execute(PAIRS, values | {"tenant": "tnt_2"}).all()
            assert len(pairs) == 3 and pairs[0][2] is False


def test_the_columns_that_are_given_are_set(db: Database) -> None:
    with db.transaction() as session:
        for n in range(TIMES):
            one = session.connection().execute(RENAME, {"which": "usr_1", "external_id": f"a{n}"})
            other = {"created_at": NOW, "which": "usr_2", "external_id": f"b{n}"}
            assert one.rowcount == session.connection().execute(RENAME, other).rowcount == 1
            assert session.connection().execute(RENAME, other | {"which": "usr_9"}).rowcount == 0
            told = session.connection().execute(COUNT_ON, {"which": "usr_3", "external_id": f"c{n}"})
            assert tuple(told.one()) == ("usr_3", NOW)
    assert names(db) == ["a2", "b2", "c2"]


def test_what_is_deleted_is_counted_and_comes_back_with_a_failure(db: Database) -> None:
    for ids in (["usr_7"], ["usr_8"], ["usr_1", "usr_2"]):
        with pytest.raises(KeyError), db.transaction() as session:
            found = session.connection().execute(REMOVE, {"ids": ids}).rowcount
            assert found == len(set(ids) & {"usr_1", "usr_2"})
            raise KeyError
    assert names(db) == ["me_1", "me_2", "me_3"]


def test_errors_are_those_of_the_long_way(db: Database) -> None:
    for _ in range(TIMES):
        with pytest.raises(IntegrityError), db.transaction() as session:
            session.connection().execute(RENAME, {"which": "usr_1", "external_id": "me_2"})
        with pytest.raises(StatementError, match="ids"), db.reading() as session:
            session.connection().execute(OF_IDS, {})
        with pytest.raises(StatementError, match="must carry a zone"), db.reading() as session:
            session.connection().execute(PAIRS, {"tenant": "tnt_1", "now": NOW.replace(tzinfo=None)})


def test_who_listens_hears_of_each_statement(db: Database) -> None:
    heard: list[str] = []

    def hear(_c: Any, _cursor: Any, statement: str, *_: Any) -> None:
        heard.append(statement)

    event.listen(db.engine, "before_cursor_execute", hear)
    with db.reading() as session:
        for _ in range(TIMES):
            session.connection().execute(OF_IDS, {"ids": ["usr_1"]}).all()
    assert len(heard) == TIMES


def test_a_statement_made_of_another_is_one_of_its_own(db: Database) -> None:
    with db.reading() as session:
        for _ in range(TIMES):
            assert len(session.connection().execute(OF_IDS, {"ids": ["usr_1", "usr_2"]}).all()) == 2
        fewer = OF_IDS.where(User.external_id == "me_2")
        for _ in range(TIMES):
            assert session.connection().execute(fewer, {"ids": ["usr_1", "usr_2"]}).one()[0] == "usr_2"


@pytest.mark.parametrize("what", [User, User.id])
def test_what_is_known_of_a_statement_ends_with_it(db: Database, what: Any) -> None:
    def execute() -> weakref.ref[Any]:
        made = select(what).where(User.id.in_(bindparam("ids", expanding=True)))
        with db.reading() as session:
            for _ in range(TIMES):
                assert len(session.execute(made, {"ids": ["usr_1", "usr_2"]}).all()) == 2
        return weakref.ref(made)

    made = [execute() for _ in range(TIMES)]
    gc.collect()
    assert sum(ref() is not None for ref in made) <= 1, "SQLAlchemy keeps one of all that are alike"

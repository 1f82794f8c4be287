"""Which copies show their events as they are, with nothing open: the rest of a page is looked at closely."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import insert, update

from hub.db import Database, table_of
from hub.domain.drafts import NEW_COPY
from hub.inbound import rows
from hub.models import Event, EventCopy

pytestmark = pytest.mark.both_databases

NOW = datetime(2026, 5, 4, 9, tzinfo=UTC)
LUNCH = {"when": {"start": "2026-05-05", "end": "2026-05-06"}, "title": "Lunch", "priority": 1}
COPIES, EVENTS = table_of(EventCopy), table_of(Event)
OF_COPY: dict[str, Any] = {
    "base": {"title": "Dinner"}, "removed_at": NOW, "missing_at": NOW, "left_out": True, "doubted": True,
    "uncertain": True, "create_id": "a", "reply": {"": {}}, "due_at": NOW, "parked_at": NOW, "problem": "odd",
    "read_only": "because", "notify_only": "because", "notice": "odd", "own_fields": ["color"],
    "partial_fields": ["attendees"], "synced": {"title": "a"}, "tried": {"title": []},
    "replaced": {"title": "a"}, "unkept": 1, "notify_version": 1, "attempts": 1,
}  # fmt: skip
OF_EVENT: dict[str, Any] = {"content": {"title": "Dinner"}, "deleted_at": NOW, "part_of": "evt_2"}
NEVER_OPEN = {
    "id", "event_id", "link_id", "remote_id", "remote_version", "uid", "web_link", "is_ours", "shown_at",
    "seen_generation", "wanted_version", "pushed_version",
}  # fmt: skip
"""What says nothing of whether more has to be decided; what is wanted is, where something else is open."""


@pytest.fixture
def db(with_link: Database) -> Database:
    with with_link.transaction() as session:
        session.execute(update(EVENTS).values(content=LUNCH))
        session.execute(
            insert(COPIES).values(id="cpy_1", event_id="evt_1", link_id="lnk_1", remote_id="b", base=LUNCH)
        )
    return with_link


def in_step(db: Database) -> dict[str, Any]:
    with db.reading() as session:
        connection = session.connection()
        copies = list(rows.known(connection, "lnk_1", ["b"]).values())
        found = rows.in_step(connection, copies)
        assert found == rows.in_step(connection, [copy._replace(step=None) for copy in copies])
        return found


def test_a_copy_with_nothing_open_is_in_step(db: Database) -> None:
    found = in_step(db)["cpy_1"]
    assert (found.event_id, found.content, found.version, found.updated_at) == ("evt_1", LUNCH, 1, NOW)


@pytest.mark.parametrize("name", sorted(OF_COPY))
def test_one_of_which_anything_is_open_is_not(db: Database, name: str) -> None:
    with db.transaction() as session:
        session.execute(update(COPIES).values({name: OF_COPY[name]}))
    assert in_step(db) == {}


def test_one_of_which_nothing_is_open_any_more_is_in_step_again(db: Database) -> None:
    for values in (OF_COPY, NEW_COPY | {"remote_id": "b", "base": LUNCH}):
        with db.transaction() as session:
            copy = session.get_one(EventCopy, "cpy_1")
            for name, value in values.items():
                setattr(copy, name, value)
    assert list(in_step(db)) == ["cpy_1"]


@pytest.mark.parametrize("name", sorted(OF_EVENT))
def test_one_of_an_event_that_means_something_else_is_not(db: Database, name: str) -> None:
    with db.transaction() as session:
        session.execute(update(EVENTS).values({name: OF_EVENT[name]}))
    assert in_step(db) == {}


def test_each_column_of_a_copy_is_asked_for_or_says_nothing() -> None:
    assert set(COPIES.columns.keys()) == NEVER_OPEN | OF_COPY.keys()

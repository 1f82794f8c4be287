"""The servers that the other tests stand on are real, empty, and of one test alone."""

from __future__ import annotations

from datetime import UTC, datetime

import redis
from sqlalchemy import text

from hub.db import Database
from hub.migrations import pending
from hub.models import Tenant


def test_a_database_comes_migrated_and_empty(database_url: str) -> None:
    db = Database(database_url)
    try:
        assert not pending(db)
        with db.transaction() as session:
            assert session.execute(text("SELECT count(*) FROM tenants")).scalar_one() == 0
            session.add(Tenant(id="ten_1", name="left behind", created_at=datetime(2027, 1, 1, tzinfo=UTC)))
    finally:
        db.engine.dispose()


def test_what_one_test_wrote_another_does_not_see(database_url: str) -> None:
    test_a_database_comes_migrated_and_empty(database_url)


def test_a_plain_database_has_no_table(empty_database_url: str) -> None:
    db = Database(empty_database_url)
    try:
        assert pending(db)
    finally:
        db.engine.dispose()


def test_the_broker_answers_and_starts_empty(redis_url: str) -> None:
    with redis.Redis.from_url(redis_url) as client:
        assert client.dbsize() == 0
        client.set("left", "behind")


def test_the_broker_is_emptied_between_tests(redis_url: str) -> None:
    test_the_broker_answers_and_starts_empty(redis_url)

"""A database that somebody has a calendar in, for tests that store events of their own there."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from hub.db import Database
from hub.models import Calendar, Tenant, User


@pytest.fixture
def with_calendar(database_url: str) -> Iterator[Database]:
    """The database, with the calendar cal_1 of the tenant tnt_1."""
    db, now = Database(database_url), datetime(2026, 5, 4, 9, tzinfo=UTC)
    with db.transaction() as session:
        session.add(Tenant(id="tnt_1", name="Tests", created_at=now))
        session.flush()
        session.add(User(id="usr_1", tenant_id="tnt_1", external_id="me", created_at=now))
        session.flush()
        session.add(
            Calendar(id="cal_1", tenant_id="tnt_1", user_id="usr_1", name="Work", zone="UTC", created_at=now)
        )
    yield db
    db.engine.dispose()

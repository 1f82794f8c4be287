"""A database that somebody has a calendar in, bare or linked, for tests that store their own rows there."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from hub.db import Database
from hub.models import Account, Calendar, Event, Link, RemoteCalendar, Tenant, User


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


@pytest.fixture
def with_link(with_calendar: Database) -> Database:
    """The same, with the link lnk_1 of that calendar and the event evt_1 in it, which means nothing yet."""
    now = datetime(2026, 5, 4, 9, tzinfo=UTC)
    with with_calendar.transaction() as session:
        for row in (
            Account(
                id="acc_1", tenant_id="tnt_1", user_id="usr_1", provider="memory", remote_id="me",
                email="me@example.test", created_at=now,
            ),
            RemoteCalendar(id="rcl_1", account_id="acc_1", remote_id="a", name="A", access_role="owner"),
            Link(
                id="lnk_1", tenant_id="tnt_1", calendar_id="cal_1", remote_calendar_id="rcl_1",
                account_id="acc_1", created_at=now,
            ),
            Event(
                id="evt_1", tenant_id="tnt_1", calendar_id="cal_1", uid="1", content={}, extra={},
                starts_at=now, ends_at=now, created_at=now, updated_at=now,
            ),
        ):  # fmt: skip
            session.add(row)
            session.flush()
    return with_calendar

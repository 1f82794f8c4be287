"""A new copy of an event is stored by what is known of it; the database knows the rest as the rules do."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from sqlalchemy import insert, select

from hub.db import Database, table_of
from hub.domain.drafts import NEW_COPY
from hub.models import Account, Calendar, Event, EventCopy, Link, RemoteCalendar, Tenant, User

pytestmark = pytest.mark.both_databases

NOW = datetime(2026, 5, 4, 9, tzinfo=UTC)
ONES = {"id": "cpy_1", "event_id": "evt_1", "link_id": "lnk_1"}


def test_what_a_new_copy_is_stored_without_stands_there_as_the_rules_take_it_for_granted(
    database_url: str,
) -> None:
    db, copies = Database(database_url), table_of(EventCopy)
    with db.transaction() as session:
        for row in (
            Tenant(id="tnt_1", name="Tests", created_at=NOW),
            User(id="usr_1", tenant_id="tnt_1", external_id="me", created_at=NOW),
            Calendar(id="cal_1", tenant_id="tnt_1", user_id="usr_1", name="Work", zone="UTC", created_at=NOW),
            Account(
                id="acc_1", tenant_id="tnt_1", user_id="usr_1", provider="memory", remote_id="me",
                email="me@example.test", created_at=NOW,
            ),
            RemoteCalendar(id="rcl_1", account_id="acc_1", remote_id="a", name="A", access_role="owner"),
            Link(
                id="lnk_1", tenant_id="tnt_1", calendar_id="cal_1", remote_calendar_id="rcl_1",
                account_id="acc_1", created_at=NOW,
            ),
            Event(
                id="evt_1", tenant_id="tnt_1", calendar_id="cal_1", uid="1", content={}, extra={},
                starts_at=NOW, ends_at=NOW, created_at=NOW, updated_at=NOW,
            ),
        ):  # fmt: skip
            session.add(row)
            session.flush()
        session.execute(insert(copies).values(**ONES))
        stored = session.execute(select(copies)).mappings().one()
    db.engine.dispose()
    assert dict(stored) == {**NEW_COPY, **ONES}

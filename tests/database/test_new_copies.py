"""A new copy of an event is stored by what is known of it; the database knows the rest as the rules do."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from sqlalchemy import insert, select

from hub.db import Database, table_of
from hub.domain.drafts import NEW_COPY
from hub.models import EventCopy

pytestmark = pytest.mark.both_databases

NOW = datetime(2026, 5, 4, 9, tzinfo=UTC)
ONES = {"id": "cpy_1", "event_id": "evt_1", "link_id": "lnk_1"}


def test_what_a_new_copy_is_stored_without_stands_there_as_the_rules_take_it_for_granted(
    with_link: Database,
) -> None:
    copies = table_of(EventCopy)
    with with_link.transaction() as session:
        session.execute(insert(copies).values(**ONES))
        stored = session.execute(select(copies)).mappings().one()
    assert dict(stored) == {**NEW_COPY, **ONES}

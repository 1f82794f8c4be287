"""What is particular to PostgreSQL: failovers and poolers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from hub.db import Database
from hub.migrations import pending
from tests import servers
from tests.unit.api.hub_app import HubApp, an_event

pytestmark = pytest.mark.skipif(not servers.with_postgres(), reason="without PostgreSQL")


@pytest.fixture
def postgres_database_url(postgres_url: str, postgres_template: str) -> Iterator[str]:
    with servers.database(postgres_url, postgres_template) as url:
        yield url


def test_a_server_that_has_become_a_replica_is_left_at_once(
    postgres_database_url: str, tmp_path: Path
) -> None:
    """The connections that are open say so at the first write; new ones find the new server."""
    hub = HubApp(postgres_database_url, tmp_path)
    assert hub.call("POST", "/v1/events", an_event()).status_code == 201
    with hub.world.ports.db.engine.connect() as connection:
        connection.execute(text("SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY"))
        connection.commit()
    answer = hub.call("POST", "/v1/events", an_event())
    assert (answer.status_code, answer.get_json()["type"][-13:]) == (503, "database_busy")
    assert hub.call("POST", "/v1/events", an_event()).status_code == 201


@pytest.mark.parametrize(("query", "prepared"), [("", True), ("prepare_threshold=none", False)])
def test_nothing_is_left_prepared_for_a_pooler_that_shares_connections(
    postgres_database_url: str, query: str, prepared: bool
) -> None:
    mark = "&" if "?" in postgres_database_url else "?"
    url = f"{postgres_database_url}{mark}{query}" if query else postgres_database_url
    db = Database(url)
    assert not pending(db)
    for _ in range(20):
        with db.transaction() as session:
            session.execute(text("SELECT 1"))
    with db.transaction() as session:
        found = session.execute(text("SELECT count(*) FROM pg_prepared_statements")).scalar_one()
    db.engine.dispose()
    assert (found > 0) is prepared

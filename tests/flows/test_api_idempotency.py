"""A POST that is repeated under its Idempotency-Key does its work once, whatever became of the first one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, select
from sqlalchemy.exc import OperationalError

from hub.api import idempotency
from hub.api.errors import Problem
from hub.models import IdempotentReply
from tests.unit.api.hub_app import HubApp, an_event


@pytest.fixture
def hub(database_url: str, tmp_path: Path) -> HubApp:
    return HubApp(database_url, tmp_path)


def post(hub: HubApp, key: str) -> Any:
    return hub.call("POST", "/v1/events", an_event(), Idempotency_Key=key)


@contextmanager
def lost_answer(hub: HubApp, of: int, *, applied: bool) -> Iterator[None]:
    """Cut the connection to the database at one commit: just before it is carried out, or just after."""
    engine = hub.world.ports.db.engine
    commits = 0

    def cut(connection: Any) -> None:
        nonlocal commits
        commits += 1
        if commits == of:
            connection.connection.dbapi_connection.execute("COMMIT" if applied else "ROLLBACK")
            raise OperationalError("COMMIT", {}, Exception("the connection was cut"))

    event.listen(engine, "commit", cut)
    try:
        yield
    finally:
        event.remove(engine, "commit", cut)


def commits_of_a_post(hub: HubApp) -> int:
    """Return which of its commits does the work: the last one."""
    hub.call("GET", "/v1/events")  # notes when the key was last used
    commits = 0

    def count(connection: Any) -> None:
        nonlocal commits
        commits += 1

    event.listen(hub.world.ports.db.engine, "commit", count)
    assert post(hub, "counted").status_code == 201
    event.remove(hub.world.ports.db.engine, "commit", count)
    return commits


@pytest.mark.parametrize("applied", [True, False])
def test_a_commit_whose_answer_was_lost_is_not_made_twice(hub: HubApp, applied: bool) -> None:
    last = commits_of_a_post(hub)
    with lost_answer(hub, last, applied=applied):
        assert post(hub, "k").status_code == 503
    assert len(hub.world.hub_events()) == (2 if applied else 1)
    again = post(hub, "k")
    assert again.status_code == 201
    assert ("Idempotent-Replayed" in again.headers) is applied
    assert len(hub.world.hub_events()) == 2


def test_a_request_whose_process_died_is_done_by_its_repetition(hub: HubApp) -> None:
    assert post(hub, "first").status_code == 201
    with hub.world.ports.db.transaction() as session:
        first = session.scalars(select(IdempotentReply)).one()
        dead = {"key": "dead", "request_digest": first.request_digest, "created_at": hub.world.clock.now()}
        session.add(IdempotentReply(tenant_id=first.tenant_id, **dead))
    answer = post(hub, "dead")
    assert (answer.status_code, answer.headers["Retry-After"]) == (409, "1")
    hub.world.clock.advance(16)
    assert post(hub, "dead").status_code == 201
    assert post(hub, "dead").headers["Idempotent-Replayed"] == "true"
    assert len(hub.world.hub_events()) == 2


def test_a_request_that_was_taken_for_dead_commits_nothing(hub: HubApp) -> None:
    headers = {"Authorization": f"Bearer {hub.key}"}
    with hub.app.test_request_context("/v1/events?", method="POST", json=an_event(), headers=headers):
        hub.app.preprocess_request()
        claimed = idempotency._claim("k")
        assert isinstance(claimed, datetime)
        hub.world.clock.advance(16)  # its process was frozen here
        assert post(hub, "k").status_code == 201
        with pytest.raises(Problem, match="still under way"):
            idempotency._run("k", claimed, lambda: pytest.fail("the work would be done twice"))
    assert post(hub, "k").headers["Idempotent-Replayed"] == "true"
    assert len(hub.world.hub_events()) == 1


def test_what_was_answered_of_a_user_goes_with_the_user(hub: HubApp) -> None:
    mine = post(hub, "mine")
    person = {"external_id": "eve", "name": "Eve"}
    user = hub.call("POST", "/v1/users", person, Idempotency_Key="user").get_json()["id"]
    calendar = {"user_id": user, "name": "Hers", "zone": "UTC"}
    calendar_id = hub.call("POST", "/v1/calendars", calendar, Idempotency_Key="calendar").get_json()["id"]
    hers = an_event(calendar_id=calendar_id, title="Surgery")
    assert hub.call("POST", "/v1/events", hers, Idempotency_Key="event").status_code == 201
    assert hub.call("DELETE", f"/v1/users/{user}").status_code == 204
    with hub.world.ports.db.reading() as session:
        kept = b"".join(body for body in session.scalars(select(IdempotentReply.body)) if body)
    assert b"Surgery" not in kept and b"Eve" not in kept
    assert hub.call("POST", "/v1/events", hers, Idempotency_Key="event").status_code in (404, 422)
    again = hub.call("POST", "/v1/users", person, Idempotency_Key="user")
    assert again.status_code == 201 and again.get_json()["id"] != user
    assert post(hub, "mine").get_json() == mine.get_json()

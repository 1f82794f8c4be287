"""REC: exceptions of Outlook that do not say, or say in another way, which occurrence they replace."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from werkzeug.test import Client
from werkzeug.wrappers import Request, Response

from hub.plugin.testing import series
from hub.plugin.types import SeriesException
from tests.provider_world import ProviderWorld, provider_world
from tests.scenarios.play import both_show, mute

Change = Callable[[dict[str, Any]], None]


class Answers:
    """Stands before a provider and changes what its answers say of changed occurrences."""

    def __init__(self, app: Any) -> None:
        self.client = app
        self.change: Change = lambda occurrence: None

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        request = Request(environ)
        if request.method != "GET" or "/events/" not in request.path:
            return self.client(environ, start_response)
        answer = Client(self.client, Response).open(request)
        body = answer.get_json(silent=True)
        for occurrence in (body or {}).get("exceptionOccurrences") or []:
            self.change(occurrence)
        headers = [(k, v) for k, v in answer.headers if k.lower() != "content-length"]
        data = json.dumps(body) if body is not None else answer.get_data()
        return Response(data, answer.status_code, headers)(environ, start_response)


@pytest.fixture
def told(tmp_path: Path, sqlite_url: str) -> Iterator[tuple[ProviderWorld, Answers]]:
    made: dict[str, Answers] = {}

    def front(name: str, app: Any) -> Any:
        made[name] = Answers(app)
        return made[name]

    with provider_world(sqlite_url, tmp_path, front) as world:
        mute(world)
        yield world, made["outlook"]


def without(*names: str) -> Change:
    def change(occurrence: dict[str, Any]) -> None:
        for name in names:
            occurrence.pop(name, None)

    return change


@pytest.mark.parametrize(
    "names", [("originalStart",), ("occurrenceId",), ("originalStart", "occurrenceId")], ids=" ".join
)
def test_rec_34_an_exception_replaces_the_occurrence_that_it_was_wherever_it_is_now(
    told: tuple[ProviderWorld, Answers], names: tuple[str, ...]
) -> None:
    world, outlook = told
    outlook.change = without(*names)
    for name in world.sides:
        world.connect(name)
    moved = SeriesException(
        datetime(2026, 12, 14, 9), start=datetime(2026, 12, 16, 14), end=datetime(2026, 12, 16, 15)
    )
    world.outlook.create(series("Mondays", datetime(2026, 12, 7, 9), "FREQ=WEEKLY;COUNT=4", moved))
    world.link_both()
    assert both_show(world) == ["12-07 09:00", "12-16 14:00", "12-21 09:00", "12-28 09:00"]
    (event,) = world.hub_events().values()
    assert [e.original_start for e in event.when.exceptions] == [datetime(2026, 12, 14, 9)]


def test_rec_34_a_series_that_does_not_say_at_all_is_set_aside_and_not_guessed(
    told: tuple[ProviderWorld, Answers],
) -> None:
    world, outlook = told
    world.link_both()
    outlook.change = without("originalStart", "occurrenceId", "iCalUId")
    changed = SeriesException(datetime(2026, 12, 14, 9), title="Other")
    remote_id = world.outlook.create(
        series("Mondays", datetime(2026, 12, 7, 9), "FREQ=WEEKLY;COUNT=4", changed)
    )
    world.sync()
    assert world.hub_events() == {}
    assert "which one it is" in world.parked()["outlook", remote_id]
    outlook.change = without()
    world.outlook.update(remote_id, description="Look again")
    world.sync()
    assert world.parked() == {} and both_show(world, "Other") == ["12-14 09:00"]


def test_rec_43_an_original_start_means_the_same_in_utc_and_with_an_offset(
    told: tuple[ProviderWorld, Answers],
) -> None:
    world, outlook = told
    world.link_both()
    moved = SeriesException(
        datetime(2026, 12, 4, 15), start=datetime(2026, 12, 4, 17), end=datetime(2026, 12, 4, 18)
    )
    content = series(
        "Fridays", datetime(2026, 12, 4, 15), "FREQ=WEEKLY;COUNT=3", moved, zone="America/New_York"
    )
    remote_id = world.outlook.create(content)

    def in_utc(occurrence: dict[str, Any]) -> None:
        del occurrence["occurrenceId"]
        assert occurrence["originalStart"] == "2026-12-04T20:00:00Z"

    def with_offset(occurrence: dict[str, Any]) -> None:
        occurrence.pop("occurrenceId")
        occurrence["originalStart"] = "2026-12-04T15:00:00-05:00"

    outlook.change = in_utc
    world.sync()
    shown = both_show(world)
    assert shown == ["12-04 23:00", "12-11 21:00", "12-18 21:00"]
    (before,) = world.hub_events().values()
    outlook.change = with_offset
    world.outlook.update(remote_id, description="Seen again")
    world.sync()
    assert both_show(world) == shown
    (event,) = world.hub_events().values()
    times = [(e.original_start, e.start, e.end) for e in event.when.exceptions]
    assert times == [(e.original_start, e.start, e.end) for e in before.when.exceptions]
    world.assert_quiet()

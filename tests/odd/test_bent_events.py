"""A field that is missing, new, huge or of another kind costs its own event at most, and never the page."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pluggy
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import hub_google.hooks
import hub_outlook.hooks
from hub.domain.recurrence import RecurrenceError, span
from hub.plugin import PROJECT, spec
from hub.plugin.checking import fault_in
from hub.plugin.codec import content_from_json, to_json
from hub.plugin.control import SandboxControl, serving
from hub.plugin.testing import (
    PERSON,
    Callback,
    Connected,
    ProviderContract,
    all_day,
    free_port,
    latest,
    series,
    timed,
)
from hub.plugin.types import (
    Attendee,
    EventContent,
    Location,
    Reminder,
    RemoteCalendar,
    Sandbox,
    SandboxOptions,
    SeriesException,
)
from tests.odd.answers import BENDS, Bending, bent, paths

PLUGINS = {"google": hub_google.hooks, "outlook": hub_outlook.hooks}
NOW = datetime.now(UTC).replace(microsecond=0)
SOON = datetime(NOW.year, NOW.month, 15, 9) + timedelta(days=40)
WEEKLY = series(
    "Weekly",
    SOON,
    "FREQ=WEEKLY;COUNT=6",
    SeriesException(SOON + timedelta(days=7), cancelled=True),
    SeriesException(
        SOON + timedelta(days=14),
        title="Moved",
        start=SOON + timedelta(days=15),
        end=SOON + timedelta(days=15, hours=2),
    ),
)
EVENTS = (
    timed("Single", SOON, description="Text", location=Location("R5"), reminders=(Reminder(10),)),
    all_day("Day", SOON.date()),
    WEEKLY,
    timed("Meeting", SOON, attendees=(Attendee("bob@example.test", "Bob"),)),
)
LEFT_OUT = {"@removed", "recurrence", "seriesMasterId", "recurringEventId", "eventType"}
"""Fields without which, or with another value, an item is no event by itself."""
GONE = {"status", "isCancelled", "@removed", "recurrence", "seriesMasterId", "recurringEventId"}
"""Fields that may say that it is gone."""


class Bent:
    """Ann at a sandbox whose answers can be bent: what listings show, understood and as JSON."""

    def __init__(self, ann: Connected, calendar: RemoteCalendar, bending: Bending) -> None:
        self.ann, self.calendar, self.bending = ann, calendar, bending
        self.events: dict[str, EventContent] = {}
        self.shown: dict[str, dict[str, Any]] = {}


@pytest.fixture(scope="module", params=PLUGINS)
def box(request: pytest.FixtureRequest) -> Iterator[Bent]:
    manager = pluggy.PluginManager(PROJECT)
    manager.add_hookspecs(spec)
    manager.register(PLUGINS[request.param])
    port = free_port()
    sandbox = manager.hook.sandbox(options=SandboxOptions(f"http://127.0.0.1:{port}", seed=7))
    bending = Bending(sandbox.app)
    with serving(Sandbox(bending, sandbox.settings, sandbox.close), port):
        control = SandboxControl(f"http://127.0.0.1:{port}")
        control.add_person(PERSON, "Ann")
        declared = {s.name: s.default for s in manager.hook.provider().settings} | dict(sandbox.settings)
        grant = ProviderContract()._consent(manager.hook, control, declared)
        ann = Connected(manager.hook, control, declared, grant, Callback(manager.hook, declared), NOW)
        calendar = ann.calendar
        for content in EVENTS:
            control.create(PERSON, calendar.remote_id, content)
        yield _filled(Bent(ann, calendar, bending))
        ann.callback.close()


def _filled(box: Bent) -> Bent:
    def note(event: dict[str, Any]) -> None:
        if not event.get("seriesMasterId") and not event.get("recurringEventId"):
            box.shown.setdefault(event["id"], {}).update(event)

    box.bending.bend = note
    changes, _, _ = box.ann.list_all(box.calendar)
    box.bending.bend = None
    box.events = {c.remote_id: c.event.content for c in changes if c.event}
    assert len(box.events) == len(EVENTS)
    return box


@settings(max_examples=100, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_one_bent_value_costs_one_event_at_most(box: Bent, data: st.DataObject) -> None:
    remote_id = data.draw(st.sampled_from(sorted(box.shown)))
    event = box.shown[remote_id]
    path = data.draw(st.sampled_from([p for p in paths(event) if p != ("id",)]))
    how = data.draw(st.sampled_from(BENDS))

    def bend(item: dict[str, Any]) -> None:
        if item.get("id") == remote_id:
            made = bent(item, path, how)
            item.clear()
            item.update(made)

    box.bending.bend = bend
    changes, _, _ = box.ann.list_all(box.calendar)
    found = latest(changes)
    for other in box.events.keys() - {remote_id}:
        change = found[other]
        assert change.event is not None and change.event.content == box.events[other]
    change = found.get(remote_id)
    assert change is not None or path[0] in LEFT_OUT
    if change is not None and change.event is not None:
        _assert_usable(box, change.event)
    elif change is not None and change.fault is None:
        assert path[0] in (
            "status",
            "isCancelled",
            "@removed",
            "recurrence",
            "seriesMasterId",
            "recurringEventId",
        )


def _assert_usable(box: Bent, event: Any) -> None:
    """What was taken in is stored, shown and projected without a surprise, or parked by its fault."""
    if fault_in(event) is not None:
        return
    content = event.content
    assert content_from_json(to_json(content)) == content
    try:
        span(content.when, "Europe/Berlin")
    except RecurrenceError:
        return
    for plugin in PLUGINS.values():
        plugin.project(content)

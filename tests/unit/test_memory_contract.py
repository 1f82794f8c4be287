"""The in-memory provider that other tests stand on keeps the contract of every plugin, and fails as told."""

import dataclasses
from datetime import UTC, datetime, timedelta

import pytest

from hub.plugin.testing import ProviderContract, timed
from hub.plugin.types import AccessRole, Call, PushCreate, RemoteAccount, RemoteCalendar
from tests.memory_provider import MemoryPlugin, MemoryService, _Fault

ANN = "ann@example.test"


class TestMemoryProvider(ProviderContract):
    plugin = MemoryPlugin()


@pytest.mark.parametrize("kind", ["unkept", "stripped"])
def test_a_create_that_finds_its_event_there_leaves_what_a_person_made_of_it(kind: str) -> None:
    """Only what was written can be lost: the fault must not take back the person's edit instead."""
    now, service, plugin = datetime.now(UTC), MemoryService(), MemoryPlugin()
    service.add_person(ANN)
    service.access["token"] = (ANN, now + timedelta(hours=1))
    call = Call("token", RemoteAccount(ANN, ANN), {"SERVICE": service.name}, now, 5.0)
    calendar = RemoteCalendar(ANN, "Main", AccessRole.OWNER)
    first = PushCreate("c1", "tag", timed("Lunch", datetime(2026, 12, 7, 9)))
    plugin.push_event(call, calendar, first)
    edited = dataclasses.replace(first.content, title="Dinner")
    service.write(service.calendar(ANN, ANN), "c1", edited)
    service.faults.append(_Fault(kind, 1, "push_event", {}))
    again = plugin.push_event(call, calendar, dataclasses.replace(first, attempt=1))
    assert again is not None and again.content == edited
    assert service.calendar(ANN, ANN).events["c1"].content == edited

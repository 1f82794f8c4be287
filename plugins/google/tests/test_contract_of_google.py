"""What holds the sandbox's answers to the discovery document sees what does not fit."""

from __future__ import annotations

import json
from typing import Any

import pytest

from hub.plugin.control import SandboxControl, serving
from hub.plugin.testing import free_port
from hub.plugin.types import SandboxOptions
from hub_google import hooks
from hub_google.sandbox.contract import Contract
from hub_google.testing import ANN, connect

EVENT: dict[str, Any] = {
    "kind": "calendar#event",
    "id": "abcde",
    "status": "confirmed",
    "start": {"dateTime": "2027-01-04T09:00:00+01:00", "timeZone": "Europe/Berlin"},
    "attendees": [{"email": ANN, "responseStatus": "accepted", "self": True}],
    "extendedProperties": {"private": {"any": "thing"}},
    "eventType": "somethingNew",
}


def faults(method: str, path: str, status: int, value: Any) -> list[str]:
    contract = Contract("/calendar/v3")
    body = b"" if value is None else json.dumps(value).encode()
    contract.check(method, f"/calendar/v3/{path}", status, body)
    return contract.faults()


@pytest.mark.parametrize(
    ("part", "told"),
    [
        ({}, None),
        ({"summry": "Talk"}, "Event.summry is not published"),
        ({"status": "perhaps"}, "Event.status is 'perhaps'"),
        ({"kind": "calendar#events"}, "Event.kind"),
        ({"sequence": "3"}, "Event.sequence is '3'"),
        ({"sequence": True}, "Event.sequence is True"),
        ({"locked": "no"}, "Event.locked is 'no'"),
        ({"created": "2027-01-04"}, "Event.created is '2027-01-04'"),
        ({"start": {"date": "4.1.2027"}}, "Event.start.date"),
        ({"start": {"dateTime": "2027-01-04T09:00:00"}}, "Event.start.dateTime"),
        ({"attendees": [{"mail": ANN}]}, "Event.attendees[0].mail is not published"),
        ({"attendees": {}}, "Event.attendees is {}"),
        ({"extendedProperties": {"private": {"any": 1}}}, "Event.extendedProperties.private.any is 1"),
    ],
)
def test_an_answer_that_is_not_as_published_is_told(part: dict[str, Any], told: str | None) -> None:
    found = faults("GET", "calendars/a@b/events/abcde", 200, EVENT | part)
    assert [told in fault for fault in found] == [True] if told else found == []


def test_answers_without_a_body_unknown_paths_and_odd_errors_are_told() -> None:
    assert faults("DELETE", "calendars/a@b/events/abcde", 204, None) == []
    assert "has a body" in faults("DELETE", "calendars/a@b/events/abcde", 204, {})[0]
    assert "no published method" in faults("GET", "calendars/a@b/happenings", 200, {})[0]
    entry = {"domain": "global", "reason": "notFound", "message": "Not Found"}
    fine = {"error": {"errors": [entry], "code": 404, "message": "Not Found"}}
    assert faults("GET", "calendars/a@b", 404, fine) == []
    assert "no error of Google's" in faults("GET", "calendars/a@b", 410, fine)[0]
    assert "no error of Google's" in faults("GET", "calendars/a@b", 404, {"error": "gone"})[0]


def test_a_sandbox_that_is_checked_tells_at_its_end() -> None:
    port = free_port()
    box = hooks.sandbox(SandboxOptions(f"http://127.0.0.1:{port}", seed=7, checked=True))
    with pytest.raises(AssertionError, match=r"Event\.mood is not published"), serving(box, port):
        control = SandboxControl(f"http://127.0.0.1:{port}")
        grant = connect(control, dict(box.settings))
        day = {"start": {"date": "2027-01-04"}, "end": {"date": "2027-01-05"}}
        remote_id = control.create_raw(ANN, ANN, {**day, "mood": "good"})
        from hub_google.testing import Google

        google = Google(
            f"http://127.0.0.1:{port}", control, dict(box.settings), grant, grant.tokens.expires_at
        )
        assert google.api("GET", google.events(f"/{remote_id}")).status_code == 200

"""Subscriptions: one per mailbox, renewed in place, and deliveries that are read with care."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from hub.plugin.errors import GoneError, PollOnlyError, RetryLaterError
from hub.plugin.testing import PERSON, Connected, free_port, timed
from hub.plugin.types import (
    NotificationKind,
    ProviderRequest,
    RemoteCalendar,
    SubscribeRequest,
    Subscription,
)


def request(ann: Connected, channel: str = "c" * 32, days: float = 6) -> SubscribeRequest:
    return SubscribeRequest(channel, f"secret-{channel}", ann.callback.url, ann.now + timedelta(days=days))


def subscribe(ann: Connected, cal: RemoteCalendar, *args: Any) -> Subscription:
    made = ann.hooks.subscribe(call=ann.call, calendar=cal, request=request(ann, *args))
    assert isinstance(made, Subscription)
    return made


def delivered(value: Any) -> ProviderRequest:
    return ProviderRequest("POST", "/webhooks/outlook", {}, {}, json.dumps({"value": value}).encode())


def test_a_second_subscription_replaces_the_first(ann: Connected, cal: RemoteCalendar) -> None:
    first = subscribe(ann, cal)
    second = subscribe(ann, cal, "d" * 32)
    assert second.remote_id != first.remote_id
    with pytest.raises(GoneError):
        ann.hooks.renew(call=ann.call, calendar=cal, subscription=first, request=request(ann))


def test_a_subscription_asks_for_no_more_than_outlook_allows(ann: Connected, cal: RemoteCalendar) -> None:
    made = subscribe(ann, cal, "c" * 32, 30)
    assert made.expires_at <= ann.now + timedelta(minutes=10_000)


def test_the_limit_that_a_refusal_names_is_taken_at_once(ann: Connected, cal: RemoteCalendar) -> None:
    ann.control.switches(subscription_minutes=4230)
    made = subscribe(ann, cal)
    assert made.expires_at <= ann.now + timedelta(minutes=4230)
    renewed = ann.hooks.renew(call=ann.call, calendar=cal, subscription=made, request=request(ann))
    assert renewed.channel_id == made.channel_id


def test_a_service_whose_clock_is_behind_is_asked_for_less(ann: Connected, cal: RemoteCalendar) -> None:
    ann.control.advance(-2 * 3600)  # By its clock, less than seven days of ours are too many.
    made = subscribe(ann, cal, "c" * 32, 30)
    assert ann.now + timedelta(days=3) < made.expires_at < ann.now + timedelta(minutes=10_000)
    renewed = ann.hooks.renew(call=ann.call, calendar=cal, subscription=made, request=request(ann))
    assert renewed.remote_id == made.remote_id


def test_a_full_mailbox_is_polled(ann: Connected, cal: RemoteCalendar) -> None:
    ann.control.switches(subscriptions_per_mailbox=0)
    with pytest.raises(PollOnlyError):
        subscribe(ann, cal)


def test_a_calendar_that_someone_shares_is_polled_without_asking(ann: Connected) -> None:
    ann.control.add_person(PERSON, "Ann", [{"name": "Bob's", "role": "writer"}])
    shared = next(c for c in ann.hooks.list_calendars(call=ann.call) if c.name == "Bob's")
    assert shared.writable and not shared.can_watch
    ann.control.clear_ledger()
    with pytest.raises(PollOnlyError):
        subscribe(ann, shared)
    assert ann.control.ledger()["calls"] == []


def test_an_address_that_does_not_answer_the_handshake_is_tried_later(
    ann: Connected, cal: RemoteCalendar
) -> None:
    dead = SubscribeRequest("c" * 32, "s", f"http://127.0.0.1:{free_port()}/x", ann.now + timedelta(days=1))
    with pytest.raises(RetryLaterError, match="webhook address"):
        ann.hooks.subscribe(call=ann.call, calendar=cal, request=dead)


def test_a_lost_consent_is_told_by_a_lifecycle_note(ann: Connected, cal: RemoteCalendar) -> None:
    made = subscribe(ann, cal)
    ann.control.revoke(PERSON)
    note = ann.callback.wait_for(NotificationKind.REMOVED)[0]
    assert note.remote_id == made.remote_id


def test_a_subscription_that_ends_soon_asks_to_be_renewed(ann: Connected, cal: RemoteCalendar) -> None:
    subscribe(ann, cal)
    ann.control.advance(5.8 * 86400)
    assert ann.callback.wait_for(NotificationKind.REAUTHORIZE)


def test_a_delivery_that_failed_comes_again(ann: Connected, cal: RemoteCalendar) -> None:
    subscribe(ann, cal)
    hooks, answered = ann.callback.hooks, []

    class Failing:
        def receive(self, **arguments: Any) -> Any:
            answered.append(arguments)
            if len(answered) == 1:
                raise RuntimeError("the hub is down")
            return hooks.receive(**arguments)

    ann.callback.hooks = Failing()
    ann.control.create(PERSON, cal.remote_id, timed("New", ann.now.replace(tzinfo=None)))
    assert ann.callback.wait_for(NotificationKind.CHANGED)
    assert len(answered) >= 2


@pytest.mark.parametrize("method", ["POST", "GET"])
def test_the_handshake_gives_the_token_back_as_it_is(hooks: Any, method: str) -> None:
    token = "Validation: Testing +/= ÄÖ & more"
    asked = ProviderRequest(method, "/webhooks/outlook", {"validationToken": token}, {})
    answer = hooks.receive(settings={}, request=asked).answer
    assert (answer.status, answer.body, answer.content_type) == (200, token, "text/plain")


@pytest.mark.parametrize("token", ["<script>alert(1)</script>", "x" * 5000, "a\x00b"])
def test_a_token_that_is_none_of_graph_s_is_not_echoed(hooks: Any, token: str) -> None:
    asked = ProviderRequest("POST", "/webhooks/outlook", {"validationToken": token}, {})
    assert hooks.receive(settings={}, request=asked).answer is None


def test_one_delivery_may_hold_many_notices_and_nonsense(hooks: Any) -> None:
    value = [
        {"clientState": f"{'a' * 32}.s.1", "subscriptionId": "1", "changeType": "updated"},
        {"clientState": f"{'b' * 32}.s2", "subscriptionId": "2", "lifecycleEvent": "missed"},
        {"clientState": f"{'b' * 32}.s2", "lifecycleEvent": "reauthorizationRequired"},
        {"clientState": "no-dot"},
        {"clientState": 7},
        "text",
        None,
    ]
    found = hooks.receive(settings={}, request=delivered(value)).notifications
    assert [(n.channel_id[0], n.secret, n.kind, n.remote_id) for n in found] == [
        ("a", "s.1", NotificationKind.CHANGED, "1"),
        ("b", "s2", NotificationKind.MISSED, "2"),
        ("b", "s2", NotificationKind.REAUTHORIZE, None),
    ]

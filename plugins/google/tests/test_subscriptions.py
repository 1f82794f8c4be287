"""Channels: how long they live, who is told, and what is no notification."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from werkzeug.serving import make_server
from werkzeug.wrappers import Request, Response

from hub.plugin.errors import GoneError, MisconfiguredError, PollOnlyError, RefusedError
from hub.plugin.testing import free_port, timed
from hub.plugin.types import ProviderRequest, SubscribeRequest, Subscription
from hub_google import hooks
from hub_google.testing import ANN, Google


class Webhook:
    """Takes notifications; answers with the statuses and after the pauses that were set, then 202 at once."""

    def __init__(self) -> None:
        self.seen: list[dict[str, str]] = []
        self.statuses: list[int] = []
        self.pauses: list[float] = []
        self.answered = 0
        self.came = threading.Condition()
        port = free_port()
        self.url = f"http://127.0.0.1:{port}/hook"
        self._server = make_server("127.0.0.1", port, self._app, threaded=True)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def _app(self, environ: Any, start_response: Any) -> Any:
        request = Request(environ)
        with self.came:
            self.seen.append(
                {k.lower(): v for k, v in request.headers.items()} | {"body": request.get_data(as_text=True)}
            )
            status = self.statuses.pop(0) if self.statuses else 202
            pause = self.pauses.pop(0) if self.pauses else 0.0
            self.came.notify_all()
        time.sleep(pause)
        self.answered += 1
        return Response(status=status)(environ, start_response)

    def wait(self, count: int) -> list[dict[str, str]]:
        with self.came:
            assert self.came.wait_for(lambda: len(self.seen) >= count, timeout=15), self.seen
            return list(self.seen)

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join(5)
        self._server.server_close()


@pytest.fixture
def webhook() -> Iterator[Webhook]:
    hook = Webhook()
    yield hook
    hook.close()


def subscribe(google: Google, url: str, channel: str = "c" * 20, days: float = 3) -> Subscription:
    request = SubscribeRequest(channel, "secret-1", url, google.now + timedelta(days=days))
    return hooks.subscribe(google.call, google.calendar, request)


def test_a_channel_lives_at_most_a_week_or_what_google_says(google: Google, webhook: Webhook) -> None:
    short = subscribe(google, webhook.url, "a" * 20, days=3)
    assert abs(short.expires_at - google.now - timedelta(days=3)) < timedelta(minutes=1)
    assert subscribe(google, webhook.url, "b" * 20, days=30).expires_at <= google.now + timedelta(
        days=7, minutes=1
    )
    google.control.switches(channel_seconds=3600)
    assert subscribe(google, webhook.url, "d" * 20).expires_at < google.now + timedelta(hours=2)


def test_notifications_come_as_documented_and_rise_in_number(google: Google, webhook: Webhook) -> None:
    subscription = subscribe(google, webhook.url)
    google.insert()
    google.insert()
    sync, first, second = webhook.wait(3)
    assert (sync["x-goog-resource-state"], sync["x-goog-message-number"]) == ("sync", "1")
    assert (
        first["x-goog-resource-state"] == "exists" and first["x-goog-resource-id"] == subscription.remote_id
    )
    assert int(second["x-goog-message-number"]) > int(first["x-goog-message-number"]) > 1
    assert first["x-goog-channel-token"] == "secret-1" and first["body"] == ""
    assert first["user-agent"].startswith("APIs-Google") and first["x-goog-channel-expiration"].endswith(
        "GMT"
    )


def test_a_busy_webhook_is_asked_again_and_in_order(google: Google, webhook: Webhook) -> None:
    webhook.statuses = [202, 503, 500]
    subscribe(google, webhook.url)
    webhook.wait(1)
    google.insert()
    google.insert()
    numbers = [n["x-goog-message-number"] for n in webhook.wait(5)]
    assert [int(n) for n in numbers] == sorted(int(n) for n in numbers)


def test_a_refusing_webhook_is_not_asked_again(google: Google, webhook: Webhook) -> None:
    webhook.statuses = [202, 404]
    subscribe(google, webhook.url)
    webhook.wait(1)
    google.insert(summary="lost")
    webhook.wait(2)
    google.insert(summary="told")
    assert len(webhook.wait(3)) == 3


def test_no_call_waits_for_a_webhook_that_is_not_there(google: Google) -> None:
    subscribe(google, "http://127.0.0.1:9/hook")
    assert google.insert()["id"]


def test_a_used_channel_id_stays_used(google: Google, webhook: Webhook) -> None:
    subscription = subscribe(google, webhook.url)
    hooks.unsubscribe(google.call, subscription)
    with pytest.raises(RefusedError):
        subscribe(google, webhook.url)
    with pytest.raises(GoneError):
        hooks.unsubscribe(google.call, subscription)


def test_holidays_are_polled(google: Google, webhook: Webhook) -> None:
    holidays = next(c for c in hooks.list_calendars(google.call) if not c.can_watch)
    request = SubscribeRequest("h" * 20, "s", webhook.url, google.now + timedelta(days=1))
    with pytest.raises(PollOnlyError):
        hooks.subscribe(google.call, holidays, request)
    body = {"id": "h" * 20, "type": "web_hook", "address": webhook.url}
    answer = google.api("POST", google.events("/watch", holidays.remote_id), body)
    assert answer.json()["error"]["errors"][0]["reason"] == "pushNotSupportedForRequestedResource"


def test_an_address_that_google_does_not_take_is_the_operator_s_matter(google: Google) -> None:
    with pytest.raises(MisconfiguredError):
        subscribe(google, "http://hub.example.test/hook")


def receive(**headers: str) -> Any:
    return hooks.receive(
        ProviderRequest("POST", "/hook", {}, {k.replace("_", "-"): v for k, v in headers.items()})
    )


def test_headers_count_in_any_case_and_the_opening_message_is_no_news() -> None:
    headers = {"X_Goog_Channel_Id": "c1", "X_GOOG_RESOURCE_ID": "r1", "x_goog_channel_token": "s"}
    (notice,) = receive(**headers, X_Goog_Resource_State="exists").notifications
    assert (notice.channel_id, notice.secret, notice.remote_id) == ("c1", "s", "r1")
    assert receive(**headers, X_Goog_Resource_State="sync").notifications == ()
    assert receive(X_Goog_Resource_State="exists").notifications == ()
    for state in ("not_exists", "EXISTS", "update"):
        assert receive(**headers, X_Goog_Resource_State=state).notifications == (notice,)


def test_notifications_are_dropped_doubled_or_trail_on_by_switch(google: Google, webhook: Webhook) -> None:
    google.control.switches(drop_notifications=100)
    subscription = subscribe(google, webhook.url)
    google.insert()
    google.control.switches(drop_notifications=0, duplicate_notifications=100)
    google.insert()
    assert [n["x-goog-resource-state"] for n in webhook.wait(3)] == ["sync", "exists", "exists"]
    google.control.switches(duplicate_notifications=0, deliver_after_stop=True)
    webhook.statuses = [503]
    google.insert()
    webhook.wait(4)
    hooks.unsubscribe(google.call, subscription)
    assert len(webhook.wait(5)) == 5


def test_the_calendar_list_has_a_channel_of_its_own(google: Google, webhook: Webhook) -> None:
    body = {"id": "list-channel", "type": "web_hook", "address": webhook.url}
    google.api("POST", "users/me/calendarList/watch", body).raise_for_status()
    webhook.wait(1)
    google.insert()
    google.control.add_person("ann@example.test", calendars=[{"name": "New one"}])
    notice = webhook.wait(2)[1]
    assert notice["x-goog-resource-uri"].partition("?")[0].endswith("/users/me/calendarList")


def test_a_channel_may_be_about_some_types_of_events_only(google: Google, webhook: Webhook) -> None:
    body = {"id": "flights-only", "type": "web_hook", "address": webhook.url}
    google.api("POST", google.events("/watch"), body, eventTypes=["fromGmail"]).raise_for_status()
    webhook.wait(1)
    day = {"start": {"date": "2027-01-04"}, "end": {"date": "2027-01-05"}}
    google.insert()
    google.control.create_raw(ANN, ANN, day | {"eventType": "fromGmail"})
    google.insert()
    google.control.create_raw(ANN, ANN, day | {"eventType": "fromGmail"})
    assert len(webhook.wait(3)) == 3


@pytest.mark.parametrize("reorders", [False, True])
def test_what_waits_to_be_told_comes_in_its_order_or_another(
    google: Google, webhook: Webhook, reorders: bool
) -> None:
    subscribe(google, webhook.url)
    webhook.wait(1)
    google.control.switches(notify_delay=0.3, reorder_notifications=reorders)
    for _ in range(4):
        google.insert()
    numbers = [int(n["x-goog-message-number"]) for n in webhook.wait(5)]
    assert (numbers == sorted(numbers)) == (not reorders)


GOOD = {"id": "c" * 20, "type": "web_hook", "address": "http://127.0.0.1:9/"}


@pytest.mark.parametrize(
    ("part", "status"),
    [
        ({}, 200),
        ({"type": "webhook"}, 200),
        ({"type": "mail"}, 400),
        ({"id": ""}, 400),
        ({"id": "c" * 64}, 200),
        ({"id": "c" * 65}, 400),
        ({"id": "what?"}, 400),
        ({"id": "a-b_c+d/e=f"}, 200),
        ({"token": "t" * 256}, 200),
        ({"token": "t" * 257}, 400),
        ({"address": "http://hub.example.test/"}, 400),
        ({"expiration": "soon"}, 400),
        ({"params": {"ttl": "3600"}}, 200),
    ],
)
def test_what_a_channel_may_be_asked_to_be(google: Google, part: dict[str, Any], status: int) -> None:
    answer = google.api("POST", google.events("/watch"), GOOD | part)
    assert answer.status_code == status
    if status == 200:
        ends, told = answer.json()["expiration"], int(answer.json()["expiration"]) / 1000
        life = 3600 if "params" in part else 604800
        assert isinstance(ends, str) and abs(told - google.now.timestamp() - life) < 5


def test_a_channel_without_a_token_sends_none_and_our_own_writes_are_told(
    google: Google, webhook: Webhook
) -> None:
    google.api("POST", google.events("/watch"), GOOD | {"address": webhook.url}).raise_for_status()
    google.create(timed("Lunch", datetime(2027, 1, 4, 9)))
    sync, told = webhook.wait(2)
    assert "x-goog-channel-token" not in sync | told and told["x-goog-resource-state"] == "exists"


def test_each_channel_is_told_once_of_a_change_and_a_move_is_told_on_both_sides(
    google: Google, webhook: Webhook
) -> None:
    team = next(c["remote_id"] for c in google.control.people()[0]["calendars"] if c["name"] == "Team")
    event = google.insert()
    for n, calendar in enumerate([ANN, ANN, team]):
        body = GOOD | {"id": f"channel-{n}", "address": webhook.url}
        google.api("POST", google.events("/watch", calendar), body).raise_for_status()
    webhook.wait(3)
    google.api("PATCH", google.events(f"/{event['id']}"), {"summary": "x"}).raise_for_status()
    assert sorted(n["x-goog-channel-id"] for n in webhook.wait(5)[3:]) == ["channel-0", "channel-1"]
    google.api("POST", google.events(f"/{event['id']}/move"), destination=team).raise_for_status()
    assert sorted(n["x-goog-channel-id"] for n in webhook.wait(8)[5:]) == [f"channel-{n}" for n in range(3)]


@pytest.mark.parametrize("status", [200, 201, 202, 204, 302, 400, 401, 404, 500, 502, 503, 504])
def test_which_answers_of_a_webhook_bring_a_notification_again(
    google: Google, webhook: Webhook, status: int
) -> None:
    google.control.switches(delivery_backoff=0.05)
    subscribe(google, webhook.url)
    webhook.wait(1)
    webhook.statuses = [status]
    google.insert()
    webhook.wait(2)
    google.insert()
    told = [n["x-goog-message-number"] for n in webhook.wait(4 if status >= 500 else 3)][1:]
    assert (told[0] == told[1]) == (status >= 500)


@pytest.mark.parametrize("tries", [1, 3])
def test_a_notification_is_tried_so_often_and_then_lost(google: Google, webhook: Webhook, tries: int) -> None:
    google.control.switches(delivery_tries=tries, delivery_backoff=0.05)
    subscribe(google, webhook.url)
    webhook.wait(1)
    webhook.statuses = [503] * tries
    google.insert()
    webhook.wait(1 + tries)
    google.insert()
    numbers = [n["x-goog-message-number"] for n in webhook.wait(2 + tries)][1:]
    assert len(set(numbers[:-1])) == 1 and numbers[-1] != numbers[0]


@pytest.mark.parametrize("patience", [0.2, 5.0])
def test_a_webhook_that_is_slow_may_have_failed(google: Google, webhook: Webhook, patience: float) -> None:
    subscribe(google, webhook.url)
    webhook.wait(1)
    google.control.switches(delivery_timeout=patience, delivery_tries=2, delivery_backoff=0.05)
    webhook.pauses = [0.6]
    google.insert()
    webhook.wait(2)
    google.insert()
    told = [n["x-goog-message-number"] for n in webhook.wait(3)][1:]
    assert (told[0] == told[1]) == (patience < 0.6)


@pytest.mark.parametrize("first", [True, False])
def test_a_channel_s_first_message_may_come_before_it_is_told_to_be_open(
    google: Google, webhook: Webhook, first: bool
) -> None:
    google.control.switches(sync_before_answer=first)
    webhook.pauses = [0.3]
    subscribe(google, webhook.url)
    assert bool(webhook.answered) == first
    assert webhook.wait(1)[0]["x-goog-resource-state"] == "sync"


@pytest.mark.parametrize("again", [True, False])
def test_a_channel_that_is_stopped_may_be_stopped_again(
    google: Google, webhook: Webhook, again: bool
) -> None:
    google.control.switches(stops_again=again)
    subscription = subscribe(google, webhook.url)
    hooks.unsubscribe(google.call, subscription)
    if again:
        hooks.unsubscribe(google.call, subscription)
    else:
        with pytest.raises(GoneError):
            hooks.unsubscribe(google.call, subscription)


def test_a_channel_ends_without_a_word_and_nobody_else_can_stop_it(google: Google, webhook: Webhook) -> None:
    subscription = subscribe(google, webhook.url, days=1)
    bob = google.as_person("bob@example.test")
    with pytest.raises(GoneError):
        hooks.unsubscribe(bob.call, subscription)
    webhook.wait(1)
    google.control.advance(86400 + 60)
    google = google.as_person()
    subscribe(google, webhook.url, "d" * 20)
    google.insert()
    assert [n["x-goog-channel-id"][0] for n in webhook.wait(3)] == ["c", "d", "d"]
    with pytest.raises(GoneError):
        hooks.unsubscribe(google.call, subscription)


@pytest.mark.parametrize("status", [400, 401, 403])
def test_an_unverified_domain_is_the_operator_s_matter_whatever_the_status(
    google: Google, webhook: Webhook, status: int
) -> None:
    google.control.switches(webhook_unauthorized=status)
    with pytest.raises(MisconfiguredError):
        subscribe(google, webhook.url)

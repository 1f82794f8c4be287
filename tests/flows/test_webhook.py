"""Notifications: a genuine one marks its link, and every other one is answered alike and does nothing."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest
from sqlalchemy import select, update
from werkzeug.test import TestResponse

from hub.db import Base
from hub.inbound.webhook import accept
from hub.keeping.subscriptions import keep_channels
from hub.models import Channel, LinkSignal
from hub.plugin import hookimpl
from hub.plugin.testing import timed
from hub.plugin.types import (
    HttpAnswer,
    Notification,
    NotificationKind,
    ProviderRequest,
    Reception,
)
from tests.memory_provider import MemoryPlugin
from tests.unit.api.hub_app import HubApp


class GreetingPlugin(MemoryPlugin):
    """Answers a handshake, and breaks when it is told to."""

    @hookimpl
    def receive(self, settings: dict[str, str], request: ProviderRequest) -> Reception:
        if "hello" in request.query:
            return Reception(answer=HttpAnswer(200, request.query["hello"]))
        if request.body == b"break":
            raise RuntimeError("a bug of the plugin")
        return super().receive(settings, request)


@pytest.fixture
def hub(database_url: str, tmp_path: Path) -> HubApp:
    made = HubApp(database_url, tmp_path, GreetingPlugin("left"), MemoryPlugin("right"))
    made.world.linked_pair()
    return made


def channel_and_secret(hub: HubApp) -> tuple[str, str]:
    ((request, _, _),) = hub.world.services["left"].channels.values()
    return request.channel_id, request.secret


def notify(hub: HubApp, channel: str, secret: str, provider: str = "left") -> TestResponse:
    headers = {"X-Channel": channel, "X-Secret": secret}
    return hub.app.test_client().post(f"/webhooks/{provider}", headers=headers)


def notified(hub: HubApp) -> int:
    with hub.world.ports.db.reading() as session:
        return sum(session.scalars(select(LinkSignal.notified)))


def change_channel(hub: HubApp, channel_id: str, **values: object) -> None:
    with hub.world.ports.db.transaction() as session:
        session.execute(update(Channel).where(Channel.id == channel_id).values(**values))


def test_a_genuine_notification_is_durable_before_the_answer_and_hints_a_pull(hub: HubApp) -> None:
    channel, secret = channel_and_secret(hub)
    before = notified(hub)
    answer = notify(hub, channel, secret)
    assert (answer.status_code, answer.data) == (202, b"")
    assert notified(hub) == before + 1
    assert [task for task, _ in hub.world.queue.hints] == ["pull"]


def test_forged_unknown_and_expired_ones_get_the_same_answer_and_do_nothing(hub: HubApp) -> None:
    channel, secret = channel_and_secret(hub)
    genuine = notify(hub, channel, secret)
    hub.world.settle()
    before = notified(hub)
    answers = [
        notify(hub, channel, "wrong"),
        notify(hub, channel, ""),
        notify(hub, "chn00000000000000000000000000", secret),
        hub.app.test_client().post("/webhooks/left", data=b"\xff\x00 nonsense"),
        hub.app.test_client().get("/webhooks/left"),
    ]
    change_channel(hub, channel, expires_at=hub.world.clock.now())
    answers.append(notify(hub, channel, secret))
    assert {(a.status_code, a.data) for a in answers} == {(genuine.status_code, genuine.data)}
    assert notified(hub) == before
    assert not hub.world.queue.hints


def test_during_a_renewal_the_old_channel_is_believed_until_it_is_closed(hub: HubApp) -> None:
    """Its notification of a change at the instant of the switch may be under way for a while."""
    channel, secret = channel_and_secret(hub)
    change_channel(hub, channel, due_at=hub.world.clock.now())
    keep_channels(hub.world.ports)
    assert len(hub.world.services["left"].channels) == 2, "the new one is live, and the old one still there"
    before = notified(hub)
    notify(hub, channel, secret)
    assert notified(hub) == before + 1
    hub.world.wait(61)
    assert channel not in hub.world.services["left"].channels
    before = notified(hub)
    notify(hub, channel, secret)
    assert notified(hub) == before


def test_a_change_during_a_renewal_is_told_by_both_channels_and_listed_once(hub: HubApp) -> None:
    channel, _ = channel_and_secret(hub)
    change_channel(hub, channel, due_at=hub.world.clock.now())
    keep_channels(hub.world.ports)
    service = hub.world.services["left"]
    service.deliver = lambda _url, headers: notify(hub, headers["X-Channel"], headers["X-Secret"]) and None
    service.calls.clear()
    hub.world.person_creates("left", timed("Lunch", datetime(2026, 12, 7, 9)))
    hub.world.settle()
    assert hub.world.titles("right") == ["Lunch"]
    assert [call["method"] for call in service.calls] == ["fetch_changes"]


def test_a_secret_of_another_channel_proves_nothing(hub: HubApp) -> None:
    channel, _ = channel_and_secret(hub)
    ((other, _, _),) = hub.world.services["right"].channels.values()
    before = notified(hub)
    notify(hub, channel, other.secret)
    assert notified(hub) == before


def test_the_providers_own_id_must_fit_the_channel(hub: HubApp) -> None:
    channel, secret = channel_and_secret(hub)
    with hub.world.ports.db.reading() as session:
        remote_id = session.get_one(Channel, channel).remote_id
    assert accept(hub.world.ports, [Notification(channel, secret, remote_id="other")]) == 0
    assert accept(hub.world.ports, [Notification(channel, secret, remote_id=remote_id)]) == 1


def test_of_a_mixed_batch_only_the_genuine_ones_count_and_once_for_each_link(hub: HubApp) -> None:
    channel, secret = channel_and_secret(hub)
    before = notified(hub)
    batch = [Notification(channel, secret)] * 5 + [Notification(channel, "wrong")]
    assert accept(hub.world.ports, batch) == 5
    assert notified(hub) == before + 1


def test_a_storm_is_one_mark_until_a_listing_begins_and_then_one_more(hub: HubApp) -> None:
    channel, secret = channel_and_secret(hub)
    before = notified(hub)
    for _ in range(50):
        assert notify(hub, channel, secret).status_code == 202
    assert notified(hub) == before + 1
    hub.world.settle()
    notify(hub, channel, secret)
    assert notified(hub) == before + 2


def test_a_notification_that_comes_while_a_listing_runs_causes_one_more(hub: HubApp) -> None:
    channel, secret = channel_and_secret(hub)
    service = hub.world.services["left"]
    listings = 0

    def fetch_once_more() -> None:
        nonlocal listings
        listings = sum(call["method"] == "fetch_changes" for call in service.calls)
        notify(hub, channel, secret)

    service.before_listing = fetch_once_more
    notify(hub, channel, secret)
    hub.world.settle()
    assert sum(call["method"] == "fetch_changes" for call in service.calls) == listings + 2


def test_a_channel_of_a_whole_account_marks_all_its_links(hub: HubApp) -> None:
    channel, secret = channel_and_secret(hub)
    with hub.world.ports.db.reading() as session:
        account_id = session.get_one(Channel, channel).account_id
    hub.world.link(account_id, "Team")
    hub.world.settle()
    change_channel(hub, channel, link_id=None)
    before = notified(hub)
    notify(hub, channel, secret)
    assert notified(hub) == before + 2


def test_a_removed_subscription_is_replaced_and_the_link_pulled(hub: HubApp) -> None:
    channel, secret = channel_and_secret(hub)
    hub.world.services["left"].channels.clear()
    accept(hub.world.ports, [Notification(channel, secret, NotificationKind.REMOVED)])
    hub.world.settle()
    fresh, _ = channel_and_secret(hub)
    assert fresh != channel


def test_a_subscription_that_must_be_renewed_is_due_now(hub: HubApp) -> None:
    channel, secret = channel_and_secret(hub)
    accept(hub.world.ports, [Notification(channel, secret, NotificationKind.REAUTHORIZE)])
    with hub.world.ports.db.reading() as session:
        assert session.get_one(Channel, channel).due_at == hub.world.clock.now()
    assert "renew" in [task for task, _ in hub.world.queue.hints]


def test_a_handshake_is_echoed_as_plain_text_that_no_browser_runs(hub: HubApp) -> None:
    answer = hub.app.test_client().post("/webhooks/left?hello=<script>1</script>")
    assert (answer.status_code, answer.data) == (200, b"<script>1</script>")
    assert answer.content_type.startswith("text/plain")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]


def test_a_plugin_that_breaks_tells_the_sender_nothing(hub: HubApp) -> None:
    answer = hub.app.test_client().post("/webhooks/left", data=b"break")
    assert (answer.status_code, answer.data) == (202, b"")


def test_a_body_that_is_too_large_and_an_unknown_provider_are_problems(hub: HubApp) -> None:
    client = hub.app.test_client()
    large = client.post("/webhooks/left", data=b"x" * 1_100_000)
    unknown = client.post("/webhooks/nobody")
    assert (large.status_code, unknown.status_code) == (413, 404)
    assert large.content_type == unknown.content_type == "application/problem+json"


def test_without_its_database_the_hub_asks_the_provider_to_send_it_again(hub: HubApp) -> None:
    channel, secret = channel_and_secret(hub)
    Base.metadata.drop_all(hub.world.ports.db.engine)
    assert notify(hub, channel, secret).status_code == 503

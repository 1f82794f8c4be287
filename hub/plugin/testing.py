"""`ProviderContract`: the tests that every plugin inherits, run over its sandbox through real HTTP.

A plugin's `tests/test_contract.py` is three lines:

    class TestContract(ProviderContract):
        plugin = "the plugin object or module that carries the hooks"

The suite starts the plugin's own sandbox, connects a person through the OAuth hooks, and then plays
both sides: the person by the control API, the hub by calling hooks as the gateway does.
"""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import count
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlsplit

import pluggy
import pytest
from hypothesis import HealthCheck, assume, given, settings
from werkzeug.serving import make_server
from werkzeug.wrappers import Request, Response

from hub.plugin import PROJECT, spec
from hub.plugin.control import SandboxControl, serving
from hub.plugin.errors import (
    CursorExpiredError,
    GoneError,
    GrantLostError,
    ProviderError,
    RefusedError,
    RetryLaterError,
    TokenExpiredError,
    VersionMovedError,
)
from hub.plugin.meaning import differs
from hub.plugin.strategies import contents
from hub.plugin.types import (
    Answer,
    Attendee,
    AuthorizationRequest,
    Call,
    ChangePage,
    CodeExchange,
    EventContent,
    NewGrant,
    NotificationKind,
    Person,
    ProviderRequest,
    Push,
    PushAnswer,
    PushCreate,
    PushDelete,
    PushUpdate,
    Reception,
    RemoteCalendar,
    RemoteChange,
    RemoteEvent,
    SandboxOptions,
    Scope,
    SeriesException,
    SubscribeRequest,
    When,
    Window,
    changed_fields,
)

PERSON = "ann@example.test"
BOB, CAT = "bob@example.test", "cat@example.test"
VERIFIER = "v" * 64
BERLIN = "Europe/Berlin"


def timed(title: str, start: datetime, minutes: int = 60, zone: str = BERLIN, **more: Any) -> EventContent:
    """Return a timed event for tests."""
    end = start + timedelta(minutes=minutes)
    return EventContent(title=title, when=When(start, end, zone, zone), **more)


def all_day(title: str, first: date, days: int = 1, **more: Any) -> EventContent:
    """Return an all-day event for tests."""
    return EventContent(title=title, when=When(first, first + timedelta(days=days)), **more)


def series(
    title: str, start: datetime, rule: str, *exceptions: SeriesException, zone: str = BERLIN
) -> EventContent:
    """Return a one-hour series for tests."""
    when = When(start, start + timedelta(hours=1), zone, zone, (f"RRULE:{rule}",), exceptions)
    return EventContent(title=title, when=when)


def free_port() -> int:
    """Return a port of the loopback interface that nobody listens on now."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


class Callback:
    """A stand-in for the hub's webhook: hands every request to the plugin's `receive`."""

    def __init__(self, hooks: Any, settings: dict[str, str]) -> None:
        self.hooks = hooks
        self.settings = settings
        self.requests: list[ProviderRequest] = []
        self.receptions: list[Reception] = []
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}/webhooks/provider"
        self._server = make_server("127.0.0.1", self.port, self._app, threaded=True)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def _app(self, environ: Any, start_response: Any) -> Any:
        request = Request(environ)
        return self._answer(request)(environ, start_response)

    def _answer(self, request: Request) -> Response:
        seen = ProviderRequest(
            request.method,
            request.path,
            dict(request.args),
            {name.lower(): value for name, value in request.headers},
            request.get_data(),
        )
        reception = self.hooks.receive(settings=self.settings, request=seen)
        self.requests.append(seen)
        self.receptions.append(reception)
        if reception.answer:
            return Response(
                reception.answer.body, reception.answer.status, content_type=reception.answer.content_type
            )
        return Response(status=202)

    def wait_for(self, kind: NotificationKind, count: int = 1, seconds: float = 10) -> list[Any]:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            found = [n for r in list(self.receptions) for n in r.notifications if n.kind is kind]
            if len(found) >= count:
                return found
            time.sleep(0.02)
        raise AssertionError(f"no {kind} notification within {seconds} s")

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join(5)
        self._server.server_close()


@dataclass
class Connected:
    """A sandbox with a person who consented, and the hooks as the gateway calls them."""

    hooks: Any
    control: SandboxControl
    settings: dict[str, str]
    grant: NewGrant
    callback: Callback
    now: datetime

    @property
    def call(self) -> Call:
        return Call(self.grant.tokens.access_token, self.grant.account, self.settings, self.now, 5.0)

    @property
    def window(self) -> Window:
        return Window(self.now - timedelta(days=90), self.now + timedelta(days=400))

    @property
    def calendar(self) -> RemoteCalendar:
        calendars: tuple[RemoteCalendar, ...] = self.hooks.list_calendars(call=self.call)
        return next(c for c in calendars if c.primary)

    def list_all(
        self,
        calendar: RemoteCalendar,
        cursor: str | None = None,
        *,
        meanwhile: Callable[[], None] = lambda: None,
    ) -> tuple[list[RemoteChange], str, list[ChangePage]]:
        """Page to the end as the hub does; return changes, the new cursor, and the pages.

        Args:
            meanwhile: what happens after the first page.
        """
        changes: list[RemoteChange] = []
        pages: list[ChangePage] = []
        token: str | None = None
        while True:
            page = self.hooks.fetch_changes(
                call=self.call, calendar=calendar, cursor=cursor, page=token, window=self.window
            )
            assert (page.next_page is None) != (page.next_cursor is None)
            pages.append(page)
            changes += page.changes
            if token is None:
                meanwhile()
            if page.next_cursor is not None:
                return changes, page.next_cursor, pages
            token = page.next_page
            assert len(pages) < 1000

    def create(
        self, calendar: RemoteCalendar, content: EventContent, n: int = 1, attempt: int = 0
    ) -> RemoteEvent:
        push = PushCreate(create_id=f"{n:032d}", tag=f"evt-{n}", content=content, attempt=attempt)
        event = self.hooks.push_event(call=self.call, calendar=calendar, push=push)
        assert isinstance(event, RemoteEvent)
        return event

    def push(self, calendar: RemoteCalendar, push: Push) -> RemoteEvent:
        event = self.hooks.push_event(call=self.call, calendar=calendar, push=push)
        assert isinstance(event, RemoteEvent)
        return event

    def told(self) -> list[tuple[str, str]]:
        """Return the mails that went out, as kind and address."""
        return sorted((mail["kind"], mail["to"]) for mail in self.control.mails())

    def update(self, calendar: RemoteCalendar, event: RemoteEvent, content: EventContent) -> RemoteEvent:
        push = PushUpdate(
            event.remote_id, event.version, content, event.content, changed_fields(event.content, content)
        )
        result = self.hooks.push_event(call=self.call, calendar=calendar, push=push)
        assert isinstance(result, RemoteEvent)
        return result


def latest(changes: list[RemoteChange]) -> dict[str, RemoteChange]:
    """Return the last change by remote id, as the hub applies them."""
    return {c.remote_id: c for c in changes}


class ProviderContract:
    """What every provider must do, whatever it looks like on the wire."""

    plugin: ClassVar[Any]
    any_events: ClassVar[int] = 15
    """So many events of all kinds are drawn and written."""
    any_projections: ClassVar[int] = 200
    """So many more are asked what of them can be held."""
    now: ClassVar[datetime] = datetime.now(UTC).replace(microsecond=0)

    @pytest.fixture
    def hooks(self) -> Any:
        manager = pluggy.PluginManager(PROJECT)
        manager.add_hookspecs(spec)
        manager.register(self.plugin, "provider")
        manager.check_pending()
        return manager.hook

    @pytest.fixture
    def sandbox(self, hooks: Any) -> Iterator[tuple[SandboxControl, dict[str, str]]]:
        port = free_port()
        box = hooks.sandbox(options=SandboxOptions(f"http://127.0.0.1:{port}", seed=7, checked=True))
        with serving(box, port):
            control = SandboxControl(f"http://127.0.0.1:{port}")
            control.add_person(PERSON, "Ann", [{"name": "Team"}])
            declared = {s.name: s.default for s in hooks.provider().settings}
            yield control, declared | dict(box.settings)

    @pytest.fixture
    def ann(self, hooks: Any, sandbox: tuple[SandboxControl, dict[str, str]]) -> Iterator[Connected]:
        control, settings = sandbox
        callback = Callback(hooks, settings)
        grant = self._consent(hooks, control, settings)
        yield Connected(hooks, control, settings, grant, callback, self.now)
        callback.close()

    def _authorization(self, hooks: Any, settings: dict[str, str]) -> str:
        challenge = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=")
        request = AuthorizationRequest(
            "http://127.0.0.1:9/connect/callback", "state-1", challenge.decode(), force_consent=True
        )
        return str(hooks.authorization_url(settings=settings, request=request))

    def _consent(
        self, hooks: Any, control: SandboxControl, settings: dict[str, str], **more: Any
    ) -> NewGrant:
        back = control.consent(self._authorization(hooks, settings), PERSON, **more)
        answer = parse_qs(urlsplit(back).query)
        assert answer["state"] == ["state-1"]
        exchange = CodeExchange(answer["code"][0], "http://127.0.0.1:9/connect/callback", VERIFIER)
        grant = hooks.exchange_code(settings=settings, request=exchange, now=self.now)
        assert isinstance(grant, NewGrant)
        return grant

    def subscribe(self, ann: Connected, calendar: RemoteCalendar, channel: str = "c" * 32) -> Any:
        request = SubscribeRequest(
            channel, f"secret-{channel}", ann.callback.url, ann.now + timedelta(days=6)
        )
        return request, ann.hooks.subscribe(call=ann.call, calendar=calendar, request=request)

    # --- who it is, and OAuth ---

    def test_the_provider_names_itself_and_documents_its_settings(self, hooks: Any) -> None:
        info = hooks.provider()
        assert info.name.isidentifier() and info.name == info.name.lower()
        assert info.label and info.scopes
        assert all(s.help and s.name == s.name.upper() for s in info.settings)

    def test_consent_yields_tokens_scopes_and_the_person(self, ann: Connected, hooks: Any) -> None:
        assert ann.grant.account.email == PERSON
        assert set(hooks.provider().scopes) <= set(ann.grant.tokens.scopes)
        assert ann.grant.tokens.refresh_token
        assert ann.grant.tokens.expires_at > ann.now

    def test_the_same_person_is_the_same_account_after_a_second_consent(
        self, ann: Connected, hooks: Any
    ) -> None:
        again = self._consent(hooks, ann.control, ann.settings)
        assert again.account.remote_id == ann.grant.account.remote_id

    def test_a_refused_consent_comes_back_as_an_oauth_error(
        self, hooks: Any, sandbox: tuple[SandboxControl, dict[str, str]]
    ) -> None:
        control, settings = sandbox
        back = control.consent(self._authorization(hooks, settings), PERSON, decision="deny")
        answer = parse_qs(urlsplit(back).query)
        assert answer["error"] == ["access_denied"] and answer["state"] == ["state-1"]

    def test_a_code_works_once(self, hooks: Any, sandbox: tuple[SandboxControl, dict[str, str]]) -> None:
        control, settings = sandbox
        code = parse_qs(urlsplit(control.consent(self._authorization(hooks, settings), PERSON)).query)[
            "code"
        ][0]
        exchange = CodeExchange(code, "http://127.0.0.1:9/connect/callback", VERIFIER)
        hooks.exchange_code(settings=settings, request=exchange, now=self.now)
        with pytest.raises(GrantLostError):
            hooks.exchange_code(settings=settings, request=exchange, now=self.now)

    def test_a_refresh_gives_a_working_token(self, ann: Connected, hooks: Any) -> None:
        tokens = hooks.refresh_grant(
            settings=ann.settings,
            refresh_token=ann.grant.tokens.refresh_token,
            scopes=ann.grant.tokens.scopes,
            now=ann.now,
        )
        fresh = dataclasses.replace(ann.call, access_token=tokens.access_token)
        assert hooks.list_calendars(call=fresh)

    def test_an_expired_token_is_told_from_a_lost_grant(self, ann: Connected, hooks: Any) -> None:
        ann.control.advance(2 * 3600)
        with pytest.raises(TokenExpiredError):
            hooks.list_calendars(call=ann.call)
        ann.control.revoke(PERSON)
        with pytest.raises(GrantLostError):
            hooks.refresh_grant(
                settings=ann.settings,
                refresh_token=ann.grant.tokens.refresh_token,
                scopes=ann.grant.tokens.scopes,
                now=ann.now,
            )

    # --- any event at all ---

    def test_any_event_is_lost_in_exactly_the_fields_that_are_said(self, hooks: Any) -> None:
        @settings(max_examples=self.any_projections, deadline=None, derandomize=True)
        @given(contents())
        def look(content: EventContent) -> None:
            held = hooks.project(content=content)
            assume(held.refusal is None)
            assert {loss.field for loss in held.losses} == differs(content, held.content)
            again = hooks.project(content=held.content)
            assert again.content == held.content and again.losses == () and again.refusal is None

        look()

    def test_any_event_is_held_as_it_was_projected_and_a_second_write_changes_nothing(
        self, ann: Connected
    ) -> None:
        cal, numbers = ann.calendar, count(1)

        @settings(
            max_examples=self.any_events,
            deadline=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        )
        @given(contents())
        def write(content: EventContent) -> None:
            projection = ann.hooks.project(content=content)
            assume(projection.refusal is None)
            made = ann.create(cal, content, next(numbers))
            shown = ann.hooks.get_event(call=ann.call, calendar=cal, remote_id=made.remote_id).content
            assert shown == made.content
            if content.conference and not content.conference.url:
                # A wish: the service has made a meeting, or not.
                content = dataclasses.replace(content, conference=shown.conference)
                projection = ann.hooks.project(content=content)
            assert ann.hooks.project(content=shown).content == projection.content
            assert {loss.field for loss in projection.losses} == differs(content, projection.content)
            assert ann.update(cal, made, content).content == shown

        write()

    # --- listing ---

    def test_calendars_are_listed_with_one_primary(self, ann: Connected) -> None:
        found = ann.hooks.list_calendars(call=ann.call)
        assert {c.name for c in found} >= {"Team"}
        assert [c.primary for c in found].count(True) == 1
        assert all(c.writable for c in found if c.name == "Team")

    def test_a_full_listing_finds_all_and_then_only_changes(self, ann: Connected) -> None:
        cal = ann.calendar
        start = datetime(ann.now.year, ann.now.month, 15, 9) + timedelta(days=31)
        ids = {
            ann.control.create(PERSON, cal.remote_id, timed(f"Event {n}", start + timedelta(days=n % 20)))
            for n in range(120)
        }
        changes, cursor, pages = ann.list_all(cal)
        assert {c.remote_id for c in changes} == ids
        assert all(p.scope is Scope.SNAPSHOT for p in pages)
        changes, cursor, pages = ann.list_all(cal, cursor)
        assert [c for c in changes if c.remote_id not in ids] == []
        one = sorted(ids)[0]
        ann.control.update(PERSON, cal.remote_id, one, title="Renamed")
        changes, cursor, pages = ann.list_all(cal, cursor)
        assert pages[0].scope is Scope.DELTA
        event = latest(changes)[one].event
        assert event and event.content.title == "Renamed" and set(latest(changes)) == {one}
        ann.control.delete(PERSON, cal.remote_id, one)
        changes, cursor, _ = ann.list_all(cal, cursor)
        assert latest(changes)[one].event is None
        with pytest.raises(GoneError):
            ann.hooks.get_event(call=ann.call, calendar=cal, remote_id=one)

    def test_what_is_deleted_while_all_is_listed_is_told_from_its_cursor_on(self, ann: Connected) -> None:
        """The first pages have shown it; the cursor comes with the last one."""
        cal = ann.calendar
        start = datetime(ann.now.year, ann.now.month, 15, 9) + timedelta(days=31)
        ids = [
            ann.control.create(PERSON, cal.remote_id, timed(f"Event {n}", start + timedelta(days=n % 20)))
            for n in range(60)
        ]
        gone = {ids[0], ids[-1]}

        def delete() -> None:
            for remote_id in gone:
                ann.control.delete(PERSON, cal.remote_id, remote_id)

        changes, cursor, _ = ann.list_all(cal, meanwhile=delete)
        later, _, _ = ann.list_all(cal, cursor)
        told = latest(changes + later)
        assert {remote_id for remote_id, c in told.items() if c.event} == set(ids) - gone

    def test_an_expired_cursor_asks_for_a_fresh_start(self, ann: Connected) -> None:
        _, cursor, _ = ann.list_all(ann.calendar)
        ann.control.expire_cursors(PERSON)
        with pytest.raises(CursorExpiredError):
            ann.list_all(ann.calendar, cursor)
        ann.list_all(ann.calendar)

    def test_a_cursor_that_is_garbage_asks_for_a_fresh_start(self, ann: Connected) -> None:
        with pytest.raises(CursorExpiredError):
            ann.list_all(ann.calendar, "garbage")

    def test_a_person_s_series_arrives_whole(self, ann: Connected) -> None:
        cal = ann.calendar
        monday = datetime(2027, 1, 4, 9)
        moved = SeriesException(
            monday + timedelta(weeks=1), start=datetime(2027, 1, 12, 14), end=datetime(2027, 1, 12, 15)
        )
        gone = SeriesException(monday + timedelta(weeks=2), cancelled=True)
        content = series("Weekly", monday, "FREQ=WEEKLY;BYDAY=MO;COUNT=6", moved, gone)
        remote_id = ann.control.create(PERSON, cal.remote_id, content)
        changes, cursor, _ = ann.list_all(cal)
        event = latest(changes)[remote_id].event
        assert event is not None
        assert [(e.original_start, e.cancelled, e.start) for e in event.content.when.exceptions] == [
            (e.original_start, e.cancelled, e.start) for e in (moved, gone)
        ]
        assert set(latest(changes)) == {remote_id}
        ann.control.update(PERSON, cal.remote_id, remote_id, title="Weekly, renamed")
        changes, _, _ = ann.list_all(cal, cursor)
        event = latest(changes)[remote_id].event
        assert event is not None and event.content.title == "Weekly, renamed"
        assert len(event.content.when.exceptions) == 2
        last = event.updated_at
        ann.control.advance(60)
        renamed = SeriesException(monday + timedelta(weeks=3), title="Special")
        when = dataclasses.replace(event.content.when, exceptions=(moved, gone, renamed))
        ann.control.update(PERSON, cal.remote_id, remote_id, when=when)
        event = ann.hooks.get_event(call=ann.call, calendar=cal, remote_id=remote_id)
        assert last is None or event.updated_at > last, "a change of an occurrence is one of its series"

    # --- writing ---

    @pytest.mark.parametrize(
        "content",
        [
            timed("Lunch", datetime(2027, 1, 7, 12), description="With Bob\nand Eve", zone=BERLIN),
            timed("New York", datetime(2027, 3, 14, 20), zone="America/New_York"),
            all_day("Fair", date(2027, 2, 3), days=3),
            series("Daily", datetime(2027, 3, 25, 9), "FREQ=DAILY;COUNT=6"),
            series(
                "Weekly",
                datetime(2027, 1, 4, 9),
                "FREQ=WEEKLY;BYDAY=MO;COUNT=6",
                SeriesException(
                    datetime(2027, 1, 11, 9), start=datetime(2027, 1, 12, 14), end=datetime(2027, 1, 12, 15)
                ),
                SeriesException(datetime(2027, 1, 18, 9), cancelled=True),
            ),
        ],
        ids=["timed", "other-zone", "all-day", "series", "series-with-exceptions"],
    )
    def test_what_is_pushed_reads_back_as_projected(self, ann: Connected, content: EventContent) -> None:
        cal = ann.calendar
        event = ann.create(cal, content)
        expected = ann.hooks.project(content=content).content
        assert changed_fields(ann.hooks.project(content=event.content).content, expected) == frozenset()
        read = ann.hooks.get_event(call=ann.call, calendar=cal, remote_id=event.remote_id)
        assert read.content == event.content
        assert ann.hooks.project(content=expected).content == expected
        assert ann.control.mails() == []

    def test_a_create_whose_answer_was_lost_is_found_again(self, ann: Connected) -> None:
        cal = ann.calendar
        push = PushCreate("0123456789abcdefghij0123456789", "tag-1", timed("Once", datetime(2027, 1, 7, 12)))
        ann.control.fault("reset_after", method="POST")
        with pytest.raises(RetryLaterError):
            ann.hooks.push_event(call=ann.call, calendar=cal, push=push)
        again = dataclasses.replace(push, attempt=1)
        event = ann.hooks.push_event(call=ann.call, calendar=cal, push=again)
        assert set(ann.control.events(PERSON, cal.remote_id)) == {event.remote_id}

    def test_a_found_create_keeps_what_a_person_made_of_it(self, ann: Connected) -> None:
        cal = ann.calendar
        event = ann.create(cal, timed("Once", datetime(2027, 1, 7, 12)))
        ann.control.update(PERSON, cal.remote_id, event.remote_id, title="Twice")
        found = ann.create(cal, timed("Once", datetime(2027, 1, 7, 12)), attempt=1)
        assert (found.remote_id, found.content.title) == (event.remote_id, "Twice")
        assert ann.control.events(PERSON, cal.remote_id)[event.remote_id].title == "Twice"

    def test_a_create_that_comes_late_changes_nothing(self, ann: Connected) -> None:
        cal = ann.calendar
        event = ann.create(cal, timed("Newer", datetime(2027, 1, 7, 12)))
        with suppress(RetryLaterError):
            ann.create(cal, timed("Older", datetime(2027, 1, 7, 12)))
        shown = ann.control.events(PERSON, cal.remote_id)
        assert {remote_id: content.title for remote_id, content in shown.items()} == {
            event.remote_id: "Newer"
        }

    def test_a_create_is_idempotent_even_if_the_hub_forgot_that_it_tried(self, ann: Connected) -> None:
        cal = ann.calendar
        first = ann.create(cal, timed("Once", datetime(2027, 1, 7, 12)))
        second = ann.create(cal, timed("Once", datetime(2027, 1, 7, 12)))
        assert second.remote_id == first.remote_id
        assert len(ann.control.events(PERSON, cal.remote_id)) == 1

    def test_an_update_writes_only_what_changed(self, ann: Connected) -> None:
        cal = ann.calendar
        event = ann.create(cal, timed("Lunch", datetime(2027, 1, 7, 12), description="Bring money"))
        ann.control.clear_ledger()
        event = ann.update(cal, event, dataclasses.replace(event.content, title="Late lunch"))
        assert event.content.title == "Late lunch" and event.content.description == "Bring money"
        assert len(ann.control.writes()) == 1

    def test_a_series_update_keeps_its_exceptions(self, ann: Connected) -> None:
        cal = ann.calendar
        gone = SeriesException(datetime(2027, 1, 11, 9), cancelled=True)
        event = ann.create(
            cal, series("Weekly", datetime(2027, 1, 4, 9), "FREQ=WEEKLY;BYDAY=MO;COUNT=6", gone)
        )
        event = ann.update(cal, event, dataclasses.replace(event.content, title="Renamed"))
        assert event.content.title == "Renamed"
        assert [e.original_start for e in event.content.when.exceptions] == [gone.original_start]

    def test_timed_becomes_all_day_and_back(self, ann: Connected) -> None:
        cal = ann.calendar
        event = ann.create(cal, timed("Trip", datetime(2027, 1, 7, 12)))
        event = ann.update(cal, event, all_day("Trip", date(2027, 1, 8), 2))
        assert event.content.when.start == date(2027, 1, 8) and event.content.when.all_day
        event = ann.update(cal, event, timed("Trip", datetime(2027, 1, 7, 12)))
        assert event.content.when.start == datetime(2027, 1, 7, 12)

    def test_a_stale_version_is_refused_and_changes_nothing(self, ann: Connected) -> None:
        cal = ann.calendar
        event = ann.create(cal, timed("Lunch", datetime(2027, 1, 7, 12)))
        ann.control.update(PERSON, cal.remote_id, event.remote_id, title="By Ann")
        with pytest.raises(VersionMovedError):
            ann.update(cal, event, dataclasses.replace(event.content, title="By the hub"))
        with pytest.raises(VersionMovedError):
            ann.hooks.push_event(call=ann.call, calendar=cal, push=PushDelete(event.remote_id, event.version))
        assert ann.control.events(PERSON, cal.remote_id)[event.remote_id].title == "By Ann"

    def test_deleting_twice_says_gone(self, ann: Connected) -> None:
        cal = ann.calendar
        event = ann.create(cal, timed("Lunch", datetime(2027, 1, 7, 12)))
        push = PushDelete(event.remote_id, event.version)
        assert ann.hooks.push_event(call=ann.call, calendar=cal, push=push) is None
        with pytest.raises(GoneError):
            ann.hooks.push_event(call=ann.call, calendar=cal, push=push)
        with pytest.raises(GoneError):
            ann.update(cal, event, dataclasses.replace(event.content, title="Too late"))

    # --- people ---

    def test_guests_are_told_with_notify_and_else_left_alone(self, ann: Connected) -> None:
        cal, when = ann.calendar, datetime(2027, 1, 7, 12)
        meeting = timed("Review", when, attendees=(Attendee(BOB, "Bob"), Attendee(CAT)))
        copy = ann.create(cal, meeting)
        assert (copy.content.attendees, ann.told()) == ((), [])
        push = PushCreate(f"{2:032d}", "evt-2", meeting, notify=True)
        event = ann.push(cal, push)
        assert {guest.email for guest in event.content.attendees} >= {BOB, CAT}
        assert ann.told() == [("invitation", BOB), ("invitation", CAT)]
        ann.push(cal, dataclasses.replace(push, attempt=1))
        assert len(ann.told()) == 2, "what is there already invites nobody again"
        ann.control.clear_ledger()
        with suppress(RefusedError):
            event = ann.update(cal, event, dataclasses.replace(event.content, title="Unheard"))
        assert ann.told() == []
        event = ann.hooks.get_event(call=ann.call, calendar=cal, remote_id=event.remote_id)
        assert {guest.email for guest in event.content.attendees} >= {BOB, CAT}

    def test_guests_who_come_and_go_and_stay_are_told_so(self, ann: Connected) -> None:
        cal, when = ann.calendar, datetime(2027, 1, 7, 12)
        meeting = timed("Review", when, attendees=(Attendee(BOB, "Bob"), Attendee(CAT)))
        event = ann.push(cal, PushCreate(f"{2:032d}", "evt-2", meeting, notify=True))
        ann.control.clear_ledger()
        wanted = dataclasses.replace(
            event.content, title="Retro", attendees=(Attendee(BOB, "Bob"), Attendee("dan@example.test"))
        )
        fields = frozenset({"title", "attendees"})
        push = PushUpdate(event.remote_id, event.version, wanted, event.content, fields, notify=True)
        changed = ann.push(cal, push)
        assert changed.content.title == "Retro"
        assert CAT not in {guest.email for guest in changed.content.attendees}
        told = [("cancellation", CAT), ("invitation", "dan@example.test"), ("update", BOB)]
        assert ann.told() == told
        with pytest.raises(VersionMovedError):
            ann.push(cal, push)
        assert ann.told() == told, "a change that comes twice is told once"
        ann.control.clear_ledger()
        gone = PushDelete(changed.remote_id, changed.version, notify=True)
        assert ann.hooks.push_event(call=ann.call, calendar=cal, push=gone) is None
        assert ann.told() == [("cancellation", BOB), ("cancellation", "dan@example.test")]

    @pytest.mark.parametrize("answer", [Answer.ACCEPTED, Answer.TENTATIVE, Answer.DECLINED])
    def test_an_invitation_is_answered_once_and_for_the_owner_alone(
        self, ann: Connected, answer: Answer
    ) -> None:
        event = self.invited(ann)
        assert event.read_only and event.content.own_answer is Answer.NEEDS_ACTION
        push = PushAnswer(event.remote_id, event.content, answer, "A word")
        for _ in range(2):
            event = ann.push(ann.calendar, push)
            assert event.content.own_answer is answer
            others = {g.email: g.answer for g in event.content.attendees if g.email != PERSON}
            assert others == {BOB: Answer.NEEDS_ACTION}
            assert ann.told() == [("reply", "boss@example.test")]

    def test_an_answer_may_be_given_without_a_word(self, ann: Connected) -> None:
        event = self.invited(ann)
        push = PushAnswer(event.remote_id, event.content, Answer.ACCEPTED, notify=False)
        assert ann.push(ann.calendar, push).content.own_answer is Answer.ACCEPTED
        assert ann.told() == []

    def test_what_is_no_invitation_is_not_answered(self, ann: Connected) -> None:
        event = ann.create(ann.calendar, timed("Lunch", datetime(2027, 1, 7, 12)))
        with pytest.raises(RefusedError):
            ann.push(ann.calendar, PushAnswer(event.remote_id, event.content, Answer.ACCEPTED))
        gone = PushAnswer("nosuchevent0123456789", event.content, Answer.ACCEPTED)
        with pytest.raises((GoneError, RefusedError)):
            ann.push(ann.calendar, gone)

    def invited(self, ann: Connected) -> RemoteEvent:
        """Have a meeting of somebody else's come to the person."""
        content = timed(
            "Review",
            datetime(2027, 1, 7, 12),
            organizer=Person("boss@example.test", "Boss"),
            attendees=(Attendee(PERSON, "Ann"), Attendee(BOB, "Bob")),
            own_answer=Answer.NEEDS_ACTION,
        )
        cal = ann.calendar
        remote_id = ann.control.create(PERSON, cal.remote_id, content)
        event: RemoteEvent = ann.hooks.get_event(call=ann.call, calendar=cal, remote_id=remote_id)
        return event

    # --- notifications ---

    def test_a_change_is_notified_with_the_channel_and_its_secret(self, ann: Connected) -> None:
        cal = ann.calendar
        request, subscription = self.subscribe(ann, cal)
        assert subscription.channel_id == request.channel_id and subscription.expires_at > ann.now
        ann.control.create(PERSON, cal.remote_id, timed("New", datetime(2027, 1, 7, 12)))
        notice = ann.callback.wait_for(NotificationKind.CHANGED)[0]
        assert (notice.channel_id, notice.secret) == (request.channel_id, request.secret)

    def test_renewing_keeps_notifications_coming(self, ann: Connected) -> None:
        cal = ann.calendar
        _, old = self.subscribe(ann, cal)
        request = SubscribeRequest("d" * 32, "secret-new", ann.callback.url, ann.now + timedelta(days=6))
        new = ann.hooks.renew(call=ann.call, calendar=cal, subscription=old, request=request)
        assert new.channel_id in (old.channel_id, request.channel_id)
        if new.channel_id != old.channel_id:
            ann.hooks.unsubscribe(call=ann.call, subscription=old)
        ann.control.create(PERSON, cal.remote_id, timed("New", datetime(2027, 1, 7, 12)))
        assert ann.callback.wait_for(NotificationKind.CHANGED)[-1].channel_id == new.channel_id

    def test_after_unsubscribe_nothing_comes(self, ann: Connected) -> None:
        cal = ann.calendar
        _, subscription = self.subscribe(ann, cal)
        ann.hooks.unsubscribe(call=ann.call, subscription=subscription)
        ann.callback.receptions.clear()
        ann.control.create(PERSON, cal.remote_id, timed("New", datetime(2027, 1, 7, 12)))
        time.sleep(0.3)
        assert [n for r in ann.callback.receptions for n in r.notifications] == []

    @pytest.mark.parametrize(
        "body", [b"", b"{", b"[]", b'{"value": 7}', b'{"value": [null, {}]}', b"\xff" * 50]
    )
    def test_a_request_that_makes_no_sense_is_no_notification(self, hooks: Any, body: bytes) -> None:
        request = ProviderRequest("POST", "/webhooks/x", {}, {"content-type": "application/json"}, body)
        reception = hooks.receive(settings={}, request=request)
        assert reception.notifications == () and reception.answer is None

    # --- trouble ---

    @pytest.mark.parametrize("status", [500, 502, 503, 504, 429])
    def test_a_busy_provider_means_again_later(self, ann: Connected, status: int) -> None:
        cal = ann.calendar
        ann.control.fault("status", status=status, headers={"Retry-After": "7"}, body="<html>busy</html>")
        with pytest.raises(RetryLaterError) as caught:
            ann.list_all(cal)
        assert caught.value.after in (None, 7.0)
        ann.list_all(cal)

    @pytest.mark.parametrize("kind", ["reset_before", "reset_after", "hang"])
    def test_a_silent_provider_means_again_later(self, ann: Connected, kind: str) -> None:
        """For what has changed; a full listing may begin anew with smaller pages, and is not at its end."""
        cal = ann.calendar
        _, cursor, _ = ann.list_all(cal)
        ann.control.fault(kind, seconds=8)
        call = dataclasses.replace(ann.call, deadline=1.0)
        with pytest.raises(RetryLaterError):
            ann.hooks.fetch_changes(call=call, calendar=cal, cursor=cursor, page=None, window=ann.window)
        ann.list_all(cal, cursor)
        ann.control.fault(kind, seconds=8)
        try:
            page = ann.hooks.fetch_changes(call=call, calendar=cal, cursor=None, page=None, window=ann.window)
        except RetryLaterError:
            return
        assert page.next_page and not page.next_cursor and not page.changes

    def test_a_revoked_grant_is_never_an_empty_calendar(self, ann: Connected) -> None:
        cal = ann.calendar
        ann.control.create(PERSON, cal.remote_id, timed("Still there", datetime(2027, 1, 7, 12)))
        ann.control.revoke(PERSON)
        with pytest.raises((GrantLostError, TokenExpiredError)):
            ann.list_all(cal)

    def test_an_unknown_calendar_is_lost_not_empty(self, ann: Connected) -> None:
        lost = dataclasses.replace(ann.calendar, remote_id="no-such-calendar")
        with pytest.raises(ProviderError) as caught:
            ann.list_all(lost)
        assert not isinstance(caught.value, (CursorExpiredError, GoneError))

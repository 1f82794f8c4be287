"""A whole provider plugin in memory: passes ProviderContract, and can be told to fail, lag and expire.

The hooks speak to a `MemoryService` in this process, found by the `SERVICE` setting; only the control
API goes over HTTP. A listing tells of changes by a sequence number, an event's version is a counter,
and a series is one record, so nothing of a real provider's oddities hides what the hub does.
"""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import requests
from flask import Flask, Response, jsonify, request

from hub.plugin import hookimpl
from hub.plugin.codec import content_from_json, from_json, to_json
from hub.plugin.errors import (
    CalendarLostError,
    CursorExpiredError,
    GoneError,
    GrantLostError,
    PollOnlyError,
    RefusedError,
    RetryLaterError,
    TokenExpiredError,
    VersionMovedError,
)
from hub.plugin.meaning import exact_losses
from hub.plugin.types import (
    CONTENT_FIELDS,
    AccessRole,
    AuthorizationRequest,
    Call,
    ChangePage,
    CodeExchange,
    Coverage,
    EventContent,
    Limits,
    NewGrant,
    Notification,
    Projection,
    ProviderInfo,
    ProviderRequest,
    Push,
    PushAnswer,
    PushCreate,
    PushDelete,
    Reception,
    RemoteAccount,
    RemoteCalendar,
    RemoteChange,
    RemoteEvent,
    Sandbox,
    SandboxOptions,
    Scope,
    SeriesException,
    Setting,
    SubscribeRequest,
    Subscription,
    Tokens,
    When,
    Window,
)

SERVICES: dict[str, MemoryService] = {}
PEOPLE = ("organizer", "attendees", "own_answer")
REASONS = {name: f"This calendar keeps no {name}." for name in CONTENT_FIELDS} | {
    "when": "Occurrences have no guests of their own in this calendar."
}
NOBODY = EventContent(When(date(2026, 1, 1), date(2026, 1, 2)))
TOKEN_LIFE = timedelta(hours=1)


@dataclass
class _Event:
    remote_id: str
    content: EventContent
    version: int
    seq: int
    tag: str | None = None
    deleted: bool = False
    at: datetime = datetime(2026, 1, 1, tzinfo=UTC)
    before: _Event | None = None
    """The state before the last write."""
    uid: str = ""
    """Its UID, if that is not made of its id."""


@dataclass
class _Calendar:
    remote_id: str
    name: str
    role: AccessRole = AccessRole.OWNER
    primary: bool = False
    events: dict[str, _Event] = field(default_factory=dict)


@dataclass
class _Person:
    email: str
    name: str
    calendars: dict[str, _Calendar] = field(default_factory=dict)
    id: str = ""
    """Who it is for good, if that is not the address."""
    epoch: int = 0
    """Cursors of an older epoch have expired."""


@dataclass
class _Fault:
    kind: str
    times: int
    hook: str
    options: dict[str, Any]


class _CutError(Exception):
    """The connection broke."""


class MemoryService:
    """The provider's own state. Thread-safe by one lock; time is the real clock plus an offset."""

    def __init__(self, name: str = "memory") -> None:
        self.name = name
        self.lock = threading.RLock()
        self.offset = timedelta(0)
        self.people: dict[str, _Person] = {}
        self.codes: dict[str, str] = {}
        self.access: dict[str, tuple[str, datetime]] = {}
        self.refresh: dict[str, str] = {}
        self.channels: dict[str, tuple[SubscribeRequest, str, str]] = {}
        self.calls: list[dict[str, Any]] = []
        self.mails: list[dict[str, str]] = []
        self.pushed: list[Push] = []
        """Whatever was handed over to be written."""
        self.faults: list[_Fault] = []
        self.page_size = 50
        self.can_watch = True
        self.clock: Callable[[], datetime] = lambda: datetime.now(UTC)
        self.deliver: Callable[[str, dict[str, str]], None] = _post
        self.before_listing: Callable[[], None] | None = None
        """Called once, in the middle of the next listing."""
        self.before_read: Callable[[], None] | None = None
        """Called once, before the next single event is read."""
        self.before_write: Callable[[], None] | None = None
        """Called once, before the next write is stored; likewise `after_write` after that."""
        self.after_write: Callable[[], None] | None = None
        self._counter = 0
        SERVICES[name] = self

    def now(self) -> datetime:
        return self.clock() + self.offset

    def count(self) -> int:
        self._counter += 1
        return self._counter

    # --- the person's side ---

    def add_person(
        self, email: str, name: str = "", calendars: list[dict[str, str]] | None = None
    ) -> _Person:
        with self.lock:
            person = self.people.setdefault(email, _Person(email, name))
            if not person.calendars:
                person.calendars[email] = _Calendar(email, "Main", primary=True)
            for wanted in calendars or []:
                remote_id = f"cal{self.count()}"
                role = AccessRole(wanted.get("role", "owner"))
                person.calendars[remote_id] = _Calendar(remote_id, wanted["name"], role)
            return person

    def calendar(self, person: str, calendar: str) -> _Calendar:
        return self.people[person].calendars[calendar]

    def write(
        self, calendar: _Calendar, remote_id: str, content: EventContent, tag: str | None = None
    ) -> _Event:
        """Store an event as it is now, and tell the channels."""
        known = calendar.events.get(remote_id)
        event = _Event(
            remote_id,
            content,
            (known.version if known else 0) + 1,
            self.count(),
            tag or (known.tag if known else None),
            at=self.now(),
            before=known and dataclasses.replace(known, before=None),
            uid=known.uid if known else "",
        )
        calendar.events[remote_id] = event
        self.notify(calendar)
        return event

    def mail(
        self, content: EventContent, kind: str, before: EventContent | None = None, *, notify: bool
    ) -> None:
        """Tell the guests of a change, if that is wished for: who comes, who goes, and who stays."""
        now = {a.email for a in content.attendees}
        was = now if before is None else {a.email for a in before.attendees}
        told = [(kind, now & was), ("invitation", now - was), ("cancellation", was - now)]
        self.mails += [
            {"to": to, "kind": what, "subject": content.title}
            for what, people in told
            for to in sorted(people)
            if notify
        ]

    def remove(self, calendar: _Calendar, remote_id: str) -> None:
        event = calendar.events[remote_id]
        calendar.events[remote_id] = dataclasses.replace(
            event, deleted=True, seq=self.count(), version=event.version + 1
        )
        self.notify(calendar)

    def notify(self, calendar: _Calendar) -> None:
        for subscription, _, watched in list(self.channels.values()):
            if watched == calendar.remote_id:
                headers = {"X-Channel": subscription.channel_id, "X-Secret": subscription.secret}
                self.deliver(subscription.callback_url, headers)

    # --- the hub's side ---

    def enter(self, hook: str, call: Call, *, write: bool = False) -> _Person:
        """Check the token and play a fault; return whose call it is."""
        person, expires_at = self.access.get(call.access_token, ("", self.now()))
        self.calls.append({"method": hook, "path": hook, "status": 200, "write": write, "person": person})
        if expires_at <= self.now():
            raise TokenExpiredError("the token has expired")
        return self.people[person]

    def fault(self, hook: str) -> _Fault | None:
        for fault in self.faults:
            if fault.times > 0 and fault.hook in ("", hook):
                fault.times -= 1
                return fault
        return None


def _post(url: str, headers: dict[str, str]) -> None:
    threading.Thread(target=requests.post, args=(url,), kwargs={"headers": headers, "timeout": 5}).start()


def _service(call: Call) -> MemoryService:
    return SERVICES[call.settings["SERVICE"]]


def _play(service: MemoryService, hook: str, work: Callable[[], Any]) -> Any:
    """Run one provider call under the service's lock, with the fault that is due."""
    with service.lock:
        fault = service.fault(hook)
        if fault is None:
            return work()
        if fault.kind == "reset_after":
            work()
        if fault.kind in ("unkept", "stripped"):
            before = service._counter
            answer = work()
            # What has found its event there already has written nothing that could be lost.
            return answer if service._counter == before else _forget(service, answer, fault)
        if fault.kind == "raise":
            raise fault.options["error"]
    raise RetryLaterError(f"the provider failed ({fault.kind})", after=fault.options.get("after"))


def _forget(service: MemoryService, answer: RemoteEvent, fault: _Fault) -> RemoteEvent:
    """Keep something else than the answer says: the old state, or an event without its title and tag.

    With the option `touch` it gets another version than the answer's, as after a change.
    """
    calendars = [c for person in service.people.values() for c in person.calendars.values()]
    calendar = next(c for c in calendars if answer.remote_id in c.events)
    event = calendar.events[answer.remote_id]
    if fault.kind == "stripped":
        event.content, event.tag = dataclasses.replace(event.content, title="", description=""), None
    elif event.before is not None:
        event.content, event.at = event.before.content, event.before.at
    event.version += 1 if fault.options.get("touch") else 0
    return answer if fault.options.get("silent", True) else _shown(event)


def _shown(event: _Event) -> RemoteEvent:
    return RemoteEvent(
        event.remote_id,
        str(event.version),
        event.content,
        uid=event.uid or f"{event.remote_id}@memory",
        tag=event.tag,
        updated_at=event.at,
        read_only="organised by someone else" if event.content.own_answer else None,
    )


def _calendar(service: MemoryService, person: _Person, calendar: RemoteCalendar) -> _Calendar:
    if calendar.remote_id not in person.calendars:
        raise CalendarLostError(f"{calendar.name!r} does not exist any more.")
    return person.calendars[calendar.remote_id]


class MemoryPlugin:
    """The plugin object; `lossy` makes it forget fields, to play providers that hold less."""

    def __init__(self, name: str = "memory", lossy: tuple[str, ...] = ()) -> None:
        self.name = name
        self.lossy = lossy

    @hookimpl
    def provider(self) -> ProviderInfo:
        return ProviderInfo(
            self.name,
            "Memory",
            ("events",),
            (Setting("SERVICE", "Name of the service in this process.", self.name),),
            Limits(per_account_per_minute=1_000_000, per_project_per_minute=1_000_000),
            Coverage.CALENDAR,
        )

    @hookimpl
    def authorization_url(self, settings: Mapping[str, str], request: AuthorizationRequest) -> str:
        query = {"redirect_uri": request.redirect_uri, "state": request.state}
        return f"http://memory.invalid/authorize?{urlencode(query)}"

    @hookimpl
    def exchange_code(self, settings: Mapping[str, str], request: CodeExchange, now: datetime) -> NewGrant:
        service = SERVICES[settings["SERVICE"]]
        email = service.codes.pop(request.code, None)
        if email is None:
            raise GrantLostError("the code is spent or unknown")
        person = service.people[email]
        return NewGrant(_tokens(service, email), RemoteAccount(person.id or email, email, person.name))

    @hookimpl
    def refresh_grant(
        self, settings: Mapping[str, str], refresh_token: str, scopes: tuple[str, ...], now: datetime
    ) -> Tokens:
        service = SERVICES[settings["SERVICE"]]

        def work() -> Tokens:
            email = service.refresh.get(refresh_token)
            if email is None:
                raise GrantLostError("the person has withdrawn the consent")
            return dataclasses.replace(_tokens(service, email), refresh_token=None)

        result: Tokens = _play(service, "refresh_grant", work)
        return result

    @hookimpl
    def revoke_grant(self, settings: Mapping[str, str], tokens: Tokens) -> None:
        SERVICES[settings["SERVICE"]].refresh.pop(tokens.refresh_token or "", None)

    @hookimpl
    def list_calendars(self, call: Call) -> tuple[RemoteCalendar, ...]:
        service = _service(call)

        def work() -> tuple[RemoteCalendar, ...]:
            person = service.enter("list_calendars", call)
            return tuple(
                RemoteCalendar(
                    c.remote_id, c.name, c.role, "Europe/Berlin", None, c.primary, service.can_watch
                )
                for c in person.calendars.values()
            )

        result: tuple[RemoteCalendar, ...] = _play(service, "list_calendars", work)
        return result

    @hookimpl
    def subscribe(self, call: Call, calendar: RemoteCalendar, request: SubscribeRequest) -> Subscription:
        service = _service(call)

        def work() -> Subscription:
            _calendar(service, service.enter("subscribe", call), calendar)
            if not service.can_watch:
                raise PollOnlyError("this calendar cannot be watched")
            remote_id = f"sub{service.count()}"
            service.channels[request.channel_id] = (request, remote_id, calendar.remote_id)
            return Subscription(request.channel_id, remote_id, request.expires_at)

        result: Subscription = _play(service, "subscribe", work)
        return result

    @hookimpl
    def renew(
        self, call: Call, calendar: RemoteCalendar, subscription: Subscription, request: SubscribeRequest
    ) -> Subscription:
        if subscription.channel_id not in _service(call).channels:
            raise GoneError("the subscription has ended")
        return self.subscribe(call, calendar, request)

    @hookimpl
    def unsubscribe(self, call: Call, subscription: Subscription) -> None:
        service = _service(call)
        service.enter("unsubscribe", call)
        if service.channels.pop(subscription.channel_id, None) is None:
            raise GoneError("the subscription has ended")

    @hookimpl
    def receive(self, settings: Mapping[str, str], request: ProviderRequest) -> Reception:
        channel, secret = request.headers.get("x-channel"), request.headers.get("x-secret")
        return Reception((Notification(channel, secret),) if channel and secret else ())

    @hookimpl
    def fetch_changes(
        self, call: Call, calendar: RemoteCalendar, cursor: str | None, page: str | None, window: Window
    ) -> ChangePage:
        service = _service(call)

        def work() -> ChangePage:
            interrupt, service.before_listing = service.before_listing, None
            if interrupt is not None:
                interrupt()
            person = service.enter("fetch_changes", call)
            found = _calendar(service, person, calendar)
            since = _since(person, cursor)
            position, _, begun = (page or str(since)).partition(":")
            # What is deleted while all is listed is on none of its pages: the cursor goes on from the first.
            begun = begun or str(service._counter)
            rows = sorted((e for e in found.events.values() if e.seq > int(position)), key=lambda e: e.seq)
            rows = [e for e in rows if cursor is not None or not e.deleted]
            shown = rows[: service.page_size]
            changes = tuple(RemoteChange(e.remote_id, None if e.deleted else _shown(e)) for e in shown)
            scope = Scope.SNAPSHOT if cursor is None else Scope.DELTA
            if len(rows) > len(shown):
                return ChangePage(changes, scope, next_page=f"{shown[-1].seq}:{begun}")
            return ChangePage(changes, scope, next_cursor=f"{person.epoch}:{begun}")

        result: ChangePage = _play(service, "fetch_changes", work)
        return result

    @hookimpl
    def get_event(self, call: Call, calendar: RemoteCalendar, remote_id: str) -> RemoteEvent:
        service = _service(call)

        def work() -> RemoteEvent:
            interrupt, service.before_read = service.before_read, None
            if interrupt is not None:
                interrupt()
            found = _calendar(service, service.enter("get_event", call), calendar).events.get(remote_id)
            if found is None or found.deleted:
                raise GoneError("there is no such event")
            return _shown(found)

        result: RemoteEvent = _play(service, "get_event", work)
        return result

    @hookimpl
    def push_event(self, call: Call, calendar: RemoteCalendar, push: Push) -> RemoteEvent | None:
        service = _service(call)

        def work() -> RemoteEvent | None:
            service.pushed.append(push)
            found = _calendar(service, service.enter("push_event", call, write=True), calendar)
            if found.role not in (AccessRole.OWNER, AccessRole.WRITER):
                raise RefusedError("the calendar is read-only", scope="calendar")
            if isinstance(push, PushCreate):
                others = {name: getattr(EventContent(push.content.when), name) for name in CONTENT_FIELDS}
                others = {name: value for name, value in others.items() if name not in push.fields}
                content = dataclasses.replace(self.project(push.content).content, **others)
                if push.notify:
                    content = dataclasses.replace(content, attendees=push.content.attendees)
                known = found.events.get(push.create_id)
                if known and known.deleted:
                    raise GoneError("it was deleted")
                if known and push.attempt == 0 and known.content != content:
                    raise RetryLaterError("it is there already")
                if known:
                    return _shown(known)
                service.mail(content, "invitation", notify=push.notify)
                return _shown(service.write(found, push.create_id, content, push.tag))
            known = found.events.get(push.remote_id)
            if known is None or known.deleted:
                raise GoneError("there is no such event")
            if isinstance(push, PushAnswer):
                answered = _answered(known, push, service.access[call.access_token][0])
                if answered == known.content:
                    return _shown(known)
                boss = known.content.organizer
                mail = {"to": boss.email if boss else "", "kind": "reply", "subject": known.content.title}
                service.mails += [mail] if push.notify else []
                return _shown(service.write(found, push.remote_id, answered))
            if push.version not in ("", str(known.version)):
                raise VersionMovedError("it was changed meanwhile")
            if isinstance(push, PushDelete):
                service.remove(found, push.remote_id)
                service.mail(known.content, "cancellation", notify=push.notify)
                return None
            wanted = self.project(push.content).content
            changes = {name: getattr(wanted, name) for name in push.fields}
            if push.notify and "attendees" in push.fields:
                changes["attendees"] = push.content.attendees
            new = dataclasses.replace(known.content, **changes)
            service.mail(new, "update", known.content, notify=push.notify)
            return _shown(service.write(found, push.remote_id, new))

        def interrupted() -> RemoteEvent | None:
            interrupt, service.before_write = service.before_write, None
            if interrupt is not None:
                interrupt()
            answer = work()
            interrupt, service.after_write = service.after_write, None
            if interrupt is not None:
                interrupt()
            return answer

        result: RemoteEvent | None = _play(service, "push_event", interrupted)
        return result

    @hookimpl
    def project(self, content: EventContent) -> Projection:
        """Guests are nobody's to copy: they are written only with `notify`."""
        held = self.held(content)
        when = dataclasses.replace(held.when, exceptions=tuple(map(_without_people, held.when.exceptions)))
        bare = dataclasses.replace(held, when=when, **{name: getattr(NOBODY, name) for name in PEOPLE})
        return Projection(bare, exact_losses(content, bare, (), REASONS))

    def held(self, content: EventContent) -> EventContent:
        """Return what the provider holds of an event that is its own."""
        plain = EventContent(when=content.when)
        kept = {name: getattr(plain, name) for name in self.lossy}
        return dataclasses.replace(content, description_html=None, **kept)

    @hookimpl
    def sandbox(self, options: SandboxOptions) -> Sandbox:
        service = MemoryService(f"{self.name}-{options.base_url}")
        return Sandbox(_control_app(service, self), {"SERVICE": service.name}, lambda: None)


def _without_people(exception: SeriesException) -> SeriesException:
    return dataclasses.replace(exception, attendees=None, own_answer=None)


def _answered(event: _Event, push: PushAnswer, email: str) -> EventContent:
    """Return an invitation with its owner's answer."""
    content = event.content
    if content.own_answer is None:
        raise RefusedError("the account's owner is no guest of this event")
    if push.original_start is not None:
        others = [e for e in content.when.exceptions if e.original_start != push.original_start]
        own = next(
            (e for e in content.when.exceptions if e.original_start == push.original_start),
            SeriesException(push.original_start),
        )
        changed = [*others, dataclasses.replace(own, own_answer=push.answer)]
        in_order = tuple(sorted(changed, key=lambda e: str(e.original_start)))
        return dataclasses.replace(content, when=dataclasses.replace(content.when, exceptions=in_order))
    rows = tuple(
        dataclasses.replace(a, answer=push.answer) if a.email == email else a for a in content.attendees
    )
    return dataclasses.replace(content, own_answer=push.answer, attendees=rows)


def _since(person: _Person, cursor: str | None) -> int:
    if cursor is None:
        return 0
    epoch, _, position = cursor.partition(":")
    if not position.isdigit() or epoch != str(person.epoch):
        raise CursorExpiredError("the cursor is too old")
    return int(position)


def _tokens(service: MemoryService, email: str) -> Tokens:
    with service.lock:
        access, refresh = f"access-{service.count()}", f"refresh-{service.count()}"
        expires_at = service.now() + TOKEN_LIFE
        service.access[access] = (email, expires_at)
        service.refresh[refresh] = email
        return Tokens(access, expires_at, ("events",), refresh)


def consent(service: MemoryService, authorization_url: str, person: str, decision: str = "allow") -> str:
    """Answer the consent page as a person; return where the browser is sent."""
    query = {k: v[0] for k, v in parse_qs(urlsplit(authorization_url).query).items()}
    answer = {"state": query["state"]}
    if decision == "allow":
        code = f"code-{service.count()}"
        service.codes[code] = person
        answer["code"] = code
    else:
        answer["error"] = "access_denied"
    return f"{query['redirect_uri']}?{urlencode(answer)}"


def revoke(service: MemoryService, email: str) -> None:
    """Withdraw a person's consent."""
    service.access = {t: v for t, v in service.access.items() if v[0] != email}
    service.refresh = {t: v for t, v in service.refresh.items() if v != email}


def _control_app(service: MemoryService, plugin: MemoryPlugin) -> Callable[..., Any]:
    """Return the control API of `hub.plugin.control` over the service."""
    app = Flask(__name__)

    @app.errorhandler(KeyError)
    def unknown(error: KeyError) -> tuple[Response, int]:
        return jsonify(error=f"unknown: {error}"), 404

    @app.get("/_control/people")
    def people() -> dict[str, Any]:
        return {"people": [_described(p) for p in service.people.values()]}

    @app.post("/_control/people")
    def add_person() -> tuple[dict[str, Any], int]:
        return _described(service.add_person(**request.get_json())), 201

    @app.route("/_control/events", methods=["GET", "POST", "PATCH", "DELETE"])
    def events() -> Any:
        body = request.args if request.method == "GET" else request.get_json()
        with service.lock:
            calendar = service.calendar(body["person"], body["calendar"])
            if request.method == "GET":
                live = [e for e in calendar.events.values() if not e.deleted]
                return {"events": [{"remote_id": e.remote_id, "content": to_json(e.content)} for e in live]}
            if request.method == "DELETE":
                service.remove(calendar, body["remote_id"])
                return "", 204
            if request.method == "POST":
                remote_id = f"person{service.count()}"
                content = content_from_json(body["content"])
            else:
                remote_id = body["remote_id"]
                old = to_json(calendar.events[remote_id].content)
                content = from_json(EventContent, old | body["content"])
            event = service.write(calendar, remote_id, plugin.held(content))
            return {"remote_id": remote_id, "content": to_json(event.content)}, 201

    @app.post("/_control/consent")
    def answer_consent() -> dict[str, str]:
        body = request.get_json()
        return {"callback_url": consent(service, body["authorization_url"], body["person"], body["decision"])}

    @app.route("/_control/ledger", methods=["GET", "DELETE"])
    def ledger() -> Any:
        if request.method == "DELETE":
            service.calls.clear()
            service.mails.clear()
            return "", 204
        return {"calls": service.calls, "mails": service.mails}

    @app.route("/_control/faults", methods=["POST", "DELETE"])
    def faults() -> Any:
        if request.method == "DELETE":
            service.faults.clear()
            return "", 204
        body = request.get_json()
        hook = "push_event" if body.get("method") == "POST" else ""
        options = {"after": float(body["headers"]["Retry-After"])} if body.get("headers") else {}
        service.faults.append(_Fault(body["kind"], body.get("times", 1), hook, options))
        return {}, 201

    @app.post("/_control/clock")
    def clock() -> dict[str, str]:
        service.offset += timedelta(seconds=request.get_json()["advance"])
        return {"now": service.now().isoformat()}

    @app.post("/_control/grants/revoke")
    def revoke_grants() -> tuple[str, int]:
        revoke(service, request.get_json()["person"])
        return "", 204

    @app.post("/_control/cursors/expire")
    def expire_cursors() -> tuple[str, int]:
        service.people[request.get_json()["person"]].epoch += 1
        return "", 204

    return app.wsgi_app


def _described(person: _Person) -> dict[str, Any]:
    calendars = [
        {
            "remote_id": c.remote_id,
            "name": c.name,
            "primary": c.primary,
            "writable": c.role in ("owner", "writer"),
        }
        for c in person.calendars.values()
    ]
    return {"email": person.email, "name": person.name, "calendars": calendars}

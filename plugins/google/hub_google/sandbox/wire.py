"""The sandbox's side of the wire: Calendar API v3 over the model, with Google's paths and bodies.

Which scopes open a method is read from the discovery document itself.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable
from functools import cache
from importlib import resources
from typing import Any

from flask import Blueprint, Flask, Response, g, request
from werkzeug.exceptions import HTTPException

from hub_google.colors import EVENT_COLORS
from hub_google.sandbox import calendars, channels, listing, oauth, people
from hub_google.sandbox.events import Events
from hub_google.sandbox.failure import ApiError, invalid, not_found
from hub_google.sandbox.fields import select
from hub_google.sandbox.state import Access, CalendarState, State

_MINUTE = 60.0
BASE = "/calendar/v3"


@cache
def scopes_of(method_id: str) -> list[str]:
    """Return the scopes that open a method, such as `events.list`."""
    path = resources.files("googleapiclient") / "discovery_cache" / "documents" / "calendar.v3.json"
    resource, _, method = method_id.partition(".")
    found: list[str] = json.loads(path.read_text("utf-8"))["resources"][resource]["methods"][method]["scopes"]
    return found


class Api:
    """The views; each holds the state's lock for as long as it takes."""

    def __init__(self, state: State, sender: channels.Sender) -> None:
        self.state, self.sender = state, sender
        self._calls: dict[str, deque[float]] = {}
        self._refused = 0

    def run(self, method_id: str, view: Callable[..., Any], **path: str) -> Response:
        """Authenticate, run one view, and answer as Google does."""
        with self.state.lock:
            try:
                header = request.headers.get("Authorization", "")
                g.access = oauth.authenticate(self.state, header, scopes_of(method_id))
                self._meter(g.access, 3 if request.method == "PATCH" else 1)
                self._meter_burst(path.get("calendar_id", ""))
                answer = view(g.access.person, **path)
            except ApiError as e:
                return _json(e.body(self.state.switches["error_details"]), e.status)
            finally:
                self.sender.flush()
        return answer if isinstance(answer, Response) else _json(answer)

    def _meter(self, access: Access, cost: int) -> None:
        """Count calls in a sliding minute, if quotas are switched on; 403 and 429 come in turn."""
        account = f"{access.client} {access.person}"
        for who, switch in ((account, "quota_per_account"), (access.client, "quota_per_project")):
            if not (most := self.state.switches[switch]):
                continue
            calls = self._calls.setdefault(who, deque())
            now = self.state.now()
            while calls and calls[0] < now - _MINUTE:
                calls.popleft()
            if len(calls) + cost > most:
                self._refused += 1
                if self._refused % 2 == 0:
                    raise ApiError(429, "rateLimitExceeded", "Rate Limit Exceeded", "usageLimits")
                if who == account:
                    raise ApiError(403, "userRateLimitExceeded", "User Rate Limit Exceeded", "usageLimits")
                raise ApiError(403, "rateLimitExceeded", "Rate Limit Exceeded", "usageLimits")
            calls.extend([now] * cost)

    def _meter_burst(self, calendar_id: str) -> None:
        """Refuse many writes to one calendar at once, far below the quota (sheet 9)."""
        most = self.state.switches["quota_per_calendar"]
        if not most or not calendar_id or request.method == "GET":
            return
        calls, now = self._calls.setdefault(f"calendar {calendar_id}", deque()), self.state.now()
        while calls and calls[0] < now - 1:
            calls.popleft()
        if len(calls) >= most:
            raise ApiError(403, "rateLimitExceeded", "Rate Limit Exceeded", "usageLimits")
        calls.append(now)

    # --- calendars ---

    def list_entries(self, person: str) -> Any:
        return people.list_entries(self.state, self.state.people[person], _query())

    def get_entry(self, person: str, calendar_id: str) -> Any:
        return people.entry_view(self.state, self.state.people[person], self._entry(person, calendar_id))

    def patch_entry(self, person: str, calendar_id: str) -> Any:
        calendar_id = self._entry(person, calendar_id)
        who, if_match = self.state.people[person], request.headers.get("If-Match")
        return people.patch_entry(self.state, who, calendar_id, _body(), if_match)

    def remove_entry(self, person: str, calendar_id: str) -> Any:
        people.remove_entry(self.state, self.state.people[person], self._entry(person, calendar_id))
        return Response(status=204)

    def _entry(self, person: str, calendar_id: str) -> str:
        calendar_id = person if calendar_id == "primary" else calendar_id
        if calendar_id not in self.state.people[person].entries:
            raise not_found()
        return calendar_id

    def put_entry(self, person: str) -> Any:
        body = _body()
        return people.put_entry(self.state, self.state.people[person], str(body.get("id", "")), body)

    def get_calendar(self, person: str, calendar_id: str) -> Any:
        return calendars.view(self._calendar(person, calendar_id))

    def make_calendar(self, person: str) -> Any:
        return calendars.view(calendars.insert(self.state, person, _body()))

    def write_calendar(self, person: str, calendar_id: str) -> Any:
        calendar = self._own(person, calendar_id)
        calendars.write(calendar, self.state, _body(), request.headers.get("If-Match"))
        return calendars.view(calendar)

    def clear_calendar(self, person: str, calendar_id: str) -> Any:
        calendars.clear(self.state, person, self._own(person, calendar_id))
        return Response(status=204)

    def delete_calendar(self, person: str, calendar_id: str) -> Any:
        calendars.delete(self.state, self._own(person, calendar_id))
        return Response(status=204)

    def _own(self, person: str, calendar_id: str) -> CalendarState:
        calendar = self._calendar(person, calendar_id)
        calendars.must_own(calendar, person)
        return calendar

    def colors(self, _person: str) -> Any:
        def entry(color: str) -> dict[str, str]:
            return {"background": color, "foreground": "#1d1d1d"}

        return {
            "kind": "calendar#colors",
            "updated": "2012-02-14T00:00:00.000Z",
            "calendar": {str(n): entry(c) for n, c in enumerate(people.CALENDAR_COLORS, 1)},
            "event": {i: entry(c) for i, c in EVENT_COLORS.items()},
        }

    def _calendar(self, person: str, calendar_id: str) -> CalendarState:
        return people.find_calendar(self.state, person, calendar_id)

    # --- events ---

    def _events(self, person: str, calendar_id: str) -> Events:
        calendar = self._calendar(person, calendar_id)
        return Events(self.state, calendar, person, request.args.to_dict())

    def list_events(self, person: str, calendar_id: str) -> Any:
        return listing.Listing(self.state, self._calendar(person, calendar_id), person, _query()).answer()

    def instances(self, person: str, calendar_id: str, event_id: str) -> Any:
        return listing.instances(self._events(person, calendar_id), event_id, _query())

    def get_event(self, person: str, calendar_id: str, event_id: str) -> Any:
        events = self._events(person, calendar_id)
        record = events.read(event_id)
        events.finish_conference(record)
        if request.headers.get("If-None-Match") == record.etag:
            return Response(status=304)
        return events.show(record)

    def insert(self, person: str, calendar_id: str) -> Any:
        events = self._events(person, calendar_id)
        return events.show(events.insert(_body()))

    def import_(self, person: str, calendar_id: str) -> Any:
        events = self._events(person, calendar_id)
        return events.show(events.import_(_body()))

    def write(self, person: str, calendar_id: str, event_id: str) -> Any:
        events = self._events(person, calendar_id)
        replace = request.method == "PUT"
        return events.show(events.write(event_id, _body(), request.headers.get("If-Match"), replace))

    def delete(self, person: str, calendar_id: str, event_id: str) -> Any:
        self._events(person, calendar_id).delete(event_id, request.headers.get("If-Match"))
        return Response(status=204)

    def move(self, person: str, calendar_id: str, event_id: str) -> Any:
        target = self._calendar(person, request.args.get("destination", ""))
        return self._events(person, calendar_id).move(event_id, target, request.headers.get("If-Match"))

    # --- channels ---

    def watch(self, person: str, calendar_id: str | None = None) -> Any:
        found = self._calendar(person, calendar_id).id if calendar_id else None
        view, channel = channels.watch(
            self.state, g.access, found, _body(), request.args.getlist("eventTypes")
        )
        self.sender.put(channel, "sync")
        return view

    def stop(self, _person: str) -> Any:
        channels.stop(self.state, g.access, _body())
        return Response(status=204)


def _query() -> listing.Query:
    return {name: request.args.getlist(name) for name in request.args}


def _body() -> Any:
    found = request.get_json(force=True, silent=True)
    if not isinstance(found, dict):
        raise ApiError(400, "parseError", "Parse Error")
    return found


def _json(value: Any, status: int = 200) -> Response:
    fields = request.args.get("fields")
    if fields and status == 200:
        try:
            value = select(value, fields)
        except ValueError:
            return _json(invalid("Invalid field selection.", "fields").body(), 400)
    # Google prints pretty unless told otherwise; no client can tell, and plain is many times faster.
    pretty = request.args.get("prettyPrint") == "true"
    text = json.dumps(value, indent=1 if pretty else None, ensure_ascii=False)
    if not text.isascii() and any("\ud800" <= c <= "\udfff" for c in text):
        text = json.dumps(value)  # Half of an emoji has no other form on the wire.
    return Response(text, status, content_type="application/json; charset=UTF-8")


_EVENT = "/calendars/<calendar_id>/events/<event_id>"
_ENTRY = "/users/me/calendarList/<calendar_id>"
ROUTES: tuple[tuple[str, str, str, str], ...] = (
    ("GET", "/users/me/calendarList", "calendarList.list", "list_entries"),
    ("POST", "/users/me/calendarList/watch", "calendarList.watch", "watch"),
    ("GET", _ENTRY, "calendarList.get", "get_entry"),
    ("PATCH", _ENTRY, "calendarList.patch", "patch_entry"),
    ("DELETE", _ENTRY, "calendarList.delete", "remove_entry"),
    ("POST", "/users/me/calendarList", "calendarList.insert", "put_entry"),
    ("PUT", _ENTRY, "calendarList.update", "patch_entry"),
    ("POST", "/calendars", "calendars.insert", "make_calendar"),
    ("GET", "/calendars/<calendar_id>", "calendars.get", "get_calendar"),
    ("PATCH", "/calendars/<calendar_id>", "calendars.patch", "write_calendar"),
    ("PUT", "/calendars/<calendar_id>", "calendars.update", "write_calendar"),
    ("DELETE", "/calendars/<calendar_id>", "calendars.delete", "delete_calendar"),
    ("POST", "/calendars/<calendar_id>/clear", "calendars.clear", "clear_calendar"),
    ("GET", "/colors", "colors.get", "colors"),
    ("GET", "/calendars/<calendar_id>/events", "events.list", "list_events"),
    ("POST", "/calendars/<calendar_id>/events", "events.insert", "insert"),
    ("POST", "/calendars/<calendar_id>/events/import", "events.import", "import_"),
    ("POST", "/calendars/<calendar_id>/events/watch", "events.watch", "watch"),
    ("GET", _EVENT, "events.get", "get_event"),
    ("PUT", _EVENT, "events.update", "write"),
    ("PATCH", _EVENT, "events.patch", "write"),
    ("DELETE", _EVENT, "events.delete", "delete"),
    ("POST", _EVENT + "/move", "events.move", "move"),
    ("GET", _EVENT + "/instances", "events.instances", "instances"),
    ("POST", "/channels/stop", "channels.stop", "stop"),
)
"""Every method that is played: HTTP method, path, id in the discovery document, view."""


def register(app: Flask, api: Api) -> None:
    """Add the routes to the app."""
    blueprint = Blueprint("calendar", __name__, url_prefix=BASE)
    for method, path, method_id, name in ROUTES:
        view = _view(api, method_id, getattr(api, name))
        blueprint.add_url_rule(path, method_id.replace(".", "_"), view, methods=[method])
    blueprint.register_error_handler(HTTPException, lambda e: _json(not_found().body(), e.code or 404))
    app.register_blueprint(blueprint)


def _view(api: Api, method_id: str, view: Callable[..., Any]) -> Callable[..., Response]:
    def answer(**path: str) -> Response:
        found = api.run(method_id, view, **path)
        if method_id.endswith(".watch") and api.state.switches["sync_before_answer"]:
            api.sender.wait(str(_body().get("id", "")))
        return found

    return answer

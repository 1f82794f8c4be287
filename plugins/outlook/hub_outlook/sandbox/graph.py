"""Graph's wire protocol over the model: one dispatcher, since its paths come in many spellings."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from flask import Blueprint, Response, request

from hub_outlook.sandbox import accept, batch, delta, extensions, meetings, query, reads, show, strict
from hub_outlook.sandbox.grants import Grants
from hub_outlook.sandbox.limits import Limits
from hub_outlook.sandbox.model import Folder, Item, Model, Person, touches
from hub_outlook.sandbox.notifier import Notifier
from hub_outlook.sandbox.problems import GraphError, not_found
from hub_outlook.sandbox.show import Preferences

JSON_TYPE = (
    "application/json; odata.metadata=minimal; odata.streaming=true; IEEE754Compatible=false; charset=utf-8"
)
WRITES = frozenset({"POST", "PATCH", "DELETE"})
Answer = tuple[int, dict[str, Any] | None]


class GraphWire:
    """Answers /v1.0."""

    def __init__(self, model: Model, grants: Grants, notifier: Notifier) -> None:
        self.model = model
        self.grants = grants
        self.notifier = notifier
        self.limits = Limits(model)
        self.complaints: list[str] = []
        """What the strict mode has noticed."""
        self.outside: Any = None
        """The whole sandbox, for the requests of a batch."""
        self.blueprint = Blueprint("graph", __name__)
        methods = ["GET", "POST", "PATCH", "DELETE"]
        self.blueprint.add_url_rule("/v1.0/<path:path>", view_func=self.view, methods=methods)
        self.blueprint.add_url_rule("/beta/<path:path>", view_func=self.beta, methods=methods)

    def view(self, path: str) -> Response:
        prefer = Preferences()
        try:
            if path.casefold() == "$batch" and request.method == "POST":
                return self._batch()
            prefer = Preferences.parse(request.headers.getlist("Prefer"))
            person, scopes = self._signed_in()
            with self.limits.slot(person) as in_flight:
                self._look(in_flight)
                status, body = Call(self, person, scopes, prefer).answer(_raw_parts() or path.split("/"))
        except GraphError as error:
            return self._refusal(error)
        if body is not None:
            body = {"@odata.context": _context(self.model.base_url, path, body)} | body
        text = json.dumps(body) if body is not None else ""
        response = Response(text, status, content_type=JSON_TYPE if text else None)
        tracked = ("odata.track-changes",) if _name(path.rpartition("/")[2]) == "delta" else ()
        for applied in (*prefer.applied, *tracked):
            response.headers.add("Preference-Applied", applied)
        return self._stamped(response)

    def beta(self, path: str) -> Response:
        """Refuse /beta: nothing of it is promised (Graph: versioning-and-support)."""
        if self.model.switches["strict"]:
            self.complaints.append(f"{request.method} /beta/{path} is no v1.0")
        return self._refusal(GraphError(400, "BadRequest", "Only v1.0 is played here."))

    def _batch(self) -> Response:
        self._signed_in()
        body = request.get_json(force=True, silent=True)
        if not isinstance(body, dict):
            raise GraphError(400, "BadRequest", "Unable to read JSON request payload.")
        answers = batch.answer(self.outside, request.headers["Authorization"], body)
        with self.model.lock:
            self.model.random.shuffle(answers)
        return self._stamped(Response(json.dumps({"responses": answers}), 200, content_type=JSON_TYPE))

    def _look(self, in_flight: int) -> None:
        """Note what a careful client would do otherwise."""
        if self.model.switches["strict"]:
            prefer, body = ",".join(request.headers.getlist("Prefer")), request.get_json(silent=True)
            self.complaints += strict.complaints(
                request.method, request.path, request.args, prefer, body, in_flight
            )

    def _signed_in(self) -> tuple[Person, set[str]]:
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        with self.model.lock:
            email, scopes = self.grants.check(token)
            person = self.model.person(email)
        request.environ.get("hub_outlook.call", {})["person"] = person.email
        return person, scopes

    def _refusal(self, error: GraphError) -> Response:
        if error.empty:
            return self._stamped(Response(status=error.status))
        with self.model.lock:
            request_id = str(self.model.guid(f"request {self.model.random.random()}"))
        inner = {
            "date": self.model.clock.now().strftime("%Y-%m-%dT%H:%M:%S"),
            "request-id": request_id,
            "client-request-id": request.headers.get("client-request-id", request_id),
        }
        body = {"error": {"code": error.code, "message": error.message, **error.more, "innerError": inner}}
        response = Response(json.dumps(body), error.status, content_type=JSON_TYPE)
        response.headers.update(error.headers)
        return self._stamped(response)

    def _stamped(self, response: Response) -> Response:
        request_id = str(self.model.guid(f"request {self.model.seq} {request.path}"))
        response.headers["request-id"] = request_id
        response.headers["client-request-id"] = request.headers.get("client-request-id", request_id)
        return response


class Call:
    """One request of one signed-in person."""

    def __init__(self, wire: GraphWire, person: Person, scopes: set[str], prefer: Preferences) -> None:
        self.wire = wire
        self.model = wire.model
        self.person = person
        self.scopes = scopes
        self.prefer = prefer
        self.query = dict(request.args)

    def answer(self, parts: list[str]) -> Answer:
        parts = [p for p in parts if p]
        if parts and parts[0].casefold() == "subscriptions":
            self._need("calendars.read")
            return self.wire.notifier.subscriptions.answer(
                self.person, request.method, parts[1:], self._body(), self.prefer.immutable
            )
        if parts and parts[0].casefold() == "users" and len(parts) > 1:
            with self.model.lock:
                if self.model.person(parts[1]) is not self.person:
                    raise GraphError(
                        403, "ErrorAccessDenied", "Access is denied. Check credentials and try again."
                    )
            parts = ["me", *parts[2:]]
        if not parts or parts[0].casefold() != "me":
            raise GraphError(400, "BadRequest", f"Resource not found for the segment '{''.join(parts[:1])}'.")
        with self.model.lock:
            return self._mailbox(parts[1:])

    # --- routing ---

    def _mailbox(self, parts: list[str]) -> Answer:
        names = [_name(p) for p in parts]
        if not parts:
            self._need("user.read")
            return 200, self._me()
        if names[:1] == ["mailboxsettings"] and request.method == "GET":
            self._need("mailboxsettings.read")
            return 200, {"timeZone": self.person.zone}
        self._need("calendars.readwrite" if request.method in WRITES else "calendars.read")
        self._check_mailbox()
        match names:
            case ["calendars"] | ["calendargroups", _, "calendars"] if request.method == "GET":
                group = parts[1] if len(parts) > 1 else "My Calendars"
                return self._list([self._calendar(f) for f in self._folders(group)])
            case ["calendargroups"] if request.method == "GET":
                groups = dict.fromkeys(f.group for f in self.model.folders_of(self.person))
                return self._list([{"id": _group_id(g), "name": g} for g in groups])
            case ["calendar", *_]:
                return self._in_folder(self.model.default_folder(self.person), parts[1:], names[1:])
            case ["calendars", _, *_]:
                return self._in_folder(self.model.folder(self.person, parts[1]), parts[2:], names[2:])
            case ["calendarview", *_] | ["events"]:
                return self._in_folder(self.model.default_folder(self.person), parts, names)
            case ["events", "delta"]:
                raise GraphError(
                    400, "BadRequest", "Change tracking is not supported against 'microsoft.graph.event'."
                )
            case ["events", _, *_]:
                return self._event(*self.model.find(self.person, parts[1]), parts[2:], names[2:])
        raise GraphError(400, "BadRequest", f"Resource not found for the segment '{parts[-1]}'.")

    def _in_folder(self, folder: Folder, parts: list[str], names: list[str]) -> Answer:
        match names:
            case []:
                return 200, self._calendar(folder)
            case ["events"] if request.method == "POST":
                return self._create(folder)
            case ["events"]:
                return self._events(folder)
            case ["events", _, *_] if names[1] != "delta":
                item, day = self.model.find(self.person, parts[1])
                if item.folder != folder.id:
                    raise not_found()
                return self._event(item, day, parts[2:], names[2:])
            case ["calendarview"]:
                if not self.model.switches["expand_in_views"]:
                    self.query.pop("$expand", None)
                return self._view(folder)
            case ["calendarview", "delta"]:
                base = f"{self.model.base_url}/v1.0"
                return 200, delta.answer(self.model, self.person, folder, self.query, self.prefer, base)
        raise GraphError(400, "BadRequest", "Resource not found for this segment.")

    def _event(self, item: Item, day: date | None, parts: list[str], names: list[str]) -> Answer:
        match (request.method, names):
            case ("GET", []):
                return 200, self._shown(reads.visible(self.model, item), day, single=True)
            case ("PATCH", []):
                return self._patch(item, day)
            case ("DELETE", []):
                return self._delete(item, day)
            case ("POST", [("cancel" | "forward" | "accept" | "tentativelyaccept" | "decline") as action]):
                return self._act(item, day, action)
            case (_, ["extensions", *_]) if day is None and len(names) < 3:
                name = parts[1] if len(parts) > 1 else None
                return extensions.answer(item, request.method, name, self._body())
            case ("GET", ["instances"]) if item.recurrence and day is None:
                return self._instances(item)
        raise GraphError(400, "BadRequest", f"Resource not found for the segment '{'/'.join(parts)}'.")

    # --- checks ---

    def _need(self, scope: str) -> None:
        granted = {s.casefold() for s in self.scopes}
        if scope not in granted and not (scope == "calendars.read" and "calendars.readwrite" in granted):
            raise GraphError(403, "ErrorAccessDenied", "Access is denied. Check credentials and try again.")

    def _check_mailbox(self) -> None:
        ready_at = self.person.ready_at
        if self.person.mailbox == "unlicensed" or (ready_at and self.model.clock.now() < ready_at):
            raise GraphError(
                404, "MailboxNotEnabledForRESTAPI", "REST API is not yet supported for this mailbox."
            )
        if self.person.mailbox == "guest":
            raise GraphError(401, "", "", empty=True)

    def _check_editable(self, folder: Folder) -> None:
        if not folder.can_edit:
            raise GraphError(403, "ErrorAccessDenied", "Access is denied. Check credentials and try again.")

    def _body(self) -> dict[str, Any]:
        if not request.get_data():
            return {}
        body = request.get_json(force=True, silent=True)
        if not isinstance(body, dict):
            raise GraphError(400, "BadRequest", "Unable to read JSON request payload.")
        return body

    # --- people and calendars ---

    def _me(self) -> dict[str, Any]:
        person = self.person
        return {
            "id": person.id,
            "displayName": person.name,
            "mail": None if person.is_personal else person.email,
            "userPrincipalName": person.email,
        }

    def _folders(self, group: str) -> list[Folder]:
        mine = self.model.folders_of(self.person)
        return [f for f in mine if group in (f.group, _group_id(f.group))]

    def _calendar(self, folder: Folder) -> dict[str, Any]:
        own = folder.owner == self.person.email
        return {
            "id": folder.id,
            "name": folder.name,
            "color": "auto",
            "hexColor": folder.hex_color,
            "isDefaultCalendar": folder.is_default,
            "changeKey": "AAAA",
            "canShare": own,
            "canViewPrivateItems": own,
            "canEdit": folder.can_edit,
            "isRemovable": not folder.is_default,
            "isTallyingResponses": folder.is_default,
            "owner": {"name": folder.owner_name, "address": folder.owner},
            "allowedOnlineMeetingProviders": [] if self.person.is_personal else ["teamsForBusiness"],
            "defaultOnlineMeetingProvider": "unknown" if self.person.is_personal else "teamsForBusiness",
        }

    # --- events ---

    def _shown(self, item: Item, day: date | None = None, single: bool = False) -> dict[str, Any]:
        whole = show.full(self.model, item, self.prefer, day)
        return query.decorated(self.model, item, whole, self.query, self.prefer, single)

    def _create(self, folder: Folder) -> Answer:
        self._check_editable(folder)
        body = self._body()
        accept.check_limits(body, self.model.switches)
        item = self.model.create(folder, accept.new_event(body), body.get("transactionId"))
        for extension in body.get("extensions") or ():
            extensions.add(item, extension)
        meetings.announce(self.model, item, [], set(body))
        return 201, show.full(self.model, item, self._echoing(body))

    def _patch(self, item: Item, day: date | None) -> Answer:
        self._check_editable(self.model.folders[item.folder])
        self.model.require_version(item, request.headers.get("If-Match"))
        body, was = self._body(), meetings.invited(item)
        accept.check_limits(body, self.model.switches)
        own = item.exceptions.get(day.isoformat(), {}) if day else {}
        if day is None:
            item.by_owner = item.by_owner and not {"start", "end", "recurrence"} & body.keys()
            fields = accept.changes(body, item)
            accept.end_meeting(item, own, fields["values"])
            self.model.update(item, fields)
        else:
            start, end = self.model.span(item, day)
            now = {"start": start, "end": end, "zone": "UTC", "isAllDay": item.values["isAllDay"]} | own
            fields = accept.changes(body, item, now)
            accept.end_meeting(item, own, fields["values"])
            self.model.update_occurrence(item, day, fields)
        meetings.announce(self.model, item, was, set(body))
        return 200, show.full(self.model, item, self._echoing(body), day)

    def _echoing(self, body: dict[str, Any]) -> Preferences:
        """Return how the answer to a write shows the event: a text may still be the text that was sent."""
        kind = str((body.get("body") or {}).get("contentType")).casefold()
        return replace(
            self.prefer, text=self.prefer.text or (kind == "text" and self.model.switches["text_echo"])
        )

    def _delete(self, item: Item, day: date | None) -> Answer:
        self._check_editable(self.model.folders[item.folder])
        self.model.require_version(item, request.headers.get("If-Match"))
        if day is None:
            self.model.delete(item)
        else:
            self.model.cancel_occurrence(item, day)
        meetings.cancel(self.model, item, day)
        return 204, None

    def _act(self, item: Item, day: date | None, action: str) -> Answer:
        """Cancel, answer or forward a meeting; parameters come in either case of letters."""
        said = {name.casefold(): value for name, value in self._body().items()}
        match action:
            case "cancel" if not item.is_organizer:
                raise GraphError(400, "ErrorInvalidRequest", meetings.NOT_ORGANIZER)
            case "cancel" if day is None:
                self.model.delete(item)
                meetings.cancel(self.model, item, None)
            case "cancel" if day is not None:
                self.model.cancel_occurrence(item, day)
                meetings.cancel(self.model, item, day)
            case "forward":
                meetings.forward(self.model, item, list(said.get("torecipients") or []))
                self.model.touch(item, "updated")
            case _:
                send = said.get("sendresponse")
                if said.get("proposednewtime") and (
                    send is False or not item.values["allowNewTimeProposals"]
                ):
                    raise GraphError(400, "ErrorInvalidRequest", "A new time cannot be proposed.")
                meetings.respond(self.model, item, day, action, send=send is not False)
        return 202, None

    def _events(self, folder: Folder) -> Answer:
        items = [item for item in map(self._seen, self.model.live(folder)) if item is not None]
        if "$filter" in self.query:
            items = list(filter(query.matcher(self.model, self.query["$filter"]), items))
        if "$orderby" in self.query:
            items = query.ordered(self.model, items, self.query["$orderby"])
        return self._list(items, self._shown)

    def _seen(self, item: Item) -> Item | None:
        try:
            return reads.visible(self.model, item)
        except GraphError:
            return None

    def _view(self, folder: Folder) -> Answer:
        start, end = delta.bound(self.query, "startDateTime"), delta.bound(self.query, "endDateTime")
        found: list[tuple[Item, date | None]] = []
        for item in self.model.live(folder):
            if item.recurrence:
                found += [(item, day) for day in self.model.members(item, start, end)]
            elif touches(self.model.span(item), start, end):
                found.append((item, None))
        found.sort(key=lambda pair: self.model.span(*pair)[0])
        return self._list(found, lambda pair: self._shown(*pair))

    def _instances(self, item: Item) -> Answer:
        start, end = delta.bound(self.query, "startDateTime"), delta.bound(self.query, "endDateTime")
        days = self.model.members(item, start, end)
        days.sort(key=lambda day: (day.isoformat() not in item.exceptions, day))
        return self._list(days, lambda day: self._shown(item, day))

    def _list(self, items: list[Any], shown: Callable[[Any], dict[str, Any]] = lambda item: item) -> Answer:
        top = min(int(self.query.get("$top", "10")), int(self.model.switches["most_on_a_page"]))
        skip = int(self.query.get("$skip", "0"))
        body: dict[str, Any] = {"value": [shown(item) for item in items[skip : skip + top]]}
        if len(items) > skip + top and not self.model.switches["lost_next_link"]:
            args = {**self.query, "$top": str(top), "$skip": str(skip + top)}
            link = f"{self.model.base_url}{request.path}"
            body["@odata.nextLink"] = f"{link}?{_encoded(args)}"
        return 200, body


def _raw_parts() -> list[str]:
    """Return the path's segments as they were sent: an id may hold an encoded slash."""
    raw = request.environ.get("RAW_URI") or request.environ.get("REQUEST_URI") or ""
    _, _, path = urlsplit(raw).path.partition("/v1.0/")
    return [unquote(part) for part in path.split("/")] if path else []


def _context(base: str, path: str, body: dict[str, Any]) -> str:
    """Return where the metadata of an answer would stand."""
    words = [_name(part) for part in path.split("/")]
    kind = "Collection(event)" if words[-1] == "delta" else path
    return f"{base}/v1.0/$metadata#{kind}" + ("" if "value" in body else "/$entity")


def _name(segment: str) -> str:
    return re.sub(r"^microsoft\.graph\.", "", segment.casefold()).removesuffix("()")


def _group_id(name: str) -> str:
    return f"AAMkGroup{name.encode().hex()}"


def _encoded(args: dict[str, str]) -> str:
    return "&".join(f"{name}={quote(value, safe='')}" for name, value in args.items())

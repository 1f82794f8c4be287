"""The control API of `hub.plugin.control`: plays the person, and reads and bends the sandbox."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from flask import Blueprint, jsonify, request
from flask.typing import ResponseReturnValue

from hub.plugin.codec import CodecError, content_from_json, to_json
from hub.plugin.faults import Fault
from hub.plugin.types import Answer, EventContent
from hub_outlook.project import occurrence, project
from hub_outlook.sandbox import accept, meetings, moves, query, reads, show
from hub_outlook.sandbox.faults import FaultyWire
from hub_outlook.sandbox.graph import GraphWire
from hub_outlook.sandbox.login import Login, Refusal
from hub_outlook.sandbox.model import Folder, Item, Model, Person
from hub_outlook.sandbox.notifier import Notifier
from hub_outlook.sandbox.problems import GraphError
from hub_outlook.sandbox.show import Preferences
from hub_outlook.translate import from_remote, to_remote
from hub_outlook.wire import EVENT_SELECT

ALL = frozenset(
    {
        "title",
        "description",
        "conference",
        "location",
        "show_as",
        "visibility",
        "priority",
        "categories",
        "reminders",
        "when",
    }
)
RESPONSES = {
    Answer.ACCEPTED: "accepted",
    Answer.TENTATIVE: "tentativelyAccepted",
    Answer.DECLINED: "declined",
}
PLAIN = Preferences(immutable=True, text=True)
WHOLE = {
    "$select": f"{EVENT_SELECT},exceptionOccurrences,cancelledOccurrences",
    "$expand": "exceptionOccurrences",
}


class Control:
    """Answers /_control."""

    def __init__(
        self, model: Model, login: Login, notifier: Notifier, wire: FaultyWire, graph: GraphWire
    ) -> None:
        self.graph = graph
        self.model = model
        self.login = login
        self.notifier = notifier
        self.wire = wire
        self.blueprint = Blueprint("control", __name__, url_prefix="/_control")
        routes: dict[str, dict[str, Callable[[], Any]]] = {
            "people": {"GET": self.people, "POST": self.add_person},
            "events/raw": {"GET": self.raw},
            "events": {
                "GET": self.events,
                "POST": self.create,
                "PATCH": self.update,
                "DELETE": self.delete,
            },
            "events/move": {"POST": self.move},
            "events/answer": {"POST": self.answer},
            "calendars/rename": {"POST": self.rename_calendar},
            "people/renew": {"POST": self.renew},
            "notifications": {"POST": self.notify},
            "calendars": {"DELETE": self.delete_calendar},
            "consent": {"POST": self.consent},
            "complaints": {"GET": self.complaints},
            "ledger": {"GET": self.ledger, "DELETE": self.clear_ledger},
            "faults": {"POST": self.fault, "DELETE": self.clear_faults},
            "clock": {"POST": self.clock},
            "grants/revoke": {"POST": self.revoke},
            "cursors/expire": {"POST": self.expire},
            "switches": {"POST": self.switches},
        }
        for path, views in routes.items():
            for method, view in views.items():
                self.blueprint.add_url_rule(
                    f"/{path}", f"{method} {path}".replace("/", "_"), self._guarded(view), methods=[method]
                )

    def _guarded(self, view: Callable[[], Any]) -> Callable[[], ResponseReturnValue]:
        def answer() -> ResponseReturnValue:
            try:
                with self.model.lock:
                    body, status = view()
            except GraphError as error:
                status = 404 if error.status == 404 or "Malformed" in error.code else 400
                return jsonify({"error": error.message}), status
            except (Refusal, CodecError, KeyError, TypeError, ValueError) as error:
                return jsonify({"error": str(error)}), 400
            return (jsonify(body), status) if body is not None else ("", status)

        return answer

    @property
    def _body(self) -> dict[str, Any]:
        body = request.get_json(force=True)
        if not isinstance(body, dict):
            raise ValueError("the body must be an object")
        return body

    def _place(self, asked: Any) -> tuple[Person, Folder]:
        person = self.model.person(asked["person"])
        return person, self.model.folder(person, asked["calendar"])

    # --- people ---

    def people(self) -> tuple[Any, int]:
        return {"people": [self._person(p) for p in self.model.people.values()]}, 200

    def _person(self, person: Person) -> dict[str, Any]:
        calendars = [
            {"remote_id": f.id, "name": f.name, "primary": f.is_default, "writable": f.can_edit}
            for f in self.model.folders_of(person)
        ]
        tenant = self.model.tenant(person)
        return {"email": person.email, "name": person.name, "calendars": calendars, "tenant": tenant}

    def add_person(self) -> tuple[Any, int]:
        email = str(self._body["email"])
        known = self.model.people.get(email.casefold())
        mailbox = str(self._body.get("mailbox") or "enabled")
        person = known or self.model.add_person(email, str(self._body.get("name") or ""), mailbox)
        person.mailbox = self._body.get("mailbox", person.mailbox)
        person.zone = self._body.get("zone", person.zone)
        if "ready_after" in self._body:
            person.ready_at = self.model.clock.now() + timedelta(seconds=float(self._body["ready_after"]))
        names = {f.name for f in self.model.folders_of(person)}
        for wanted in self._body.get("calendars") or []:
            if wanted["name"] not in names:
                role = wanted.get("role", "owner")
                more: dict[str, Any] = {"can_edit": role in ("owner", "writer")}
                if role == "writer":
                    more |= {"owner": "other@example.test", "owner_name": "Other"}
                self.model.add_folder(person, wanted["name"], **more)
        return self._person(person), 201

    # --- the person's own edits ---

    def events(self) -> tuple[Any, int]:
        _, folder = self._place(request.args)
        return {"events": [self._shown(item) for item in self.model.live(folder)]}, 200

    def _content(self, item: Item) -> EventContent:
        whole = show.full(self.model, item, PLAIN)
        shown = query.decorated(self.model, item, whole, WHOLE, PLAIN, single=True)
        return from_remote(shown).content  # type: ignore[arg-type]

    def _shown(self, item: Item) -> dict[str, Any]:
        return {"remote_id": self.model.event_id(item, True), "content": to_json(self._content(item))}

    def raw(self) -> tuple[Any, int]:
        person, _ = self._place(request.args)
        item, day = self.model.find(person, request.args["remote_id"])
        return {"raw": show.full(self.model, item, Preferences(immutable=True), day)}, 200

    def create(self) -> tuple[Any, int]:
        person, folder = self._place(self._body)
        if "raw" in self._body:
            planted = accept.new_event(self._body["raw"])
            planted["values"] |= accept.own(self._body["raw"])
            return self._shown(self.model.create(folder, planted)), 201
        content = content_from_json(self._body["content"])
        fields = accept.new_event(_written(content, ALL))
        item = self.model.create(folder, fields, given_id=self._body.get("remote_id"))
        if content.organizer and content.organizer.email != person.email:
            item.is_organizer = False
            item.organizer = {"name": content.organizer.name, "address": content.organizer.email}
        item.uid, item.by_owner = self._body.get("uid", item.uid), True
        self._write_exceptions(item, content)
        _say(item, content, person)
        meetings.announce(self.model, item, [], set(), mail=False)
        if "made_at" in self._body:
            item.created = item.modified = datetime.fromisoformat(self._body["made_at"]).astimezone(UTC)
        return self._shown(item), 201

    def update(self) -> tuple[Any, int]:
        person, _ = self._place(self._body)
        item, _ = self.model.find(person, self._body["remote_id"])
        if "raw" in self._body:
            fields = accept.changes(self._body["raw"], item)
            fields["values"] |= accept.own(self._body["raw"])
            self.model.update(item, fields)
            return self._shown(item), 200
        changes, was = self._body["content"], meetings.invited(item)
        content = content_from_json(to_json(self._content(item)) | changes)
        body = _written(content, changes.keys())
        if item.recurrence and "when" in changes and not content.when.is_series:
            body["recurrence"] = None
        self.model.update(item, accept.changes(body, item))
        item.by_owner = item.by_owner or "when" in changes
        if "when" in changes:
            self._write_exceptions(item, content)
        if "attendees" in changes:
            _say(item, content, person)
        meetings.announce(self.model, item, was, set(changes), mail=False)
        return self._shown(item), 200

    def answer(self) -> tuple[Any, int]:
        person, _ = self._place(self._body)
        item, _ = self.model.find(person, self._body["remote_id"])
        start = self._body.get("original_start")
        day = datetime.fromisoformat(start).date() if start else None
        said = RESPONSES[Answer(self._body["answer"])]
        action = next(action for action, name in meetings.RESPONSES.items() if name == said)
        meetings.respond(self.model, item, day, action, mail=False)
        return (self._shown(item) if not item.deleted else {}), 200

    def _write_exceptions(self, item: Item, content: EventContent) -> None:
        held = _held(content)
        for change in sorted(held.when.exceptions, key=lambda e: not e.cancelled):
            day = _date(change.original_start)
            if not self.model.has_occurrence(item, day):
                continue
            if change.cancelled:
                self.model.cancel_occurrence(item, day)
                continue
            usual = occurrence(held, change)
            body = to_remote(usual, ALL)
            if usual.when.all_day == item.values["isAllDay"]:
                body.pop("isAllDay")
            start, end = self.model.span(item, day)
            now = {"start": start, "end": end, "zone": "UTC", "isAllDay": item.values["isAllDay"]}
            self.model.update_occurrence(item, day, accept.changes(body, item, now))

    def delete(self) -> tuple[Any, int]:
        person, _ = self._place(self._body)
        item, day = self.model.find(person, self._body["remote_id"])
        if day:
            self.model.cancel_occurrence(item, day)
        else:
            self.model.delete(item)
        meetings.cancel(self.model, item, day, mail=False)
        return None, 204

    def move(self) -> tuple[Any, int]:
        person, _ = self._place(self._body)
        item, _ = self.model.find(person, self._body["remote_id"])
        folder = self.model.folder(person, self._body["to"])
        change = moves.renumber if self._body.get("new_id") else moves.move
        moved = change(self.model, item, folder)
        return {"remote_id": self.model.event_id(moved, True)}, 200

    def delete_calendar(self) -> tuple[Any, int]:
        _, folder = self._place(self._body)
        moves.delete_folder(self.model, folder)
        return None, 204

    def rename_calendar(self) -> tuple[Any, int]:
        _, folder = self._place(self._body)
        return {"remote_id": moves.rename_folder(self.model, folder).id}, 200

    def renew(self) -> tuple[Any, int]:
        person = self.model.person(self._body["person"])
        moves.renew(self.model, person)
        self.login.grants.revoke(person.email)
        self.notifier.consent_lost(person.email)
        return self._person(person), 200

    def notify(self) -> tuple[Any, int]:
        person = self.model.person(self._body["person"])
        for _ in range(int(self._body.get("times", 1))):
            self.notifier.tell(person, self._body.get("secret"))
        return None, 204

    # --- the rest ---

    def consent(self) -> tuple[Any, int]:
        body = self._body
        page = urlsplit(body["authorization_url"])
        asked, tenant = dict(parse_qsl(page.query)), page.path.split("/")[1]
        back = self.login.decide(tenant, asked, body["person"], body["decision"], body.get("scopes"))
        return {"callback_url": back}, 200

    def ledger(self) -> tuple[Any, int]:
        return {"calls": list(self.wire.calls), "mails": self.model.mails}, 200

    def complaints(self) -> tuple[Any, int]:
        return {"complaints": list(self.graph.complaints)}, 200

    def clear_ledger(self) -> tuple[Any, int]:
        self.wire.calls.clear()
        self.model.mails.clear()
        return None, 204

    def fault(self) -> tuple[Any, int]:
        self.wire.faults.append(Fault(**self._body))
        return {}, 201

    def clear_faults(self) -> tuple[Any, int]:
        self.wire.faults.clear()
        return None, 204

    def clock(self) -> tuple[Any, int]:
        now = self.model.clock.advance(float(self._body["advance"]))
        self.notifier.upkeep()
        self.notifier.wake()
        return {"now": now.isoformat()}, 200

    def revoke(self) -> tuple[Any, int]:
        person = self.model.person(self._body["person"])
        self.login.grants.revoke(person.email)
        self.notifier.consent_lost(person.email)
        return None, 204

    def expire(self) -> tuple[Any, int]:
        person = self.model.person(self._body["person"])
        person.expired_links = person.links
        return None, 204

    def switches(self) -> tuple[Any, int]:
        unknown = self._body.keys() - self.model.switches.keys()
        if unknown:
            raise ValueError(f"no such switch: {', '.join(sorted(unknown))}")
        if self._body.get("read_lag"):
            reads.begin(self.model)
        self.model.switches |= self._body
        return dict(self.model.switches), 200


def _held(content: EventContent) -> EventContent:
    projection = project(content)
    if projection.refusal:
        raise ValueError(projection.refusal)
    return projection.content


def _written(content: EventContent, fields: Any) -> dict[str, Any]:
    body = to_remote(_held(content), fields)
    if "attendees" in fields or (fields is ALL and content.attendees):
        body["attendees"] = [
            {"type": a.role.value, "emailAddress": {"name": a.name, "address": a.email}}
            for a in content.attendees
        ]
    return body


def _say(item: Item, content: EventContent, person: Person) -> None:
    """Write down what guests have answered, and the mailbox's owner among them."""
    said = {a.email.casefold(): RESPONSES[a.answer] for a in content.attendees if a.answer in RESPONSES}
    for row in item.values["attendees"]:
        address = ((row.get("emailAddress") or {}).get("address") or "").casefold()
        if address in said:
            row["status"] = {"response": said[address], "time": show.stamp(item.modified)}
    own = content.own_answer or next(
        (a.answer for a in content.attendees if a.email.casefold() == person.email.casefold()), None
    )
    if not item.is_organizer and own in RESPONSES:
        item.values["response"] = RESPONSES[own]


def _date(value: date | datetime) -> date:
    return value.date() if isinstance(value, datetime) else value

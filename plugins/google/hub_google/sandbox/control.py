"""The control API (`hub.plugin.control`): plays the person, reads the ledger, makes things go wrong."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from flask import Blueprint, Flask, Response, jsonify, request
from werkzeug.exceptions import HTTPException

from hub.plugin.codec import CodecError, content_from_json, to_json
from hub.plugin.faults import Fault
from hub.plugin.types import Answer, Attendee, EventContent, Role, SeriesException
from hub_google import recurrence, times, translate, values
from hub_google.sandbox import channels, faults, oauth, people, render
from hub_google.sandbox.events import Events
from hub_google.sandbox.failure import ApiError, OAuthError
from hub_google.sandbox.state import SWITCHES, CalendarState, Person, Record, State, stamped

_EVERYTHING = {"conferenceDataVersion": "1", "supportsAttachments": "true", "sendUpdates": "quiet"}
_ROLES = {"owner": "owner", "writer": "writer", "reader": "reader", "free_busy": "freeBusyReader"}


class UnknownError(Exception):
    """A person, calendar or event that is not there: a 404."""


class Control:
    """The views of the control API."""

    def __init__(self, state: State, sender: channels.Sender, app: faults.FaultyApp) -> None:
        self.state, self.sender, self.app = state, sender, app

    # --- people ---

    def people(self) -> Any:
        return {"people": [self._person_view(p) for p in self.state.people.values()]}

    def add_person(self) -> Any:
        body = _body()
        person = people.add_person(self.state, str(body["email"]), body.get("name", ""))
        for wish in body.get("calendars", ()):
            names = {self.state.calendars[i].summary for i in person.entries}
            if wish["name"] not in names:
                role = _ROLES.get(wish.get("role", "owner"), wish.get("role", "owner"))
                people.add_calendar(self.state, person, wish["name"], wish.get("zone", people.ZONE), role)
        return self._person_view(person), 201

    def _person_view(self, person: Person) -> dict[str, Any]:
        found = [self.state.calendars[i] for i, e in person.entries.items() if not e.deleted]
        return {
            "email": person.email,
            "name": person.name,
            "calendars": [
                {
                    "remote_id": c.id,
                    "name": c.summary,
                    "primary": c.id == person.email,
                    "writable": render.rank(c.acl.get(person.email, "none")) >= render.rank("writer"),
                }
                for c in found
            ],
        }

    # --- events ---

    def events(self) -> Any:
        events = self._events(request.args)
        found = [
            r
            for r in events.calendar.records.values()
            if not r.cancelled and _stands_alone(events.calendar, r)
        ]
        return {"events": [self._view(events, r) for r in found]}

    def raw(self) -> Any:
        events = self._events(request.args)
        record = self._record(events, dict(request.args))
        return {"raw": render.show(events.calendar, record, events.person)}

    def create(self) -> Any:
        body = _body()
        events = self._events(body)
        if "raw" in body:
            return self._view(events, events.plant(body["raw"])), 201
        content = content_from_json(body["content"])
        sent = values.without_nulls(translate.to_remote(content) | _extras(content))
        if "uid" in body:
            sent["iCalUID"] = body["uid"]
        if content.organizer and content.organizer.email != events.person:
            sent.setdefault("iCalUID", f"{self.state.event_id()}@elsewhere.example.test")
            sent["organizer"] = {"email": content.organizer.email, "displayName": content.organizer.name}
            record = events.import_(sent)
        else:
            record = events.insert(sent, str(body.get("remote_id", "")))
        self._settle(events, record, content)
        if "made_at" in body:
            made_at = datetime.fromisoformat(body["made_at"]).astimezone(UTC)
            record.created = record.updated = stamped(made_at)
        return self._view(events, record), 201

    def update(self) -> Any:
        body = _body()
        events = self._events(body)
        record = self._record(events, body)
        if "raw" in body:
            events.replant(record, body["raw"])
            return self._view(events, events.find(record.id))
        before = translate.content_from(*self._family(events, record), events.calendar.zone)
        content = content_from_json(to_json(before) | body["content"])
        whole = translate.to_remote(content) | _extras(content)
        names = {k for field in body["content"] for k in translate.FIELD_KEYS.get(field, ())}
        names |= {k for k in _extras(content) if k in body["content"]}
        if body["content"].get("when") is not None and content.when.is_series:
            whole["recurrence"] = _lines(record, content)
        events.write(record.id, {k: whole[k] for k in names}, None, replace=False)
        if "when" in body["content"]:
            self._settle(events, events.find(record.id), content)
        return self._view(events, events.find(record.id))

    def answer(self) -> Any:
        """Answer an invitation as the person does in Google's own pages."""
        body = _body()
        events = self._events(body)
        record = self._record(events, body)
        event_id, said = record.id, values.TO_ANSWER[Answer(body["answer"])]
        if body.get("original_start"):
            series = translate.content_from(*self._family(events, record), events.calendar.zone)
            start = datetime.fromisoformat(body["original_start"])
            original = start if isinstance(series.when.start, datetime) else start.date()
            event_id = times.instance_id(record.id, original, series.when.start_zone)
        own = {"email": events.calendar.id, "responseStatus": said}
        events.write(event_id, {"attendees": [own], "attendeesOmitted": True}, None, replace=False)
        return self._view(events, events.find(record.id))

    def delete(self) -> Any:
        body = _body()
        events = self._events(body)
        events.delete(self._record(events, body).id, None)
        return Response(status=204)

    def move(self) -> Any:
        body = _body()
        events, there = self._events(body), self._events(body | {"calendar": body["to"]})
        record = self._record(events, body)
        if not body.get("new_id"):
            events.move(record.id, there.calendar)
            return {"remote_id": record.id}
        return {"remote_id": events.renumber(record, there).id}

    def delete_calendar(self) -> Any:
        body = _body()
        people.delete_calendar(self.state, self._events(body).calendar)
        return Response(status=204)

    def _settle(self, events: Events, record: Record, content: EventContent) -> None:
        """Edit single occurrences until the series is as wanted, as the person would."""
        if record.master is not None or not content.when.is_series:
            return
        shown = translate.content_from(*self._family(events, record), events.calendar.zone)
        now = {e.original_start: e for e in shown.when.exceptions}
        then = {e.original_start: e for e in content.when.exceptions}
        # What an EXDATE among the lines leaves out was said there.
        when = content.when
        _, by_line = recurrence.read_lines(
            when.recurrence, when.start, when.start_zone or events.calendar.zone
        )
        then = {s: now[s] for s in by_line if s in now} | then
        for original in now.keys() | then.keys():
            if now.get(original) == then.get(original):
                continue
            wanted = then.get(original, SeriesException(original))
            event_id = times.instance_id(record.id, original, content.when.start_zone)
            if wanted.cancelled:
                events.delete(event_id, None)
                continue
            sent = translate.instance_to_remote(wanted, content, now.get(original))
            events.write(event_id, sent, None, replace=False)

    def _view(self, events: Events, record: Record) -> dict[str, Any]:
        content = translate.content_from(*self._family(events, record), events.calendar.zone)
        return {"remote_id": record.id, "content": to_json(content)}

    def _family(self, events: Events, record: Record) -> tuple[Any, list[Any]]:
        children = [events.calendar.records[i] for i in record.children]
        show = render.show
        owner = next((p for p, r in events.calendar.acl.items() if r == "owner"), events.person)
        return show(events.calendar, record, owner), [show(events.calendar, c, owner) for c in children]

    def _events(self, source: Any) -> Events:
        person = self._person(source)
        calendar = self.state.calendars.get(str(source.get("calendar", "")))
        if calendar is None:
            raise UnknownError("no such calendar")
        return Events(self.state, calendar, person.email, _EVERYTHING)

    def _record(self, events: Events, body: dict[str, Any]) -> Record:
        try:
            record = events.find(str(body.get("remote_id", "")))
        except ApiError:
            raise UnknownError("no such event") from None
        if record.cancelled:
            raise UnknownError("no such event")
        return record

    def _person(self, source: Any) -> Person:
        found = self.state.people.get(str(source.get("person", "")))
        if found is None:
            raise UnknownError("no such person")
        return found

    # --- OAuth, cursors, clock ---

    def consent(self) -> Any:
        body = _body()
        query = dict(parse_qsl(urlsplit(body["authorization_url"]).query))
        person = self._person(body)
        back = oauth.consent(
            self.state, query, person.email, body.get("decision", "allow"), body.get("scopes")
        )
        return {"callback_url": back}

    def add_client(self) -> Any:
        """Let another project in, with a client of its own."""
        body = _body()
        self.state.clients[str(body["client_id"])] = str(body["client_secret"])
        return {}, 201

    def revoke(self) -> Any:
        oauth.revoke_person(self.state, self._person(_body()).email)
        return Response(status=204)

    def expire(self) -> Any:
        person = self._person(_body())
        person.floor = self.state.next_seq()
        for calendar_id in person.entries:
            self.state.calendars[calendar_id].floor = person.floor
        return Response(status=204)

    def clock(self) -> Any:
        self.state.offset += float(_body()["advance"])
        return {"now": self.state.moment().isoformat()}

    # --- faults, ledger, switches ---

    def add_fault(self) -> Any:
        self.app.faults.append(Fault(**_body()))
        return {}, 201

    def clear_faults(self) -> Any:
        self.app.faults.clear()
        return Response(status=204)

    def ledger(self) -> Any:
        return {"calls": list(self.state.calls), "mails": self.state.mails}

    def clear_ledger(self) -> Any:
        self.state.calls.clear()
        self.state.mails.clear()
        return Response(status=204)

    def switches(self) -> Any:
        body = _body()
        if unknown := body.keys() - SWITCHES.keys():
            raise ValueError(f"unknown switch: {', '.join(sorted(unknown))}")
        if body.get("read_lag"):
            self.state.begin_lag()
        self.state.switches |= body
        return self.state.switches

    def notify(self) -> Any:
        body = _body()
        wanted = body.get("calendar")
        found = [c for c in self.state.channels.values() if c.person == self._person(body).email]
        for channel in found:
            if wanted in (None, channel.calendar):
                for _ in range(int(body.get("times", 1))):
                    self.sender.put(channel, "exists", body.get("secret"))
        return Response(status=204)

    def role(self) -> Any:
        body = _body()
        person = self._person(body)
        calendar = self.state.calendars.get(str(body.get("calendar", "")))
        if calendar is None or body.get("role") not in render.ROLES:
            raise UnknownError("no such calendar or role")
        people.set_role(self.state, calendar, person.email, body["role"])
        return Response(status=204)


def _stands_alone(calendar: CalendarState, record: Record) -> bool:
    return record.master is None or record.master not in calendar.records


def _extras(content: EventContent) -> dict[str, Any]:
    """Return what a person can write at Google and the plugin never does."""
    extras: dict[str, Any] = {}
    if content.attendees:
        extras["attendees"] = [_guest(a) for a in content.attendees]
    if content.attachments:
        extras["attachments"] = [{"fileUrl": a.url, "title": a.title} for a in content.attachments]
    if content.conference:
        entry = {"entryPointType": "video", "uri": content.conference.url, "label": content.conference.label}
        solution = {"key": {"type": "hangoutsMeet"}, "name": content.conference.provider}
        extras["conferenceData"] = {"entryPoints": [entry], "conferenceSolution": solution}
    return extras


def _guest(guest: Attendee) -> dict[str, Any]:
    row = {"email": guest.email, "displayName": guest.name, "responseStatus": values.TO_ANSWER[guest.answer]}
    more = {"optional": guest.role is Role.OPTIONAL, "resource": guest.role is Role.RESOURCE}
    return row | {name: True for name, value in more.items() if value}


def _lines(record: Record, content: EventContent) -> list[str]:
    """Return the wanted rules, with EXDATE only for dates that Google does not hold as cancelled."""
    own = [i.rpartition("_")[2] for i in record.children]
    when = content.when
    kept = tuple(
        e
        for e in when.exceptions
        if times.instance_id("x", e.original_start, when.start_zone).rpartition("_")[2] not in own
    )
    return translate.recurrence_lines(dataclasses.replace(when, exceptions=kept))


def _body() -> dict[str, Any]:
    body = request.get_json(force=True, silent=True)
    if not isinstance(body, dict):
        raise ValueError("the body must be a JSON object")
    return body


_ROUTES: tuple[tuple[str, str, str], ...] = (
    ("GET", "people", "people"),
    ("POST", "people", "add_person"),
    ("GET", "events", "events"),
    ("GET", "events/raw", "raw"),
    ("POST", "events", "create"),
    ("PATCH", "events", "update"),
    ("DELETE", "events", "delete"),
    ("POST", "events/move", "move"),
    ("POST", "events/answer", "answer"),
    ("DELETE", "calendars", "delete_calendar"),
    ("POST", "consent", "consent"),
    ("GET", "ledger", "ledger"),
    ("DELETE", "ledger", "clear_ledger"),
    ("POST", "faults", "add_fault"),
    ("DELETE", "faults", "clear_faults"),
    ("POST", "clock", "clock"),
    ("POST", "grants/revoke", "revoke"),
    ("POST", "cursors/expire", "expire"),
    ("POST", "switches", "switches"),
    ("POST", "notifications", "notify"),
    ("POST", "roles", "role"),
    ("POST", "clients", "add_client"),
)


def register(app: Flask, control: Control) -> None:
    """Add the control API to the app; `roles` changes what a person may do with a calendar."""
    blueprint = Blueprint("control", __name__, url_prefix="/_control")
    for method, path, name in _ROUTES:
        view = _locked(control, getattr(control, name))
        blueprint.add_url_rule(f"/{path}", name, view, methods=[method])
    blueprint.register_error_handler(UnknownError, lambda e: (jsonify({"error": str(e)}), 404))
    for bad in (ValueError, KeyError, TypeError, CodecError, OAuthError):
        blueprint.register_error_handler(bad, lambda e: (jsonify({"error": f"{type(e).__name__}: {e}"}), 400))
    blueprint.register_error_handler(ApiError, lambda e: (jsonify(e.body()), e.status))
    blueprint.register_error_handler(HTTPException, lambda e: (jsonify({"error": e.name}), e.code or 500))
    app.register_blueprint(blueprint)


def _locked(control: Control, view: Callable[[], Any]) -> Callable[[], Any]:
    def answer() -> Any:
        with control.state.lock:
            try:
                found = view()
            finally:
                control.sender.flush()
            if isinstance(found, Response):
                return found
            value, status = found if isinstance(found, tuple) else (found, 200)
            return jsonify(value), status

    return answer

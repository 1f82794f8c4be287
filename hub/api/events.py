"""Events: list in a window, get, create, patch, delete; every change travels to the linked calendars."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flask.views import MethodView
from sqlalchemy import select
from sqlalchemy.orm import Session

from hub.accounts import agenda
from hub.api import event_content, find
from hub.api.blueprint import IDEMPOTENCY_KEY, IF_MATCH, page_of, query_of, resource
from hub.api.context import author, ports, tenant_id
from hub.api.errors import Problem, fault, invalid
from hub.api.event_time import original_start, takes_place
from hub.api.guests import tell
from hub.api.idempotency import idempotent
from hub.api.paging import decode, encode, position
from hub.api.schemas.events import EventCreateSchema, EventPatchSchema, EventQuery, EventSchema
from hub.api.schemas.guests import AnswerSchema, NotifyQuery
from hub.api.versions import expected_version
from hub.models import Calendar, Event, EventCopy, Link
from hub.models.content import content_of
from hub.outbound import advice, edit, home, losses
from hub.outbound.edit import StaleVersionError
from hub.plugin import types

blp = resource("events", "The events of calendars")
Answer = tuple[dict[str, Any], dict[str, str]]


def _shown(session: Session, events: Sequence[Event], *, with_losses: bool = False) -> list[dict[str, Any]]:
    known = {event.id: event for event in events}
    copies: dict[str, list[dict[str, Any]]] = {}
    query = (
        select(EventCopy)
        .join(Link, Link.id == EventCopy.link_id)
        .where(EventCopy.event_id.in_(list(known)), Link.deleted_at.is_(None))
        .order_by(EventCopy.id)
    )
    for copy in session.scalars(query):
        state: dict[str, Any] = {"link_id": copy.link_id, "state": _state(copy)}
        state |= {"web_link": copy.web_link, "problem": copy.problem, "notice": copy.notice}
        state |= {"read_only": copy.read_only, "updated_at": copy.shown_at}
        if with_losses:
            event = known[copy.event_id]
            parked = copy.parked_at is not None
            state["losses"] = losses.of_copy(session, ports(), copy, event)
            state["advice"] = advice.on_copy(session, ports(), copy, event) if parked else None
        copies.setdefault(copy.event_id, []).append(state)
    halves: dict[str, list[str]] = {}
    split = select(Event.split_from, Event.id).where(
        Event.split_from.in_(list(known)), Event.deleted_at.is_(None)
    )
    for event_id, half in session.execute(split.order_by(Event.id)):
        halves.setdefault(str(event_id), []).append(half)
    return [
        event_content.shown(event, content_of(event))
        | {"copies": copies.get(event.id, []), "split_into": halves.get(event.id, [])}
        for event in events
    ]


def _state(copy: EventCopy) -> str:
    if copy.parked_at is not None:
        return "parked"
    if copy.wanted_version > copy.pushed_version:
        return "waiting"
    if copy.missing_at is not None and copy.removed_at is None:
        return "missing"
    if copy.left_out:
        return "left_out"
    return "removed" if copy.removed_at is not None else "synced"


def _answer(session: Session, event: Event) -> Answer:
    return _shown(session, [event], with_losses=True)[0], {"ETag": f'"{event.version}"'}


@blp.route("/events")
class Events(MethodView):
    @query_of(blp, EventQuery)
    @blp.response(200, page_of(EventSchema))
    def get(self, query: dict[str, Any]) -> dict[str, Any]:
        """List events by start; with a window, all that overlap it; with expand, their occurrences."""
        with ports().db.reading() as session:
            calendars = _calendars(session, query)
            if query["expand"]:
                return _expanded(session, calendars, query)
            span = agenda.Span(query.get("start"), query.get("end"))
            limit = query["limit"]
            after, metadata = position(query["cursor"]), _pairs(query["metadata"])
            rows = agenda.list_events(session, calendars, span, after, limit + 1, metadata)
            shown = _shown(session, rows[:limit])
        more = len(rows) > limit
        last = rows[limit - 1] if more else None
        return {"items": shown, "next_cursor": last and encode(last.starts_at.isoformat(), last.id)}

    @idempotent
    @blp.arguments(EventCreateSchema)
    @blp.response(201, EventSchema)
    @blp.doc(parameters=[IDEMPOTENCY_KEY])
    def post(self, data: dict[str, Any]) -> Answer:
        """Add an event; it is written to every linked calendar that takes events."""
        with ports().db.transaction() as session:
            try:
                calendar = find.calendar(session, data.pop("calendar_id"))
            except Problem:
                raise invalid([fault("/calendar_id", "is not a calendar of yours")]) from None
            content = event_content.changed(None, data, calendar.zone)
            extra = event_content.merged_metadata({}, data) or {}
            event = edit.create_event(session, ports(), calendar, content, author(), extra=extra)
            tell(session, event, data)
            session.flush()
            answer, headers = _answer(session, event)
            return answer, headers | {"Location": f"/v1/events/{event.id}"}


@blp.route("/events/<event_id>")
class OneEvent(MethodView):
    @blp.response(200, EventSchema)
    def get(self, event_id: str) -> Answer:
        """Get an event; its version is the ETag."""
        with ports().db.reading() as session:
            return _answer(session, find.event(session, event_id))

    @find.over_what_stands
    @blp.arguments(EventPatchSchema)
    @blp.response(200, EventSchema)
    @blp.doc(parameters=[IF_MATCH])
    def patch(self, data: dict[str, Any], event_id: str) -> Answer:
        """Change fields (RFC 7396): what is left out stays, null means the default."""
        expected = expected_version()
        with ports().db.transaction() as session:
            event = find.event(session, event_id, lock=True)
            if expected is not None and expected != event.version:
                raise StaleVersionError
            zone = session.get_one(Calendar, event.calendar_id).zone
            content = event_content.changed(content_of(event), data, zone)
            extra = event_content.merged_metadata(event.extra, data)
            edit.update_event(session, ports(), event, content, author(), extra=extra)
            tell(session, event, data)
            session.flush()
            return _answer(session, event)

    @query_of(blp, NotifyQuery)
    @blp.response(204)
    @blp.doc(parameters=[IF_MATCH])
    def delete(self, query: dict[str, Any], event_id: str) -> None:
        """Delete an event here and in every linked calendar.

        With `notify` the guests are told, also of one that is deleted here already and kept by the
        provider, since it would tell them.
        """
        expected = expected_version()
        with ports().db.transaction() as session:
            event = find.event(session, event_id, lock=True, or_deleted=query["notify"])
            edit.delete_event(session, ports(), event, author(), expected_version=expected)
            tell(session, event, query)


@blp.route("/events/<event_id>/answer")
class OwnAnswer(MethodView):
    @blp.arguments(AnswerSchema)
    @blp.response(202, EventSchema)
    def post(self, data: dict[str, Any], event_id: str) -> Answer:
        """Answer an invitation, through the account that it came to; `own_answer` follows its provider."""
        with ports().db.transaction() as session:
            event = find.event(session, event_id, lock=True)
            when, start = content_of(event).when, data["original_start"]
            if start is not None:
                start = original_start(start, when, session.get_one(Calendar, event.calendar_id).zone)
                if not takes_place(when, start):
                    raise invalid([fault("/original_start", "is not where the rule puts an occurrence")])
            wish = {"comment": data["comment"], "original_start": start, "link_id": data["link_id"]}
            said = types.Answer(data["answer"])
            home.answer(session, ports(), event, said, tell=data["notify"], **wish)
            session.flush()
            return _answer(session, event)


def _calendars(session: Session, query: dict[str, Any]) -> list[Calendar]:
    if "calendar_id" in query:
        return [find.calendar(session, query["calendar_id"])]
    wanted = select(Calendar).where(Calendar.tenant_id == tenant_id(), Calendar.deleted_at.is_(None))
    if "user_id" in query:
        wanted = wanted.where(Calendar.user_id == find.user(session, query["user_id"]).id)
    return list(session.scalars(wanted))


def _expanded(session: Session, calendars: list[Calendar], query: dict[str, Any]) -> dict[str, Any]:
    try:
        metadata = _pairs(query["metadata"])
        entries = agenda.list_entries(session, calendars, query["start"], query["end"], metadata)
    except agenda.TooManyError:
        detail = f"holds more than {agenda.MOST_OCCURRENCES} occurrences: ask for a shorter time"
        errors = [{"parameter": "end", "detail": detail}]
        raise Problem(422, "The request has a fault.", kind="invalid_request", errors=errors) from None
    if query["cursor"] is not None:
        after = [str(part) for part in decode(query["cursor"], 3)]
        entries = [entry for entry in entries if _place(entry) > after]
    page = entries[: query["limit"]]
    events = {e["id"]: e for e in _shown(session, list({e.event.id: e.event for e in page}.values()))}
    items = [
        events[e.event.id]
        | {"occurrence": event_content.shown_occurrence(e.event, content_of(e.event), e.occurrence)}
        for e in page
    ]
    more = len(entries) > len(page)
    return {"items": items, "next_cursor": encode(*_place(page[-1])) if more else None}


def _pairs(given: list[str]) -> dict[str, str]:
    return {key: value for key, _, value in (pair.partition("=") for pair in given)}


def _place(entry: agenda.Entry) -> list[str]:
    occurrence = entry.occurrence
    return [occurrence.starts_at.isoformat(), entry.event.id, str(occurrence.original_start)]

"""Deletions that wait for a person: look at them, then apply or reject them."""

from __future__ import annotations

from typing import Any

from flask.views import MethodView
from sqlalchemy import select

from hub.accounts.links import NothingHeldError, decide
from hub.api import find
from hub.api.blueprint import page_of, query_of, resource
from hub.api.context import ports
from hub.api.errors import Problem
from hub.api.links import shown
from hub.api.paging import page
from hub.api.schemas.calendars import HeldDeletionSchema, LinkSchema
from hub.api.schemas.common import PageQuery
from hub.models import Event, EventCopy, Verdict

blp = resource("held deletions", "Deletions that wait for a person")


@blp.route("/links/<link_id>/held-deletions")
class HeldDeletions(MethodView):
    @query_of(blp, PageQuery)
    @blp.response(200, page_of(HeldDeletionSchema))
    def get(self, query: dict[str, Any], link_id: str) -> dict[str, Any]:
        """List the events whose deletion waits, in the order in which they were missed."""
        with ports().db.reading() as session:
            link = find.link(session, link_id)
            is_held = EventCopy.missing_at.is_not(None), EventCopy.removed_at.is_(None)
            wanted = select(EventCopy).where(EventCopy.link_id == link.id, *is_held)
            rows, cursor = page(
                session,
                wanted,
                EventCopy.missing_at,
                EventCopy.id,
                cursor=query["cursor"],
                limit=query["limit"],
            )
            events = select(Event).where(Event.id.in_([copy.event_id for copy in rows]))
            titles = {event.id: event.title for event in session.scalars(events)}
        items = [
            {"event_id": copy.event_id, "title": titles[copy.event_id], "missing_at": copy.missing_at}
            for copy in rows
        ]
        return {"items": items, "next_cursor": cursor}


def _decide(link_id: str, verdict: Verdict) -> dict[str, Any]:
    with ports().db.transaction() as session:
        link = find.link(session, link_id)
        try:
            decide(session, ports(), link, verdict)
        except NothingHeldError as error:
            raise Problem(409, str(error), kind="nothing_held") from error
        session.flush()
        return shown(session, [link])[0]


@blp.route("/links/<link_id>/held-deletions/apply")
class ApplyHeld(MethodView):
    @blp.response(202, LinkSchema)
    def post(self, link_id: str) -> dict[str, Any]:
        """Believe the deletions: the events are deleted here and in every other linked calendar."""
        return _decide(link_id, Verdict.APPLY)


@blp.route("/links/<link_id>/held-deletions/reject")
class RejectHeld(MethodView):
    @blp.response(202, LinkSchema)
    def post(self, link_id: str) -> dict[str, Any]:
        """Keep the events, and make them again in the calendar that lost them."""
        return _decide(link_id, Verdict.REJECT)

"""The hub's own calendars."""

from __future__ import annotations

from typing import Any

from flask.views import MethodView
from sqlalchemy import select

from hub.accounts.links import move_calendar, rename_calendar
from hub.api import find
from hub.api.blueprint import IDEMPOTENCY_KEY, page_of, query_of, resource
from hub.api.context import ports, tenant_id
from hub.api.errors import Problem, fault, invalid
from hub.api.idempotency import idempotent
from hub.api.paging import page
from hub.api.schemas.calendars import CalendarPatchSchema, CalendarQuery, CalendarSchema
from hub.models import Calendar, Link
from hub.outbound.linking import delete_link, locked

blp = resource("calendars", "The hub's own calendars")


@blp.route("/calendars")
class Calendars(MethodView):
    @query_of(blp, CalendarQuery)
    @blp.response(200, page_of(CalendarSchema))
    def get(self, query: dict[str, Any]) -> dict[str, Any]:
        """List calendars, oldest first."""
        wanted = select(Calendar).where(Calendar.tenant_id == tenant_id(), Calendar.deleted_at.is_(None))
        if "user_id" in query:
            wanted = wanted.where(Calendar.user_id == query["user_id"])
        with ports().db.reading() as session:
            items, cursor = page(
                session,
                wanted,
                Calendar.created_at,
                Calendar.id,
                cursor=query["cursor"],
                limit=query["limit"],
            )
        return {"items": items, "next_cursor": cursor}

    @idempotent
    @blp.arguments(CalendarSchema)
    @blp.response(201, CalendarSchema)
    @blp.doc(parameters=[IDEMPOTENCY_KEY])
    def post(self, data: dict[str, Any]) -> Calendar:
        """Add a calendar for a user."""
        world = ports()
        with world.db.transaction() as session:
            try:
                find.user(session, data["user_id"])
            except Problem:
                raise invalid([fault("/user_id", "is not a user of yours")]) from None
            calendar = Calendar(
                id=world.ids.new("cal"), tenant_id=tenant_id(), created_at=world.clock.now(), **data
            )
            session.add(calendar)
            return calendar


@blp.route("/calendars/<calendar_id>")
class OneCalendar(MethodView):
    @blp.response(200, CalendarSchema)
    def get(self, calendar_id: str) -> Calendar:
        """Get a calendar."""
        with ports().db.reading() as session:
            return find.calendar(session, calendar_id)

    @blp.arguments(CalendarPatchSchema)
    @blp.response(200, CalendarSchema)
    def patch(self, data: dict[str, Any], calendar_id: str) -> Calendar:
        """Change a calendar's name, zone or colour."""
        with ports().db.transaction() as session:
            calendar = find.calendar(session, calendar_id)
            if "name" in data:
                rename_calendar(session, ports(), calendar, data.pop("name"))
            if "zone" in data:
                move_calendar(session, ports(), calendar, data.pop("zone"))
            for name, value in data.items():
                setattr(calendar, name, value)
            return calendar

    @blp.response(204)
    def delete(self, calendar_id: str) -> None:
        """Delete a calendar: its links end, events at the providers stay."""
        world = ports()
        with world.db.transaction() as session:
            calendar = find.calendar(session, calendar_id)
            for link in locked(session, Link.calendar_id == calendar.id, Link.deleted_at.is_(None)):
                delete_link(session, world, link)
            calendar.deleted_at = world.clock.now()

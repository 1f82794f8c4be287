"""Conflicts: what was overruled when both sides had changed the same; turn a decision round with one call."""

from __future__ import annotations

from typing import Any

from flask.views import MethodView
from sqlalchemy import select

from hub.api import find
from hub.api.blueprint import IF_MATCH, page_of, query_of, resource
from hub.api.context import author, ports, tenant_id
from hub.api.errors import Problem
from hub.api.paging import page
from hub.api.schemas.calendars import ConflictQuery, ConflictSchema, ResolveSchema
from hub.api.versions import expected_version
from hub.models import Conflict
from hub.outbound.conflicts import EditedSinceError, EventDeletedError, resolve

blp = resource("conflicts", "What was overruled, with both values")


@blp.route("/conflicts")
class Conflicts(MethodView):
    @query_of(blp, ConflictQuery)
    @blp.response(200, page_of(ConflictSchema))
    def get(self, query: dict[str, Any]) -> dict[str, Any]:
        """List conflicts, oldest first, open or resolved; each keeps both values."""
        wanted = select(Conflict).where(Conflict.tenant_id == tenant_id())
        for name in ("event_id", "link_id"):
            if name in query:
                wanted = wanted.where(getattr(Conflict, name) == query[name])
        if "state" in query:
            is_open = Conflict.resolution.is_(None)
            wanted = wanted.where(is_open if query["state"] == "open" else ~is_open)
        with ports().db.reading() as session:
            items, cursor = page(
                session, wanted, Conflict.at, Conflict.id, cursor=query["cursor"], limit=query["limit"]
            )
        return {"items": items, "next_cursor": cursor}


@blp.route("/conflicts/<conflict_id>")
class OneConflict(MethodView):
    @blp.response(200, ConflictSchema)
    def get(self, conflict_id: str) -> Conflict:
        """Get a conflict."""
        with ports().db.reading() as session:
            return find.conflict(session, conflict_id)


@blp.route("/conflicts/<conflict_id>/resolve")
class Resolve(MethodView):
    @blp.arguments(ResolveSchema)
    @blp.response(200, ConflictSchema)
    @blp.doc(parameters=[IF_MATCH])
    def post(self, data: dict[str, Any], conflict_id: str) -> Conflict:
        """Say whose value stands: the other one becomes the event's everywhere, the same one closes it."""
        expected = expected_version()
        with ports().db.transaction() as session:
            conflict = find.conflict(session, conflict_id, lock=True)
            find.calendar_of(session, conflict.event_id)
            try:
                resolve(session, ports(), conflict, data["keep"], author(), expected_version=expected)
            except EditedSinceError:
                detail = (
                    "The event was changed since this conflict. Get it, and if that value shall go, send "
                    f"this again with its ETag as If-Match; or keep {conflict.stands!r} to close it."
                )
                raise Problem(409, detail, kind="edited_since") from None
            except EventDeletedError:
                detail = (
                    "The event is deleted. Undo its deletion (its history names the change) and send this "
                    f"again; or keep {conflict.stands!r} to close the conflict."
                )
                raise Problem(409, detail, kind="event_deleted") from None
            return conflict

"""Links between a calendar and a remote calendar, with their health."""

from __future__ import annotations

from typing import Any

from flask.views import MethodView
from sqlalchemy import select
from sqlalchemy.orm import Session, joinedload

from hub.accounts.health import health_of
from hub.accounts.links import change_link, sync_now
from hub.accounts.relink import move_link
from hub.api import find
from hub.api.blueprint import IDEMPOTENCY_KEY, page_of, query_of, resource
from hub.api.context import ports, tenant_id
from hub.api.errors import Problem, fault, invalid
from hub.api.idempotency import idempotent
from hub.api.paging import page
from hub.api.schemas.calendars import LinkPatchSchema, LinkQuery, LinkSchema, MoveSchema, SyncSchema
from hub.models import Account, AccountState, Calendar, Link, LinkState
from hub.outbound import linking

blp = resource("links", "Links between calendars and remote calendars")
_COLUMNS = (
    *("id", "calendar_id", "remote_calendar_id", "account_id", "direction", "detail", "busy_title"),
    *("filters", "leave_alone", "unholdable", "policy", "past_days", "future_days", "state", "created_at"),
)


def shown(session: Session, links: list[Link]) -> list[dict[str, Any]]:
    health = health_of(session, ports(), links)
    return [{n: getattr(link, n) for n in _COLUMNS} | {"health": health[link.id]} for link in links]


@blp.route("/links")
class Links(MethodView):
    @query_of(blp, LinkQuery)
    @blp.response(200, page_of(LinkSchema))
    def get(self, query: dict[str, Any]) -> dict[str, Any]:
        """List links with their health, oldest first; those of one user, calendar or account."""
        wanted = (
            select(Link)
            .where(Link.tenant_id == tenant_id(), Link.deleted_at.is_(None))
            .options(joinedload(Link.remote_calendar))
        )
        for name in ("calendar_id", "account_id"):
            if name in query:
                wanted = wanted.where(getattr(Link, name) == query[name])
        if "user_id" in query:
            own = select(Calendar.id).where(Calendar.user_id == query["user_id"])
            wanted = wanted.where(Link.calendar_id.in_(own))
        with ports().db.reading() as session:
            rows, cursor = page(
                session, wanted, Link.created_at, Link.id, cursor=query["cursor"], limit=query["limit"]
            )
            return {"items": shown(session, rows), "next_cursor": cursor}

    @idempotent
    @blp.arguments(LinkSchema)
    @blp.response(201, LinkSchema)
    @blp.doc(parameters=[IDEMPOTENCY_KEY])
    def post(self, data: dict[str, Any]) -> dict[str, Any]:
        """Link a remote calendar to a calendar of the same user; its first pull starts at once."""
        faults = []
        with ports().db.transaction() as session:
            try:
                calendar = find.calendar(session, data.pop("calendar_id"))
            except Problem:
                faults.append(fault("/calendar_id", "is not a calendar of yours"))
            remote = find.remote_calendar(session, data.pop("remote_calendar_id"))
            if remote is None:
                faults.append(fault("/remote_calendar_id", "is not a remote calendar of yours"))
            if faults or remote is None:
                raise invalid(faults)
            link = linking.create_link(session, ports(), calendar, remote, **data)
            session.flush()
            return shown(session, [link])[0]


@blp.route("/links/<link_id>")
class OneLink(MethodView):
    @blp.response(200, LinkSchema)
    def get(self, link_id: str) -> dict[str, Any]:
        """Get a link with its health."""
        with ports().db.reading() as session:
            return shown(session, [find.link(session, link_id)])[0]

    @blp.arguments(LinkPatchSchema)
    @blp.response(200, LinkSchema)
    def patch(self, data: dict[str, Any], link_id: str) -> dict[str, Any]:
        """Change what a link does. Only copies that the hub itself has made are rewritten or taken away.

        `POST /v1/link-plans` with the `link_id` tells beforehand what that would be.
        """
        with ports().db.transaction() as session:
            link = find.link(session, link_id)
            change_link(session, ports(), link, **data)
            session.flush()
            return shown(session, [link])[0]

    @blp.response(204)
    def delete(self, link_id: str) -> None:
        """End a link: both calendars keep their events."""
        with ports().db.transaction() as session:
            linking.delete_link(session, ports(), find.link(session, link_id))


@blp.route("/links/<link_id>/pause")
class Pause(MethodView):
    @blp.response(200, LinkSchema)
    def post(self, link_id: str) -> dict[str, Any]:
        """Let the link rest: nothing is fetched or written until it is resumed."""
        with ports().db.transaction() as session:
            link = find.link(session, link_id)
            linking.pause(link)
            return shown(session, [link])[0]


@blp.route("/links/<link_id>/resume")
class Resume(MethodView):
    @blp.response(200, LinkSchema)
    def post(self, link_id: str) -> dict[str, Any]:
        """Set a paused or stopped link to work again."""
        with ports().db.transaction() as session:
            link = find.link(session, link_id)
            linking.resume(session, ports(), link)
            session.flush()
            return shown(session, [link])[0]


@blp.route("/links/<link_id>/sync")
class Sync(MethodView):
    @blp.arguments(SyncSchema)
    @blp.response(202, LinkSchema)
    def post(self, data: dict[str, Any], link_id: str) -> dict[str, Any]:
        """Sync now: pull, and try parked events again. A link at rest has to be resumed first."""
        with ports().db.transaction() as session:
            link = find.link(session, link_id)
            if link.state != LinkState.ACTIVE:
                raise Problem(409, f"The link is {link.state}: resume it, and it syncs.", kind="link_at_rest")
            account = session.get_one(Account, link.account_id)
            if account.state == AccountState.NEEDS_RECONNECT:
                raise Problem(409, account.problem or f"Reconnect {account.email}.", kind="needs_reconnect")
            sync_now(session, ports(), link, full=data["full"])
            return shown(session, [link])[0]


@blp.route("/links/<link_id>/move")
class Move(MethodView):
    @blp.arguments(MoveSchema)
    @blp.response(200, LinkSchema)
    def post(self, data: dict[str, Any], link_id: str) -> dict[str, Any]:
        """Point the link at another calendar of its account that holds the same events.

        They are recognised there; what is not found again is held for a decision, never deleted.
        """
        with ports().db.reading() as session:
            find.link(session, link_id)
        move_link(ports(), link_id, data["remote_calendar_id"])
        with ports().db.reading() as session:
            return shown(session, [find.link(session, link_id)])[0]

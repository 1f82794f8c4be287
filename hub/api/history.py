"""History: every change of an event with its author, and what one run (a pull, a request, an undo) did."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from flask.views import MethodView
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from hub.accounts.authors import authors_of
from hub.api.blueprint import page_of, query_of, resource
from hub.api.context import ports, tenant_id
from hub.api.errors import not_found
from hub.api.paging import encode, number
from hub.api.schemas.common import PageQuery
from hub.api.schemas.history import HistorySchema, RunSchema
from hub.models import Change, Undo

blp = resource("history", "Who changed what, and in which run")

FIRST = 100
"""How many changes a run shows itself; the change log has them all."""


@blp.route("/events/<event_id>/history")
class History(MethodView):
    @query_of(blp, PageQuery)
    @blp.response(200, page_of(HistorySchema))
    def get(self, query: dict[str, Any], event_id: str) -> dict[str, Any]:
        """List all changes of an event, deleted or not, oldest first, field by field with their authors."""
        wanted = select(Change).where(Change.tenant_id == tenant_id(), Change.event_id == event_id)
        if query["cursor"] is not None:
            wanted = wanted.where(Change.seq > number(query["cursor"]))
        with ports().db.reading() as session:
            rows = session.scalars(wanted.order_by(Change.seq).limit(query["limit"] + 1)).all()
            page = rows[: query["limit"]]
            items = authored(session, page)
        if not rows and query["cursor"] is None:
            raise not_found("event")
        return {"items": items, "next_cursor": encode(page[-1].seq) if len(rows) > len(page) else None}


@blp.route("/runs/<run_id>")
class Run(MethodView):
    @blp.response(200, RunSchema)
    def get(self, run_id: str) -> dict[str, Any]:
        """Get what one run did: counts, and its first changes."""
        with ports().db.reading() as session:
            return run_of(session, run_id)


def run_of(session: Session, run_id: str) -> dict[str, Any]:
    """Return the summary of a run of this tenant.

    Raises:
        Problem: it has changed nothing here.
    """
    own = Change.tenant_id == tenant_id(), Change.run_id == run_id
    counted = select(Change.kind, func.count()).where(*own).group_by(Change.kind)
    kinds: dict[str, int] = dict(session.execute(counted).all())
    undo = session.scalars(select(Undo).where(Undo.tenant_id == tenant_id(), Undo.id == run_id)).one_or_none()
    if not kinds and undo is None:
        raise not_found("run")
    begun_at, ended_at, events = session.execute(
        select(func.min(Change.at), func.max(Change.at), func.count(Change.event_id.distinct())).where(*own)
    ).one()
    rows = session.scalars(select(Change).where(*own).order_by(Change.seq).limit(FIRST)).all()
    first = undo or rows[0]
    undone_by = select(Undo.id).where(Undo.tenant_id == tenant_id(), Undo.of_run == run_id).order_by(Undo.id)
    return {
        "id": run_id,
        "author": dataclasses.asdict(authors_of(session, [first])[first.actor, first.actor_id]),
        "begun_at": undo.created_at if undo else begun_at,
        "ended_at": undo.ended_at if undo else ended_at,
        "events": events,
        "counts": kinds,
        "changes": authored(session, rows),
        "more": sum(kinds.values()) > len(rows),
        "undo": undo and shown(undo),
        "undone_by": session.scalars(undone_by).all(),
    }


def authored(session: Session, changes: Sequence[Change]) -> list[dict[str, Any]]:
    """Return changes as HistorySchema writes them."""
    authors = authors_of(session, changes)
    runs = {change.run_id for change in changes}
    undos = {undo.id: undoes(undo) for undo in session.scalars(select(Undo).where(Undo.id.in_(runs)))}
    names = ("seq", "kind", "calendar_id", "event_id", "event_version", "fields", "run_id", "at")
    return [
        {name: getattr(change, name) for name in names}
        | {"author": dataclasses.asdict(authors[change.actor, change.actor_id])}
        | {"undoes": undos.get(change.run_id or "")}
        for change in changes
    ]


def undoes(undo: Undo) -> dict[str, Any]:
    """Return what an undo takes back."""
    return {"run_id": undo.of_run, "seq": undo.of_seq, "event_id": undo.of_event, "version": undo.to_version}


def shown(undo: Undo) -> dict[str, Any]:
    """Return an undo as UndoSchema writes it."""
    return {
        "run_id": undo.id,
        "state": undo.state,
        "undoes": undoes(undo),
        "force": undo.force,
        "counts": undo.counts,
    }

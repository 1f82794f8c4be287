"""Undo: look first (GET), then do it (POST); of one change, of a whole run, or back to a version."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flask.views import MethodView
from sqlalchemy import select
from sqlalchemy.orm import Session

from hub.api.blueprint import IDEMPOTENCY_KEY, IF_MATCH, query_of, resource
from hub.api.context import author, ports, tenant_id
from hub.api.errors import Problem, not_found
from hub.api.history import shown
from hub.api.idempotency import idempotent
from hub.api.paging import decode, encode
from hub.api.schemas.history import UndoneSchema, UndoPreviewSchema, UndoQuery, UndoRequestSchema
from hub.api.versions import expected_version
from hub.models import Change, UndoState
from hub.outbound import undo
from hub.outbound.edit import StaleVersionError, get_event
from hub.outbound.undo import EventUndo, RunUnderWayError, Target
from hub.outbound.undo_losses import losses_of, reason_of

blp = resource("undo", "What was changed, taken back here and at the providers")


@blp.route("/changes/<seq>/undo")
class UndoChange(MethodView):
    @query_of(blp, UndoQuery)
    @blp.response(200, UndoPreviewSchema)
    def get(self, query: dict[str, Any], seq: str) -> dict[str, Any]:
        """Show what undoing one change would do, and what it cannot bring back."""
        return _preview(_change(seq), query, "change")

    @idempotent
    @blp.arguments(UndoRequestSchema)
    @blp.response(200, UndoneSchema)
    @blp.doc(parameters=[IDEMPOTENCY_KEY])
    def post(self, data: dict[str, Any], seq: str) -> tuple[dict[str, Any], int]:
        """Undo one change of an event, here and at the providers."""
        return _undo(_change(seq), data, "change")


@blp.route("/runs/<run_id>/undo")
class UndoRun(MethodView):
    @query_of(blp, UndoQuery)
    @blp.response(200, UndoPreviewSchema)
    def get(self, query: dict[str, Any], run_id: str) -> dict[str, Any]:
        """Show what undoing all that one run did would do, and what it cannot bring back."""
        return _preview(Target(tenant_id(), run_id=run_id), query, "run")

    @idempotent
    @blp.arguments(UndoRequestSchema)
    @blp.response(200, UndoneSchema)
    @blp.doc(parameters=[IDEMPOTENCY_KEY])
    def post(self, data: dict[str, Any], run_id: str) -> tuple[dict[str, Any], int]:
        """Undo all that one run did; 202 if it is so much that it goes on after the answer."""
        return _undo(Target(tenant_id(), run_id=run_id), data, "run")


@blp.route("/events/<event_id>/versions/<version>/revert")
class Revert(MethodView):
    @query_of(blp, UndoQuery)
    @blp.response(200, UndoPreviewSchema)
    def get(self, query: dict[str, Any], event_id: str, version: str) -> dict[str, Any]:
        """Show what putting an event back to an earlier version would do."""
        return _preview(_version(event_id, version), query, "version")

    @idempotent
    @blp.arguments(UndoRequestSchema)
    @blp.response(200, UndoneSchema)
    @blp.doc(parameters=[IF_MATCH, IDEMPOTENCY_KEY])
    def post(self, data: dict[str, Any], event_id: str, version: str) -> tuple[dict[str, Any], int]:
        """Put an event back to how it was at an earlier version, whoever changed it since."""
        return _undo(_version(event_id, version), data, "version", expected_version())


def _number(text: str, what: str) -> int:
    if not text.isascii() or not text.isdecimal() or len(text) > 18:
        raise not_found(what)
    return int(text)


def _change(seq: str) -> Target:
    with ports().db.reading() as session:
        return undo.change_target(session, tenant_id(), _number(seq, "change"))


def _version(event_id: str, version: str) -> Target:
    with ports().db.reading() as session:
        return undo.version_target(session, tenant_id(), event_id, _number(version, "version"))


def _check(session: Session, target: Target, what: str) -> None:
    """Check that a target is there: a change, a run that changed something, a version that the event had.

    Raises:
        Problem: it is not, or not for this tenant.
    """
    lines = target.lines()
    if target.event_id is not None:
        at_it = Change.event_version == target.version
        lines = [Change.tenant_id == target.tenant_id, Change.event_id == target.event_id, at_it]
    if session.scalar(select(Change.seq).where(*lines).limit(1)) is None:
        raise not_found(what)


def _preview(target: Target, query: dict[str, Any], what: str) -> dict[str, Any]:
    force, after = query["force"], ""
    if query["cursor"] is not None:
        after = str(decode(query["cursor"], 1)[0])
    with ports().db.reading() as session:
        _check(session, target, what)
        ids = undo.event_ids(session, target, after, query["limit"] + 1)
        page = ids[: query["limit"]]
        items = undo.plan_events(session, target, page, force=force)
        shown_items = _shown_items(session, items)
        counts = None if after else undo.count(session, target, force=force)
    of = {"run_id": target.run_id, "seq": target.seq, "event_id": target.event_id, "version": target.version}
    return {
        "undoes": of,
        "force": force,
        "counts": counts,
        "items": shown_items,
        "next_cursor": encode(page[-1]) if len(ids) > len(page) else None,
    }


def _undo(
    target: Target, data: dict[str, Any], what: str, expected: int | None = None
) -> tuple[dict[str, Any], int]:
    with ports().db.transaction() as session:
        _check(session, target, what)
        if expected is not None:
            event = get_event(session, target.event_id or "", lock=True)
            if event is None or event.version != expected:
                raise StaleVersionError
        ids = undo.event_ids(session, target, "", undo.STEP)
        items = _shown_items(session, undo.plan_events(session, target, ids, force=data["force"], lock=True))
        try:
            begun = undo.begin(session, ports(), target, author(), force=data["force"])
        except RunUnderWayError:
            detail = "This run has not ended: wait some seconds, look at what it did, and undo it then."
            raise Problem(409, detail, kind="run_under_way", headers={"Retry-After": "5"}) from None
        return shown(begun) | {"items": items}, 202 if begun.state == UndoState.RUNNING else 200


def _shown_items(session: Session, items: Sequence[EventUndo]) -> list[dict[str, Any]]:
    losses = losses_of(session, ports(), items)
    return [_shown(item) | {"losses": losses.get(item.event_id, [])} for item in items]


def _shown(item: EventUndo) -> dict[str, Any]:
    present, result = item.plan.present or {}, item.plan.result or {}
    kept = [
        {"field": k.field, "seq": k.seq, "present": k.present, "wanted": k.wanted, "reason": reason_of(k)}
        for k in item.plan.kept
    ]
    changed = () if item.blocked else item.plan.changed
    return {
        "event_id": item.event_id,
        "title": item.title,
        "action": item.action,
        "fields": {name: {"before": present.get(name), "after": result.get(name)} for name in changed},
        "kept": kept,
        "blocked": item.blocked,
    }

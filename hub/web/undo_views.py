"""History of an event, and undo: first a page that shows what would happen, then the button."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from flask import abort, redirect, render_template, url_for
from sqlalchemy import select
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from hub.models import Calendar, Change, UndoState
from hub.outbound import undo
from hub.outbound.undo import EventUndo, RunUnderWayError, Target
from hub.outbound.undo_losses import losses_of, reason_of
from hub.web import words
from hub.web.lines import labels_of, lines_of
from hub.web.site import author, blp, ports, visitor

MOST_LINES = 200
MOST_EVENTS = 20


@dataclass(frozen=True, slots=True)
class UndoLine:
    """What an undo does to one event, in words."""

    item: EventUndo
    fields: list[tuple[str, str, str]]
    """Field, value now, value after."""
    left: list[str]
    """What it leaves, or cannot bring back."""


@blp.get("/events/<event_id>/history")
def show_history(event_id: str) -> str:
    with ports().db.reading() as session:
        query = select(Change).where(
            Change.tenant_id == visitor().tenant_id,
            Change.event_id == event_id,
            Change.calendar_id.in_(_own_calendars()),
        )
        rows = session.scalars(query.order_by(Change.seq.desc()).limit(MOST_LINES)).all()
        if not rows:
            abort(404)
        lines = lines_of(session, list(rows), labels_of(ports()))
    shown = [(line, _differences(line.change)) for line in lines]
    return render_template("history.html", lines=shown, event_id=event_id, now=ports().clock.now())


def _own_calendars() -> Any:
    return select(Calendar.id).where(Calendar.user_id == visitor().id, Calendar.deleted_at.is_(None))


def _differences(change: Change) -> list[tuple[str, str, str]]:
    if change.kind != "updated":
        return []
    return [
        (words.field(name), words.value(name, both.get("before")), words.value(name, both.get("after")))
        for name, both in change.fields.items()
        if name != "description_html"
    ]


@blp.get("/changes/<int:seq>/undo")
def show_undo(seq: int) -> str:
    return _show(_change(seq), url_for("page.undo_change", seq=seq))


@blp.post("/changes/<int:seq>/undo")
def undo_change(seq: int) -> Response | tuple[str, int]:
    return _undo(_change(seq), url_for("page.undo_change", seq=seq))


def _change(seq: int) -> Target:
    with ports().db.reading() as session:
        return undo.change_target(session, visitor().tenant_id, seq)


@blp.get("/runs/<run_id>/undo")
def show_run_undo(run_id: str) -> str:
    return _show(Target(visitor().tenant_id, run_id=run_id), url_for("page.undo_run", run_id=run_id))


@blp.post("/runs/<run_id>/undo")
def undo_run(run_id: str) -> Response | tuple[str, int]:
    return _undo(Target(visitor().tenant_id, run_id=run_id), url_for("page.undo_run", run_id=run_id))


def _check_own(session: Session, target: Target) -> Change:
    """Return the first line of a target, all of whose lines are the visitor's."""
    first = session.scalars(select(Change).where(*target.lines()).order_by(Change.seq).limit(1)).one_or_none()
    foreign = select(Change.seq).where(*target.lines(), Change.calendar_id.not_in(_own_calendars()))
    if first is None or session.scalar(foreign.limit(1)) is not None:
        abort(404)
    return first


def _show(target: Target, action: str, error: str | None = None) -> str:
    with ports().db.reading() as session:
        first = _check_own(session, target)
        ids = undo.event_ids(session, target, "", MOST_EVENTS)
        items = undo.plan_events(session, target, ids, force=False)
        losses = losses_of(session, ports(), items)
        counts = undo.count(session, target, force=False)
        (line,) = lines_of(session, [first], labels_of(ports()))
        run = None
        if target.seq is not None and first.run_id is not None:
            whole = Target(target.tenant_id, run_id=first.run_id)
            run = first.run_id if len(undo.event_ids(session, whole, "", 2)) > 1 else None
    shown = [_line(item, [loss.reason for loss in losses.get(item.event_id, [])]) for item in items]
    return render_template(
        "undo.html",
        action=action,
        lines=shown,
        counts=counts,
        line=line,
        run=run,
        target=target,
        error=error,
        now=ports().clock.now(),
    )


def _line(item: EventUndo, losses: list[str]) -> UndoLine:
    present, result = item.plan.present or {}, item.plan.result or {}
    fields = [
        (words.field(name), words.value(name, present.get(name)), words.value(name, result.get(name)))
        for name in (item.plan.changed if item.action == "update" else ())
    ]
    kept = [f"{words.field(k.field).capitalize()}: {reason_of(k)}" for k in item.plan.kept]
    return UndoLine(item, fields, ([item.blocked] if item.blocked else []) + kept + losses)


def _undo(target: Target, action: str) -> Response | tuple[str, int]:
    try:
        with ports().db.transaction() as session:
            _check_own(session, target)
            begun = undo.begin(session, ports(), target, author(), force=False)
    except RunUnderWayError:
        return _show(target, action, "This has not ended yet: wait some seconds and look again."), 409
    note = "undone" if begun.state == UndoState.DONE else "undoing"
    return redirect(url_for("page.home", note=note), 303)

"""The page itself, and the forms for accounts and links; importing it completes the blueprint."""

from __future__ import annotations

from datetime import date

from flask import abort, redirect, render_template, request, url_for
from sqlalchemy import select
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from hub.accounts import calendars as account_calendars
from hub.accounts import links
from hub.accounts.disconnect import disconnect
from hub.models import Account, Calendar, Conflict, Event, RemoteCalendar, Verdict
from hub.outbound import linking
from hub.outbound.conflicts import EditedSinceError, EventDeletedError, resolve
from hub.outbound.linking import LinkingError
from hub.planning import intent
from hub.planning.intent import MOST_LINKS, Wish
from hub.plugin.errors import ProviderError
from hub.web import connect_views, event_views, option_views, overview, plan_views, undo_views
from hub.web.option_views import own_link
from hub.web.site import author, blp, ports, visitor

__all__ = ["blp", "connect_views", "event_views", "option_views", "plan_views", "undo_views"]

NOTES = {
    "linked": "Linked. Events come in now; you can watch them arrive.",
    "changed": "Changed. What the plan said is being done now.",
    "unlinked": "The link has ended. Both calendars keep their events.",
    "disconnected": "The account is disconnected. Its events stay where they are.",
    "refreshed": "The list of calendars is up to date.",
    "saved": "Saved. It is on its way to the linked calendars.",
    "deleted": "Deleted here; the linked calendars follow.",
    "decided": "Decided. The hub carries it out now.",
    "undone": "Undone. It is on its way to the linked calendars. “Recent changes” can undo this, too.",
    "undoing": "It is being undone, step by step; you can watch it here.",
    "resolved": "Decided. It is on its way to the linked calendars.",
    "syncing": "Looking for changes now.",
}


@blp.get("/")
def home() -> str:
    return _page(note=NOTES.get(request.args.get("note", "")))


def _page(*, note: str | None = None, error: str | None = None) -> str:
    with ports().db.snapshot() as session:
        content = overview.read(session, ports(), visitor(), _wanted_week())
    return render_template("home.html", o=content, note=note, error=error, silence=ports().settings)


def _wanted_week() -> date | None:
    try:
        wanted = date.fromisoformat(request.args.get("week", ""))
    except ValueError:
        return None
    return wanted if 1900 < wanted.year < 2199 else None


def _done(note: str) -> Response:
    return redirect(url_for("page.home", note=note), 303)


def _own_account(session: Session, account_id: str) -> Account:
    account = session.get(Account, account_id)
    if account is None or account.user_id != visitor().id:
        abort(404)
    return account


@blp.post("/accounts/<account_id>/disconnect")
def disconnect_account(account_id: str) -> Response:
    with ports().db.reading() as session:
        _own_account(session, account_id)
    disconnect(ports(), account_id)
    return _done("disconnected")


@blp.post("/accounts/<account_id>/refresh")
def refresh_account(account_id: str) -> Response | tuple[str, int]:
    with ports().db.reading() as session:
        _own_account(session, account_id)
    try:
        account_calendars.refresh(ports(), account_id)
    except ProviderError as error:
        return _page(error=error.message), 502
    return _done("refreshed")


@blp.post("/links")
def add_links() -> Response | tuple[str, int]:
    """Plan to link the chosen remote calendars to one calendar: the person looks before it is done."""
    chosen = request.form.getlist("remote")
    if not chosen:
        return _page(error="Choose at least one calendar to link."), 422
    if len(chosen) > MOST_LINKS:
        return _page(error=f"Link at most {MOST_LINKS} calendars at once."), 422
    try:
        with ports().db.transaction() as session:
            remotes = [_own_remote(session, remote_id) for remote_id in chosen]
            calendar = _chosen_calendar(session, remotes[0])
            wishes = [Wish({"direction": _direction(remote)}, remote) for remote in remotes]
            plan = intent.begin(session, ports(), calendar, wishes)
    except LinkingError as error:
        return _page(error=f"Nothing was linked: {error}."), 422
    return redirect(url_for("page.show_plan", plan_id=plan.id), 303)


def _direction(remote: RemoteCalendar) -> str:
    wanted = request.form.get("direction", "two_way")
    if wanted not in ("two_way", "import", "export"):
        abort(422)
    return wanted if remote.access_role in ("owner", "writer") else "import"


def _own_remote(session: Session, remote_id: str) -> RemoteCalendar:
    remote = session.get(RemoteCalendar, remote_id)
    if remote is None:
        abort(404)
    _own_account(session, remote.account_id)
    return remote


def _chosen_calendar(session: Session, remote: RemoteCalendar) -> Calendar:
    """Return the person's calendar, or a new one that is stored when the plan is applied."""
    wanted = request.form.get("calendar", "")
    if wanted:
        return own_calendar(session, wanted)
    return Calendar(
        tenant_id=visitor().tenant_id,
        user_id=visitor().id,
        name=request.form.get("name", "").strip()[:200] or remote.name[:200],
        zone=remote.zone or "UTC",
    )


def own_calendar(session: Session, calendar_id: str) -> Calendar:
    query = select(Calendar).where(
        Calendar.id == calendar_id, Calendar.user_id == visitor().id, Calendar.deleted_at.is_(None)
    )
    calendar = session.scalars(query).one_or_none()
    if calendar is None:
        abort(404)
    return calendar


@blp.post("/links/<link_id>/<any(pause, resume, sync, unlink, importing):action>")
def act_on_link(link_id: str, action: str) -> Response:
    with ports().db.transaction() as session:
        link = own_link(session, link_id)
        if action == "pause":
            linking.pause(link)
        elif action == "resume":
            linking.resume(session, ports(), link)
        elif action == "sync":
            links.sync_now(session, ports(), link)
        elif action == "importing":
            links.change_link(session, ports(), link, direction="import")
            linking.resume(session, ports(), link)
        else:
            linking.delete_link(session, ports(), link)
    notes = {"unlink": "unlinked", "sync": "syncing", "resume": "syncing"}
    return _done(notes.get(action, ""))


@blp.post("/links/<link_id>/held-deletions/<any(apply, reject):verdict>")
def decide(link_id: str, verdict: str) -> Response | tuple[str, int]:
    try:
        with ports().db.transaction() as session:
            links.decide(session, ports(), own_link(session, link_id), Verdict(verdict))
    except links.NothingHeldError as error:
        return _page(error=str(error)), 409
    return _done("decided")


@blp.post("/conflicts/<conflict_id>/<any(hub, provider):keep>")
def resolve_conflict(conflict_id: str, keep: str) -> Response | tuple[str, int]:
    try:
        with ports().db.transaction() as session:
            query = (
                select(Conflict)
                .join(Event, Event.id == Conflict.event_id)
                .where(Conflict.id == conflict_id, Conflict.tenant_id == visitor().tenant_id)
            )
            conflict = session.scalars(query.with_for_update(of=Conflict)).one_or_none()
            if conflict is None:
                abort(404)
            own_calendar(session, session.get_one(Event, conflict.event_id).calendar_id)
            resolve(session, ports(), conflict, keep, author())
    except EditedSinceError:
        return _page(
            error="It was changed once more since: open the event and write the value you want."
        ), 409
    except EventDeletedError:
        return _page(error="The event is deleted: undo its deletion first."), 409
    return _done("resolved")

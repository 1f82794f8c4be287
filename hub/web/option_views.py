"""What a link does, for people to see and to change: each change leads to a plan first."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Any

from flask import abort, redirect, render_template, request, url_for
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from hub.domain.lens import LEAVABLE, Filters, fault_of_title
from hub.models import Account, Detail, Direction, Link, Policy, Unholdable
from hub.outbound.linking import LinkingError
from hub.planning import intent
from hub.planning.intent import Wish
from hub.web import words
from hub.web.lines import labels_of
from hub.web.site import blp, ports, visitor

KINDS = {
    "declined": "events that you have declined",
    "free": "events that do not block your time",
    "all_day": "all-day events",
    "past": "events that are over",
}
"""The kinds of events that may be left out, for people."""
UNHOLDABLE = {
    "hold": "stay here, and the link says why",
    "singles": "are written day by day, as single events",
}
"""What becomes of series that the provider cannot hold, for people."""
MOST_DAYS = 3660
MOST_CATEGORIES = 100
LONGEST_TITLE = 200


class FormError(Exception):
    """The form says something that cannot be; the message is for people."""


def own_link(session: Session, link_id: str) -> Link:
    """Return a link of the visitor's; 404 for any other."""
    link = session.get(Link, link_id)
    if link is None or link.deleted_at is not None:
        abort(404)
    if session.get_one(Account, link.account_id).user_id != visitor().id:
        abort(404)
    return link


def told(link: Link) -> str:
    """Return in a few words what a link does otherwise than usual; empty if nothing."""
    said = []
    if link.detail == Detail.BUSY_ONLY:
        said.append(f"shown there only as “{link.busy_title}”")
    filters, usual = Filters.of(link.filters), Filters()
    left_out = [n for n in KINDS if not getattr(filters, n) and getattr(usual, n)]
    if left_out:
        said.append(f"without {', '.join(KINDS[name] for name in left_out)}")
    if filters.declined:
        said.append(f"with {KINDS['declined']}")
    if filters.only_categories:
        said.append(f"only of the categories {', '.join(filters.only_categories)}")
    if filters.without_categories:
        said.append(f"none of the categories {', '.join(filters.without_categories)}")
    if link.unholdable == Unholdable.SINGLES:
        said.append(f"series that cannot be held there {UNHOLDABLE['singles']}")
    if link.leave_alone:
        said.append(f"leaves alone: {', '.join(words.field(name) for name in link.leave_alone)}")
    return "; ".join(said)


@blp.get("/links/<link_id>/options")
def show_options(link_id: str) -> str:
    return _page(link_id)


def _page(link_id: str, *, error: str = "") -> str:
    with ports().db.reading() as session:
        link = own_link(session, link_id)
        account = session.get_one(Account, link.account_id)
        return render_template(
            "options.html",
            link=link,
            account=account,
            provider=labels_of(ports()).get(account.provider, account.provider),
            filters=Filters.of(link.filters),
            kinds=KINDS,
            unholdable=UNHOLDABLE,
            leavable=[(name, words.field(name)) for name in LEAVABLE],
            error=error,
        )


@blp.post("/links/<link_id>/options")
def change_options(link_id: str) -> Response | tuple[str, int]:
    """Plan other options of a link: the person looks at what they would do before it is done."""
    try:
        with ports().db.transaction() as session:
            link = own_link(session, link_id)
            plan = intent.begin(session, ports(), link.calendar, [Wish(_options(), link=link)])
    except LinkingError as error:
        return _page(link_id, error=f"Nothing was changed: {error}."), 422
    except FormError as error:
        return _page(link_id, error=str(error)), 422
    return redirect(url_for("page.show_plan", plan_id=plan.id), 303)


def _options() -> dict[str, Any]:
    form = request.form
    title = form.get("busy_title", "").strip() or "Busy"
    if len(title) > LONGEST_TITLE or (fault := fault_of_title(title)):
        raise FormError(f"The title {fault if len(title) <= LONGEST_TITLE else 'is too long'}.")
    return {
        "direction": _one_of(Direction, "direction"),
        "detail": _one_of(Detail, "detail"),
        "policy": _one_of(Policy, "policy"),
        "unholdable": _one_of(Unholdable, "unholdable"),
        "busy_title": title,
        "filters": {name: name in form.getlist("copy") for name in KINDS}
        | {name: _categories(name) for name in ("only_categories", "without_categories")},
        "leave_alone": [name for name in form.getlist("leave_alone") if name in LEAVABLE],
        "past_days": _days("past_days"),
        "future_days": _days("future_days"),
    }


def _one_of(kinds: type[StrEnum], name: str) -> str:
    value = request.form.get(name, "")
    if value not in {str(kind) for kind in kinds}:
        raise FormError("Choose one of what is offered.")
    return value


def _days(name: str) -> int:
    value = request.form.get(name, "")
    if not re.fullmatch(r"[0-9]{1,4}", value) or int(value) > MOST_DAYS:
        raise FormError(f"Days are a number from 0 to {MOST_DAYS}.")
    return int(value)


def _categories(name: str) -> list[str]:
    given = [part.strip()[:255] for part in request.form.get(name, "").split(",")]
    return list(dict.fromkeys(part for part in given if part))[:MOST_CATEGORIES]

"""Lines for people: who changed what, and what was overruled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from hub.accounts.authors import AuthorName, authors_of
from hub.models import Account, Actor, Calendar, Change, Conflict, Event, Link
from hub.ports import Ports
from hub.web import words

MOST_CONFLICTS = 10


@dataclass(frozen=True, slots=True)
class ChangeLine:
    """A line of the change log in words."""

    change: Change
    title: str
    who: str
    what: str


@dataclass(frozen=True, slots=True)
class ConflictLine:
    """An open conflict in words: the value that stands, and the other one."""

    conflict: Conflict
    title: str
    field: str
    standing: str
    standing_side: str
    """Where it comes from."""
    other: str
    other_side: str


def labels_of(ports: Ports) -> dict[str, str]:
    """Return the names that people know providers by."""
    return {info.name: info.label for info in ports.gateway.providers()}


def lines_of(session: Session, changes: Sequence[Change], labels: dict[str, str]) -> list[ChangeLine]:
    """Return changes in words."""
    found = select(Event.id, Event.title).where(Event.id.in_({change.event_id for change in changes}))
    titles: dict[str, str] = dict(session.execute(found).all())
    authors = authors_of(session, changes)
    return [
        ChangeLine(
            change,
            titles.get(change.event_id) or _logged_title(change) or "(untitled)",
            _who(authors[change.actor, change.actor_id], labels),
            _what(change),
        )
        for change in changes
    ]


def _logged_title(change: Change) -> str:
    both = change.fields.get("title", {})
    return str(both.get("after") or both.get("before") or "")


def _who(author: AuthorName, labels: dict[str, str]) -> str:
    if author.kind == Actor.PROVIDER and author.provider:
        return f"someone in {labels.get(author.provider, author.provider)} ({author.calendar})"
    if author.kind == Actor.API_KEY and author.name:
        return f"the API key “{author.name}”"
    if author.kind == Actor.PAGE and author.name:
        return f"{author.name}, on this page"
    return "the hub"


def _what(change: Change) -> str:
    if change.kind != "updated":
        return "created, split off from another" if "split_from" in change.fields else str(change.kind)
    if "split_into" in change.fields:
        return "split in two"
    if set(change.fields) == {"split_from"}:
        return "recognised as split off from another"
    names = [words.field(name) for name in change.fields if name != "description_html"]
    return "changed " + ", ".join(names)


def open_conflicts(
    session: Session, calendars: Sequence[Calendar], labels: dict[str, str]
) -> list[ConflictLine]:
    """Return the conflicts that nobody has looked at, the latest first."""
    rows = session.execute(
        select(Conflict, Event.title, Account.provider)
        .join(Event, Event.id == Conflict.event_id)
        .join(Link, Link.id == Conflict.link_id)
        .join(Account, Account.id == Link.account_id)
        .where(
            Event.calendar_id.in_([c.id for c in calendars]),
            or_(Event.deleted_at.is_(None), Conflict.field == "deleted"),
            Conflict.resolution.is_(None),
        )
        .order_by(Conflict.at.desc(), Conflict.id)
        .limit(MOST_CONFLICTS)
    )
    return [_conflict(conflict, title, labels.get(name, name)) for conflict, title, name in rows]


def _conflict(conflict: Conflict, title: str, provider: str) -> ConflictLine:
    sides = {
        "hub": (_side(conflict.field, conflict.hub_value["value"]), "in the hub"),
        "provider": (_side(conflict.field, conflict.provider_value["value"]), f"in {provider}"),
    }
    standing = sides[conflict.stands]
    other = sides["hub" if conflict.stands == "provider" else "provider"]
    what = "deletion" if conflict.field == "deleted" else words.field(conflict.field)
    return ConflictLine(conflict, title or "(untitled)", what, *standing, *other)


def _side(field: str, value: object) -> str:
    return "deleted" if field == "deleted" and value is None else words.value(field, value)

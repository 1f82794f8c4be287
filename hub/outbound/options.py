"""What a change of a link's options must not lose: the edits that people made where the hub did not look.

Comes from the API or the page, in the transaction that changes the options and before anything is written
(`hub.outbound.linking.look_again`). What people wrote into a copy that stood for a busy time was no edit of
the event; if the copy is written anew, it is kept as a conflict. A field that was left alone and is so no
longer is compared as at a first meeting: whoever has filled it is followed, and two values are a clash.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from hub.domain.fingerprint import fingerprint
from hub.domain.lens import Lens, without_fields
from hub.domain.merge import behind
from hub.domain.plain import Plain, days_by_start, value_of, with_days
from hub.models import Account, Direction, Event, EventCopy, Link
from hub.outbound import conflicts
from hub.outbound.linking import compare_anew
from hub.plugin.codec import content_from_json, to_json
from hub.ports import Ports

BATCH = 500
TEXTS = ("title", "description", "location", "categories")
"""What people write into a copy by hand."""


def settle(session: Session, ports: Ports, link: Link, before: Lens, after: Lens) -> bool:
    """Keep what a change of what a link shows would overwrite; return whether it has to be listed anew."""
    if before.busy_title not in (None, after.busy_title):
        _keep_edits_of_masks(session, ports, link, before)
    freed = before.leave_alone - after.leave_alone
    if not freed or link.direction == Direction.EXPORT:
        return False
    compare_anew(session, link, one_sided=False)
    provider = session.get_one(Account, link.account_id).provider
    for copy, _ in _there(session, link):
        if copy.base:
            copy.base = without_fields(copy.base, freed - _unfilled(ports, provider, copy, freed))
    return True


def _unfilled(ports: Ports, provider: str, copy: EventCopy, freed: frozenset[str]) -> frozenset[str]:
    """Return the fields in which a copy shows what its provider gives to each new event: nobody's value."""
    if not copy.is_ours or not copy.base:
        return frozenset()
    bare = content_from_json(without_fields(copy.base, freed))
    given = to_json(ports.gateway.plain(provider, "project", content=bare).content)
    return frozenset(name for name in freed if value_of(given, name) == value_of(copy.base, name))


def _there(session: Session, link: Link) -> Iterator[tuple[EventCopy, Event]]:
    """Yield the copies that are in the remote calendar, with their events; a bounded number is in memory."""
    last = ""
    while True:
        session.flush()
        query = (
            select(EventCopy, Event)
            .join(Event, Event.id == EventCopy.event_id)
            .where(
                EventCopy.link_id == link.id,
                EventCopy.remote_id.is_not(None),
                EventCopy.removed_at.is_(None),
                EventCopy.id > last,
            )
            .order_by(EventCopy.id)
            .limit(BATCH)
        )
        rows = session.execute(query.execution_options(populate_existing=True)).all()
        yield from ((copy, event) for copy, event in rows)
        if len(rows) < BATCH:
            return
        last = rows[-1][0].id


def _keep_edits_of_masks(session: Session, ports: Ports, link: Link, before: Lens) -> None:
    reason = (
        "It was written into a copy that showed only that the time is taken. The copy is written anew, since "
        "what the link shows has changed; what was written there is kept here."
    )
    for copy, event in _there(session, link):
        if not copy.is_ours or event.deleted_at is not None or not copy.base:
            continue
        whole = event.content
        mask = before.shown(whole, copy.base, is_ours=True)
        for name in TEXTS:
            # Without a mark it is the hub that has yet to write what it shows now.
            was_in_step = copy.synced.get(name) == fingerprint(value_of(mask, name))
            if was_in_step and _text(copy.base, name) not in (None, _text(mask, name), _text(whole, name)):
                ours, theirs = _values(whole, name), _values(copy.base, name)
                conflicts.note(session, ports, link, event, name, "hub", ours, theirs, reason)
        when = _with_texts_of_days(whole, mask, copy.base)
        if when != whole["when"] and not behind(mask, copy.base, copy.synced) & {"title"}:
            ours, theirs = {"value": whole["when"]}, {"value": when}
            conflicts.note(session, ports, link, event, "when", "hub", ours, theirs, reason)
        copy.synced = {}  # What the copy shows stands for the mask alone.


def _with_texts_of_days(whole: Plain, mask: Plain, base: Plain) -> Plain:
    """Return the time of a series with what people wrote into single days of the copy that masks it."""
    days = days_by_start(whole["when"])
    for start, day in days_by_start(base["when"]).items():
        known = days.get(start, {"original_start": start})
        written = {
            name: day[name]
            for name in TEXTS
            if _text(day, name) not in (None, _text(mask, name), _text(whole, name), _text(known, name))
        }
        if written and not known.get("cancelled"):
            days[start] = known | written
    return with_days(whole["when"], [days[start] for start in sorted(days)])


def _values(content: Plain, name: str) -> dict[str, Any]:
    html = {"html": content.get("description_html")} if name == "description" else {}
    return {"value": value_of(content, name)} | html


def _text(content: Plain, name: str) -> str | None:
    value = content.get(name)
    text = value.get("name", "") if isinstance(value, dict) else value
    return str(text).strip() or None if text else None

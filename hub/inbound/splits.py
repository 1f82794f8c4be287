"""A series that somebody split at a provider (*this and following*) is recognised and told.

Comes when a page has been planned, before its lines are logged. The two halves may come on two pages, in
either order, so lines of the last while count, too. It is a guess: nothing is changed but what is told of
the new series (`Event.split_from`).
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from sqlalchemy import Text, bindparam, cast, select
from sqlalchemy.orm import Session

from hub.domain.follows import Begun, Cut, halves
from hub.models import Actor, Change, ChangeKind, Event, Link, Tenant
from hub.outbound import edit
from hub.outbound.edit import Author
from hub.plugin.codec import from_json
from hub.plugin.types import When
from hub.ports import Ports

WITHIN = timedelta(hours=1)
"""How far apart the two halves may come."""
_LOOKED_BACK = 500
"""How many of the tenant's last changes are looked at."""
_MOST_PAIRS = 400
"""On pages where more than that would have to be compared, nothing is recognised."""
Line = dict[str, Any]

_LATEST = select(Tenant.change_seq).where(Tenant.id == bindparam("tenant_id"))
_RECENT = select(Change.kind, Change.event_id, Change.fields).where(
    Change.tenant_id == bindparam("tenant_id"),
    Change.seq > bindparam("seq"),
    Change.calendar_id == bindparam("calendar_id"),
    Change.kind == bindparam("kind"),
    Change.at >= bindparam("since", type_=Change.at.type),
    Change.actor == Actor.PROVIDER,
    Change.actor_id == bindparam("link_id"),
    # Most are of single events: they need not be read.
    cast(Change.fields, Text).contains('"recurrence"'),
)
_TITLES = select(Event.id, Event.title).where(Event.id.in_(bindparam("ids", expanding=True)))


def recognise(session: Session, ports: Ports, link: Link, log: list[Line]) -> dict[str, str]:
    """Note in the lines of a page which new series go on from an old one; return them with those.

    Args:
        log: lines of the change log (kind, event_id, event_version, fields), which are yet to be noted.
    """
    if link.imported_at is None:
        return {}
    own_cut, own_begun = _cut_lines(log), _begun_lines(log)
    if not (own_cut or own_begun):
        return {}
    # Most new series go on from no other: then the other half need not be looked for.
    cut = [*_cut_lines(_recent(session, ports, link, ChangeKind.UPDATED)), *own_cut]
    if not cut:
        return {}
    begun = [*_begun_lines(_recent(session, ports, link, ChangeKind.CREATED)), *own_begun]
    if not begun or len(cut) * len(begun) > _MOST_PAIRS:
        return {}
    titles = dict(session.connection().execute(_TITLES, {"ids": [line["event_id"] for line in cut]}).all())
    found = halves(
        [_cut(line, titles.get(line["event_id"], "")) for line in cut], [_begun(line) for line in begun]
    )
    for line in own_begun:
        if line["event_id"] in found:
            line["fields"]["split_from"] = {"after": found[line["event_id"]]}
    return found


def tell(session: Session, ports: Ports, found: dict[str, str], log: Iterable[Line], author: Author) -> None:
    """Write down what was recognised, after the page's rows were written; of older events by a change."""
    new = {line["event_id"] for line in log if line["kind"] == ChangeKind.CREATED}
    for event_id, old_id in found.items():
        # Locked by others, it is not worth to wait for.
        query = select(Event).where(Event.id == event_id)
        event = session.scalars(query.with_for_update(of=Event, skip_locked=True)).one_or_none()
        if event is None or event.deleted_at is not None or event.split_from is not None:
            continue
        event.split_from = old_id
        if event_id not in new:
            event.version += 1
            event.updated_at = ports.clock.now()
            fields = {"split_from": {"before": None, "after": old_id}}
            edit.record(session, ports, event, ChangeKind.UPDATED, fields, author)
    session.flush()


def _recent(session: Session, ports: Ports, link: Link, kind: ChangeKind) -> list[Line]:
    connection = session.connection()
    latest = connection.execute(_LATEST, {"tenant_id": link.tenant_id}).scalar() or 0
    values = {
        "tenant_id": link.tenant_id, "calendar_id": link.calendar_id, "link_id": link.id, "kind": kind,
        "seq": latest - _LOOKED_BACK, "since": ports.clock.now() - WITHIN,
    }  # fmt: skip
    found = connection.execute(_RECENT, values)
    return [{"kind": kind, "event_id": event_id, "fields": fields} for kind, event_id, fields in found]


def _cut_lines(log: list[Line]) -> list[Line]:
    found = [line for line in _of_series(log) if line["kind"] == ChangeKind.UPDATED]
    return [line for line in found if _repeats(line, "before")]


def _begun_lines(log: list[Line]) -> list[Line]:
    return [line for line in _of_series(log) if line["kind"] == ChangeKind.CREATED]


def _of_series(log: list[Line]) -> list[Line]:
    """Return the lines that tell of a series' time; most do not."""
    return [line for line in log if "when" in line["fields"] and _repeats(line, "after")]


def _repeats(line: Line, side: str) -> bool:
    return "recurrence" in (line["fields"]["when"].get(side) or ())


def _cut(line: Line, title: str) -> Cut:
    when = line["fields"]["when"]
    before = line["fields"].get("title", {}).get("before", title)
    return Cut(line["event_id"], before, from_json(When, when["before"]), from_json(When, when["after"]))


def _begun(line: Line) -> Begun:
    fields = line["fields"]
    return Begun(
        line["event_id"], fields.get("title", {}).get("after", ""), from_json(When, fields["when"]["after"])
    )

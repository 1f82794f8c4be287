"""What copies were before their provider lost them: kept, since the event may only have been moved.

Comes before a lost copy is wanted anew. What a person took away in one calendar may turn up in another one
of the account; the listing of that one may come later, and the hub's copy has another id by then. So the
old one lives on as the copy of a tombstone, which goes on as the event (`hub.inbound.moves` looks there).
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from sqlalchemy import Connection, bindparam, insert, select, update

from hub.db import table_of
from hub.domain.drafts import DELETED, FIRST_VERSION
from hub.models import Event, EventCopy
from hub.ports import Ports

_EVENTS, _COPIES = table_of(Event), table_of(EventCopy)
_AS_IT_WAS = (
    "link_id", "remote_id", "remote_version", "uid", "web_link", "is_ours", "base", "shown_at", "synced",
    "seen_generation",
)  # fmt: skip
_LOST = (
    select(
        *(_COPIES.c[name] for name in _AS_IT_WAS),
        _COPIES.c.id, _COPIES.c.event_id, _COPIES.c.tried,
        _EVENTS.c.tenant_id, _EVENTS.c.calendar_id, _EVENTS.c.starts_at, _EVENTS.c.ends_at,
        _EVENTS.c.uid.label("event_uid"),
    )
    .join_from(_COPIES, _EVENTS, _EVENTS.c.id == _COPIES.c.event_id)
    .where(
        _COPIES.c.id.in_(bindparam("ids", expanding=True)),
        _COPIES.c.remote_id.is_not(None),
        _COPIES.c.base.is_not(None),
        _EVENTS.c.part_of.is_(None),
    )
    .order_by(_COPIES.c.id)
)  # fmt: skip
_LET_GO = update(_COPIES).where(_COPIES.c.id == bindparam("copy_id")).values(remote_id=None)


def keep_former(connection: Connection, ports: Ports, copy_ids: Collection[str]) -> None:
    """Keep what copies were that are about to be wanted anew; what the hub has deleted itself is no more."""
    for row in connection.execute(_LOST, {"ids": list(copy_ids)}).mappings().all():
        if DELETED not in row["tried"]:
            _keep(connection, ports, dict(row))


def _keep(connection: Connection, ports: Ports, row: dict[str, Any]) -> None:
    event_id, now = ports.ids.new("evt"), ports.clock.now()
    event = {name: row[name] for name in ("tenant_id", "calendar_id", "starts_at", "ends_at")}
    event |= {"id": event_id, "uid": row["uid"] or row["event_uid"], "content": row["base"], "extra": {}}
    event |= {"version": FIRST_VERSION, "created_at": now, "updated_at": now, "deleted_at": now}
    connection.execute(insert(_EVENTS), event | {"moved_to": row["event_id"]})
    connection.execute(_LET_GO, {"copy_id": row["id"]})
    copy = {name: row[name] for name in _AS_IT_WAS}
    copy |= {"id": ports.ids.new("cpy"), "event_id": event_id, "removed_at": now}
    copy |= {"wanted_version": FIRST_VERSION, "pushed_version": FIRST_VERSION}
    connection.execute(insert(_COPIES), copy)

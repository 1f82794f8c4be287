"""Conflicts: noting what was overruled, and turning a decision round.

Comes from apply and the outbox, which note; and from the API or the page, where a person says that the
other value is the right one. It then becomes the event's by a normal edit, which travels like any other.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from sqlalchemy.orm import Session

from hub.db import before_commit
from hub.models import Conflict, Event, Link
from hub.models.content import content_of
from hub.outbound import edit, singles
from hub.outbound.edit import Author, StaleVersionError
from hub.plugin.codec import content_from_json, to_json
from hub.plugin.types import CONTENT_FIELDS, EventContent
from hub.ports import Ports

DELETED = "deleted"
"""The field of a conflict between a deletion and an edit: a side whose value is None had deleted."""


class EditedSinceError(Exception):
    """The event is no longer as the conflict left it: the caller must name the version to overwrite."""


class EventDeletedError(Exception):
    """A value was chosen for an event that is deleted."""


def note(
    session: Session,
    ports: Ports,
    link: Link,
    event: Event,
    field: str,
    kept: str,
    hub_value: Mapping[str, Any],
    provider_value: Mapping[str, Any],
    reason: str,
) -> Conflict:
    """Keep both values of what both sides changed; `kept` says whose stands by the link's rule."""
    conflict = Conflict(
        id=ports.ids.new("cfl"),
        tenant_id=event.tenant_id,
        event_id=event.id,
        link_id=link.id,
        field=field,
        kept=kept,
        hub_value={name: to_json(value) for name, value in hub_value.items()},
        provider_value={name: to_json(value) for name, value in provider_value.items()},
        reason=reason,
        at=ports.clock.now(),
        event_version=event.version,
    )
    session.add(conflict)
    before_commit(session, lambda: _note_version(conflict, event))
    return conflict


def _note_version(conflict: Conflict, event: Event) -> None:
    """What the same transaction did to the event is part of the decision."""
    conflict.event_version = event.version


def resolve(
    session: Session,
    ports: Ports,
    conflict: Conflict,
    keep: str,
    author: Author,
    *,
    expected_version: int | None = None,
) -> None:
    """Make the value of one side (`hub` or `provider`) stand, and note who said so.

    In favour of what stands already it only closes the conflict. A decision may be turned round again.

    Args:
        conflict: locked against others.
        expected_version: the event's version as the caller has seen it, to overwrite later edits.

    Raises:
        StaleVersionError: the event has another version.
        EditedSinceError: the event was changed since the conflict, and no version was named.
        EventDeletedError: a value was chosen for an event that is deleted.
    """
    event = edit.get_event(session, conflict.event_id, lock=True)
    assert event is not None, "a conflict goes with its event"
    if expected_version is not None and event.version != expected_version:
        raise StaleVersionError
    if keep != conflict.stands:
        if conflict.field == DELETED:
            _turn_deletion(session, ports, conflict, event, author, keep, expected_version is not None)
        else:
            _turn_value(session, ports, conflict, event, author, keep, expected_version is not None)
    elif conflict.resolution is not None:
        return
    conflict.resolution = keep
    conflict.resolved_at = ports.clock.now()
    conflict.resolved_by, conflict.resolved_by_id = author.actor, author.id
    conflict.resolved_run_id = author.run_id
    conflict.event_version = event.version


def _side(conflict: Conflict, side: str) -> dict[str, Any]:
    return conflict.hub_value if side == "hub" else conflict.provider_value


def _turn_value(
    session: Session,
    ports: Ports,
    conflict: Conflict,
    event: Event,
    author: Author,
    keep: str,
    knows: bool,
) -> None:
    if event.deleted_at is not None:
        raise EventDeletedError
    chosen, standing = _side(conflict, keep), _side(conflict, conflict.stands)
    content = content_of(event)
    present = to_json(getattr(content, conflict.field))
    if present == chosen["value"]:
        return
    if present != standing["value"] and not knows:
        raise EditedSinceError
    edit.update_event(session, ports, event, _with(content, conflict.field, chosen), author)
    if event.part_of is not None:
        singles.told(session, ports, event, [conflict.field], author)


def _with(content: EventContent, field: str, chosen: Mapping[str, Any]) -> EventContent:
    values = {field: getattr(content_from_json(to_json(content) | {field: chosen["value"]}), field)}
    if field == "description":
        values["description_html"] = chosen.get("html")
    return dataclasses.replace(content, **values)


def _turn_deletion(
    session: Session,
    ports: Ports,
    conflict: Conflict,
    event: Event,
    author: Author,
    keep: str,
    knows: bool,
) -> None:
    """Delete the event after all, or bring it back as it was when it was deleted."""
    deletes = _side(conflict, keep)["value"] is None
    if deletes == (event.deleted_at is not None):
        return
    if event.version != conflict.event_version and not knows:
        raise EditedSinceError
    if deletes:
        edit.delete_event(session, ports, event, author)
    else:
        edit.restore_event(session, ports, event, content_of(event), author, extra=event.extra)
    if event.part_of is not None:
        singles.told(session, ports, event, CONTENT_FIELDS, author)

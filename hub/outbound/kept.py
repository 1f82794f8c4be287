"""What became of a write: was it kept, is an answer that never came our own value seen later?

A provider's yes is not the end: it may keep the old value, strip what an unverified application
writes, or show an older state for a while. Comes with the outbox (after each write) and with apply
(when a listing shows what became of it); both under the link's lease.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from hub.domain.drafts import DELETED, lost_later
from hub.domain.fingerprint import fingerprint
from hub.domain.plain import frame
from hub.domain.recurrence import instant
from hub.log import get_logger
from hub.models import Event, EventCopy, Link, LinkState
from hub.outbound.trouble import backoff
from hub.plugin.codec import to_json
from hub.plugin.types import (
    CONTENT_FIELDS,
    EventContent,
    Push,
    PushCreate,
    PushDelete,
    PushUpdate,
    RemoteEvent,
    changed_fields,
)
from hub.ports import Ports

log = get_logger()

TRIES = 3
"""How often a write that was taken and not kept is made again."""
STOP_AT = 3
"""So many events of a link whose writes are not kept stop it."""
MOST_TRIED = 8


def left_as_shown(
    seen: EventContent, base: EventContent, held: EventContent, invited: EventContent | None
) -> EventContent:
    """Return what would be seen after a write, which leaves alone what the provider shows and never takes.

    Args:
        held: what would be seen of `base` if it were written: where that is no other, no write changes it.
        invited: set: the guests of this are written, too.
    """
    names = changed_fields(held, base) - changed_fields(held, seen)
    if invited is not None:
        names -= {"attendees"}
    same: dict[str, Any] = {name: getattr(base, name) for name in names}
    return dataclasses.replace(seen, **same) if same else seen


def note_try(copy: EventCopy, push: Push, shown: EventContent) -> None:
    """Write down, before the call, what it may leave at the provider if its answer is lost."""
    if isinstance(push, PushDelete):
        tried = copy.tried or {}
        copy.tried = {**tried, DELETED: [*tried.get(DELETED, ()), "sent"]}
    elif isinstance(push, PushCreate | PushUpdate):
        fields = push.fields if isinstance(push, PushUpdate) else CONTENT_FIELDS
        tried = dict(copy.tried or {})
        for name in fields:
            values = [fingerprint(getattr(shown, name))]
            if name == "when" and shown.when.exceptions:
                values.insert(0, fingerprint(frame(to_json(shown.when))))
            tried[name] = [*[v for v in tried.get(name, ()) if v not in values], *values][-MOST_TRIED:]
        copy.tried = tried


def may_be_ours(copy: EventCopy) -> bool:
    """Whether a copy that is gone at the provider was deleted by the hub, before its event was restored."""
    return DELETED in (copy.tried or {})


def was_deletion_tried_before(copy: EventCopy) -> bool:
    """Whether a deletion of ours, before the one that was answered now, may have taken an event away."""
    return len((copy.tried or {}).get(DELETED, ())) > 1


def note_write(copy: EventCopy, push: Push, shown: EventContent) -> None:
    """Write down what a write has replaced; the next listing shows whether it was kept."""
    copy.tried = {}
    replaced = _replaced(push, shown)
    before = {name: fingerprint(getattr(replaced, name)) for name in _written(push, shown)}
    copy.replaced = {**(copy.replaced or {}), **before} if isinstance(push, PushUpdate) else before


def lost_at_once(push: Push, shown: EventContent, answer: EventContent) -> frozenset[str]:
    """Return the fields that a provider's own answer shows not to be kept: they have their old value.

    Whatever else differs is the provider's way to write the same.
    """
    replaced = _replaced(push, shown)
    lost = {
        name
        for name in _written(push, shown)
        if getattr(answer, name) == getattr(replaced, name) != getattr(shown, name)
    }
    is_timed = isinstance(push, PushCreate) or (isinstance(push, PushUpdate) and "when" in push.fields)
    if is_timed and _instants(answer) != _instants(shown):
        # Providers are known to store the digits of a time in another zone than was sent.
        lost.add("when")
    if isinstance(push, PushCreate) and len(answer.when.exceptions) < len(shown.when.exceptions):
        # Days of a series may be written one by one: the write of a change tells what is refused of them.
        lost.add("when")
    return frozenset(lost)


def _instants(content: EventContent) -> tuple[bool, datetime, datetime]:
    when = content.when
    ends_at = instant(when.end, when.end_zone or when.start_zone, "UTC")
    return when.all_day, instant(when.start, when.start_zone, "UTC"), ends_at


def is_untouched(push: Push, answer: RemoteEvent) -> bool:
    """Whether an answer shows a change under the version of before, so that it has to be read again."""
    return (
        isinstance(push, PushUpdate)
        and push.version == answer.version != ""
        and changed_fields(push.base, answer.content) != frozenset()
    )


def _written(push: Push, shown: EventContent) -> frozenset[str]:
    """Return the fields of a write that a provider might not keep; no event is without a time."""
    if isinstance(push, PushUpdate):
        return push.fields
    if isinstance(push, PushCreate):
        return changed_fields(_replaced(push, shown), shown) & push.fields - {"when"}
    return frozenset()


def _replaced(push: Push, shown: EventContent) -> EventContent:
    """Return what a write replaces: what was there, or an empty event."""
    return push.base if isinstance(push, PushUpdate) else EventContent(when=shown.when)


def lost_before(copy: EventCopy, push: Push, answer: EventContent) -> frozenset[str]:
    """Return the fields of an earlier write that the answer to this one shows not to have been kept."""
    if not isinstance(push, PushUpdate):
        return frozenset()
    return lost_later(copy.replaced or {}, to_json(push.base), to_json(answer)) - push.fields


def not_kept(
    session: Session, ports: Ports, link: Link, copy: EventCopy, event: Event, fields: Iterable[str]
) -> None:
    """Want those fields written again, a bounded number of times; stop a link that keeps nothing."""
    names = sorted(fields)
    copy.synced = {name: value for name, value in copy.synced.items() if name not in names}
    copy.pushed_version = min(copy.pushed_version, event.version - 1)
    copy.wanted_version = event.version
    copy.replaced = {}
    copy.unkept += 1
    copy.problem = f"The provider said yes to what the hub wrote and did not keep it ({', '.join(names)})."
    now = ports.clock.now()
    copy.due_at = now + timedelta(seconds=backoff(ports, copy.unkept))
    if copy.unkept > TRIES:
        copy.parked_at, copy.due_at = now, None
    log.warning("write_not_kept", link_id=link.id, event_id=event.id, fields=names, times=copy.unkept)
    session.flush()
    unkept = select(func.count()).where(EventCopy.link_id == link.id, EventCopy.unkept > 0)
    if (session.scalar(unkept) or 0) >= STOP_AT:
        link.state = LinkState.STOPPED
        link.problem = (
            f"The provider takes what the hub writes and does not keep it (last: {', '.join(names)}). "
            "Nothing more is written there. Ask the operator whether the application is verified at the "
            "provider, then resume the link."
        )
        link.problem_code, link.problem_at = "writes_not_kept", now


def forget_unkept(session: Session, link: Link) -> None:
    """Give a link that a person has resumed a fresh start."""
    for copy in session.scalars(select(EventCopy).where(EventCopy.link_id == link.id, EventCopy.unkept > 0)):
        copy.unkept, copy.parked_at, copy.due_at, copy.problem = 0, None, None, None

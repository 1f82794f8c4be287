"""What is owed to links, and to whom it is hinted: pulls that were asked for, pushes that are wanted.

All of it is read from the tables, so a lost hint costs time only. Comes with every wish (`hint_after`),
with the end of every run (`hint_owed_after`) and with the sweep.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, and_, bindparam, exists, literal, not_, or_, select
from sqlalchemy.orm import Session, aliased

from hub.models import EventCopy, Link, LinkSignal, LinkState
from hub.ports import Ports

BURST = timedelta(seconds=1)
"""So soon after a complete listing the next one may wait for what is about to be written anyway."""

_NOW = bindparam("now", type_=Link.lease_until.type)
_RECENTLY = bindparam("recently", type_=Link.heard_at.type)


def is_free(of: type[Link] = Link) -> ColumnElement[bool]:
    """Return the condition that no run holds a link."""
    return or_(of.lease_until.is_(None), of.lease_until < _NOW)


UNWRITTEN = (
    EventCopy.wanted_version > EventCopy.pushed_version,
    EventCopy.parked_at.is_(None),
    EventCopy.doubted.is_(False),
    or_(EventCopy.remote_id.is_not(None), EventCopy.missing_at.is_(None)),
)
"""The conditions of the outbox; a copy that is looked for where its calendar moved waits, and one that has
to be read again before it may be written."""
COPY_IS_DUE = or_(EventCopy.due_at.is_(None), EventCopy.due_at <= _NOW)


def may_write(calendar_id: Any) -> ColumnElement[bool]:
    """Return the condition that no plan is being carried out in a calendar.

    Until all of its links have brought in what was read for them, nothing is written: so each event is
    written once, as the plan says, and not again for each link.
    """
    planned = aliased(Link)
    return ~select(planned.id).where(*planned_links(calendar_id, planned)).exists()


def planned_links(calendar_id: Any, of: type[Link] = Link) -> list[ColumnElement[bool]]:
    """Return the conditions for links that have yet to bring in what a plan has read for them."""
    return [
        of.calendar_id == calendar_id,
        of.planned_id.is_not(None),
        of.state == LinkState.ACTIVE,
        of.deleted_at.is_(None),
    ]


def _can_run(of: type[Link] = Link) -> list[ColumnElement[bool]]:
    return [
        of.state == LinkState.ACTIVE,
        of.deleted_at.is_(None),
        is_free(of),
        or_(of.due_at.is_(None), of.due_at <= _NOW),
    ]


def _owes_push(of: type[Link] = Link, *conditions: ColumnElement[bool]) -> ColumnElement[bool]:
    return and_(
        of.imported_at.is_not(None),
        may_write(of.calendar_id),
        exists().where(EventCopy.link_id == of.id, *UNWRITTEN, COPY_IS_DUE, *conditions),
    )


_Sibling, _SiblingSignal = aliased(Link), aliased(LinkSignal)
_WILL_BRING_MORE = and_(
    Link.pushed_at > _RECENTLY,
    or_(_Sibling.pushed_at.is_(None), _Sibling.pushed_at <= _RECENTLY),
    exists().where(_SiblingSignal.link_id == _Sibling.id, _SiblingSignal.notified > _Sibling.pulled),
)
"""The link was written to, so that it may hear an echo; a sibling that was not is notified, too."""
_IS_HINTED = EventCopy.attempts == 0
"""A wish is hinted when it is made; that the time for another try has come, of a wish or of a link that has
failed, is for the sweep to find."""
_IS_BUSY = or_(
    _owes_push(Link, _IS_HINTED),
    exists().where(
        _Sibling.calendar_id == Link.calendar_id,
        _Sibling.id != Link.id,
        or_(
            _Sibling.lease_until >= _NOW,
            and_(
                *_can_run(_Sibling),
                _Sibling.failures == 0,
                or_(_owes_push(_Sibling, _IS_HINTED), _WILL_BRING_MORE),
            ),
        ),
    ),
)
"""Something is written to the calendar's links, or is about to be; the end of that run looks again, and so
does each of its beats, since it may wait for a slow provider."""
_MAY_WAIT = and_(
    Link.heard_at > _RECENTLY, Link.failures == 0, not_(or_(Link.is_long, Link.wants_all)), _IS_BUSY
)
_BUSY = select(Link.id).where(Link.id == bindparam("link_id"), _IS_BUSY)

_FREE = select(Link.id).where(Link.id.in_(bindparam("link_ids", expanding=True)), is_free()).order_by(Link.id)
_FREE_NOW = _FREE.where(or_(Link.heard_at.is_(None), not_(_MAY_WAIT)))

DOUBTED = (EventCopy.doubted, EventCopy.remote_id.is_not(None), EventCopy.missing_at.is_(None))
"""The conditions for copies that have to be read again before they may be written."""
HAS_QUESTIONS = or_(
    and_(Link.cursor.is_not(None), Link.confirmed < Link.generation),
    exists().where(EventCopy.link_id == Link.id, EventCopy.removed_at.is_(None), *DOUBTED),
)
"""A run ended, or died, before the provider was asked about events that a listing left open."""
_OWES_PULL = or_(
    LinkSignal.notified > Link.pulled,
    Link.cursor.is_(None),
    Link.imported_at.is_(None),
    Link.failures > 0,
    Link.problem.is_not(None),
    HAS_QUESTIONS,
)
_OWED = (
    select(
        Link.id,
        Link.account_id,
        Link.is_long,
        or_(Link.is_long, Link.wants_all).label("lists_long"),
        _OWES_PULL.label("pull"),
        _owes_push().label("push"),
        literal(value=False).label("may_wait"),
    )
    .join(LinkSignal, LinkSignal.link_id == Link.id)
    .where(*_can_run(), or_(_OWES_PULL, _owes_push()))
)
_OWED_NEAR = _OWED.with_only_columns(*list(_OWED.selected_columns)[:-1], _MAY_WAIT.label("may_wait")).where(
    or_(Link.account_id == bindparam("account_id"), Link.calendar_id == bindparam("calendar_id"))
)


def is_busy(session: Session, ports: Ports, link: Link) -> bool:
    """Whether something is written to the calendar's links, or is about to be.

    A link that is notified again and again is then listed once they are done, together with all that came
    meanwhile: the end of that run hints it.
    """
    values = {"link_id": link.id} | _instants(ports)
    return session.connection().execute(_BUSY, values).first() is not None


def hint_owed_after(
    session: Session, ports: Ports, account_id: str | None, calendar_id: str | None, *, all_of_both: bool
) -> None:
    """Hint what is owed to links of an account, and of a calendar, once the transaction is committed.

    Args:
        all_of_both: else only pulls are looked for in the calendar's other links, since its pushes are
            hinted when they are wished for.
    """
    near = {"account_id": account_id, "calendar_id": calendar_id, "all": all_of_both}
    ports.db.look_after(session, lambda later: owed(later, ports, near), lambda found: send(ports, found))


def hint_after(
    session: Session, ports: Ports, task: str, link_ids: Sequence[str], *, may_wait: bool = False
) -> None:
    """Hint a task for those links that no run holds, once the wish for it is committed.

    A run that holds a link looks for owed work with its release, when it can see the wish: a hint
    would only wake another worker in vain.

    Args:
        may_wait: it is a pull, which so soon after the last one waits for what is about to be written.
    """

    def free(later: Session) -> list[tuple[str, str]]:
        values = {"link_ids": list(link_ids)} | _instants(ports)
        rows = later.connection().execute(_FREE_NOW if may_wait else _FREE, values)
        return [(task, row.id) for row in rows]

    ports.db.look_after(session, free, lambda found: send(ports, found))


def send(ports: Ports, hints: list[tuple[str, str]]) -> None:
    """Hint tasks for links."""
    for task, link_id in hints:
        ports.queue.hint(task, link_id)


def owed(session: Session, ports: Ports, near: dict[str, Any] | None = None) -> list[tuple[str, str]]:
    """Return tasks for links that were notified since their last listing, or failed, or have to write.

    Long work, such as a first import, goes to a queue of its own, and comes last. Without `near` nothing
    is left to wait: that is how the sweep bounds it.
    """
    values = _instants(ports) | (near or {})
    rows = session.connection().execute(_OWED if near is None else _OWED_NEAR, values).all()
    hints = []
    for row in rows:
        if row.pull and not row.may_wait:
            hints.append((2 if row.lists_long else 0, "import" if row.lists_long else "pull", row.id))
        if row.push and (near is None or near["all"] or row.account_id == near["account_id"]):
            hints.append((3 if row.is_long else 1, "export" if row.is_long else "push", row.id))
    return [(task, link_id) for _, task, link_id in sorted(hints)]


def _instants(ports: Ports) -> dict[str, datetime]:
    now = ports.clock.now()
    return {"now": now, "recently": now - BURST}

"""Asking for what people are told: the home of an event, where its guests are invited from, and answers.

Comes with the edit that it is asked for with, in the same transaction; the wish stands in the copy until the
provider has carried it out (`hub.outbound.asked`). Guests are told from one calendar only: where the
provider shows them, else where the event came from, else the one that the consumer names.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import date, datetime
from typing import NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session

from hub.domain.plain import is_meeting
from hub.models import Account, Detail, Direction, Event, EventCopy, Link, LinkState, RemoteCalendar
from hub.models.view import lens_of
from hub.outbound.owed import hint_after
from hub.plugin.types import AccessRole, Answer
from hub.ports import Ports


class AskingError(Exception):
    """Nobody can be told, or answered, from there; `kind` names why for programs."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class Place(NamedTuple):
    """A copy of an event, with the link and the account that it goes through."""

    copy: EventCopy
    link: Link
    calendar: RemoteCalendar
    account: Account
    withheld: str | None
    """Why the link does not copy the event, if it does not."""

    @property
    def name(self) -> str:
        """The calendar and whose it is, for people."""
        return f"{self.calendar.name!r} of {self.account.email}"

    @property
    def obstacle(self) -> str | None:
        """Why nothing can be told from here; None if it can."""
        if self.link.direction == Direction.IMPORT:
            return "the link only reads there"
        if self.link.detail != Detail.FULL:
            return "the link shows nobody more than that the time is taken"
        if self.link.state == LinkState.STOPPED:
            return "the link has stopped"
        if self.calendar.access_role not in (AccessRole.OWNER, AccessRole.WRITER):
            return "the calendar is read-only"
        if self.withheld:
            return f"{self.withheld[0].lower()}{self.withheld[1:].rstrip('.')}"
        return self.copy.read_only


def find_homes(session: Session, ports: Ports, event: Event) -> list[Place]:
    """Return from where the guests of an event can be told: several while none of them has ever been told."""
    places = _places(session, ports, event, lock=False)
    if not event.is_meeting and not any(_is_meeting(place) for place in places):
        return []
    try:
        homes = _own(places, event.uid) or places
    except AskingError:
        return []
    return [place for place in homes if place.obstacle is None]


def notify(session: Session, ports: Ports, event: Event, link_id: str | None = None) -> str | None:
    """Have the guests of an event told of its present version, or of its deletion, from its home.

    Returns the link that is the home; None if there is nobody to tell.

    Args:
        link_id: the home of an event that has none yet; None if there is but one that it can be.

    Raises:
        AskingError: there is no such home, or it is elsewhere.
    """
    places = _places(session, ports, event)
    if not event.is_meeting and not any(_is_meeting(place) for place in places):
        return None
    place = _home(places, event.uid, link_id)
    place.copy.notify_version = event.version
    _want(session, ports, event, place)
    return place.link.id


def answer(
    session: Session,
    ports: Ports,
    event: Event,
    said: Answer,
    *,
    comment: str = "",
    tell: bool = True,
    original_start: date | datetime | None = None,
    link_id: str | None = None,
) -> None:
    """Have an invitation answered through the account that it came to.

    Args:
        tell: whether the organiser is told, where the provider leaves a choice.
        original_start: the answer is for this occurrence alone.
        link_id: which invitation, if the event came to several accounts.

    Raises:
        AskingError: no invitation came in, or several and none is named.
    """
    invitations = [place for place in _places(session, ports, event) if _is_invitation(place)]
    place = _one(
        invitations,
        link_id,
        "no_invitation",
        "Nobody has invited the owner to this event, so there is nothing to answer.",
    )
    reason = place.obstacle if place.obstacle != place.copy.read_only else None
    if reason:
        raise AskingError("no_invitation", f"The invitation in {place.name} cannot be answered: {reason}.")
    occurrence = original_start.isoformat() if original_start else ""
    wish = {"answer": said.value, "comment": comment, "notify": tell}
    place.copy.reply = {**(place.copy.reply or {}), occurrence: wish}
    _want(session, ports, event, place)


def _places(session: Session, ports: Ports, event: Event, *, lock: bool = True) -> list[Place]:
    session.flush()
    query = (
        select(EventCopy, Link, RemoteCalendar, Account)
        .join(Link, Link.id == EventCopy.link_id)
        .join(RemoteCalendar, RemoteCalendar.id == Link.remote_calendar_id)
        .join(Account, Account.id == Link.account_id)
        .where(EventCopy.event_id == event.id, EventCopy.removed_at.is_(None), Link.deleted_at.is_(None))
        .order_by(EventCopy.id)
    )
    if lock:
        query = query.with_for_update(of=EventCopy).execution_options(populate_existing=True)
    now = ports.clock.now()
    return [Place(*row, _withheld(row[0], row[1], event, now)) for row in session.execute(query)]


def _withheld(copy: EventCopy, link: Link, event: Event, now: datetime) -> str | None:
    if event.deleted_at is not None or not (copy.is_ours or copy.remote_id is None):
        return None
    return lens_of(link).withheld(event.content, event.ends_at, now)


def _is_meeting(place: Place) -> bool:
    """Whether guests are invited, or are about to be, from this copy."""
    return is_meeting(place.copy.base or {}) or place.copy.notify_version > 0


def _is_invitation(place: Place) -> bool:
    base = place.copy.base or {}
    organizer = (base.get("organizer") or {}).get("email", "").casefold()
    of_occurrences = any("own_answer" in e for e in base.get("when", {}).get("exceptions", ()))
    is_asked = "own_answer" in base or of_occurrences
    return is_asked and organizer not in ("", place.account.email.casefold())


def _home(places: list[Place], uid: str, link_id: str | None) -> Place:
    """Return where an event's guests are told from.

    Args:
        uid: the event's own, which is its copy's where it was made.

    Raises:
        AskingError: from nowhere.
    """
    own = _own(places, uid)
    if not own:
        return _one([p for p in places if p.obstacle is None], link_id, "no_home", _NO_HOME)
    home = next((p for p in own if p.link.id == link_id), own[0])
    if link_id not in (None, home.link.id):
        raise AskingError("home_elsewhere", f"The guests of this event are told from {home.name}.")
    if home.obstacle:
        raise AskingError("no_home", f"Nobody can be told from {home.name}: {home.obstacle}.")
    return home


def _own(places: list[Place], uid: str) -> list[Place]:
    """Return the copies that are the event's home already: all that show guests, else where it was made.

    Raises:
        AskingError: somebody else organises the meeting.
    """
    meetings = [place for place in places if _is_meeting(place)]
    own = [p for p in meetings if not p.copy.read_only]
    if meetings and not own:
        raise AskingError(
            "not_the_organizer",
            f"In {meetings[0].name} this is {meetings[0].copy.read_only}: only who organises it tells the "
            "guests. An invitation can be answered.",
        )
    return own or [p for p in places if p.copy.uid == uid]


_NO_HOME = "The event is in no calendar that its guests could be told from."


def _one(found: Collection[Place], link_id: str | None, kind: str, nothing: str) -> Place:
    named = [place for place in found if link_id in (None, place.link.id)]
    if len(named) == 1:
        return named[0]
    if not named:
        raise AskingError(kind, nothing)
    names = ", ".join(f"{place.link.id} ({place.name})" for place in named)
    raise AskingError("several_homes", f"Name the link that it is to go through: {names}.")


def _want(session: Session, ports: Ports, event: Event, place: Place) -> None:
    """Make the wish due at once."""
    copy = place.copy
    copy.wanted_version = event.version
    copy.pushed_version = min(copy.pushed_version, event.version - 1)
    copy.parked_at, copy.due_at, copy.attempts, copy.problem = None, None, 0, None
    hint_after(session, ports, "push", [place.link.id])

"""Guests and answers, which are written only when the hub says that they are to be told.

A list of guests is replaced whole (reference/events: patch), so what goes out is Google's own list as it was
just read: who stays, stays with answer, comment and all.
"""

from __future__ import annotations

from collections.abc import Iterable

from hub.plugin.errors import RefusedError
from hub.plugin.types import Answer, Attendee, Call, PushAnswer, RemoteCalendar, Role
from hub_google.values import TO_ANSWER
from hub_google.wire import Event, WirePerson

PARTLY_SHOWN = "Google Calendar shows only a part of the guests, so they are not changed."
NO_GUEST = "The account's owner is no guest of this event in Google Calendar."


def guests(wanted: Iterable[Attendee], item: Event) -> list[WirePerson]:
    """Return whom an event has after a write: of the guests that it has, those that stay as they are.

    The row of whose calendar it is stays in any case: nobody is uninvited from what they organise. So does
    a guest of whom Google shows no address, but an id or a name: the hub has no such guests to name.

    Raises:
        RefusedError: Google does not show all guests.
    """
    if is_partly_shown(item):
        raise RefusedError(PARTLY_SHOWN)
    rows = item.get("attendees") or []
    there = {a["email"].casefold(): a for a in rows if a.get("email")}
    unnamed = [a for a in rows if not a.get("email")]
    found = {address: a for address, a in there.items() if a.get("self") or a.get("organizer")}
    for guest in wanted:
        address = guest.email.casefold()
        known = there.get(address)
        found[address] = _as_role(known, guest.role) if known else _new(guest)
    return [*found.values(), *unnamed]


def _new(guest: Attendee) -> WirePerson:
    row = _as_role({"email": guest.email}, guest.role)
    if guest.role is Role.RESOURCE:
        row["resource"] = True  # May only be said when it is first added.
    if guest.name:
        row["displayName"] = guest.name
    return row


def _as_role(row: WirePerson, role: Role) -> WirePerson:
    changed: WirePerson = {**row}
    if role is Role.OPTIONAL:
        changed["optional"] = True
    else:
        changed.pop("optional", None)
    return changed


def is_partly_shown(item: Event) -> bool:
    """Whether there may be more guests than Google lists."""
    others_hidden = item.get("guestsCanSeeOtherGuests") is False and not _is_own(item)
    return bool(item.get("attendeesOmitted")) or others_hidden


def _is_own(item: Event) -> bool:
    return bool((item.get("organizer") or {}).get("self"))


def answered(item: Event, push: PushAnswer, call: Call, calendar: RemoteCalendar) -> Event | None:
    """Return the patch by which the account's owner answers; None if that has been answered already.

    It names no other guest: `attendeesOmitted` has Google take over the participant's own row alone.

    Raises:
        RefusedError: the owner is no guest, or the invitation is somebody else's.
    """
    own = next((a for a in item.get("attendees") or () if a.get("self")), None)
    if own is None or push.answer is Answer.NEEDS_ACTION:
        raise RefusedError(NO_GUEST if own is None else "An answer cannot be taken back.")
    # `self` is whose calendar it is: in a colleague's calendar, that is the colleague.
    if not calendar.primary and own.get("email", "").casefold() != call.account.email.casefold():
        raise RefusedError(NO_GUEST)
    said = TO_ANSWER[push.answer]
    comment = push.comment or own.get("comment", "")
    if (own.get("responseStatus"), own.get("comment", "")) == (said, comment):
        return None
    row: WirePerson = {**own, "responseStatus": said}
    if comment:
        row["comment"] = comment
    return {"attendeesOmitted": True, "attendees": [row]}

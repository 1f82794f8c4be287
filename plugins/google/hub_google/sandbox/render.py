"""Events as answers carry them: defaults left out, times in the calendar's zone, details by role."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hub_google.sandbox import moments
from hub_google.sandbox.state import CalendarState, Record

ROLES = ("none", "freeBusyReader", "reader", "writerWithoutPrivateAccess", "writer", "owner")

_DEFAULTS: Mapping[str, Any] = {
    "transparency": "opaque",
    "visibility": "default",
    "guestsCanInviteOthers": True,
    "guestsCanModify": False,
    "guestsCanSeeOtherGuests": True,
    "privateCopy": False,
    "anyoneCanAddSelf": False,
    "locked": False,
    "summary": "",
    "description": "",
    "location": "",
}
_BUSY_KEYS = ("id", "kind", "etag", "status", "start", "end", "recurrence", "recurringEventId")


@dataclass(frozen=True)
class Look:
    """How an answer shows an event."""

    zone: str | None = None
    """The zone that was asked for."""
    most_attendees: int | None = None
    bare: bool = False
    """Of a deleted event only what is guaranteed is shown."""
    defaults: bool = False
    """What is at its default is shown, too."""
    whole_instances: bool = False
    """Cancelled occurrences are shown with what they held."""


PLAIN = Look()


def flag(data: Mapping[str, Any], name: str) -> Any:
    """Return a flag of an event, which is at its default where it is left out."""
    value = data.get(name)
    return _DEFAULTS[name] if value is None else value


def rank(role: str) -> int:
    """Return how much a role may do."""
    return ROLES.index(role) if role in ROLES else 0


def merged(calendar: CalendarState, record: Record) -> dict[str, Any]:
    """Return what an event holds: for an exception, the master's data with its own over it."""
    if record.master is None:
        return record.data
    master = calendar.records.get(record.master)
    inherited = {k: v for k, v in master.data.items() if k != "recurrence"} if master else {}
    return {k: v for k, v in (inherited | record.data).items() if v is not None}


def show(calendar: CalendarState, record: Record, person: str, look: Look = PLAIN) -> dict[str, Any]:
    """Return an event as an answer carries it."""
    head: dict[str, Any] = {"kind": "calendar#event", "etag": record.etag, "id": record.id}
    if record.master is not None and record.original is not None:
        head |= {
            "recurringEventId": record.master,
            "originalStartTime": moments.show(record.original, calendar.zone, look.zone),
        }
    if record.cancelled and _is_bare(record, look):
        return head | {"status": "cancelled"}
    shown = head | _whole(calendar, record, person, look)
    return _by_role(shown, calendar.acl.get(person, "none"))


def _is_bare(record: Record, look: Look) -> bool:
    """Whether of a cancelled event no more than that is shown."""
    if record.master is not None:
        return not look.whole_instances
    return look.bare or record.stub


def _whole(calendar: CalendarState, record: Record, person: str, look: Look) -> dict[str, Any]:
    held = merged(calendar, record)
    data = {k: v for k, v in held.items() if _DEFAULTS.get(k) != v}
    if look.defaults:
        data = {**_DEFAULTS, **held}
    for key in ("start", "end"):
        data[key] = moments.show(data[key], calendar.zone, look.zone)
    eid = base64.urlsafe_b64encode(f"{record.id} {calendar.id}".encode()).decode().rstrip("=")
    data |= {
        "status": data.get("status", "confirmed"),
        "htmlLink": f"https://www.google.com/calendar/event?eid={eid}",
        "created": record.created,
        "updated": record.updated,
        "creator": _who(record.creator, person),
        "organizer": _who(record.organizer, calendar.id),
        "iCalUID": record.uid,
        "eventType": data.get("eventType", "default"),
        "reminders": _reminders(data.get("reminders")),
    }
    if guests := data.get("attendees"):
        seen = [_who(a, calendar.id) for a in guests]
        if look.most_attendees is not None and len(seen) > look.most_attendees:
            seen = [a for a in seen if a.get("self")]
            data["attendeesOmitted"] = True
        data["attendees"] = seen
    return data


def _who(person: Mapping[str, Any], reader: str) -> dict[str, Any]:
    """Return a person with `self` set if it is the calendar that the request is about."""
    shown = {k: v for k, v in person.items() if v not in (None, "", False)}
    return shown | ({"self": True} if person.get("email") == reader else {})


def _reminders(value: dict[str, Any] | None) -> dict[str, Any]:
    if value is None or value.get("useDefault"):
        return {"useDefault": True}
    return {"useDefault": False} | ({"overrides": value["overrides"]} if value.get("overrides") else {})


def _by_role(shown: dict[str, Any], role: str) -> dict[str, Any]:
    """Hide the details from those who may not see them."""
    private = shown.get("visibility") in ("private", "confidential")
    if rank(role) >= rank("writer") or (not private and rank(role) >= rank("reader")):
        return shown
    kept = {k: v for k, v in shown.items() if k in (*_BUSY_KEYS, "originalStartTime")}
    return kept | ({"visibility": "private"} if private else {})

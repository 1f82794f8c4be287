"""The single values of an event, both ways: what stands in one key of Google's JSON."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from hub.plugin.text import one_line
from hub.plugin.types import (
    Answer,
    Attendee,
    Conference,
    EventStatus,
    Location,
    Person,
    Reminder,
    Role,
    ShowAs,
    Visibility,
)
from hub_google.wire import Event, Reminders

MEET = "Google Meet"
"""What Google calls its own conferences."""
MEETS = {MEET: "hangoutsMeet", "hangoutsMeet": "hangoutsMeet"}
"""Names under which consumers may wish for one: their keys at Google."""
_VISIBILITY = {v.value: v for v in (Visibility.DEFAULT, Visibility.PUBLIC, Visibility.PRIVATE)}
_ANSWERS = {
    "needsAction": Answer.NEEDS_ACTION,
    "accepted": Answer.ACCEPTED,
    "tentative": Answer.TENTATIVE,
    "declined": Answer.DECLINED,
}
TO_ANSWER = {answer: name for name, answer in _ANSWERS.items()}


def read_location(value: str) -> Location | None:
    """Return the place, if there is one."""
    name = one_line(value)
    return Location(name) if name else None


def read_status(value: str | None) -> EventStatus:
    """Return the status; a cancelled event never comes here."""
    return EventStatus.TENTATIVE if value == "tentative" else EventStatus.CONFIRMED


def read_show_as(value: str | None, kind: str | None = None) -> ShowAs:
    """Return how the time counts; `kind` is the event's type."""
    if kind == "outOfOffice":
        return ShowAs.OUT_OF_OFFICE
    return ShowAs.FREE if value == "transparent" else ShowAs.BUSY


def read_visibility(value: str | None) -> Visibility:
    """Return who may see it; `confidential` is kept by Google for compatibility and means private."""
    return _VISIBILITY.get(value or "default", Visibility.PRIVATE)


def read_reminders(value: Reminders | None) -> tuple[Reminder, ...] | None:
    """Return the reminders; None for the calendar's own."""
    if value is None or value.get("useDefault", False):
        return None
    return _ordered(Reminder(o["minutes"], o.get("method") or "popup") for o in value.get("overrides") or ())


def _ordered(reminders: Iterable[Reminder]) -> tuple[Reminder, ...]:
    return tuple(sorted(set(reminders), key=lambda r: (r.minutes, r.method)))


def read_organizer(item: Event) -> Person | None:
    """Return the organiser where it tells something: of a meeting, or if it is somebody else."""
    who = item.get("organizer") or {}
    if not who.get("email") or (who.get("self") and not item.get("attendees")):
        return None
    return Person(who["email"], who.get("displayName") or "")


def read_attendees(item: Event) -> tuple[Attendee, ...]:
    """Return the guests in one order."""
    if not item.get("attendees"):
        return ()
    found = (
        Attendee(
            a["email"],
            a.get("displayName") or "",
            Role.RESOURCE if a.get("resource") else Role.OPTIONAL if a.get("optional") else Role.REQUIRED,
            _ANSWERS.get(a.get("responseStatus", ""), Answer.NEEDS_ACTION),
        )
        for a in item.get("attendees", ())
        if a.get("email")
    )
    return tuple(sorted(found, key=lambda a: a.email))


def read_own_answer(item: Event) -> Answer | None:
    """Return what the calendar's owner has answered; None for who is no guest.

    `self` marks the row of the calendar that was asked for (reference/events: attendees[].self).
    """
    if not item.get("attendees"):
        return None
    own = next((a for a in item["attendees"] if a.get("self")), None)
    return _ANSWERS.get(own.get("responseStatus", ""), Answer.NEEDS_ACTION) if own else None


def read_conference(item: Event) -> Conference | None:
    """Return the way to join that Google itself holds, video first."""
    if "conferenceData" not in item and "hangoutLink" not in item:
        return None
    data = item.get("conferenceData") or {}
    entries = [e for e in data.get("entryPoints") or () if e.get("uri")]
    video = next((e for e in entries if e.get("entryPointType") == "video"), entries[0] if entries else {})
    url = video.get("uri") or item.get("hangoutLink")
    if not url:
        return None
    name = (data.get("conferenceSolution") or {}).get("name") or MEET
    return Conference(url, name, video.get("label") or "")


def read_instant(stamp: str | None) -> datetime | None:
    """Return a timestamp of Google's; None for the year 0 and the like, which imported events have."""
    try:
        return datetime.fromisoformat(stamp) if stamp else None
    except ValueError:
        return None


# --- to Google ---


def without_nulls(value: Any) -> Any:
    """Return a patch as a body for a new event."""
    if isinstance(value, dict):
        return {k: without_nulls(v) for k, v in value.items() if v is not None}
    return value


def write_location(location: Location | None) -> str:
    """Return the one line that Google has for a place."""
    if location is None:
        return ""
    name, address = one_line(location.name), one_line(location.address)
    if not address or address.casefold() in name.casefold():
        return name
    return address if address.casefold().startswith(name.casefold()) else f"{name}, {address}"


def write_visibility(value: Visibility) -> str:
    """Return who may see it, of what Google knows."""
    return value.value if value.value in _VISIBILITY else Visibility.PRIVATE.value


def write_reminders(reminders: tuple[Reminder, ...] | None) -> Reminders:
    """Return the reminders, none or at most five."""
    if reminders is None:
        return {"useDefault": True, "overrides": []}
    first = _ordered(reminders)[:5]
    return {"useDefault": False, "overrides": [{"method": r.method, "minutes": r.minutes} for r in first]}


def write_source(url: str | None) -> dict[str, str] | None:
    """Return the page about the event, if it is a web address."""
    if not url or not url.startswith(("http://", "https://")):
        return None
    return {"title": url.split("/")[2] or url, "url": url}

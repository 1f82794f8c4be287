"""The calendars themselves: made, changed, emptied and deleted by their owners.

https://developers.google.com/workspace/calendar/api/v3/reference/calendars
"""

from __future__ import annotations

from typing import Any

from hub_google.sandbox import moments, people, render
from hub_google.sandbox.failure import ApiError, invalid, precondition_failed
from hub_google.sandbox.state import CalendarState, State


def insert(state: State, person: str, body: dict[str, Any]) -> CalendarState:
    """Make a calendar, which its maker owns."""
    if not str(body.get("summary") or "").strip():
        raise ApiError(400, "required", "Missing title.")
    calendar = people.add_calendar(
        state, state.people[person], str(body["summary"]), _zone(body, people.ZONE), "owner"
    )
    calendar.details = {k: str(body[k]) for k in ("description", "location") if body.get(k)}
    return calendar


def write(calendar: CalendarState, state: State, body: dict[str, Any], if_match: str | None) -> None:
    """Change a calendar; a change of nothing keeps the etag."""
    if if_match and if_match not in ("*", calendar.etag):
        raise precondition_failed()
    before = view(calendar)
    calendar.summary = str(body.get("summary", calendar.summary))
    calendar.zone = _zone(body, calendar.zone)
    for key in ("description", "location"):
        if key in body:
            calendar.details[key] = str(body[key] or "")
    if view(calendar) != before:
        calendar.etag = state.etag()


def clear(state: State, person: str, calendar: CalendarState) -> None:
    """Delete all events of a primary calendar."""
    if calendar.id != person:
        raise invalid("Only primary calendars can be cleared.")
    for record in list(calendar.records.values()):
        if not record.cancelled:
            record.data = {**record.data, "status": "cancelled"}
            state.changed(calendar, record)


def delete(state: State, calendar: CalendarState) -> None:
    """Delete a secondary calendar."""
    if calendar.id in state.people:
        raise ApiError(403, "cannotDeletePrimaryCalendar", "Cannot delete a primary calendar.", "calendar")
    people.delete_calendar(state, calendar)


def must_own(calendar: CalendarState, person: str) -> None:
    """Raise for who is no owner.

    Raises:
        ApiError: 403.
    """
    if render.rank(calendar.acl.get(person, "none")) < render.rank("owner"):
        raise ApiError(403, "requiredAccessLevel", "You need to have owner access.", "calendar")


def view(calendar: CalendarState) -> dict[str, Any]:
    """Return the calendar itself, whose etag has nothing to do with a list entry's."""
    shown = {
        "kind": "calendar#calendar",
        "etag": calendar.etag,
        "id": calendar.id,
        "summary": calendar.summary,
        "timeZone": calendar.zone,
        "conferenceProperties": {"allowedConferenceSolutionTypes": ["hangoutsMeet"]},
    }
    return shown | {k: v for k, v in calendar.details.items() if v}


def _zone(body: dict[str, Any], otherwise: str) -> str:
    name = str(body.get("timeZone") or otherwise)
    try:
        moments.zone(name)
    except ValueError:
        raise invalid("Invalid time zone.", "timeZone") from None
    return name

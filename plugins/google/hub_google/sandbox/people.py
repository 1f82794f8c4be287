"""People, their calendars and their calendar lists.

https://developers.google.com/workspace/calendar/api/v3/reference/calendarList
"""

from __future__ import annotations

from typing import Any

from hub_google.sandbox import render
from hub_google.sandbox.failure import ApiError, full_sync_required, invalid, not_found, precondition_failed
from hub_google.sandbox.listing import Query, flag, one, seal, size_of, unseal
from hub_google.sandbox.state import CalendarState, ListEntry, Person, State

# fmt: off
CALENDAR_COLORS = (
    "#ac725e", "#d06b64", "#f83a22", "#fa573c", "#ff7537", "#ffad46", "#42d692", "#16a765",
    "#7bd148", "#b3dc6c", "#fbe983", "#fad165", "#92e1c0", "#9fe1e7", "#9fc6e7", "#4986e7",
    "#9a9cff", "#b99aff", "#c2c2c2", "#cabdbf", "#cca6ac", "#f691b2", "#cd74e6", "#a47ae2",
)
# fmt: on
HOLIDAYS = "en.german#holiday@group.v.calendar.google.com"
ZONE = "Europe/Berlin"
_WRITABLE = ("summaryOverride", "colorId", "hidden", "selected", "defaultReminders", "notificationSettings")
_LIST_FORBIDDEN = ("minAccessRole", "showOwnOrganizationOnly")


def add_person(state: State, email: str, name: str) -> Person:
    """Return the account of that address; make it, with its primary calendar, if there is none."""
    if email not in state.people:
        person = state.people[email] = Person(email, name or email.split("@")[0].title())
        add_calendar(state, person, email, ZONE, "owner", email)
    return state.people[email]


def add_calendar(
    state: State, person: Person, summary: str, zone: str, role: str, calendar_id: str = ""
) -> CalendarState:
    """Make a calendar, or share the one with that id, and put it on a person's list."""
    calendar_id = calendar_id or f"{state.event_id()}@group.calendar.google.com"
    calendar = state.calendars.get(calendar_id)
    if calendar is None:
        calendar = CalendarState(calendar_id, summary, zone, {}, state.etag())
        state.calendars[calendar_id] = calendar
    calendar.acl[person.email] = role
    reminders = [{"method": "popup", "minutes": 10}] if calendar_id == person.email else []
    color = str(len(person.entries) % 24 + 1)
    person.entries[calendar_id] = ListEntry(settings={"colorId": color, "defaultReminders": reminders})
    state.entry_changed(person, calendar_id)
    return calendar


def set_role(state: State, calendar: CalendarState, email: str, role: str) -> None:
    """Change what a person may do with a calendar: all its sync tokens end (guides/sync).

    Who may see it finds it on their list.
    """
    if role != "none" and calendar.id not in state.people[email].entries:
        add_calendar(state, state.people[email], calendar.summary, calendar.zone, role, calendar.id)
    calendar.acl[email] = role
    calendar.floor = state.next_seq()
    if role == "none" and calendar.id in state.people[email].entries:
        state.people[email].entries[calendar.id].deleted = True
        state.entry_changed(state.people[email], calendar.id)


def delete_calendar(state: State, calendar: CalendarState) -> None:
    """Take a calendar away from everybody."""
    for person in state.people.values():
        if calendar.id in person.entries:
            set_role(state, calendar, person.email, "none")
    calendar.acl.clear()


def find_calendar(state: State, person: str, calendar_id: str, role: str = "freeBusyReader") -> CalendarState:
    """Return a calendar that the person may at least see.

    Raises:
        ApiError: 404, as for one that does not exist.
    """
    found = state.calendars.get(person if calendar_id == "primary" else calendar_id)
    if found is None or render.rank(found.acl.get(person, "none")) < render.rank(role):
        raise not_found()
    return found


def entry_view(state: State, person: Person, calendar_id: str) -> dict[str, Any]:
    """Return a calendar list entry as answers carry it."""
    entry, calendar = person.entries[calendar_id], state.calendars[calendar_id]
    color = CALENDAR_COLORS[int(entry.settings.get("colorId", "1")) - 1]
    view: dict[str, Any] = {
        "kind": "calendar#calendarListEntry",
        "etag": entry.etag,
        "id": calendar_id,
        "summary": calendar.summary,
        "timeZone": calendar.zone,
        "backgroundColor": color,
        "foregroundColor": "#000000",
        "accessRole": calendar.acl.get(person.email, "none"),
        "conferenceProperties": {"allowedConferenceSolutionTypes": ["hangoutsMeet"]},
    }
    if not calendar.summary:
        del view["summary"]
    view |= {k: v for k, v in entry.settings.items() if v not in (False, None)}
    if calendar_id == person.email:
        view["primary"] = True
    if entry.deleted:
        view["deleted"] = True
    return view


def list_entries(state: State, person: Person, query: Query) -> dict[str, Any]:
    """Return a page of the calendar list."""
    since = _list_token(state, person, query) if one(query, "syncToken") else None
    page = unseal(state, one(query, "pageToken")) if one(query, "pageToken") else {"skip": 0}
    if page is None or "skip" not in page:
        raise invalid("Invalid page token value.", "pageToken")
    shown = []
    for calendar_id, entry in person.entries.items():
        if since is None:
            hidden = entry.settings.get("hidden") and not flag(query, "showHidden")
            if (
                hidden
                or (entry.deleted and not flag(query, "showDeleted"))
                or not _strong(state, person, calendar_id, query)
            ):
                continue
        elif entry.seq <= since:
            continue
        shown.append(entry_view(state, person, calendar_id))
    size = size_of(query, 100, 250)
    answer = {"kind": "calendar#calendarList", "etag": f'"p{state.counter}"'}
    answer["items"] = shown[page["skip"] : page["skip"] + size]  # type: ignore[assignment]
    if page["skip"] + size < len(shown):
        return answer | {"nextPageToken": seal(state, {"skip": page["skip"] + size})}
    return answer | {"nextSyncToken": seal(state, {"list": person.email, "seq": state.counter})}


def _strong(state: State, person: Person, calendar_id: str, query: Query) -> bool:
    least = one(query, "minAccessRole", "none")
    return render.rank(state.calendars[calendar_id].acl.get(person.email, "none")) >= render.rank(least)


def _list_token(state: State, person: Person, query: Query) -> int:
    for name in _LIST_FORBIDDEN:
        if name in query:
            raise invalid("Sync token cannot be used with other request restrictions.", name)
    if "false" in (one(query, "showDeleted"), one(query, "showHidden")):
        raise invalid("Sync token cannot be used with other request restrictions.", "showDeleted")
    token = unseal(state, one(query, "syncToken"))
    if token is None or token.get("list") != person.email:
        raise invalid("Invalid sync token value.", "syncToken")
    if token["seq"] < person.floor:
        raise full_sync_required()
    return int(token["seq"])


def patch_entry(
    state: State, person: Person, calendar_id: str, body: dict[str, Any], if_match: str | None = None
) -> dict[str, Any]:
    """Change a person's own view of a calendar, whose etag is not the calendar's."""
    if if_match and if_match not in ("*", person.entries[calendar_id].etag):
        raise precondition_failed()
    settings = person.entries[calendar_id].settings
    for key in _WRITABLE:
        if key in body:
            settings[key] = body[key]
    state.entry_changed(person, calendar_id)
    return entry_view(state, person, calendar_id)


def put_entry(state: State, person: Person, calendar_id: str, body: dict[str, Any]) -> dict[str, Any]:
    """Put a calendar that a person may see on the list (again)."""
    find_calendar(state, person.email, calendar_id)
    entry = person.entries.setdefault(calendar_id, ListEntry(settings={"colorId": "1"}))
    entry.deleted = False
    return patch_entry(state, person, calendar_id, body)


def remove_entry(state: State, person: Person, calendar_id: str) -> None:
    """Take a calendar off a person's list; the one who owns it cannot."""
    if state.calendars[calendar_id].acl.get(person.email) == "owner":
        message = "The data owner of a calendar cannot remove such a calendar from their calendar list."
        raise ApiError(403, "cannotRemoveOwnedCalendar", message, "calendar")
    person.entries[calendar_id].deleted = True
    state.entry_changed(person, calendar_id)

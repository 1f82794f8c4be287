"""`list_calendars`: the account's calendar list, hidden ones too."""

from __future__ import annotations

from hub.plugin.types import AccessRole, Call, RemoteCalendar
from hub_google.client import Client
from hub_google.errors import About
from hub_google.wire import CalendarEntry

_ROLES = {
    "owner": AccessRole.OWNER,
    "writer": AccessRole.WRITER,
    # Others' private events are hidden from it, and left alone (`translate.is_hidden`).
    "writerWithoutPrivateAccess": AccessRole.WRITER,
    "reader": AccessRole.READER,
    "freeBusyReader": AccessRole.FREE_BUSY,
}


def list_calendars(call: Call) -> tuple[RemoteCalendar, ...]:
    """Return every calendar that the account can see."""
    client = Client(call)
    pages = client.pages(client.calendar_list.list, About.ACCOUNT, maxResults=250, showHidden=True)
    return tuple(from_entry(entry) for page in pages for entry in page.get("items") or () if _usable(entry))


def from_entry(entry: CalendarEntry) -> RemoteCalendar:
    """Return a calendar list entry as the hub sees it; roles not known yet may only read."""
    return RemoteCalendar(
        remote_id=entry["id"],
        name=entry.get("summaryOverride") or entry.get("summary") or entry["id"],
        access_role=_ROLES.get(entry.get("accessRole", ""), AccessRole.READER),
        zone=entry.get("timeZone"),
        color=entry.get("backgroundColor"),
        primary=entry.get("primary", False),
        # Holidays, birthdays and the like are built by Google and never notify (sheet 6.6).
        can_watch=not entry["id"].endswith("@group.v.calendar.google.com"),
    )


def _usable(entry: CalendarEntry) -> bool:
    return bool(entry.get("id")) and not entry.get("deleted") and entry.get("accessRole") != "none"

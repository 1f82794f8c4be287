"""Series made whole: at Google a series is a master and its changed instances, each an item of its own.

All share the master's iCalUID, so that one listing finds them (sheet 3.6).
"""

from __future__ import annotations

from hub.plugin.errors import GoneError, RetryLaterError
from hub.plugin.types import RemoteCalendar, RemoteEvent
from hub_google.client import Client
from hub_google.errors import About
from hub_google.translate import from_remote
from hub_google.wire import Event

PAGE_SIZE = 2500
"""The largest page that events.list gives."""

Family = tuple[Event, list[Event]]
"""A single event or a master, and the instances of the master that were changed or cancelled."""


def get_item(client: Client, calendar: RemoteCalendar, remote_id: str) -> Event:
    """Read one item as it stands, cancelled or not.

    Raises:
        GoneError: there is no such event in this calendar.
        CalendarLostError: it is the calendar that cannot be found.
    """
    try:
        item: Event = client.run(
            client.events.get(calendarId=calendar.remote_id, eventId=remote_id), About.EVENT
        )
    except GoneError:
        confirm_calendar(client, calendar)
        raise
    return item


def confirm_calendar(client: Client, calendar: RemoteCalendar) -> None:
    """Make sure that a 404 is about the event: Google words both the same.

    Raises:
        CalendarLostError: the calendar is out of reach.
    """
    request = client.events.list(calendarId=calendar.remote_id, maxResults=1, fields="timeZone")
    client.run(request, About.CALENDAR)


def read_family(client: Client, calendar: RemoteCalendar, remote_id: str, uid: str | None = None) -> Family:
    """Read an event that is likely a series.

    Args:
        uid: its iCalUID; if it is not known, the one that Google makes from the id is tried.

    Raises:
        GoneError: it is deleted or was never there.
    """
    if found := _by_uid(client, calendar, remote_id, uid or f"{remote_id}@google.com"):
        return found
    return get_family(client, calendar, remote_id)


def get_family(client: Client, calendar: RemoteCalendar, remote_id: str) -> Family:
    """Read an event of which nothing is known but its id.

    Raises:
        GoneError: it is deleted, was never there, or is a day of a series that is here: no event of its own.
    """
    item = get_item(client, calendar, remote_id)
    if _is_of_series(client, calendar, item):
        raise GoneError("It is an occurrence of a series in this calendar.", code="occurrence")
    return complete(client, calendar, item)


def _is_of_series(client: Client, calendar: RemoteCalendar, item: Event) -> bool:
    """Whether an item is an occurrence whose series is here, too; if not, it is a single event."""
    owner = item.get("recurringEventId")
    if not owner or item.get("status") == "cancelled":
        return False
    try:
        # The calendar was read just now: a 404 is about the event.
        request = client.events.get(calendarId=calendar.remote_id, eventId=owner)
        master: Event = client.run(request, About.EVENT)
    except GoneError:
        return False
    return master.get("status") != "cancelled"


def complete(client: Client, calendar: RemoteCalendar, item: Event) -> Family:
    """Return an item that was read alone with its instances, if it is a series.

    Raises:
        GoneError: it is cancelled.
        RetryLaterError: it was read, but is not listed (yet): nothing says that it is gone.
    """
    if item.get("status") == "cancelled":
        raise GoneError("The event was deleted.", code="cancelled")
    if not item.get("recurrence"):
        return item, []
    found = _by_uid(client, calendar, item["id"], item.get("iCalUID", ""))
    if found is None:
        raise RetryLaterError("Google does not list a series that it shows.")
    return found


def whole(family: Family, calendar: RemoteCalendar) -> RemoteEvent:
    """Return the hub's view of a family."""
    return from_remote(*family, zone=calendar.zone or "UTC")


def _by_uid(client: Client, calendar: RemoteCalendar, remote_id: str, uid: str) -> Family | None:
    listing = client.pages(
        client.events.list,
        About.CALENDAR,
        calendarId=calendar.remote_id,
        iCalUID=uid,
        singleEvents=False,
        maxResults=PAGE_SIZE,
    )
    items: list[Event] = [item for page in listing for item in page.get("items") or ()]
    master = next((i for i in items if i.get("id") == remote_id), None)
    if master is None or master.get("status") == "cancelled":
        return None
    return master, [i for i in items if i.get("recurringEventId") == remote_id]

"""Reading single events and whole series, for `get_event`, `fetch_changes` and after writes."""

from __future__ import annotations

from typing import cast

from hub.plugin.errors import GoneError
from hub.plugin.types import RemoteEvent
from hub_outlook.client import AS_HTML, AS_TEXT, Graph
from hub_outlook.errors import About
from hub_outlook.translate import from_remote
from hub_outlook.wire import EVENT_SELECT, TAG_ID, Event

_TAG = f"singleValueExtendedProperties($filter=id eq '{TAG_ID}')"
WITH_TAG = {"$expand": _TAG}
WHOLE_SERIES = {
    "$select": f"{EVENT_SELECT},exceptionOccurrences,cancelledOccurrences",
    "$expand": f"exceptionOccurrences,{_TAG}",
}
"""Cancelled and changed occurrences come only with a $select of one master (Graph: event-get)."""

WITH_HTML = {
    "$select": "id,changeKey,body,isOnlineMeeting,onlineMeeting,onlineMeetingProvider,onlineMeetingUrl"
}


def read_event(graph: Graph, calendar_id: str, remote_id: str) -> RemoteEvent:
    """Return one event as it is now.

    Raises:
        GoneError: it is deleted, cancelled or in another calendar.
        CalendarLostError: the calendar itself is out of reach.
    """
    builder = graph.me.calendars.by_calendar_id(calendar_id).events.by_event_id(remote_id)
    try:
        event = cast(Event, graph.get(builder, About.EVENT, WITH_TAG, AS_TEXT))
    except GoneError:
        # A calendar that was lost answers the same: that must never be read as a deletion.
        graph.get(graph.me.calendars.by_calendar_id(calendar_id), About.CALENDAR, {"$select": "id"})
        raise
    if event.get("recurrence"):
        return read_series(graph, remote_id)
    return understood(event)


def read_series(graph: Graph, master_id: str) -> RemoteEvent:
    """Return a whole series: rule, changed and cancelled occurrences, in one call.

    Raises:
        UnreadableError: its JSON makes no sense.
    """
    builder = graph.me.events.by_event_id(master_id)
    return understood(cast(Event, graph.get(builder, About.EVENT, WHOLE_SERIES, AS_TEXT)))


def read_html(graph: Graph, remote_id: str) -> Event:
    """Return an event with its HTML, and what says which meeting is told of in it."""
    builder = graph.me.events.by_event_id(remote_id)
    return cast(Event, graph.get(builder, About.EVENT, WITH_HTML, AS_HTML))


def understood(event: Event) -> RemoteEvent:
    """Return an event of a GET or of a page.

    Raises:
        GoneError: it is the copy of a meeting that its organiser cancelled.
    """
    if event.get("isCancelled"):
        raise GoneError("The meeting was cancelled by its organiser.")
    return from_remote(event)

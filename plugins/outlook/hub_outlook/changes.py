"""What changed: rounds of calendarView/delta, told series by series (Graph: event-delta, delta-query-events).

A delta page shows occurrences as stubs and is silent about removed ones, so that whatever it says of a
series is only a reason to read that series as a whole. At most `SERIES_A_PAGE` series are read in one
call; the rest wait in the page token.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, cast

from hub.plugin.errors import CursorExpiredError, GoneError, RefusedError, RetryLaterError, TooHeavyError
from hub.plugin.paging import START
from hub.plugin.types import ChangePage, RemoteCalendar, RemoteChange, Scope, Window
from hub_outlook.client import AS_TEXT, Graph
from hub_outlook.errors import About
from hub_outlook.events import read_series, understood
from hub_outlook.tokens import PageToken, open_cursor, open_page, seal_cursor, seal_page
from hub_outlook.translate import UnreadableError
from hub_outlook.wire import Event, is_id

SIZED = "odata.maxpagesize=200"
SERIES_A_PAGE = 20
MARGIN = timedelta(days=1)
"""All-day events count by an instant of their own zone at the window's edges (docs-contrib#471)."""
SHORTEST_LEG = timedelta(days=20)
"""A listing that runs in circles is halved down to spans of this length."""


def fetch_changes(
    graph: Graph, calendar: RemoteCalendar, cursor: str | None, page: str | None, window: Window
) -> ChangePage:
    """Return the next page of a listing."""
    token = open_page(page) if page else _first(cursor, window)
    changes: dict[str, RemoteChange] = {}
    if not token.pending and not token.is_final:
        token = _read_page(graph, calendar, token, changes)
    now, later = token.pending[:SERIES_A_PAGE], token.pending[SERIES_A_PAGE:]
    for master_id in now:
        changes[master_id] = _series(graph, master_id, is_removed=master_id in token.removed)
    return _page(tuple(changes.values()), replace(token, pending=later))


def _first(cursor: str | None, window: Window) -> PageToken:
    if cursor is not None:
        links, sized = open_cursor(cursor)
        return PageToken(links, sized=sized)
    span = (window.start.isoformat(), window.end.isoformat())
    return PageToken((_leg(window.start - MARGIN, window.end + MARGIN),), window=span)


def _leg(start: datetime, end: datetime) -> str:
    return f"{start:%Y-%m-%dT%H:%M:%SZ}/{end:%Y-%m-%dT%H:%M:%SZ}"


def _span(leg: str) -> tuple[datetime, datetime] | None:
    """Return the span that a leg lists; None if it is a deltaLink."""
    if "://" in leg:
        return None
    start, end = leg.split("/")
    return datetime.fromisoformat(start), datetime.fromisoformat(end)


def _page(changes: tuple[RemoteChange, ...], token: PageToken) -> ChangePage:
    span = _window(token)
    scope = Scope.SNAPSHOT if span else Scope.DELTA
    if token.is_final and not token.pending:
        cursor = seal_cursor(token.done, sized=token.sized)
        return ChangePage(changes, scope, next_cursor=cursor, window=span)
    return ChangePage(changes, scope, next_page=seal_page(token), window=span)


def _window(token: PageToken) -> Window | None:
    if token.window is None:
        return None
    return Window(datetime.fromisoformat(token.window[0]), datetime.fromisoformat(token.window[1]))


def _read_page(
    graph: Graph, calendar: RemoteCalendar, token: PageToken, changes: dict[str, RemoteChange]
) -> PageToken:
    """Read one page of Graph into `changes`; return the token that goes on after it."""
    try:
        answer = _ask(graph, calendar, token)
    except TooHeavyError:
        smaller = _smaller(token)
        if smaller is None:
            raise
        return smaller
    items = [item for item in answer.get("value") or [] if isinstance(item, dict)]
    series = _sort(items, changes)
    token = replace(token, pending=tuple(series), removed=tuple(series.keys() & changes.keys()))
    delta, following = answer.get("@odata.deltaLink"), answer.get("@odata.nextLink")
    link = delta or following
    if not isinstance(link, str) or not graph.is_own(link):
        raise RetryLaterError("Outlook's listing ended without a place to go on from.")
    if delta:
        return replace(token, legs=token.legs[1:], link="", done=(*token.done, delta), circle=START)
    circle = token.circle.after((str(item.get("id")) for item in items), link)
    if circle.is_closed:
        return _another_way(token)
    return replace(token, link=link, circle=circle)


def _sort(items: list[dict[str, Any]], changes: dict[str, RemoteChange]) -> dict[str, None]:
    """Put the single events and tombstones of a page into `changes`; return the masters of its series.

    The same event may come twice, in two versions and in any order (Graph: delta-query-overview): the last
    one counts, unless an earlier one was written later. A series that is removed and listed is in both.
    """
    series: dict[str, None] = {}
    for item in items:
        event_id = item.get("id")
        if not is_id(event_id):
            continue
        master_id = item.get("seriesMasterId") or (event_id if item.get("recurrence") else None)
        if item.get("@removed") is not None:
            changes[event_id] = RemoteChange(event_id, certain=False)
        elif master_id and not is_id(master_id):
            changes[event_id] = RemoteChange(event_id, fault="Outlook does not say which series it is of.")
        elif master_id:
            series[master_id] = None
        elif not _is_older(change := _single(cast(Event, item)), changes.get(event_id)):
            changes[event_id] = change
    return series


def _is_older(change: RemoteChange, other: RemoteChange | None) -> bool:
    """Whether an event was written before the other version of it that a page shows."""
    at, other_at = (c.event.updated_at if c and c.event else None for c in (change, other))
    return at is not None and other_at is not None and at < other_at


def _another_way(token: PageToken) -> PageToken:
    """Begin a leg that runs in circles anew.

    Raises:
        CursorExpiredError: there is no other way left.
    """
    smaller = _smaller(token)
    if smaller is None:
        raise CursorExpiredError("Outlook shows the same pages of this calendar again and again.")
    return smaller


def _smaller(token: PageToken) -> PageToken | None:
    """Return a token that begins a leg anew: without our page size, then as halves of its span.

    Recurrence-heavy mailboxes run in circles or time out, and no page size is known that helps all of them
    (msgraph-sdk-dotnet#3070, #1568). None if it is a listing of changes, or small enough already.
    """
    leg, rest = token.legs[0], token.legs[1:]
    span = _span(leg)
    if span is None or (not token.sized and span[1] - span[0] < 2 * SHORTEST_LEG):
        return None
    if token.sized:
        return replace(token, link="", circle=START, sized=False)
    middle = span[0] + (span[1] - span[0]) / 2
    halves = (_leg(span[0], middle), _leg(middle, span[1]))
    return replace(token, legs=(*halves, *rest), link="", circle=START)


def _ask(graph: Graph, calendar: RemoteCalendar, token: PageToken) -> dict[str, Any]:
    """Read the page where a listing stands; preferences are not sealed in Graph's links."""
    prefer = (*AS_TEXT, SIZED) if token.sized else AS_TEXT
    span = _span(token.legs[0])
    link = token.link or (token.legs[0] if span is None else "")
    if link and not graph.is_own(link):
        raise CursorExpiredError("This listing was of another server.")
    try:
        if link:
            return graph.follow(link, About.CURSOR, prefer)
        start, end = token.legs[0].split("/")
        builder = graph.me.calendars.by_calendar_id(calendar.remote_id).calendar_view.delta
        return graph.get(builder, About.CALENDAR, {"startDateTime": start, "endDateTime": end}, prefer)
    except RefusedError as error:
        # A listing holds nothing to refuse; what is refused is the place in it.
        if link:
            raise CursorExpiredError(error.message, code=error.code) from None
        raise


def _single(item: Event) -> RemoteChange:
    try:
        return RemoteChange(item["id"], understood(item))
    except GoneError:
        return RemoteChange(item["id"])
    except UnreadableError as error:
        return RemoteChange(item["id"], fault=str(error))


def _series(graph: Graph, master_id: str, *, is_removed: bool) -> RemoteChange:
    """Read a touched series. One that is not there is left out, unless a tombstone came with it."""
    try:
        return RemoteChange(master_id, read_series(graph, master_id))
    except GoneError as error:
        if "cancelled" in error.message:
            return RemoteChange(master_id)
        if is_removed:
            return RemoteChange(master_id, certain=False)
        return RemoteChange(master_id, fault="Outlook lists this series but does not show it.")
    except RefusedError as error:
        return RemoteChange(master_id, fault=str(error))

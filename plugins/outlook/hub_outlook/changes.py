"""What changed: rounds of calendarView/delta, told series by series (Graph: event-delta, delta-query-events).

A delta page shows occurrences as stubs and is silent about removed ones, so that whatever it says of a
series is only a reason to read that series as a whole. At most `SERIES_A_PAGE` series are read in one
call; the rest wait in the page token.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, cast

from hub.plugin.errors import CursorExpiredError, GoneError, RefusedError, RetryLaterError
from hub.plugin.types import ChangePage, RemoteCalendar, RemoteChange, Scope, Window
from hub_outlook.client import AS_TEXT, Graph
from hub_outlook.errors import About
from hub_outlook.events import read_series, understood
from hub_outlook.tokens import PageToken, open_cursor, open_page, seal_cursor, seal_page
from hub_outlook.translate import UnreadableError
from hub_outlook.wire import Event

PREFER = (*AS_TEXT, "odata.maxpagesize=200")
"""Repeated on every page: preferences are not sealed in Graph's links."""
SERIES_A_PAGE = 20
MOST_REPEATS = 3
MOST_PAGES = 10_000
MARGIN = timedelta(days=1)
"""All-day events count by an instant of their own zone at the window's edges (docs-contrib#471)."""


def fetch_changes(
    graph: Graph, calendar: RemoteCalendar, cursor: str | None, page: str | None, window: Window
) -> ChangePage:
    """Return the next page of a listing."""
    token = open_page(page) if page else _first(cursor, window)
    if token.link and not graph.is_own(token.link):
        raise CursorExpiredError("This listing was of another server.")
    changes: dict[str, RemoteChange] = {}
    if not token.pending and not token.final:
        token = _read_page(graph, calendar, token, changes)
    now, later = token.pending[:SERIES_A_PAGE], token.pending[SERIES_A_PAGE:]
    for master_id in now:
        change = _series(graph, master_id)
        if change:
            changes[master_id] = change
    return _page(tuple(changes.values()), replace(token, pending=later))


def _first(cursor: str | None, window: Window) -> PageToken:
    if cursor is not None:
        return PageToken(open_cursor(cursor))
    return PageToken("", window=(window.start.isoformat(), window.end.isoformat()))


def _page(changes: tuple[RemoteChange, ...], token: PageToken) -> ChangePage:
    span = _window(token)
    scope = Scope.SNAPSHOT if span else Scope.DELTA
    if token.final and not token.pending:
        return ChangePage(changes, scope, next_cursor=seal_cursor(token.link), window=span)
    return ChangePage(changes, scope, next_page=seal_page(token), window=span)


def _window(token: PageToken) -> Window | None:
    if token.window is None:
        return None
    return Window(datetime.fromisoformat(token.window[0]), datetime.fromisoformat(token.window[1]))


def _read_page(
    graph: Graph, calendar: RemoteCalendar, token: PageToken, changes: dict[str, RemoteChange]
) -> PageToken:
    """Read one page of Graph into `changes`; return the token that goes on after it."""
    answer = _ask(graph, calendar, token)
    items = [item for item in answer.get("value") or [] if isinstance(item, dict)]
    token = _guarded(token, items)
    series: dict[str, None] = {}
    for item in items:
        event_id = item.get("id")
        if not isinstance(event_id, str):
            continue
        master_id = item.get("seriesMasterId") or (event_id if item.get("recurrence") else None)
        if "@removed" in item:
            series.pop(event_id, None)
            changes[event_id] = RemoteChange(event_id, certain=False)
        elif master_id:
            changes.pop(master_id, None)
            series[master_id] = None
        else:
            changes[event_id] = _single(cast(Event, item))
    delta, following = answer.get("@odata.deltaLink"), answer.get("@odata.nextLink")
    link = delta or following
    if not isinstance(link, str) or not graph.is_own(link):
        raise RetryLaterError("Outlook's listing ended without a place to go on from.")
    return replace(token, link=link, final=bool(delta), pending=tuple(series))


def _ask(graph: Graph, calendar: RemoteCalendar, token: PageToken) -> dict[str, Any]:
    try:
        if token.link:
            return graph.follow(token.link, About.CURSOR, PREFER)
        span = _window(token)
        assert span
        query = {"startDateTime": _stamp(span.start - MARGIN), "endDateTime": _stamp(span.end + MARGIN)}
        builder = graph.me.calendars.by_calendar_id(calendar.remote_id).calendar_view.delta
        return graph.get(builder, About.CALENDAR, query, PREFER)
    except RefusedError as error:
        # A listing holds nothing to refuse; what is refused is the place in it.
        if token.link:
            raise CursorExpiredError(error.message, code=error.code) from None
        raise


def _stamp(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def _guarded(token: PageToken, items: list[dict[str, Any]]) -> PageToken:
    """Count the pages, and stop a listing that turns in circles."""
    ids = "|".join(sorted(str(item.get("id")) for item in items))
    digest = hashlib.sha256(ids.encode()).hexdigest()[:16]
    repeats = token.repeats + 1 if digest == token.digest else 0
    if repeats >= MOST_REPEATS or token.pages >= MOST_PAGES:
        raise RetryLaterError("Outlook repeats the same page of this calendar without an end.")
    return replace(token, digest=digest, repeats=repeats, pages=token.pages + 1)


def _single(item: Event) -> RemoteChange:
    try:
        return RemoteChange(item["id"], understood(item))
    except GoneError:
        return RemoteChange(item["id"])
    except UnreadableError as error:
        return RemoteChange(item["id"], fault=str(error))


def _series(graph: Graph, master_id: str) -> RemoteChange | None:
    """Read a touched series; None if it is gone, of which a tombstone tells besides."""
    try:
        return RemoteChange(master_id, read_series(graph, master_id))
    except GoneError as error:
        return RemoteChange(master_id) if "cancelled" in error.message else None
    except RefusedError as error:
        return RemoteChange(master_id, fault=str(error))

"""The calendars that an account can see (Graph: user-list-calendars, calendargroup-list-calendars)."""

from __future__ import annotations

import contextlib
from typing import Any

from kiota_abstractions.base_request_builder import BaseRequestBuilder

from hub.plugin.errors import GoneError, RetryLaterError
from hub.plugin.paging import START
from hub.plugin.types import AccessRole, RemoteCalendar
from hub_outlook.client import Graph
from hub_outlook.errors import About
from hub_outlook.wire import is_id

PAGE = 100


def list_calendars(graph: Graph) -> tuple[RemoteCalendar, ...]:
    """Return all calendars: /me/calendars holds only those of the default group."""
    items = _pages(graph, graph.me.calendars)
    for group in _pages(graph, graph.me.calendar_groups):
        builder = graph.me.calendar_groups.by_calendar_group_id(group["id"]).calendars
        with contextlib.suppress(GoneError):  # The group was deleted since it was listed.
            items += _pages(graph, builder, About.EVENT)
    by_id = {item["id"]: item for item in reversed(items)}
    mine = {_owner(item) for item in items if item.get("isDefaultCalendar")}
    return tuple(_calendar(by_id[key], mine) for key in dict.fromkeys(item["id"] for item in items))


def _pages(graph: Graph, builder: BaseRequestBuilder, about: About = About.ACCOUNT) -> list[dict[str, Any]]:
    """Read a list to its end.

    A page as large as asked for is not trusted to be the last one, though it says so.

    Raises:
        RetryLaterError: it has no end; a part of a list must never be taken for the whole.
    """
    items: list[dict[str, Any]] = []
    seen, circle = 0, START
    answer = graph.get(builder, about, {"$top": str(PAGE)})
    while not circle.is_closed:
        found = [item for item in answer.get("value") or [] if isinstance(item, dict)]
        items += [item for item in found if is_id(item.get("id"))]
        seen += len(found)
        link = answer.get("@odata.nextLink")
        if not link and len(found) < PAGE:
            return items
        circle = circle.after((str(item.get("id")) for item in found), link or str(seen))
        if link:
            answer = graph.follow(link, about)
        else:
            answer = graph.get(builder, about, {"$top": str(PAGE), "$skip": str(seen)})
    raise RetryLaterError("Outlook shows the same pages of a list again and again.")


def _owner(item: dict[str, Any]) -> str:
    return str((item.get("owner") or {}).get("address") or "").casefold()


def _calendar(item: dict[str, Any], mine: set[str]) -> RemoteCalendar:
    shared = bool(mine) and _owner(item) not in mine and bool(_owner(item))
    role = AccessRole.READER
    if item.get("canEdit"):
        role = AccessRole.WRITER if shared else AccessRole.OWNER
    return RemoteCalendar(
        remote_id=item["id"],
        name=item.get("name") or item["id"],
        access_role=role,
        color=(item.get("hexColor") or "").lower() or None,
        primary=bool(item.get("isDefaultCalendar")),
        # A subscription covers the signed-in mailbox only (Graph: subscription-update).
        can_watch=not shared,
    )

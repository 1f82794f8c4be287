"""The exceptions of a series: each is an occurrence with an id of its own at Graph.

Writing them may stop anywhere and be repeated: each step is taken from what Outlook shows now to what
is wanted (Graph: event-list-instances, event-update).
"""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from typing import Any, cast

from kiota_abstractions.method import Method

from hub.plugin.errors import GoneError, RefusedError, VersionMovedError
from hub.plugin.paging import START
from hub.plugin.types import EventContent, RemoteEvent, SeriesException, When, changed_fields
from hub_outlook import zones
from hub_outlook.client import AS_TEXT, Graph
from hub_outlook.errors import About
from hub_outlook.events import read_html
from hub_outlook.project import occurrence, project
from hub_outlook.translate import holds_more, original_start, text_around, to_remote
from hub_outlook.wire import Event

NO_OCCURRENCE = "Outlook has no occurrence where this series changes one."


def write_exceptions(graph: Graph, current: RemoteEvent, wanted: EventContent) -> int:
    """Bring the occurrences of a series to what is wanted; return how many were written.

    Raises:
        RefusedError: an occurrence cannot be restored or moved that far.
        VersionMovedError: somebody has changed the series meanwhile.
    """
    shown = project(current.content).content
    is_now = {e.original_start: e for e in shown.when.exceptions}
    to_be = {e.original_start: e for e in wanted.when.exceptions}
    starts = [s for s in {**is_now, **to_be} if is_now.get(s) != to_be.get(s)]
    refusal: str | None = None
    # Those that go make room for those that move.
    for start in sorted(starts, key=lambda s: (not (s in to_be and to_be[s].cancelled), s)):
        before = is_now.get(start) or SeriesException(start)
        after = to_be.get(start) or SeriesException(start)
        refusal = _write(graph, current.remote_id, wanted, before, after) or refusal
    if refusal:
        raise RefusedError(refusal)  # All else is written; the next listing shows it.
    return len(starts)


def _write(
    graph: Graph,
    master_id: str,
    wanted: EventContent,
    before: SeriesException,
    after: SeriesException,
) -> str | None:
    """Write one occurrence; return why its text was left as it is, if it was to change."""
    if before.cancelled:
        raise RefusedError("Outlook cannot bring a cancelled occurrence of a series back.")
    found = instance_of(graph, master_id, wanted.when, before)
    if not found:
        if after.cancelled:
            return None
        raise RefusedError(NO_OCCURRENCE)
    # What the occurrence does not override has followed the master already.
    old, new = occurrence(wanted, before), occurrence(wanted, after)
    fields = changed_fields(old, new)
    body = to_remote(new, fields)
    if old.when.all_day == new.when.all_day:
        body.pop("isAllDay", None)  # Only who turns a day into an hour, or an hour into a day, says so.
    try:
        if not after.cancelled:
            return _patch(graph, found, body, old, new)
        graph.write(Method.DELETE, graph.me.events.by_event_id(found["id"]), About.EVENT)
    except GoneError:
        # The series is there: taken for gone, it would be made a second time.
        there = instance_of(graph, master_id, wanted.when, before)
        if there and there["id"] != found["id"]:
            raise VersionMovedError("The days of the series have other ids than a moment ago.") from None
        if not after.cancelled:
            raise RefusedError(NO_OCCURRENCE) from None
    return None


def _patch(
    graph: Graph, found: Event, body: dict[str, Any], old: EventContent, new: EventContent
) -> str | None:
    refusal = None
    if "body" in body and holds_more(found):
        del body["body"]
        try:
            body |= text_around(read_html(graph, found["id"]), old.description, new)
        except RefusedError as error:
            refusal = error.message
    if body:
        builder = graph.me.events.by_event_id(found["id"])
        graph.write(Method.PATCH, builder, About.EVENT, body, prefer=AS_TEXT)
    return refusal


def instance_of(graph: Graph, master_id: str, when: When, change: SeriesException) -> Event | None:
    """Return the occurrence that the rule puts at a start, wherever it was moved to."""
    for around in {
        instant(change.original_start, when),
        instant(change.start or change.original_start, when),
    }:
        query = {
            "startDateTime": f"{(around - timedelta(days=1)).isoformat()}Z",
            "endDateTime": f"{(around + timedelta(days=2)).isoformat()}Z",
        }
        builder = graph.me.events.by_event_id(master_id).instances
        answer = graph.get(builder, About.EVENT, query, AS_TEXT)
        circle = START
        while not circle.is_closed:
            for item in answer.get("value") or []:
                if _starts_at(cast(Event, item), change.original_start, when):
                    return cast(Event, item)
            link = answer.get("@odata.nextLink")
            if not link:
                break
            circle = circle.after((str(item.get("id")) for item in answer.get("value") or []), link)
            answer = graph.follow(link, About.EVENT, AS_TEXT)
    return None


def instant(value: date | datetime, when: When) -> datetime:
    """Return a start of a series in naive UTC, a day as its midnight."""
    if isinstance(value, datetime):
        return zones.to_utc(value, when.start_zone or zones.FALLBACK)
    return datetime.combine(value, time())


def _starts_at(item: Event, wanted: date | datetime, when: When) -> bool:
    if item.get("occurrenceId") or item.get("originalStart"):
        return original_start(item, when) == wanted
    start: dict[str, Any] = dict(item["start"])
    moment = datetime.fromisoformat(start["dateTime"][:19])
    if not isinstance(wanted, datetime):
        return moment.date() == wanted
    return moment == zones.to_utc(wanted, when.start_zone or zones.FALLBACK)

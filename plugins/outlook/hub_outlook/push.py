"""Writing events: as few calls as can be, none that mails anyone unasked, each safe to repeat.

A series is written as its master first; its exceptions are occurrences of their own at Graph, found
through /instances and written one by one.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Any, cast

from kiota_abstractions.method import Method

from hub.plugin.between import as_left, touched_days
from hub.plugin.errors import GoneError, RefusedError, RetryLaterError, VersionMovedError
from hub.plugin.types import (
    CONTENT_FIELDS,
    Conference,
    EventContent,
    PushCreate,
    PushDelete,
    PushUpdate,
    RemoteCalendar,
    RemoteEvent,
    When,
    changed_fields,
)
from hub_outlook import people
from hub_outlook.client import AS_TEXT, Graph
from hub_outlook.errors import About, DuplicateError
from hub_outlook.events import read_event, read_html, read_series, understood
from hub_outlook.exceptions import instant, write_exceptions
from hub_outlook.project import PICTURE, project
from hub_outlook.translate import etag, from_remote, text_around, to_remote, version_of
from hub_outlook.wire import TAG_ID, Event

SURE_AFTER = 3
"""From so many tries on, what was made and is not there any more was deleted, and is not yet to appear."""
WRITABLE = frozenset(CONTENT_FIELDS) - {
    "organizer",
    "attendees",
    "own_answer",
    "attachments",
    "color",
    "url",
}
MEETINGS = frozenset({"teamsForBusiness", "skypeForBusiness", "skypeForConsumer"})
"""What Graph can make (Graph: onlineMeetingProviderType)."""


def create(graph: Graph, calendar: RemoteCalendar, push: PushCreate) -> RemoteEvent:
    """Write a new event, unless an earlier try has made it."""
    wanted = held(push.content)
    if push.attempt > 0:
        found = _find(graph, calendar, push)
        if found:
            return _marked(graph, calendar, found, push)
    mark = {"id": TAG_ID, "value": _mark(push)}
    body = to_remote(wanted, WRITABLE & push.fields) | {
        "transactionId": push.create_id,
        "singleValueExtendedProperties": [mark],
    }
    if push.notify and push.content.attendees:
        body["attendees"] = people.guests(push.content.attendees, graph.owner)
    try:
        made = _post(graph, calendar, body, push.content.conference)
    except VersionMovedError as error:
        # A create names no version: Exchange gave way to another write, and may have kept this one.
        raise RetryLaterError(error.message, code=error.code) from None
    except DuplicateError as error:
        found = _find_named(graph, calendar, push, error.existing_id) or _find(graph, calendar, push)
        found = found or _find_unmarked(graph, calendar, push)
        if not found:
            raise RetryLaterError("Outlook says that it has this event, but does not show it yet.") from None
        if push.attempt == 0 and push.fields & changed_fields(project(found.content).content, wanted):
            # A worker that slept for long, or a hub that has forgotten its try: it is not theirs to change.
            raise RetryLaterError("The event is there already.", code=error.code) from None
        return _marked(graph, calendar, found, push)
    event = replace(from_remote(made), tag=push.tag)
    if not wanted.when.exceptions:
        return event
    with suppress(RefusedError, VersionMovedError):
        # The series is made, and must not be taken for another's: what of its days is not there is written
        # again as a change, which tells why it is refused.
        write_exceptions(graph, event, wanted)
    seen = read_series(graph, event.remote_id)
    return replace(as_left(seen, event, event.content, wanted, project), tag=push.tag)


def _post(
    graph: Graph, calendar: RemoteCalendar, body: dict[str, Any], conference: Conference | None
) -> Event:
    """Make an event, with an online meeting if one is wished for and made."""
    builder = graph.me.calendars.by_calendar_id(calendar.remote_id).events
    wish = _wished(conference)
    if wish:
        with suppress(RefusedError):
            return cast(Event, graph.write(Method.POST, builder, About.CALENDAR, body | wish, prefer=AS_TEXT))
    return cast(Event, graph.write(Method.POST, builder, About.CALENDAR, body, prefer=AS_TEXT))


def _wished(conference: Conference | None) -> dict[str, Any]:
    """Return what asks Exchange to make an online meeting, where one of Microsoft's is wished for."""
    if conference is None or conference.url or conference.provider not in MEETINGS:
        return {}
    return {"isOnlineMeeting": True, "onlineMeetingProvider": conference.provider}


@contextmanager
def telling_gone(graph: Graph, calendar: RemoteCalendar, remote_id: str) -> Iterator[None]:
    """Tell an event that is gone from a lost calendar and an untrue answer, by one more read.

    What is wrongly believed to be gone would be made a second time, or left behind.
    """
    try:
        yield
    except GoneError:
        with suppress(RefusedError):  # It is there, and cannot be read.
            read_event(graph, calendar.remote_id, remote_id)
        raise RetryLaterError("Outlook says that an event is gone, and shows it.") from None


def update(graph: Graph, calendar: RemoteCalendar, push: PushUpdate) -> RemoteEvent:
    """Write the fields that changed, if the event is still as the hub knows it."""
    wanted, base = held(push.content), project(push.base).content
    fields = push.fields & changed_fields(base, wanted) & WRITABLE
    more = _guests(graph, push) | _meeting_of(push)
    if fields:
        people.refuse_to_mail(push)
    fields, kept, refusal = _around(graph, push, fields, wanted)
    more |= kept
    if refusal and not fields and not more:
        raise RefusedError(refusal)
    event = _written(graph, calendar, push, fields, wanted, more)
    if refusal:
        raise RefusedError(refusal)  # All else is written; the next listing shows it.
    return event


ENDLESS = "Outlook's own online meeting stays as it is: please end it in Outlook."


def _around(
    graph: Graph, push: PushUpdate, fields: frozenset[str], wanted: EventContent
) -> tuple[frozenset[str], dict[str, Any], str | None]:
    """Return which fields are written as usual, the text around what Outlook keeps in it, and what cannot be.

    Only a text that may hold something of Outlook's is read for it.
    """
    texts, shown = fields & {"description", "conference"}, push.base
    is_meeting = bool(shown.conference and shown.conference.provider)
    if not texts or not (is_meeting or PICTURE in shown.description):
        return fields, {}, None
    refusal = ENDLESS if is_meeting and "conference" in texts and wanted.conference is None else None
    kept: dict[str, Any] = {}
    if refusal is None or "description" in texts:
        event = read_html(graph, push.remote_id)
        _refuse_another(event, push)
        try:
            kept = text_around(event, project(shown).content.description, wanted)
        except RefusedError as error:
            refusal = error.message
    return fields - texts, kept, refusal


def _written(
    graph: Graph,
    calendar: RemoteCalendar,
    push: PushUpdate,
    fields: frozenset[str],
    wanted: EventContent,
    more: dict[str, Any],
) -> RemoteEvent:
    if wanted.when.is_series or push.base.when.is_series:
        return _update_series(graph, calendar, push, fields, wanted, more)
    if not fields and not more:
        return _read_known(graph, calendar, push)
    return understood(_patch(graph, push.remote_id, to_remote(wanted, fields) | more, push.version))


def _read_known(graph: Graph, calendar: RemoteCalendar, push: PushUpdate) -> RemoteEvent:
    """Return an event or a whole series, which must still be as the hub knows it.

    Raises:
        VersionMovedError: it is not.
    """
    shown = read_event(graph, calendar.remote_id, push.remote_id)
    if push.version and shown.version != push.version:
        raise VersionMovedError("The event was changed in Outlook meanwhile.")
    return shown


def _guests(graph: Graph, push: PushUpdate) -> dict[str, Any]:
    """Return the patch that changes who is invited; what is there is read for it."""
    if not push.notify or "attendees" not in push.fields:
        return {}
    builder = graph.me.events.by_event_id(push.remote_id)
    shown = cast(Event, graph.get(builder, About.EVENT, prefer=AS_TEXT))
    _refuse_another(shown, push)
    organizer = ((shown.get("organizer") or {}).get("emailAddress") or {}).get("address") or ""
    return {"attendees": people.guests(push.content.attendees, organizer, shown)}


def _refuse_another(event: Event, push: PushUpdate) -> None:
    """Check that what was read to be written around is the version that the hub knows.

    Raises:
        VersionMovedError: it is another.
    """
    if push.version and version_of(event) != push.version.partition("~")[0]:
        raise VersionMovedError("The event was changed in Outlook meanwhile.")


def _meeting_of(push: PushUpdate) -> dict[str, Any]:
    return _wished(push.content.conference) if "conference" in push.fields else {}


def delete(graph: Graph, push: PushDelete) -> None:
    """Delete an event, if it is still as the hub knows it."""
    builder = graph.me.events.by_event_id(push.remote_id)
    graph.write(Method.DELETE, builder, About.EVENT, if_match=etag(push.version))


def held(content: EventContent) -> EventContent:
    """Return what Outlook can hold of an event.

    Raises:
        RefusedError: it can hold none of it truthfully.
    """
    projection = project(content)
    if projection.refusal:
        raise RefusedError(projection.refusal)
    return projection.content


def _mark(push: PushCreate) -> str:
    return f"{push.tag}#{push.create_id}"


def _find(graph: Graph, calendar: RemoteCalendar, push: PushCreate) -> RemoteEvent | None:
    """Return what an earlier try created: known by its mark alone, never by how it looks."""
    value = _mark(push).replace("'", "''")
    query = {
        "$filter": f"singleValueExtendedProperties/any(ep: ep/id eq '{TAG_ID}' and ep/value eq '{value}')",
        "$select": "id,createdDateTime",
        "$top": "10",
    }
    builder = graph.me.calendars.by_calendar_id(calendar.remote_id).events
    answer = graph.get(builder, About.CALENDAR, query)
    found = sorted(answer.get("value") or [], key=lambda item: str(item.get("createdDateTime")))
    # A copy that a person made carries the mark too: the oldest is ours.
    return read_event(graph, calendar.remote_id, found[0]["id"]) if found else None


def _find_named(
    graph: Graph, calendar: RemoteCalendar, push: PushCreate, remote_id: str | None
) -> RemoteEvent | None:
    """Return the event that Exchange names as an earlier try's, unless it is another.

    Raises:
        GoneError: it is in no calendar any more, and has had the time to appear.
    """
    if remote_id is None:
        return None
    builder = graph.me.calendars.by_calendar_id(calendar.remote_id).events.by_event_id(remote_id)
    try:
        item = graph.get(builder, About.EVENT, {"$select": "id,transactionId"})
        found = read_event(graph, calendar.remote_id, remote_id)
    except GoneError:
        if push.attempt >= SURE_AFTER:
            graph.get(graph.me.events.by_event_id(remote_id), About.EVENT, {"$select": "id"})
        return None
    except RefusedError:
        return None
    return found if item.get("transactionId") == push.create_id or found.tag == push.tag else None


def _find_unmarked(graph: Graph, calendar: RemoteCalendar, push: PushCreate) -> RemoteEvent | None:
    """Return what an earlier try created if Exchange kept it without its mark: by its transactionId.

    That cannot be searched for, so what begins or is called alike is looked through: a person may have
    changed either meanwhile.
    """
    content = held(push.content)
    start, title = instant(content.when.start, content.when), content.title.replace("'", "''")
    builder = graph.me.calendars.by_calendar_id(calendar.remote_id).events
    for condition in (f"start/dateTime eq '{start.isoformat()}'", f"subject eq '{title}'"):
        query = {"$filter": condition, "$select": "id,transactionId", "$top": "50"}
        for item in graph.get(builder, About.CALENDAR, query).get("value") or []:
            if item.get("transactionId") == push.create_id:
                return read_event(graph, calendar.remote_id, item["id"])
    return None


def _marked(graph: Graph, calendar: RemoteCalendar, found: RemoteEvent, push: PushCreate) -> RemoteEvent:
    """Return what an earlier try made, with the hub's mark if that was lost."""
    if found.tag == push.tag:
        return found
    body = {"singleValueExtendedProperties": [{"id": TAG_ID, "value": _mark(push)}]}
    _patch(graph, found.remote_id, body, found.version)
    return replace(read_event(graph, calendar.remote_id, found.remote_id), tag=push.tag)


def _patch(graph: Graph, remote_id: str, body: dict[str, Any], version: str) -> Event:
    builder = graph.me.events.by_event_id(remote_id)
    answer = graph.write(Method.PATCH, builder, About.EVENT, body, if_match=etag(version), prefer=AS_TEXT)
    return cast(Event, answer)


def _update_series(
    graph: Graph,
    calendar: RemoteCalendar,
    push: PushUpdate,
    fields: frozenset[str],
    wanted: EventContent,
    more: dict[str, Any],
) -> RemoteEvent:
    """Write the master, then its occurrences: a new rule or time drops what was changed in them."""
    shown = _read_known(graph, calendar, push)
    now = project(shown.content).content
    body = to_remote(wanted, fields - {"when"}) | more
    if "when" in fields and (_frame(now.when) != _frame(wanted.when) or _restores(now.when, wanted.when)):
        body |= to_remote(wanted, {"when"})
        if not wanted.when.is_series:
            body["recurrence"] = None
    own, seen = shown, None
    if body:
        own = understood(_patch(graph, push.remote_id, body, push.version))
    if wanted.when.is_series and (body or "when" in fields):
        # A changed occurrence may hold its own copy of what the master has just changed.
        current = read_series(graph, push.remote_id) if body else shown
        if touched_days(current.content, shown.content, wanted, project):
            raise VersionMovedError("A day of the series was changed in Outlook meanwhile.")
        if write_exceptions(graph, current, wanted) == 0 and body:
            seen = current
    seen = seen or read_event(graph, calendar.remote_id, push.remote_id)
    return as_left(seen, own, shown.content, wanted, project)


def _frame(when: When) -> When:
    return replace(when, exceptions=())


def _restores(now: When, wanted: When) -> bool:
    """Whether a cancelled occurrence is wanted back: only the whole series can bring that."""
    gone = {e.original_start for e in now.exceptions if e.cancelled}
    return bool(gone - {e.original_start for e in wanted.exceptions if e.cancelled})

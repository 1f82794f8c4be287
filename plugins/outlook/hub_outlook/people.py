"""Guests and answers, which are written only when the hub says that they are to be told.

Graph mails by itself: the guests of a meeting at every write of its organiser (Graph: event-update), the
organiser at an answer that is sent (Graph: event-accept).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, cast

from kiota_abstractions.method import Method

from hub.plugin.errors import GoneError, RefusedError
from hub.plugin.types import (
    Answer,
    Attendee,
    PushAnswer,
    PushUpdate,
    RemoteCalendar,
    RemoteEvent,
    SeriesException,
)
from hub_outlook.client import AS_TEXT, Graph
from hub_outlook.errors import About
from hub_outlook.events import read_event
from hub_outlook.exceptions import instance_of
from hub_outlook.translate import ANSWERS, NOTIFY_ONLY
from hub_outlook.wire import Event, Recipient

ACTIONS = {Answer.ACCEPTED: "accept", Answer.TENTATIVE: "tentatively_accept", Answer.DECLINED: "decline"}


def refuse_to_mail(push: PushUpdate) -> None:
    """Raise for a write that would be told to guests though nobody has asked for that.

    Raises:
        RefusedError: the event is a meeting.
    """
    of_occurrences = any(e.attendees for e in push.base.when.exceptions)
    if (push.base.attendees or of_occurrences) and not push.notify:
        raise RefusedError(NOTIFY_ONLY)


def guests(wanted: Iterable[Attendee], organizer: str, shown: Event | None = None) -> list[dict[str, Any]]:
    """Return whom a meeting has after a write; Exchange keeps the answers of who stays.

    Args:
        organizer: address of who organises it, who is none of the guests at Graph.
        shown: the event as it is: a guest without an address (a room that is only named) stays there.
    """
    unnamed: list[Recipient] = [
        guest
        for guest in (shown or {}).get("attendees") or []
        if not (guest.get("emailAddress") or {}).get("address")
    ]
    own = organizer.casefold()
    rows = [
        {"type": g.role.value, "emailAddress": {"address": g.email, "name": g.name or g.email}}
        for g in wanted
        if g.email.casefold() != own
    ]
    return [*rows, *cast(list[dict[str, Any]], unnamed)]


def answer(graph: Graph, calendar: RemoteCalendar, push: PushAnswer) -> RemoteEvent:
    """Answer an invitation, or one occurrence of it, as the mailbox's owner.

    Raises:
        GoneError: it is not there, or not any more: a declined meeting may leave the calendar at once.
        RefusedError: the owner organises it.
    """
    if push.answer not in ACTIONS:
        raise RefusedError("An answer cannot be taken back.")
    event = _invitation(graph, push)
    if event.get("isOrganizer") is not False:
        raise RefusedError("The account's owner is no guest of this event in Outlook.")
    said = str((event.get("responseStatus") or {}).get("response")).casefold()
    if ANSWERS.get(said) is not push.answer:
        builder = graph.me.events.by_event_id(event["id"])
        body = {"Comment": push.comment, "SendResponse": push.notify}
        graph.write(Method.POST, getattr(builder, ACTIONS[push.answer]), About.EVENT, body)
    return read_event(graph, calendar.remote_id, push.remote_id)


def _invitation(graph: Graph, push: PushAnswer) -> Event:
    if push.original_start is None:
        builder = graph.me.events.by_event_id(push.remote_id)
        return cast(Event, graph.get(builder, About.EVENT, prefer=AS_TEXT))
    changed = {e.original_start: e for e in push.base.when.exceptions}
    change = changed.get(push.original_start) or SeriesException(push.original_start)
    found = instance_of(graph, push.remote_id, push.base.when, change)
    if found is None:
        raise GoneError("This occurrence does not take place.")
    return found

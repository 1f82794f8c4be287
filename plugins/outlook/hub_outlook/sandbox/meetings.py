"""Meetings: requests that arrive in other mailboxes, answers that come back, and the mails of both.

Exchange mails by itself (Graph: user-post-events, event-update, event-delete, event-cancel, event-accept).
Who has a mailbox here gets the meeting into the calendar, under the same iCalUId.
"""

from __future__ import annotations

from copy import deepcopy
from datetime import date
from typing import Any

from hub_outlook.sandbox.accept import DEFAULTS
from hub_outlook.sandbox.model import Item, Model, Person
from hub_outlook.sandbox.problems import GraphError

SHARED = (
    "subject", "body", "location", "locations", "isAllDay", "importance", "sensitivity", "isOnlineMeeting",
    "attendees", "responseRequested", "allowNewTimeProposals", "hideAttendees",
)  # fmt: skip
"""What is the organiser's; the rest of a guest's copy is the guest's own."""
RESPONSES = {"accept": "accepted", "tentativelyaccept": "tentativelyAccepted", "decline": "declined"}
NOT_ORGANIZER = "Your request can't be completed. You need to be an organizer to cancel a meeting."


def addresses(values: dict[str, Any]) -> list[str]:
    """Return whom a meeting would be mailed to."""
    found = ((a.get("emailAddress") or {}).get("address") for a in values.get("attendees") or [])
    return [address.casefold() for address in found if address]


def invited(item: Item) -> list[str]:
    """Return whom a meeting, or any occurrence of it, would be mailed to."""
    found = [*addresses(item.values), *(a for own in item.exceptions.values() for a in addresses(own))]
    return [a for a in dict.fromkeys(found) if not (item.is_organizer and a == item.person)]


def announce(model: Model, item: Item, was: list[str], names: set[str], *, mail: bool = True) -> None:
    """Tell the guests of a meeting that was made or changed, and bring it into their calendars.

    Args:
        was: who was invited before.
        names: the properties that were written; if it was the guests alone, only who comes or goes is told.
        mail: False for what a person does, of which no mail is counted.
    """
    if not item.is_organizer:
        if mail and names - {"categories", "isReminderOn", "reminderMinutesBeforeStart", "showAs"}:
            _mail(model, invited(item), "update", item)  # As a meeting of the guest's own making would.
        return
    now = invited(item)
    if mail:
        _mail(model, [a for a in now if a not in was], "invitation", item)
        if names != {"attendees"}:
            _mail(model, [a for a in now if a in was], "update", item)
        _mail(model, [a for a in was if a not in now], "cancellation", item)
    for address in now:
        if (person := model.people.get(address)) is not None:
            _deliver(model, item, person)
    for address in was:
        if address not in now:
            _call_off(model, item, address)


def cancel(model: Model, item: Item, day: date | None, *, mail: bool = True) -> None:
    """Tell the guests that a meeting, or an occurrence that is gone already, does not take place."""
    if not item.is_organizer:
        if mail and item.deleted:
            _mail(model, [item.organizer["address"]], "reply", item)
        return
    if mail:
        _mail(model, invited(item), "cancellation", item)
    for address in invited(item):
        if day is None:
            _call_off(model, item, address)
        elif (person := model.people.get(address)) is not None:
            _deliver(model, item, person)


def respond(
    model: Model, item: Item, day: date | None, action: str, *, send: bool = True, mail: bool = True
) -> None:
    """Answer a meeting request as its guest.

    Raises:
        GraphError: the mailbox's owner organises it.
    """
    if item.is_organizer:
        raise GraphError(
            400, "ErrorInvalidRequest", "Your request can't be completed. You are the organizer."
        )
    response = RESPONSES[action]
    own: dict[str, Any] = item.values
    if day is not None:
        own = item.exceptions.setdefault(day.isoformat(), {})
    own["response"] = response
    own["showAs"] = {"accepted": "busy", "declined": "free"}.get(response, "tentative")
    if send:
        if mail:
            _mail(model, [item.organizer["address"]], "reply", item)
        _tally(model, item, day, response)
    if response == "declined" and not model.switches["declined_stays"]:
        if day is None:
            model.delete(item)
        else:
            model.cancel_occurrence(item, day)
        return
    model.touch(item, "updated")


def forward(model: Model, item: Item, recipients: list[dict[str, Any]]) -> None:
    """Send a meeting to others, who get it as guests."""
    to = addresses({"attendees": recipients})
    _mail(model, to, "forward", item)
    for address in to:
        if (person := model.people.get(address)) is not None:
            _deliver(model, item, person)


def _tally(model: Model, item: Item, day: date | None, response: str) -> None:
    """Put a guest's answer into the organiser's meeting (only the primary calendar tallies)."""
    original = _copy_of(model, item, item.organizer["address"], of_organizer=True)
    if original is None:
        return
    rows = deepcopy(original.values["attendees"])
    if day is not None:
        own = original.exceptions.get(day.isoformat(), {})
        rows = deepcopy(own.get("attendees", rows))
    for row in rows:
        if ((row.get("emailAddress") or {}).get("address") or "").casefold() == item.person:
            row["status"] = {"response": response, "time": model.clock.now().strftime("%Y-%m-%dT%H:%M:%SZ")}
    if day is None:
        original.values["attendees"] = rows
    else:
        original.exceptions.setdefault(day.isoformat(), {})["attendees"] = rows
    model.touch(original, "updated")


def _deliver(model: Model, item: Item, person: Person) -> None:
    """Put a meeting into a guest's calendar, or bring it up to date there."""
    copy = _copy_of(model, item, person.email)
    values = {name: deepcopy(item.values[name]) for name in SHARED}
    for row in values["attendees"]:
        row.pop("status", None)
    if copy is None:
        own = DEFAULTS | values | {"showAs": "tentative"}
        fields = {"values": own, "start": item.start, "end": item.end, "zone": item.zone}
        copy = model.create(model.default_folder(person), fields | {"recurrence": deepcopy(item.recurrence)})
        organizer = model.people[item.person]
        copy.is_organizer, copy.uid = False, item.uid
        copy.organizer = {"name": organizer.name, "address": organizer.email}
    elif (copy.start, copy.end, copy.recurrence) != (item.start, item.end, item.recurrence):
        copy.values["response"], copy.values["showAs"] = "notResponded", "tentative"
        copy.start, copy.end, copy.zone = item.start, item.end, item.zone
        copy.recurrence, copy.generation = deepcopy(item.recurrence), copy.generation + 1
    copy.values |= values
    copy.exceptions = {
        day: {k: v for k, v in deepcopy(own).items() if k in (*SHARED, "start", "end", "zone")}
        | {k: v for k, v in copy.exceptions.get(day, {}).items() if k in ("response", "showAs")}
        for day, own in item.exceptions.items()
    } | {
        day: own
        for day, own in copy.exceptions.items()
        if "response" in own and day not in {*item.exceptions, *item.cancelled}
    }
    copy.cancelled = set(item.cancelled)
    model.touch(copy, "updated")


def _call_off(model: Model, item: Item, address: str) -> None:
    """Mark a guest's copy as cancelled: it stays until the guest takes it out."""
    copy = _copy_of(model, item, address)
    if copy is not None and not copy.is_cancelled:
        copy.is_cancelled = True
        copy.values["subject"] = f"Canceled: {copy.values['subject'] or ''}"
        model.touch(copy, "updated")


def _copy_of(model: Model, item: Item, address: str, *, of_organizer: bool = False) -> Item | None:
    for other in model.items.values():
        is_it = other.uid == item.uid and other.person == address.casefold() and not other.deleted
        if is_it and other.is_organizer == of_organizer:
            return other
    return None


def _mail(model: Model, to: list[str], kind: str, item: Item) -> None:
    for address in to:
        model.mails.append({"to": address, "kind": kind, "subject": f"{kind}: {item.values['subject']}"})

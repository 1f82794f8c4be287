"""What is written for people only because somebody has asked for it: guests that are told, and answers.

The API writes the wish into the copy that it goes through, in one transaction with the edit; the outbox
carries it out, once, and forgets it only with the provider's answer.
"""

from __future__ import annotations

import dataclasses
from datetime import date, datetime

from hub.domain.plain import is_day
from hub.models import EventCopy
from hub.plugin.codec import content_from_json
from hub.plugin.types import Answer, EventContent, PushAnswer

PARTLY_SHOWN = "The provider shows only a part of the guests, so they are not changed."


def barrier(copy: EventCopy) -> str | None:
    """Return why the hub must not write what others have of an event; None if it may."""
    return copy.read_only or (None if copy.notify_version > 0 else copy.notify_only)


def with_guests(seen: EventContent, content: EventContent, base: EventContent | None) -> EventContent:
    """Return what a provider shows of an event whose guests are invited from there."""
    organizer, own = (base.organizer, base.own_answer) if base else (None, None)
    return dataclasses.replace(seen, attendees=content.attendees, organizer=organizer, own_answer=own)


def next_answer(copy: EventCopy) -> PushAnswer:
    """Return the first answer to an invitation that the provider does not have yet."""
    assert copy.remote_id is not None
    occurrence, wish = min((copy.reply or {}).items())
    start: date | datetime | None = None
    if occurrence:
        start = (date if is_day(occurrence) else datetime).fromisoformat(occurrence)
    base = content_from_json(copy.base)
    return PushAnswer(copy.remote_id, base, Answer(wish["answer"]), wish["comment"], wish["notify"], start)


def forget_answer(copy: EventCopy, push: PushAnswer) -> None:
    """Take a wish for done, unless there is another one for the same occurrence by now."""
    given = {"answer": push.answer.value, "comment": push.comment, "notify": push.notify}
    occurrence = push.original_start.isoformat() if push.original_start else ""
    rest = {name: wish for name, wish in (copy.reply or {}).items() if (name, wish) != (occurrence, given)}
    copy.reply = rest or None

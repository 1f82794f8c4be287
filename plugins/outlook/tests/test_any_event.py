"""Any event that the model can express: what Outlook would show of it is what it shows."""

from __future__ import annotations

from datetime import date, datetime

from hypothesis import assume, given, settings

from hub.plugin.strategies import contents
from hub.plugin.types import EventContent
from hub_outlook.project import occurrence, project
from hub_outlook.sandbox import accept, query, show
from hub_outlook.sandbox.clock import Clock
from hub_outlook.sandbox.control import ALL, WHOLE
from hub_outlook.sandbox.model import Item, Model
from hub_outlook.sandbox.show import Preferences
from hub_outlook.translate import from_remote, to_remote

PREFER = Preferences(immutable=True, text=True)


def shown_after_writing(content: EventContent) -> EventContent:
    """Write an event to an empty mailbox without the wire, and read it."""
    model = Model(Clock(), 1)
    person = model.add_person("ann@example.test", "Ann")
    item = model.create(model.default_folder(person), accept.new_event(to_remote(content, ALL)))
    _change_occurrences(model, item, content)
    event = query.decorated(model, item, show.full(model, item, PREFER), WHOLE, PREFER, True)
    return from_remote(event).content  # type: ignore[arg-type]


def _change_occurrences(model: Model, item: Item, content: EventContent) -> None:
    for change in sorted(content.when.exceptions, key=lambda e: not e.cancelled):
        day = _day(change.original_start)
        if change.cancelled:
            model.cancel_occurrence(item, day)
            continue
        body = to_remote(occurrence(content, change), ALL)
        del body["isAllDay"]
        start, end = model.span(item, day)
        now = {"start": start, "end": end, "zone": "UTC", "isAllDay": item.values["isAllDay"]}
        model.update_occurrence(item, day, accept.changes(body, item, now))


def _day(value: date | datetime) -> date:
    return value.date() if isinstance(value, datetime) else value


@settings(max_examples=200, deadline=None, derandomize=True)
@given(contents())
def test_what_outlook_shows_after_a_write_is_the_projection(content: EventContent) -> None:
    held = project(content)
    assume(held.refusal is None)
    shown = shown_after_writing(held.content)
    assert shown == held.content
    assert project(shown).content == shown

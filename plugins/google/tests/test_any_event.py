"""Any event that the model can express: what Google would show of it is read as the same again."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import assume, given, settings

from hub.plugin.strategies import contents
from hub.plugin.types import EventContent
from hub_google.projection import project
from hub_google.translate import from_remote, to_remote
from hub_google.values import without_nulls


@settings(max_examples=200, deadline=None, derandomize=True)
@given(contents())
def test_what_google_can_hold_survives_the_trip_there_and_back(content: EventContent) -> None:
    held = project(replace(content, conference=None, when=replace(content.when, exceptions=())))
    assume(held.refusal is None)
    item = without_nulls(to_remote(held.content)) | {"id": "x"}
    shown = from_remote(item, [], "Asia/Tokyo").content
    assert shown == held.content and project(shown).content == shown

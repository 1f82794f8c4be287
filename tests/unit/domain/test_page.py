"""What a page of a listing comes to, decided without a database."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from hub.domain.drafts import NEW_COPY, Draft, EventDraft, InStep
from hub.domain.lens import Filters, Lens
from hub.domain.merging import Terms
from hub.domain.page import Plan
from hub.domain.plain import Plain
from hub.plugin import strategies
from hub.plugin.codec import from_json, to_json
from hub.plugin.types import CONTENT_FIELDS, EventContent, RemoteEvent, When

NOW = datetime(2026, 5, 4, 9, tzinfo=UTC)
THERE = {"id": "cpy_1", "event_id": "evt_1", "remote_id": "a", "remote_version": "1", "uid": "a@example.test"}
LENSES = (
    Lens(), Lens(busy_title="Busy"), Lens(leave_alone=frozenset({"location"})),
    Lens(filters=Filters(free=False, all_day=False, past=False)),
)  # fmt: skip


class Ids:
    def new(self, prefix: str) -> str:
        return f"{prefix}_new"

    def bare(self) -> str:
        return "new"

    def many(self, count: int) -> list[str]:
        return ["new"] * count


class Views:
    """A provider that can show all of an event."""

    def project(self, content: Plain) -> Plain:
        return content

    def shapes(self, content: Plain) -> list[Plain]:
        return [content]


def plan(lens: Lens, direction: str) -> Plan:
    terms = Terms("lnk_1", direction, lens, "newest", 7, "Europe/Berlin", "memory", NOW, NOW)
    return Plan(terms, Ids(), Views())


def remote(content: EventContent, version: str, uid: str | None, updated_at: datetime | None) -> RemoteEvent:
    return RemoteEvent("a", version, content, uid=uid, updated_at=updated_at)


def merged(made: Plan, base: Plain, event: RemoteEvent, *, is_ours: bool) -> tuple[Any, ...]:
    """Return what becomes of a copy in step and its event by the rules for all copies."""
    known = {"wanted_version": 4, "pushed_version": 4, "base": base, "is_ours": is_ours, "seen_generation": 7}
    copy = Draft(NEW_COPY | THERE | known)
    row = {"id": "evt_1", "uid": "a", "version": 4, "updated_at": NOW, "deleted_at": None, "extra": {}}
    draft = EventDraft(Draft(row), base)
    made.changed(copy, draft, event, to_json(event.content))
    wanted = (
        copy["remote_version"], copy["base"], copy["shown_at"], copy["wanted_version"], copy["pushed_version"]
    )  # fmt: skip
    names = {"remote_version", "base", "shown_at", "wanted_version", "pushed_version"}
    odd = {name: value for name, value in copy.changed.items() if name not in names}
    was_edited = "version" in draft.row.changed
    updated_at = draft.row["updated_at"] if was_edited else None
    return wanted, odd, draft.content, draft.version, updated_at, draft.span, made.writes.conflicts


@given(
    strategies.contents(),
    strategies.contents(),
    st.sets(st.sampled_from(CONTENT_FIELDS), max_size=4),
    st.sampled_from(LENSES),
    st.sampled_from(["two_way", "import", "export"]),
    st.sampled_from(["1", "2", ""]),
    st.sampled_from([None, NOW - timedelta(days=1), NOW + timedelta(days=1)]),
    st.booleans(),
)
def test_what_is_followed_is_what_a_merge_comes_to(
    known, later, names, lens, direction, version, updated_at, is_ours
) -> None:
    base = to_json(known)
    after = dataclasses.replace(known, **{name: getattr(later, name) for name in names})
    event = remote(after, version, THERE["uid"], updated_at)
    quick, whole = plan(lens, direction), plan(lens, direction)
    in_step = InStep("cpy_1", "evt_1", "1", THERE["uid"], None, is_ours, base, 4, NOW)
    if not quick.follows(in_step, event, to_json(after)):
        assert quick.writes.log == [] and quick.writes.followed == []
        return
    (found,) = quick.writes.followed
    wanted = event.version, to_json(after), event.updated_at, found.version, found.version
    told = (wanted, {}, found.content, found.version, found.updated_at, found.span, [])
    assert told == merged(whole, base, event, is_ours=is_ours)
    assert quick.writes.log == whole.writes.log
    assert quick.writes.touched == whole.writes.touched


def test_an_edit_of_an_event_in_step_is_followed_and_what_else_differs_is_not() -> None:
    base = {"when": {"start": "2026-05-05", "end": "2026-05-06"}, "title": "Lunch"}
    in_step = InStep("cpy_1", "evt_1", "1", "u", "https://a.test", False, base, 4, NOW)
    content = EventContent(from_json(When, base["when"]), title="Dinner")
    fine = RemoteEvent("a", "2", content, uid="u", web_link="https://a.test")
    assert plan(Lens(), "two_way").follows(in_step, fine, to_json(content))
    for other in (
        {"version": "1"}, {"uid": "v"}, {"web_link": None}, {"read_only": "because"}, {"notice": "odd"},
        {"own_fields": frozenset({"color"})}, {"notify_only": "because"},
        {"partial_fields": frozenset({"attendees"})},
    ):  # fmt: skip
        changed = dataclasses.replace(fine, **other)
        assert not plan(Lens(), "two_way").follows(in_step, changed, to_json(content))

"""The three-way merge loses nothing: each changed value is in the result or in a clash."""

from __future__ import annotations

import dataclasses
from datetime import datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from hub.domain.fingerprint import fingerprint, fingerprints
from hub.domain.merge import frame, merge
from hub.plugin.testing import series, timed
from hub.plugin.types import (
    CONTENT_FIELDS,
    EventContent,
    Location,
    SeriesException,
    ShowAs,
    When,
    changed_fields,
)

NINE = datetime(2026, 12, 7, 9)
LUNCH = timed("Lunch", NINE)

whens = st.integers(0, 3).map(
    lambda d: When(NINE + timedelta(days=d), NINE + timedelta(days=d, hours=1), "UTC")
)
contents = st.builds(
    EventContent,
    when=whens,
    title=st.sampled_from(["", "A", "B", "C"]),
    description=st.sampled_from(["", "x", "y"]),
    location=st.sampled_from([None, Location("Room 1"), Location("Room 2")]),
    show_as=st.sampled_from([ShowAs.BUSY, ShowAs.FREE]),
    categories=st.sampled_from([(), ("work",)]),
)


def merged(base: EventContent, theirs: EventContent, ours: EventContent, winner: str = "provider"):
    return merge(base, theirs, ours, fingerprints(base), ours, winner)


@given(contents, contents, contents, st.sampled_from(["hub", "provider"]))
def test_every_edit_is_in_the_result_or_whole_in_a_clash(base, theirs, ours, winner) -> None:
    result = merged(base, theirs, ours, winner)
    clashes = {c.field: c for c in result.clashes}
    for name in changed_fields(base, theirs):
        kept = getattr(result.content, name) == getattr(theirs, name)
        assert kept or clashes[name].provider_value == getattr(theirs, name)
    for name in changed_fields(base, ours):
        kept = getattr(result.content, name) == getattr(ours, name)
        assert kept or clashes[name].hub_value == getattr(ours, name)


@given(contents, contents, contents, st.sampled_from(["hub", "provider"]))
def test_what_is_not_owed_is_as_the_provider_shows_it(base, theirs, ours, winner) -> None:
    result = merged(base, theirs, ours, winner)
    for name in set(CONTENT_FIELDS) - result.owed:
        assert getattr(result.content, name) == getattr(theirs, name)


@given(contents, contents, contents)
def test_merging_the_outcome_again_changes_nothing(base, theirs, ours) -> None:
    first = merged(base, theirs, ours)
    again = merge(theirs, theirs, first.content, first.synced, first.content, "provider")
    assert again.content == first.content
    assert again.owed == first.owed
    assert again.clashes == () and again.taken == frozenset()


@given(contents, contents)
def test_two_events_that_meet_keep_what_only_one_has(theirs, ours) -> None:
    result = merge(None, theirs, ours, {}, ours, "provider")
    plain = EventContent(when=theirs.when)
    for name in set(CONTENT_FIELDS) - {"when"}:
        if getattr(theirs, name) == getattr(plain, name):
            assert getattr(result.content, name) == getattr(ours, name)
        elif getattr(ours, name) == getattr(plain, name):
            assert getattr(result.content, name) == getattr(theirs, name)


def test_a_time_is_never_mixed_from_two_edits() -> None:
    theirs = timed("Lunch", NINE + timedelta(hours=1))
    ours = timed("Lunch", NINE, minutes=30)
    result = merged(LUNCH, theirs, ours, "hub")
    assert result.content.when == ours.when
    assert [c.field for c in result.clashes] == ["when"]


def test_a_value_that_the_provider_cannot_hold_is_not_lost_when_it_edits_another_field() -> None:
    ours = dataclasses.replace(LUNCH, show_as=ShowAs.WORKING_ELSEWHERE)
    base = dataclasses.replace(LUNCH, show_as=ShowAs.BUSY)
    theirs = dataclasses.replace(base, title="Brunch")
    result = merge(base, theirs, ours, fingerprints(ours), base, "provider")
    assert (result.content.title, result.content.show_as) == ("Brunch", ShowAs.WORKING_ELSEWHERE)
    assert result.owed == frozenset()


def test_both_sides_saying_the_same_is_no_clash() -> None:
    theirs = ours = dataclasses.replace(LUNCH, title="Brunch")
    result = merged(LUNCH, theirs, ours)
    assert result.clashes == () and result.owed == frozenset() and result.taken == frozenset()


def test_a_series_that_our_own_write_left_half_way_is_no_edit() -> None:
    whole = series("Standup", NINE, "FREQ=DAILY;COUNT=5", SeriesException(NINE, title="Kick-off"))
    half = dataclasses.replace(whole, when=frame(whole.when))
    tried = {"when": [fingerprint(frame(whole.when)), fingerprint(whole.when)]}
    merged = merge(None, half, whole, {}, whole, "provider", tried)
    assert (merged.content, merged.clashes) == (whole, ())
    assert "when" in merged.owed


def test_an_occurrence_that_a_person_changed_in_a_half_written_series_is_an_edit() -> None:
    whole = series("Standup", NINE, "FREQ=DAILY;COUNT=5", SeriesException(NINE, title="Kick-off"))
    edited = series("Standup", NINE, "FREQ=DAILY;COUNT=5", SeriesException(NINE, title="Theirs"))
    tried = {"when": [fingerprint(frame(whole.when)), fingerprint(whole.when)]}
    merged = merge(None, edited, whole, {}, whole, "provider", tried)
    assert merged.content.when == edited.when

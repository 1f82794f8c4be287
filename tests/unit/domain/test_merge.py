"""The three-way merge loses nothing: each changed value is in the result or in a clash."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from datetime import datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from hub.domain.fingerprint import fingerprint
from hub.domain.merge import ALL_FIELDS, NOTHING, Merged, frame, in_step, merge, merge_fields, taken_whole
from hub.domain.plain import Plain
from hub.plugin import strategies
from hub.plugin.codec import content_from_json, to_json
from hub.plugin.testing import series, timed
from hub.plugin.types import (
    CONTENT_FIELDS,
    Answer,
    Attendee,
    EventContent,
    Location,
    Person,
    SeriesException,
    ShowAs,
    Visibility,
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


def not_asked(content: Plain) -> Plain:
    """Stand for a provider whose view of an event must not be needed."""
    raise AssertionError(content)


def merged(
    base: EventContent | None,
    theirs: EventContent,
    ours: EventContent,
    winner: str = "provider",
    shown: EventContent | None = None,
    held: EventContent | None = None,
    tried: Mapping[str, list[str]] = NOTHING,
) -> Merged:
    """Merge; `shown` is what the provider can show of ours, `held` the hub's value that `base` stands for."""
    plain = base and to_json(base)
    synced = in_step(to_json(held), to_json(base)) if held and base else {}
    view = to_json(shown or ours)
    return merge(plain, to_json(theirs), to_json(ours), synced, lambda content: view, winner, tried)


def tried(content: EventContent) -> dict[str, list[str]]:
    """Return what a write of the time of a series may leave there."""
    when = to_json(content.when)
    return {"when": [fingerprint(frame(when)), fingerprint(when)]}


def content_of(result: Merged) -> EventContent:
    return content_from_json(result.content)


@given(contents, contents, contents, st.sampled_from(["hub", "provider"]))
def test_every_edit_is_in_the_result_or_whole_in_a_clash(base, theirs, ours, winner) -> None:
    result = merged(base, theirs, ours, winner)
    clashes = {c.field: c for c in result.clashes}
    for name in changed_fields(base, theirs):
        kept = getattr(content_of(result), name) == getattr(theirs, name)
        assert kept or clashes[name].provider_value == to_json(getattr(theirs, name))
    for name in changed_fields(base, ours):
        kept = getattr(content_of(result), name) == getattr(ours, name)
        assert kept or clashes[name].hub_value == to_json(getattr(ours, name))


@given(contents, contents, contents, st.sampled_from(["hub", "provider"]))
def test_what_is_not_owed_is_as_the_provider_shows_it(base, theirs, ours, winner) -> None:
    result = merged(base, theirs, ours, winner)
    for name in set(CONTENT_FIELDS) - result.owed:
        assert getattr(content_of(result), name) == getattr(theirs, name)


@given(strategies.contents(), strategies.contents(), st.sets(st.sampled_from(CONTENT_FIELDS)))
def test_what_is_taken_whole_is_what_a_merge_field_by_field_comes_to(known, later, names) -> None:
    before = to_json(known)
    after = to_json(dataclasses.replace(known, **{name: getattr(later, name) for name in names}))
    whole = taken_whole(before, after)
    if whole is not None:
        rest = NOTHING, ALL_FIELDS, (), ALL_FIELDS
        assert whole == merge_fields(before, after, before, {}, not_asked, "hub", *rest)


@given(strategies.contents(), st.sampled_from(["title", "location", "color", "visibility"]))
def test_an_edit_of_a_single_event_is_taken_whole(known, name) -> None:
    before = to_json(dataclasses.replace(known, when=LUNCH.when))
    whole = taken_whole(before, before | {name: "an edit"})
    assert whole is not None and whole.taken == {name}


@given(contents, contents, contents)
def test_merging_the_outcome_again_changes_nothing(base, theirs, ours) -> None:
    first = merged(base, theirs, ours)
    plain = to_json(theirs)
    again = merge(plain, plain, first.content, first.synced, lambda content: content, "provider")
    assert again.content == first.content
    assert again.owed == first.owed
    assert again.clashes == () and again.taken == frozenset()


@given(contents, contents)
def test_two_events_that_meet_keep_what_only_one_has(theirs, ours) -> None:
    result = merged(None, theirs, ours)
    plain = EventContent(when=theirs.when)
    for name in set(CONTENT_FIELDS) - {"when"}:
        if getattr(theirs, name) == getattr(plain, name):
            assert getattr(content_of(result), name) == getattr(ours, name)
        elif getattr(ours, name) == getattr(plain, name):
            assert getattr(content_of(result), name) == getattr(theirs, name)


def test_a_time_is_never_mixed_from_two_edits() -> None:
    theirs = timed("Lunch", NINE + timedelta(hours=1))
    ours = timed("Lunch", NINE, minutes=30)
    result = merged(LUNCH, theirs, ours, "hub")
    assert content_of(result).when == ours.when
    assert [c.field for c in result.clashes] == ["when"]


def test_a_value_that_the_provider_cannot_hold_is_not_lost_when_it_edits_another_field() -> None:
    ours = dataclasses.replace(LUNCH, show_as=ShowAs.WORKING_ELSEWHERE)
    base = dataclasses.replace(LUNCH, show_as=ShowAs.BUSY)
    theirs = dataclasses.replace(base, title="Brunch")
    result = merged(base, theirs, ours, shown=base, held=ours)
    assert (content_of(result).title, content_of(result).show_as) == ("Brunch", ShowAs.WORKING_ELSEWHERE)
    assert result.owed == frozenset()


def test_a_value_that_the_provider_cannot_hold_is_overwritten_where_a_person_sets_another_there() -> None:
    ours = dataclasses.replace(LUNCH, show_as=ShowAs.WORKING_ELSEWHERE)
    theirs = dataclasses.replace(LUNCH, show_as=ShowAs.FREE)
    result = merged(LUNCH, theirs, ours, shown=LUNCH, held=ours)
    assert content_of(result).show_as is ShowAs.FREE
    assert result.owed == frozenset() and result.clashes == ()


def test_guests_that_a_person_takes_away_are_gone_though_the_hub_could_not_write_them() -> None:
    guests = dataclasses.replace(LUNCH, attendees=(Attendee("bob@example.test"),))
    result = merged(guests, LUNCH, guests, shown=LUNCH)
    assert content_of(result).attendees == ()


def test_an_answer_is_taken_over_where_it_is_given_and_owed_to_nobody() -> None:
    asked = dataclasses.replace(LUNCH, own_answer=Answer.NEEDS_ACTION)
    said_yes, said_no = (dataclasses.replace(LUNCH, own_answer=a) for a in (Answer.ACCEPTED, Answer.DECLINED))
    result = merged(asked, said_no, said_yes, "hub")
    assert content_of(result).own_answer is Answer.DECLINED, "the latest answer is the person's"
    assert merged(asked, asked, said_yes).owed == frozenset() == result.owed
    assert result.clashes == ()


def test_an_invitation_that_comes_later_does_not_take_an_answer_back() -> None:
    asked = dataclasses.replace(LUNCH, own_answer=Answer.NEEDS_ACTION)
    said_yes = dataclasses.replace(LUNCH, own_answer=Answer.ACCEPTED)
    for theirs in (asked, LUNCH):
        result = merged(None, theirs, said_yes, shown=LUNCH)
        assert (content_of(result).own_answer, result.owed) == (Answer.ACCEPTED, frozenset())
    assert content_of(merged(None, said_yes, asked)).own_answer is Answer.ACCEPTED


def test_an_edit_that_won_and_is_taken_back_is_written_where_the_other_value_stands() -> None:
    theirs = dataclasses.replace(LUNCH, title="Brunch")
    clash = merged(LUNCH, theirs, dataclasses.replace(LUNCH, title="Dinner"), "hub")
    assert clash.owed == {"title"}
    back = merge(to_json(theirs), to_json(theirs), to_json(LUNCH), clash.synced, lambda c: c, "hub")
    assert back.owed == {"title"}


def test_both_sides_saying_the_same_is_no_clash() -> None:
    theirs = ours = dataclasses.replace(LUNCH, title="Brunch")
    result = merged(LUNCH, theirs, ours)
    assert result.clashes == () and result.owed == frozenset() and result.taken == frozenset()


def test_a_series_that_our_own_write_left_half_way_is_no_edit() -> None:
    whole = series("Standup", NINE, "FREQ=DAILY;COUNT=5", SeriesException(NINE, title="Kick-off"))
    half = dataclasses.replace(whole, when=dataclasses.replace(whole.when, exceptions=()))
    result = merged(None, half, whole, tried=tried(whole))
    assert (content_of(result), result.clashes) == (whole, ())
    assert "when" in result.owed


def test_a_day_of_which_our_own_write_changed_a_part_is_no_edit() -> None:
    day = SeriesException(NINE + timedelta(weeks=1), title="Special", description="Bring cake")
    base, whole = a_series(), a_series(day)
    half = a_series(dataclasses.replace(day, description=None))
    for winner in ("hub", "provider"):
        result = merged(base, half, whole, winner=winner, tried=tried(whole))
        assert (result.clashes, result.taken, result.owed) == ((), frozenset(), {"when"})
    other = a_series(dataclasses.replace(day, description="Bring tea"))
    assert merged(base, other, whole, tried=tried(whole)).clashes != ()


def test_an_occurrence_that_a_person_changed_in_a_half_written_series_is_an_edit() -> None:
    whole = series("Standup", NINE, "FREQ=DAILY;COUNT=5", SeriesException(NINE, title="Kick-off"))
    edited = series("Standup", NINE, "FREQ=DAILY;COUNT=5", SeriesException(NINE, title="Theirs"))
    result = merged(None, edited, whole, tried=tried(whole))
    assert content_of(result).when == edited.when


ANN, BOB, CAT, DAN = (Attendee(f"{name}@example.test") for name in ("ann", "bob", "cat", "dan"))


OTHER = {"title": "Other", "visibility": Visibility.PRIVATE, "color": "red"}


def a_series(*exceptions: SeriesException) -> EventContent:
    return series("Weekly", NINE, "FREQ=WEEKLY;COUNT=6", *exceptions)


def test_what_a_provider_cannot_hold_of_an_occurrence_survives_an_edit_of_another_there() -> None:
    second, third = NINE + timedelta(weeks=1), NINE + timedelta(weeks=2)
    colored = SeriesException(NINE + timedelta(weeks=3), color="blue")
    ours = a_series(SeriesException(second, **OTHER), colored)
    shown = a_series(SeriesException(second, title="Other"))
    cancelled = SeriesException(third, cancelled=True)
    theirs = a_series(SeriesException(second, title="Other"), cancelled)
    result = merged(shown, theirs, ours, shown=shown, held=ours)
    assert content_from_json(result.content).when.exceptions == (
        SeriesException(second, **OTHER), cancelled, colored,
    )  # fmt: skip
    assert not result.owed and not result.clashes


def test_what_somebody_changes_or_takes_back_of_an_occurrence_is_as_they_say() -> None:
    second = NINE + timedelta(weeks=1)
    ours, shown = a_series(SeriesException(second, **OTHER)), a_series(SeriesException(second, title="Other"))
    for now in (SeriesException(second, title="New"), SeriesException(second, cancelled=True)):
        result = merged(shown, a_series(now), ours, shown=shown, held=ours)
        (exception,) = content_from_json(result.content).when.exceptions
        assert (exception.title, exception.cancelled) == (now.title, now.cancelled)
        assert exception.color == (None if now.cancelled else "red")
    taken_back = merged(shown, a_series(), ours, shown=shown, held=ours)
    assert content_from_json(taken_back.content).when.exceptions == ()


def test_what_is_known_of_a_day_that_a_new_rule_does_not_make_goes_with_it() -> None:
    ours = a_series(SeriesException(NINE + timedelta(weeks=1), color="red"))
    theirs = series("Weekly", NINE, "FREQ=WEEKLY;INTERVAL=2;COUNT=3")
    result = merged(a_series(), theirs, ours, shown=a_series(), held=ours)
    assert content_from_json(result.content).when == theirs.when


def test_guests_that_both_sides_have_added_and_taken_away_are_one_list() -> None:
    base, theirs, ours = (
        dataclasses.replace(LUNCH, attendees=guests)
        for guests in (
            (ANN, BOB, CAT),
            (ANN, dataclasses.replace(CAT, answer=Answer.ACCEPTED), DAN),
            (BOB, CAT),
        )
    )
    result = merged(base, theirs, ours, "hub")
    assert content_of(result).attendees == (dataclasses.replace(CAT, answer=Answer.ACCEPTED), DAN)
    assert (result.owed, result.clashes) == (frozenset(), ())


def test_guests_in_another_order_or_with_other_capitals_are_the_same() -> None:
    theirs = dataclasses.replace(LUNCH, attendees=(BOB, Attendee("ANN@example.test")))
    ours = dataclasses.replace(LUNCH, attendees=(ANN, BOB))
    assert merged(ours, theirs, ours).taken == frozenset() == merged(None, theirs, ours).taken


def test_guests_of_two_invitations_to_one_meeting_are_all_of_them() -> None:
    yes = dataclasses.replace(ANN, answer=Answer.ACCEPTED)
    theirs = dataclasses.replace(LUNCH, attendees=(ANN, BOB), organizer=Person("boss@example.test"))
    ours = dataclasses.replace(LUNCH, attendees=(yes,), organizer=Person("boss@example.test", "Boss"))
    for winner in ("hub", "provider"):
        result = merged(None, theirs, ours, winner)
        assert content_of(result).attendees == (yes, BOB)
        assert content_of(result).organizer == Person("boss@example.test", "Boss")
        assert (result.owed, result.clashes) == (frozenset(), ())


def test_an_occurrence_s_answer_and_guests_are_no_edit_of_the_time() -> None:
    tuesday = NINE + timedelta(days=1)
    plain = series("Daily", NINE, "FREQ=DAILY;COUNT=3")

    def with_change(**values: object) -> EventContent:
        change = SeriesException(tuesday, **values)  # type: ignore[arg-type]
        return dataclasses.replace(plain, when=dataclasses.replace(plain.when, exceptions=(change,)))

    moved = {"start": tuesday + timedelta(hours=1), "end": tuesday + timedelta(hours=2)}
    declined = with_change(own_answer=Answer.DECLINED)
    assert content_of(merged(plain, declined, plain)) == declined
    both = merged(plain, declined, with_change(**moved), "provider")
    assert content_of(both) == with_change(own_answer=Answer.DECLINED, **moved)
    assert (both.owed, both.clashes) == ({"when"}, ())
    mirror = merged(plain, with_change(**moved), with_change(attendees=(BOB,)), held=declined)
    assert content_of(mirror) == with_change(attendees=(BOB,), **moved)
    for first in (plain, declined):
        met = merged(None, first, with_change(own_answer=Answer.ACCEPTED))
        assert content_of(met) == with_change(own_answer=Answer.ACCEPTED)
        assert (met.owed, met.clashes) == (frozenset(), ())
    back = merged(declined, plain, declined)
    assert (content_of(back), back.owed) == (plain, frozenset())

"""What a link makes of an event: views of it, and how what was changed in a view comes back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.domain.lens import BUSY_FIELDS, LEAVABLE, Filters, Lens, fault_of_title, put_back, title_of
from hub.domain.merge import ALL_FIELDS
from hub.domain.plain import Plain

NOW = datetime(2026, 12, 1, tzinfo=UTC)
BUSY = Lens(busy_title="Busy")
DAILY: Plain = {
    "start": "2026-12-07T09:00:00",
    "end": "2026-12-07T10:00:00",
    "start_zone": "Europe/Berlin",
    "recurrence": ["RRULE:FREQ=DAILY;COUNT=5"],
}
SECRETS = ("Surgery", "Ward 7", "dr@example.test", "https://meet.test/x", "scan.pdf", "illness")


def day(n: int, **values: Any) -> Plain:
    return {"original_start": f"2026-12-{n:02}T09:00:00", **values}


def series(*days: Plain, **values: Any) -> Plain:
    return {"when": DAILY | ({"exceptions": list(days)} if days else {}), **values}


SECRET = series(
    day(8, title="Surgery", location={"name": "Ward 7"}, attendees=[{"email": "dr@example.test"}]),
    day(9, start="2026-12-09T11:00:00", end="2026-12-09T12:00:00", description="illness"),
    title="Surgery",
    description="illness",
    description_html="<p>illness</p>",
    location={"name": "Ward 7"},
    organizer={"email": "dr@example.test"},
    attendees=[{"email": "dr@example.test"}],
    conference={"url": "https://meet.test/x"},
    attachments=[{"url": "https://x.test/scan.pdf"}],
    categories=["illness"],
    url="https://meet.test/x",
    visibility="private",
    show_as="out_of_office",
)


def test_a_link_without_options_hands_the_very_event_on() -> None:
    assert Lens().shown(SECRET, None, is_ours=True) is SECRET
    assert Lens().shown(SECRET, {}, is_ours=False) is SECRET


def test_a_busy_copy_holds_nothing_but_its_title_and_when_it_is() -> None:
    lens = Lens(busy_title=title_of("{calendar}: {show_as}", "Mine"))
    seen = lens.shown(SECRET, None, is_ours=True)
    assert seen.keys() == {"when", "title", "show_as"}
    assert seen["title"] == "Mine: out of office"
    assert seen["when"]["exceptions"] == [day(9, start="2026-12-09T11:00:00", end="2026-12-09T12:00:00")]
    assert not any(secret in str(seen) for secret in SECRETS)


def test_a_busy_link_writes_into_what_a_person_has_made_only_when_it_is() -> None:
    theirs = series(day(8, title="My own"), title="My own", description="mine", show_as="busy")
    ours = SECRET | {"when": DAILY | {"end": "2026-12-07T11:00:00", "exceptions": [day(10, cancelled=True)]}}
    seen = BUSY.shown(ours, theirs, is_ours=False)
    assert seen == theirs | {
        "show_as": "out_of_office",
        "when": ours["when"] | {"exceptions": [day(8, title="My own"), day(10, cancelled=True)]},
    }
    assert BUSY.written(is_ours=False) == BUSY_FIELDS and BUSY.taken(is_ours=False) == ALL_FIELDS


def test_a_field_that_is_left_alone_is_as_it_is_there_in_every_day_of_a_series() -> None:
    lens = Lens(leave_alone=frozenset({"reminders", "description"}))
    ours = series(day(8, reminders=[{"minutes": 5}], title="Late"), title="A", description="ours")
    theirs = series(day(8, reminders=[], title="Late"), title="A", reminders=[{"minutes": 30}])
    assert lens.shown(ours, theirs, is_ours=True) == theirs
    assert lens.shown(ours, None, is_ours=True) == series(day(8, title="Late"), title="A")
    assert lens.brought_in(theirs) == series(day(8, title="Late"), title="A")
    assert lens.brought_in(series(day(8, reminders=[]))) == series()


def test_what_must_not_be_seen_is_taken_away_even_where_it_is_left_alone() -> None:
    lens = Lens(busy_title="Busy", leave_alone=frozenset({"description", "reminders"}))
    base = {"when": DAILY, "title": "Surgery", "description": "illness", "reminders": []}
    seen = lens.shown(SECRET, base, is_ours=True)
    assert "description" not in seen and seen["reminders"] == []
    assert "description" in lens.written(is_ours=True) and "reminders" not in lens.written(is_ours=True)


@pytest.mark.parametrize(
    ("filters", "content", "left_out"),
    [
        ({}, {"own_answer": "declined"}, True),
        ({"declined": True}, {"own_answer": "declined"}, False),
        ({}, {"own_answer": "tentative"}, False),
        ({"free": False}, {"show_as": "free"}, True),
        ({"free": False}, {"show_as": "tentative"}, False),
        ({"all_day": False}, {"when": {"start": "2026-12-07", "end": "2026-12-08"}}, True),
        ({"all_day": False}, {}, False),
        ({"only_categories": ["Work"]}, {}, True),
        ({"only_categories": ["Work"]}, {"categories": ["Home", "work "]}, False),
        ({"without_categories": ["Home"]}, {"categories": ["Work", "HOME"]}, True),
        ({"without_categories": ["Home"]}, {}, False),
        ({"only_categories": ["A"], "without_categories": ["B"]}, {"categories": ["A", "B"]}, True),
    ],
)
def test_filters_say_which_events_are_copied(filters: Plain, content: Plain, *, left_out: bool) -> None:
    lens = Lens(filters=Filters.of(filters))
    assert (lens.withheld({"when": DAILY} | content, None, NOW) is not None) == left_out


def test_an_event_is_past_when_its_last_day_is_over() -> None:
    lens = Lens(filters=Filters(past=False))
    assert lens.withheld(series(), NOW, NOW) and not lens.withheld(series(), None, NOW)
    assert lens.withheld(series(), NOW + timedelta(seconds=1), NOW) is None


def test_a_day_that_is_not_copied_is_absent_there_and_stays_as_it_is_here() -> None:
    lens = Lens(filters=Filters(free=False))
    ours = series(
        day(8, own_answer="declined", title="Late"), day(9, show_as="free"), day(10, cancelled=True)
    )
    seen = lens.shown(ours, None, is_ours=True)
    assert seen == series(*(day(n, cancelled=True) for n in (8, 9, 10)))
    assert lens.put_back(ours, seen["when"], is_ours=True) == ours["when"]
    longer = seen["when"] | {"end": "2026-12-07T11:00:00"}
    assert lens.put_back(ours, longer, is_ours=True) == ours["when"] | {"end": "2026-12-07T11:00:00"}
    assert lens.shown(ours, ours, is_ours=False) is ours


def test_a_time_that_was_seen_without_details_keeps_those_that_are_known() -> None:
    moved = {"start": "2026-12-08T11:00:00", "end": "2026-12-08T12:00:00"}
    known = (day(8, title="Second", **moved), day(9, title="Third"), day(10, cancelled=True))
    seen = series(day(8), day(11, cancelled=True))["when"]
    assert BUSY.put_back(series(*known), seen, is_ours=True)["exceptions"] == [
        day(8, title="Second"), day(9, title="Third"), day(11, cancelled=True),
    ]  # fmt: skip
    later = DAILY | {"start": "2026-12-07T10:00:00", "end": "2026-12-07T11:00:00"}
    assert BUSY.put_back(series(*known), later, is_ours=True) == later, "they are for no day"


@pytest.mark.parametrize("title", ["{calendar}", "Away ({show_as})", "100 %", "Büro {calendar} {show_as}"])
def test_a_title_may_name_the_calendar_and_how_the_time_counts(title: str) -> None:
    assert fault_of_title(title) is None


@pytest.mark.parametrize(
    "title", ["{title}", "{", "}", "{calendar.name}", "{calendar!r}", "{0}", "{show_as:>9}"]
)
def test_a_title_may_name_nothing_else(title: str) -> None:
    assert fault_of_title(title) is not None


values_of_a_day = st.fixed_dictionaries(
    {},
    optional={
        "title": st.just("Late"),
        "description": st.just("notes"),
        "show_as": st.sampled_from(["free", "busy"]),
        "own_answer": st.sampled_from(["accepted", "declined"]),
    },
)
days = st.builds(lambda n, values: day(n, **values), st.integers(8, 11), values_of_a_day)
days |= st.builds(lambda n: day(n, cancelled=True), st.integers(8, 11))
contents = st.builds(
    lambda found, values: series(*sorted(found, key=lambda d: str(d["original_start"])), **values),
    st.lists(days, unique_by=lambda d: str(d["original_start"]), max_size=4),
    st.dictionaries(st.sampled_from(["title", "description", "show_as", "reminders"]), st.just("free")),
)
lenses = st.builds(
    Lens,
    st.sampled_from([None, "Busy"]),
    st.builds(Filters, declined=st.booleans(), free=st.booleans()),
    st.frozensets(st.sampled_from(LEAVABLE), max_size=3),
)


@given(lenses, contents, st.booleans())
def test_a_view_that_nobody_has_changed_changes_nothing(lens: Lens, ours: Plain, is_ours: bool) -> None:
    base = lens.compared(ours, None, is_ours=is_ours)
    seen = lens.compared(ours, base, is_ours=is_ours)
    assert seen == base, "what is there already is a view of itself"
    put = lens.put_back(ours, seen["when"], is_ours=is_ours)
    assert lens.compared(ours | {"when": put}, base, is_ours=is_ours) == seen
    kept = {d["original_start"]: d for d in put.get("exceptions", ()) if d.keys() > {"original_start"}}
    assert kept == {
        d["original_start"]: d for d in ours["when"].get("exceptions", ()) if d.keys() > {"original_start"}
    }


@given(contents, contents)
def test_a_day_put_back_has_each_name_from_where_it_is_seen(seen: Plain, known: Plain) -> None:
    names = frozenset({"show_as", "cancelled"})
    put = {d["original_start"]: d for d in put_back(seen["when"], known["when"], names).get("exceptions", ())}
    for source, taken in ((seen, lambda n: n in names), (known, lambda n: n not in names)):
        for exception in source["when"].get("exceptions", ()):
            found = put.get(exception["original_start"], {})
            for name, value in exception.items():
                if name != "original_start" and taken(name):
                    assert found[name] == value

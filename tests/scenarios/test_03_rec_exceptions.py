"""REC: occurrences that were moved, changed or cancelled, in both providers' ways to tell of them."""

from __future__ import annotations

import dataclasses
from datetime import date, datetime, timedelta
from typing import Any

import pytest

from hub.plugin.testing import series, timed
from hub.plugin.types import EventContent, Location, SeriesException, When
from tests.provider_world import ANN, ProviderWorld, Side
from tests.scenarios.play import agenda, both_show, clear, instances, occurrence, raw, writes

WEDNESDAY = datetime(2026, 12, 2, 10)
DAY, WEEK = timedelta(days=1), timedelta(weeks=1)
STANDUP = series("Stand-up", WEDNESDAY, "FREQ=DAILY;COUNT=10")
WEEKLY = series("Weekly", WEDNESDAY, "FREQ=WEEKLY;COUNT=6")
FAMILY = r"/events(/|$|\?)|/calendarView/delta"


def with_changes(content: EventContent, *changes: SeriesException) -> EventContent:
    return dataclasses.replace(content, when=dataclasses.replace(content.when, exceptions=changes))


def delete_occurrence(world: ProviderWorld, side: Side, at: str) -> None:
    """Delete one occurrence as a person does: by its own id."""
    side.control.delete(ANN, side.calendar, occurrence(world, side, at))


def days(*numbers: int, at: str = "10:00") -> list[str]:
    return [f"12-{n:02d} {at}" for n in numbers]


def test_rec_01_a_deleted_occurrence_of_which_outlook_says_nothing_is_cancelled_at_google(
    world: ProviderWorld,
) -> None:
    world.outlook.create(series("Daily", datetime(2026, 12, 1, 10), "FREQ=DAILY;UNTIL=20261220T225959Z"))
    world.sync()
    delete_occurrence(world, world.outlook, "12-03")
    world.sync()
    assert both_show(world) == days(*(n for n in range(1, 21) if n != 3))


def test_rec_02_occurrences_without_fields_are_as_their_series_and_nothing_is_cleared(
    world: ProviderWorld,
) -> None:
    full = dataclasses.replace(WEEKLY, description="Agenda", location=Location("Room 1"))
    world.outlook.create(full)
    world.sync()
    delete_occurrence(world, world.outlook, "12-16")
    world.sync()
    shown = [(i["summary"], i["description"], i["location"]) for i in instances(world, world.google)]
    assert shown == [("Weekly", "Agenda", "Room 1")] * 5


@pytest.mark.parametrize("where", ["google", "outlook"])
def test_rec_03_a_moved_occurrence_is_shown_once_at_its_new_time(world: ProviderWorld, where: str) -> None:
    side = world.sides[where]
    remote_id = side.create(series("Thursdays", datetime(2026, 12, 3, 10), "FREQ=WEEKLY;COUNT=4"))
    world.sync()
    when = side.events()[remote_id].when
    moved = SeriesException(
        datetime(2026, 12, 10, 10), start=datetime(2026, 12, 11, 15), end=datetime(2026, 12, 11, 16)
    )
    side.update(remote_id, when=dataclasses.replace(when, exceptions=(moved,)))
    world.sync()
    assert both_show(world) == ["12-03 10:00", "12-11 15:00", "12-17 10:00", "12-24 10:00"]


def test_rec_05_a_cancelled_occurrence_has_one_form_at_each_provider(world: ProviderWorld) -> None:
    remote_id = world.google.create(WEEKLY)
    world.sync()
    delete_occurrence(world, world.google, "12-09")
    world.sync()
    assert both_show(world) == ["01-06 10:00", *days(2, 16, 23, 30)]
    listed = raw(world, world.google, "events", singleEvents="false")["items"]
    (master,) = [item for item in listed if item["id"] == remote_id]
    assert master["recurrence"] == ["RRULE:FREQ=WEEKLY;COUNT=6"], "no EXDATE beside the cancelled instance"
    world.assert_quiet()


def test_rec_06_a_cancelled_instance_with_nothing_but_its_id_is_understood(world: ProviderWorld) -> None:
    world.google.create(STANDUP)
    world.google.create(timed("Beside", WEDNESDAY + timedelta(hours=3)))
    world.sync()
    delete_occurrence(world, world.google, "12-10")
    world.google.update(world.google.find("Beside"), title="Beside it")
    thin = ["start", "end", "summary", "iCalUID", "etag", "kind", "organizer", "creator"]
    gone = f"{world.google.find('Stand-up')}_20261210T090000Z"
    world.google.control.fault("thin", method="GET", path=r"/events$", keys=thin, ids=[gone], times=2)
    world.sync()
    assert both_show(world, "Stand-up") == days(2, 3, 4, 5, 6, 7, 8, 9, 11)
    assert both_show(world, "Beside it") == ["12-02 13:00"]


@pytest.mark.parametrize("lasting", ["drop_missing", "keep", "drop_all"])
def test_rec_19_a_deleted_occurrence_stays_deleted_when_its_series_is_edited(
    world: ProviderWorld, lasting: str
) -> None:
    world.google.control.switches(exceptions_on_master_change=lasting)
    remote_id = world.google.create(WEEKLY)
    world.sync()
    delete_occurrence(world, world.google, "12-09")
    world.sync()
    world.google.update(remote_id, title="Renamed")
    world.sync()
    assert "12-09 10:00" not in both_show(world, "Renamed")
    # Another time of day: both sides follow what the side shows where it was changed.
    begin_at(world, remote_id, 11)
    world.sync()
    shown = both_show(world)
    assert shown == ["01-06 11:00", *days(2, 9, 16, 23, 30, at="11:00")]
    world.assert_quiet()


def begin_at(world: ProviderWorld, remote_id: str, hour: int) -> None:
    """Move a whole series at Google as its own page does: only start and end, nothing said of exceptions."""
    times = {
        name: {"dateTime": f"2026-12-02T{hour + n}:00:00", "timeZone": "Europe/Berlin"}
        for n, name in enumerate(("start", "end"))
    }
    raw(world, world.google, f"events/{remote_id}", method="PATCH", body=times)


def test_rec_20_two_cancelled_days_in_a_row_do_not_end_the_series(world: ProviderWorld) -> None:
    world.outlook.create(
        series("Stand-up", datetime(2026, 12, 7, 10), "FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR;COUNT=12")
    )
    world.sync()
    for at in ("12-10", "12-11"):
        delete_occurrence(world, world.outlook, at)
    world.sync()
    assert both_show(world) == days(7, 8, 9, 14, 15, 16, 17, 18, 21, 22)


@pytest.mark.parametrize("form", ["one by one", "by EXDATE"])
def test_rec_21_a_series_of_which_every_occurrence_is_gone_shows_nothing_and_hangs_nothing(
    world: ProviderWorld, form: str
) -> None:
    short = series("Gone", WEDNESDAY, "FREQ=DAILY;COUNT=8")
    if form == "by EXDATE":
        dates = ",".join(f"{WEDNESDAY + n * DAY:%Y%m%dT%H%M%S}" for n in range(8))
        lines = (*short.when.recurrence, f"EXDATE;TZID=Europe/Berlin:{dates}")
        world.google.create(
            dataclasses.replace(short, when=dataclasses.replace(short.when, recurrence=lines))
        )
    else:
        world.google.create(short)
        world.sync()
        for n in range(2, 10):
            delete_occurrence(world, world.google, f"12-{n:02d}")
    world.sync()
    assert both_show(world) == []
    assert world.parked() == {}
    world.assert_quiet()


@pytest.mark.parametrize("where", ["google", "outlook"])
def test_rec_22_exceptions_that_were_there_first_come_with_their_series_in_the_same_round(
    unlinked: ProviderWorld, where: str
) -> None:
    world = unlinked
    for name in world.sides:
        world.connect(name)
    moved = SeriesException(
        WEDNESDAY + WEEK, start=WEDNESDAY + WEEK + DAY, end=WEDNESDAY + WEEK + DAY + timedelta(hours=2)
    )
    content = with_changes(WEEKLY, moved, SeriesException(WEDNESDAY + 2 * WEEK, cancelled=True))
    world.sides[where].create(content)
    world.link_both()
    assert both_show(world) == ["01-06 10:00", *days(2, 10, 23, 30)]


def test_rec_23_an_override_with_a_lower_sequence_than_its_series_is_applied(world: ProviderWorld) -> None:
    remote_id = world.google.create(WEEKLY)
    world.sync()
    moved = SeriesException(
        WEDNESDAY + WEEK, start=WEDNESDAY + WEEK + DAY, end=WEDNESDAY + WEEK + DAY + timedelta(hours=1)
    )
    world.google.update(remote_id, when=dataclasses.replace(WEEKLY.when, exceptions=(moved,)))
    for item_id, sequence in ((remote_id, 5), (f"{remote_id}_20261209T090000Z", 1)):
        world.google.control.fault(
            "odd", method="GET", path=r"/events$", ids=[item_id], values={"sequence": sequence}, times=1
        )
    world.sync()
    assert "12-10 10:00" in both_show(world)


def test_rec_24_a_rule_inside_an_override_makes_no_series_and_one_for_no_instance_is_refused(
    world: ProviderWorld,
) -> None:
    remote_id = world.google.create(WEEKLY)
    world.sync()
    changed = SeriesException(WEDNESDAY + WEEK, title="Special")
    world.google.update(remote_id, when=dataclasses.replace(WEEKLY.when, exceptions=(changed,)))
    rule = {"recurrence": ["RRULE:FREQ=WEEKLY;INTERVAL=2;BYDAY=MO"]}
    world.google.control.fault(
        "odd", method="GET", path=r"/events$", ids=[f"{remote_id}_20261209T090000Z"], values=rule, times=4
    )
    world.sync()
    assert len(world.hub_events()) == len(world.outlook.events()) == 1
    assert both_show(world, "Special") == days(9)
    orphan = SeriesException(datetime(2026, 12, 24, 10), title="Nowhere")
    world.api_creates(with_changes(dataclasses.replace(WEEKLY, title="Own"), orphan))
    world.sync()
    assert both_show(world, "Nowhere") == [] and len(both_show(world, "Own")) == 6


@pytest.mark.parametrize("where", ["google", "outlook"])
def test_rec_30_an_instance_whose_master_cannot_be_read_costs_itself_alone(
    world: ProviderWorld, where: str
) -> None:
    side = world.sides[where]
    lone = side.create(timed("Invited once", WEDNESDAY))
    side.create(timed("Other", WEDNESDAY + DAY))
    key = {"google": "recurringEventId", "outlook": "seriesMasterId"}[where]
    master = {"google": "0" * 26, "outlook": world.outlook.calendar}[where]
    path = {"google": r"/events(/[^/]+)?$", "outlook": r"/calendarView/delta"}[where]
    original = {"originalStartTime": {"dateTime": "2026-12-02T10:00:00+01:00"}} if where == "google" else {}
    values = {key: master, "type": "occurrence", **original}
    side.control.fault("odd", method="GET", path=path, ids=[lone], values=values, times=5)
    world.sync()
    assert "Other" in world.hub_titles()
    assert "Invited once" in world.hub_titles() or world.parked()
    world.outlook.control.clear_faults()
    assert [link.problem for link in map(world.get_link, [s.link_id for s in world.linked])] == [None, None]


def test_rec_31_a_cancelled_master_takes_its_family_along_and_makes_nothing(world: ProviderWorld) -> None:
    moved = SeriesException(WEDNESDAY + WEEK, start=WEDNESDAY + WEEK + DAY, end=WEDNESDAY + WEEK + 2 * DAY)
    remote_id = world.google.create(with_changes(WEEKLY, moved))
    world.sync()
    clear(world)
    world.google.delete(remote_id)
    world.sync()
    assert world.hub_events() == {} and world.outlook.events() == {}
    assert writes(world.outlook, "POST") == writes(world.google) == []


def test_rec_35_many_updates_leave_one_rule_and_each_left_out_day_once(world: ProviderWorld) -> None:
    first = date(2026, 12, 15)
    months = [date(2026 + (11 + n) // 12, (11 + n) % 12 + 1, 15) for n in range(1, 31)]
    gone = tuple(SeriesException(day, cancelled=True) for day in months)
    when = When(first, first + DAY, None, None, ("RRULE:FREQ=MONTHLY;BYMONTHDAY=15",), gone)
    world.api_creates(EventContent(when, "Rent 0"))
    world.settle()
    sizes = set()
    for n in range(1, 21):
        event_id, content = world.hub_event(f"Rent {n - 1}")
        world.api_updates(event_id, dataclasses.replace(content, title=f"Rent {n}"))
        world.settle()
        if n in (1, 20):
            lines = raw(world, world.google, f"events/{world.google.find(f'Rent {n}')}")["recurrence"]
            sizes.add((len(lines), sum(line.count(",") for line in lines), len("".join(lines))))
    assert sizes == {(2, 29, len("RRULE:FREQ=MONTHLY;BYMONTHDAY=15EXDATE;VALUE=DATE:") + 30 * 9 - 1)}
    assert world.parked() == {}
    assert both_show(world) == ["12-15"]


def test_rec_39_a_master_without_a_rule_is_set_aside_and_named_and_the_others_go_through(
    world: ProviderWorld,
) -> None:
    broken = world.outlook.create(WEEKLY)
    for n in range(9):
        world.outlook.create(timed(f"Sound {n}", WEDNESDAY + n * DAY))
    world.outlook.control.fault(
        "odd", method="GET", path=FAMILY, ids=[broken], values={"recurrence": None}, times=20
    )
    world.sync()
    assert world.hub_titles() == [f"Sound {n}" for n in range(9)]
    assert list(world.parked()) == [("outlook", broken)]
    assert "rule" in world.parked()["outlook", broken]
    world.outlook.control.clear_faults()
    world.outlook.update(broken, title="Mended")
    world.sync()
    assert world.parked() == {} and len(both_show(world, "Mended")) == 6


@pytest.mark.parametrize("change", ["moved", "another rule"])
@pytest.mark.parametrize(
    ("where", "switches"),
    [
        ("google", {"exceptions_on_master_change": "drop_all"}),
        ("google", {"exceptions_on_master_change": "drop_missing"}),
        ("outlook", {"drop_exceptions": ["*"]}),
        ("outlook", {"drop_exceptions": ["recurrence", "start", "end"]}),
        ("outlook", {"drop_exceptions": []}),
    ],
)
def test_rec_41_what_becomes_of_exceptions_when_a_series_changes_is_as_the_side_shows_where_it_changed(
    world: ProviderWorld, where: str, switches: dict[str, Any], change: str
) -> None:
    side = world.sides[where]
    side.control.switches(**switches)
    friday = date(2026, 12, 4)
    moved = SeriesException(friday + 2 * WEEK, title="Xa", start=friday + 15 * DAY, end=friday + 16 * DAY)
    when = When(friday, friday + DAY, None, None, ("RRULE:FREQ=WEEKLY;BYDAY=FR;COUNT=8",), (moved,))
    remote_id = side.create(EventContent(when, "X"))
    world.sync()
    assert both_show(world, "Xa") == ["12-19"]
    begin = friday - 2 * DAY if change == "moved" else friday
    rule = "WEEKLY;BYDAY=WE;COUNT=8" if change == "moved" else "WEEKLY;BYDAY=FR;COUNT=5"
    after = When(begin, begin + DAY, None, None, (f"RRULE:FREQ={rule}",))
    side.update(remote_id, when=after, title="Xb")
    world.sync()
    assert agenda(world, side) == agenda(world, world.google) == agenda(world, world.outlook)
    theirs = side.by_title()["Xb"].when.exceptions
    assert world.hub_event("Xb")[1].when.exceptions == theirs
    world.assert_quiet()

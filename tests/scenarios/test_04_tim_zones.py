"""TIM: names of zones that a provider shows and takes, and those that nobody knows."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from hub.plugin.testing import series, timed
from hub.plugin.types import SeriesException, When
from tests.provider_world import ProviderWorld
from tests.scenarios.meetings import call
from tests.scenarios.play import clear, occurrence, other, pull, raw, writes
from tests.scenarios.zoned import at, hub_spans, hub_starts, notices, show, spans, starts

AFTERNOON = datetime(2026, 10, 15, 16)
BERLIN = "W. Europe Standard Time"


def test_tim_01_a_windows_zone_name_is_read_and_written_as_its_iana_zone(world: ProviderWorld) -> None:
    world.outlook.create(timed("Bistro", AFTERNOON, zone="Europe/Paris"))
    world.google.create(timed("Büro", AFTERNOON))
    world.sync()
    for side in world.sides.values():
        assert starts(side, "Bistro") == starts(side, "Büro") == [at("2026-10-15T14:00")]
    assert world.hub_event("Bistro")[1].when.start_zone == "Europe/Paris"
    (sent,) = writes(world.google, "POST")
    assert sent["body"]["start"]["timeZone"] == "Europe/Paris"
    (sent,) = writes(world.outlook, "POST")
    assert sent["body"]["start"]["timeZone"] == BERLIN
    world.assert_quiet()


NAMES = {
    "Customized Time Zone": (BERLIN, "Europe/Berlin", "UTC"),
    "tzone://Microsoft/Custom": ("Romance Standard Time", "Europe/Paris", "UTC"),
    "tzone://Microsoft/Utc": ("UTC", "UTC", "UTC"),
    "(UTC+01:00) Amsterdam, Berlin, Bern, Rome, Stockholm, Vienna": (
        *("Central Europe Standard Time", "Europe/Budapest", "Europe/Berlin"),
    ),
}
"""What Outlook shows, for which of its zones, and in which one the event is then kept."""


def test_tim_02_odd_names_of_zones_keep_the_instant_and_are_never_sent_on(world: ProviderWorld) -> None:
    world.outlook.control.switches(zone_names={real: name for name, (real, _, _) in NAMES.items()})
    for name, (_, zone, _) in NAMES.items():
        world.outlook.create(timed(name, AFTERNOON, zone=zone))
    world.sync()
    for name, (_, zone, kept) in NAMES.items():
        instant = at("2026-10-15T16:00" if zone == "UTC" else "2026-10-15T14:00")
        assert starts(world.google, name) == hub_starts(world, name) == [instant]
        assert world.hub_event(name)[1].when.start_zone == kept
    assert {sent["body"]["start"]["timeZone"] for sent in writes(world.google)} == {"UTC", "Europe/Berlin"}
    told = "\n".join(notices(world, world.outlook))
    assert [name in told for name in NAMES] == [True, True, False, False]
    world.assert_quiet()


def test_tim_02_a_zone_at_google_that_nobody_knows_becomes_the_calendars(world: ProviderWorld) -> None:
    remote_id = world.google.create(timed("Far", AFTERNOON, zone="America/New_York"))
    zone = {"timeZone": "Mars/Olympus_Mons"}
    show(world.google, remote_id, start=zone, end=zone)
    pull(world, world.google)
    assert starts(world.outlook, "Far") == [at("2026-10-15T20:00")]
    assert world.hub_event("Far")[1].when.start_zone == "Europe/Berlin"
    (notice,) = notices(world, world.google)
    assert "Mars/Olympus_Mons" in notice and "Europe/Berlin" in notice


@pytest.mark.parametrize("name", ["Special_Zone", "(UTC-02:00) Special"])
def test_tim_03_a_weekly_rule_in_an_unknown_zone_stays_on_its_day(world: ProviderWorld, name: str) -> None:
    friday = datetime(2026, 12, 4, 23)
    cancelled = SeriesException(friday + timedelta(days=7), cancelled=True)
    world.outlook.control.switches(zone_names={"UTC-02": name})
    world.outlook.create(series("Late", friday, "FREQ=WEEKLY;BYDAY=FR;COUNT=4", cancelled, zone="Etc/GMT+2"))
    world.sync()
    saturdays = [at("2026-12-05T01:00") + timedelta(days=d) for d in (0, 14, 21)]
    assert starts(world.google, "Late") == hub_starts(world, "Late") == saturdays
    when = world.hub_event("Late")[1].when
    assert (when.start, when.start_zone) == (friday, "Etc/GMT+2")
    assert when.recurrence == ("RRULE:FREQ=WEEKLY;BYDAY=FR;COUNT=4",)
    (notice,) = notices(world, world.outlook)
    assert name in notice
    world.assert_quiet()


ODD_ZONES = ("Antarctica/Troll", "America/Indiana/Indianapolis", "Asia/Kathmandu", "Asia/Calcutta")


def test_tim_04_zones_without_a_windows_twin_are_written_right_or_not_at_all(world: ProviderWorld) -> None:
    start = datetime(2027, 3, 25, 9)
    for zone in ODD_ZONES:
        world.api_creates(timed(f"Once in {zone}", start, zone=zone))
        world.api_creates(series(f"Daily in {zone}", start, "FREQ=DAILY;COUNT=6", zone=zone))
    world.settle()
    there = {start for title in world.outlook.by_title() for start in starts(world.outlook, title)}
    for zone in ODD_ZONES:
        for title in (f"Once in {zone}", f"Daily in {zone}"):
            assert starts(world.google, title) == hub_starts(world, title)
            if ("outlook", title) not in world.parked():
                assert set(hub_starts(world, title)) <= there
        assert starts(world.outlook, f"Once in {zone}") == hub_starts(world, f"Once in {zone}")
    assert world.parked().keys() <= {("outlook", "Daily in Antarctica/Troll")}
    world.assert_quiet(parked=world.parked().keys())


@pytest.mark.parametrize("origin", ["google", "outlook"])
def test_tim_16_offsets_of_half_and_quarter_hours_are_exact_on_all_days(
    world: ProviderWorld, origin: str
) -> None:
    before_the_change = datetime(2027, 4, 2, 9)
    for zone in ("Asia/Kolkata", "Asia/Kathmandu", "Australia/Lord_Howe"):
        world.sides[origin].create(series(zone, before_the_change, "FREQ=DAILY;COUNT=5", zone=zone))
    world.sync()
    for side in world.sides.values():
        assert starts(side, "Asia/Kolkata")[0] == at("2027-04-02T03:30")
        assert starts(side, "Asia/Kathmandu")[0] == at("2027-04-02T03:15")
        changes = [f"{start:%d %H:%M}" for start in starts(side, "Australia/Lord_Howe")]
        assert changes == ["01 22:00", "02 22:00", "03 22:30", "04 22:30", "05 22:30"]
    world.assert_quiet()


def test_tim_19_two_zones_are_kept_where_they_can_be_held(world: ProviderWorld) -> None:
    takes_off, lands = datetime(2027, 1, 11, 10), datetime(2027, 1, 11, 13)
    flight = timed("Flight", takes_off)
    when = When(takes_off, lands, "Europe/London", "America/New_York")
    remote_id = world.google.create(type(flight)(title="Flight", when=when))
    world.sync()
    both = [(at("2027-01-11T10:00"), at("2027-01-11T18:00"))]
    for side in world.sides.values():
        assert spans(side, "Flight") == both
    assert world.hub_event("Flight")[1].when == when
    world.outlook.update(world.outlook.find("Flight"), title="Flight BA1")
    world.sync()
    held = world.google.events()[remote_id]
    assert (held.title, held.when) == ("Flight BA1", when)
    world.assert_quiet()


NINE = datetime(2026, 12, 9, 9)
BERLIN_NAME, NEW_YORK = "Europe/Berlin", "America/New_York"
OWN_ZONES = {
    "both": ((NINE, NEW_YORK), (NINE + timedelta(hours=1), NEW_YORK), ("14:00", "15:00")),
    "start": ((NINE, NEW_YORK), (NINE + timedelta(hours=7, minutes=30), BERLIN_NAME), ("14:00", "15:30")),
    "end": ((NINE, BERLIN_NAME), (NINE + timedelta(hours=1), "Europe/London"), ("08:00", "10:00")),
}
"""Times of one day that are in a zone of their own: by the digits, some are those of the series."""


@pytest.mark.parametrize("origin", ["google", "api"])
@pytest.mark.parametrize("own", OWN_ZONES)
def test_tim_19_one_day_of_a_series_in_another_zone_takes_place_then_everywhere(
    world: ProviderWorld, own: str, origin: str
) -> None:
    world.google.create(series("Call", NINE - timedelta(weeks=1), "FREQ=WEEKLY;COUNT=3"))
    world.sync()
    event_id = world.hub_event("Call")[0]
    start, end, instants = OWN_ZONES[own]
    ends = {"start": start, "end": end}
    if origin == "google":
        body = {
            name: {"dateTime": f"{wall.isoformat()}", "timeZone": zone} for name, (wall, zone) in ends.items()
        }
        path = f"events/{occurrence(world, world.google, '12-09 09:00')}"
        raw(world, world.google, path, method="PATCH", body=body)
    else:
        times = {
            name: {"date_time": wall.isoformat(), "time_zone": zone} for name, (wall, zone) in ends.items()
        }
        call(world, "PATCH", f"/events/{event_id}/occurrences/{NINE.isoformat()}", times)
    world.sync()
    wanted = tuple(at(f"2026-12-09T{clock}") for clock in instants)
    assert hub_spans(world, "Call")[1] == spans(world.google, "Call")[1] == wanted
    assert spans(world.outlook, "Call")[1] == wanted
    copies = call(world, "GET", f"/events/{event_id}")["copies"]
    (at_outlook,) = [copy for copy in copies if copy["link_id"] == world.outlook.link_id]
    assert "when" in [loss["field"] for loss in at_outlook["losses"]], "it is shown there in another zone"
    world.assert_quiet()


def test_tim_19_an_end_without_a_zone_is_in_that_of_the_start(world: ProviderWorld) -> None:
    remote_id = world.google.create(timed("Tea", datetime(2027, 1, 11, 16), zone="Europe/London"))
    show(world.google, remote_id, end={"timeZone": None})
    pull(world, world.google)
    assert spans(world.outlook, "Tea") == [(at("2027-01-11T16:00"), at("2027-01-11T17:00"))]
    assert world.hub_event("Tea")[1].when.end_zone == "Europe/London"
    clear(world)
    world.sync()
    assert world.writes() == []


def test_tim_23_a_mailbox_without_a_usable_zone_is_synced_in_utc(unlinked: ProviderWorld) -> None:
    world = unlinked
    body = '{"error": {"code": "TimeZoneNotSupportedException", "message": "GMT+6:30"}}'
    world.outlook.control.fault("status", status=400, body=body, path="(?i)mailboxSettings", times=100)
    world.google.control.fault("odd", path="calendarList", values={"timeZone": "GMT+6:30"}, times=100)
    world.link_both()
    for side in world.sides.values():
        side.create(timed(f"From {side.name}", AFTERNOON))
    world.sync()
    for side in world.sides.values():
        assert starts(side, f"From {other(world, side.name).name}") == [at("2026-10-15T14:00")]
        link = world.get_link(side.link_id)
        assert (link.state, link.problem) == ("active", None)
    asked = [call["path"] for call in world.outlook.control.ledger()["calls"]]
    assert not [path for path in asked if "mailboxsettings" in path.casefold()]
    world.assert_quiet()

"""What the scenarios about time look at: instants on each side, and calendars of other zones."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

from hub.models import Calendar, EventCopy
from hub_outlook.zones import to_windows
from tests.provider_world import ANN, ZONE, ProviderWorld, Side, agenda
from tests.scenarios.play import occurrence, raw


def at(text: str) -> datetime:
    """Return an instant of UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def starts(side: Side, title: str) -> list[datetime]:
    """Return when an event begins at a provider, each occurrence of a series."""
    return [begin for begin, _ in agenda(side.by_title()[title])]


def spans(side: Side, title: str) -> list[tuple[datetime, datetime]]:
    return agenda(side.by_title()[title])


def hub_starts(world: ProviderWorld, title: str) -> list[datetime]:
    return [begin for begin, _ in agenda(world.hub_event(title)[1])]


def hub_spans(world: ProviderWorld, title: str) -> list[tuple[datetime, datetime]]:
    return agenda(world.hub_event(title)[1])


def notices(world: ProviderWorld, side: Side) -> list[str]:
    """Return what the hub tells people of events that it could not understand in full."""
    copies: list[EventCopy] = world.copies(side.link_id)
    return [copy.notice for copy in copies if copy.notice]


def show(side: Side, remote_id: str, **values: Any) -> None:
    """Have a provider show other values of an event from now on, whatever is in it."""
    side.control.fault("odd", times=10_000, ids=[remote_id], values=values)


def link_zoned(world: ProviderWorld, zone: str) -> None:
    """Link a Google calendar of a zone and the Outlook one, through a calendar of the hub of that zone."""
    with world.ports.db.transaction() as session:
        session.get_one(Calendar, "cal_1").zone = zone
    google = world.google
    person = google.control.add_person(ANN, "Ann", [{"name": "Zoned", "zone": zone}])
    google.account_id = world.connect("google")
    google.calendar = next(c["remote_id"] for c in person["calendars"] if c["name"] == "Zoned")
    google.link_id = world.link(google.account_id, "Zoned")
    world.link_primary("outlook")
    world.settle()


def change_times(world: ProviderWorld, side: Side, at: str, *ends: date | datetime, zone: str = ZONE) -> None:
    """Give one occurrence another start and end, as a person does: by its own id, whole days by their dates.

    Args:
        at: when it takes place, as in `play.agenda`.
    """
    is_day = not isinstance(ends[0], datetime)
    body: dict[str, Any] = {}
    for name, end in zip(("start", "end"), ends, strict=True):
        if side.name == "outlook":
            wall = end.isoformat() if isinstance(end, datetime) else f"{end}T00:00:00"
            body |= {name: {"dateTime": wall, "timeZone": to_windows(zone)}, "isAllDay": is_day}
        elif is_day:
            body[name] = {"date": end.isoformat(), "dateTime": None, "timeZone": None}
        else:
            body[name] = {"date": None, "dateTime": end.isoformat(), "timeZone": zone}
    raw(world, side, f"events/{occurrence(world, side, at)}", method="PATCH", body=body)

"""What scenarios do to both providers: quiet worlds, faults by what they are about, more calendars, time."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, cast
from urllib.parse import quote
from zoneinfo import ZoneInfo

import requests
from sqlalchemy import select

from hub.models import Calendar, RemoteCalendar
from hub.outbound import linking
from tests.provider_world import ZONE, ProviderWorld, Side
from tests.world import HubWorld

EVENTS = r"/events(/[^/]+)?$"
"""The calls about events at both providers, but for their listings."""
FULL = {"google": r"/calendars/[^/]+/events$", "outlook": r"/calendarView/delta(\(\))?$"}
"""The calls that list a calendar."""


def mute(world: ProviderWorld) -> None:
    """Have nobody notify: the test says when the hub looks."""
    world.google.control.switches(drop_notifications=100)
    world.outlook.control.switches(notify=False)


def other(world: ProviderWorld, name: str) -> Side:
    return world.outlook if name == "google" else world.google


def lose_answer(side: Side, how: str, method: str, times: int = 1, **more: Any) -> None:
    """Let the provider do the next write and say something else: `cut`, or a status."""
    if how == "cut":
        side.control.fault("reset_after", method=method, path=EVENTS, times=times, **more)
    else:
        body = error_body(side, int(how))
        side.control.fault(
            "status_after", method=method, path=EVENTS, status=int(how), body=body, times=times, **more
        )


def refuse(side: Side, status: int, method: str, times: int = 1, *, code: str = "", **more: Any) -> None:
    """Let the provider not do the next call, and say so with a status."""
    more.setdefault("path", EVENTS)
    body = error_body(side, status, code)
    side.control.fault("status", method=method, status=status, body=body, times=times, **more)


def error_body(side: Side, status: int, code: str = "") -> str:
    """Return an error in the provider's own shape."""
    if side.name == "google":
        error = {"domain": "global", "reason": code or "backendError", "message": code or "Backend Error"}
        return json.dumps({"error": {"errors": [error], "code": status, "message": error["message"]}})
    return json.dumps({"error": {"code": code or "ErrorInternalServerError", "message": "It failed."}})


def later(world: ProviderWorld, seconds: float = 200, times: int = 3) -> None:
    """Let time pass at the hub and at both providers, with a sweep each time."""
    for _ in range(times):
        world.advance(seconds)
        world.wait(0)


def writes(side: Side, *methods: str) -> list[dict[str, Any]]:
    """Return the writes that the provider got."""
    return [call for call in side.control.writes() if not methods or call["method"] in methods]


def clear(world: ProviderWorld) -> None:
    for side in world.sides.values():
        side.control.clear_ledger()


def add_calendar(world: HubWorld, calendar_id: str) -> None:
    """Give the hub's user another calendar of the hub's own."""
    with world.ports.db.transaction() as session:
        first = session.get_one(Calendar, "cal_1")
        session.add(
            Calendar(
                id=calendar_id,
                tenant_id=first.tenant_id,
                user_id=first.user_id,
                name=calendar_id,
                zone=first.zone,
                created_at=first.created_at,
            )
        )


def link_more(
    world: ProviderWorld, name: str, calendar: str = "Team", *, hub_calendar: str = "cal_1", **options: Any
) -> Side:
    """Link another calendar of Ann's account; return it as a side of its own."""
    side = world.sides[name]
    with world.ports.db.reading() as session:
        remote = session.scalars(
            select(RemoteCalendar).where(
                RemoteCalendar.account_id == side.account_id, RemoteCalendar.name == calendar
            )
        ).one()
    link_id = world.link(side.account_id, calendar, hub_calendar, **options)
    made = Side(name, side.control, remote.remote_id, side.account_id, link_id, side.project)
    world.sides[f"{name} {calendar}"] = made
    world.settle()
    return made


def pull(world: ProviderWorld, side: Side) -> None:
    """Look at the calendar of one side alone, and run all that follows."""
    with world.ports.db.transaction() as session:
        linking.ask_for_pull(session, world.ports, side.link_id)
    world.settle()


class KilledError(BaseException):
    """The process is gone: nothing of its own runs any more."""


class _Mortal:
    """A gateway or a database that a process uses until it is killed."""

    def __init__(self, real: Any, life: _Life) -> None:
        self._real, self._life = real, life

    def __getattr__(self, name: str) -> Any:
        self._life.check()
        return getattr(self._real, name)


class _Gateway(_Mortal):
    def call(self, account_id: str, hook: str, **arguments: Any) -> Any:
        self._life.check()
        answer = self._real.call(account_id, hook, **arguments)
        self._life.step(hook)
        return answer


class _Life:
    """When a process dies: after so many calls of one hook have been answered."""

    def __init__(self, hook: str, calls: int) -> None:
        self.hook, self.calls, self.dead = hook, calls, False

    def check(self) -> None:
        if self.dead:
            raise KilledError

    def step(self, hook: str) -> None:
        self.calls -= hook == self.hook
        self.dead = self.calls <= 0
        self.check()


def kill_after(world: HubWorld, hook: str, work: Callable[[], object], *, calls: int = 1) -> None:
    """Do work in a process that is killed once the provider has answered a hook, before that is noted."""
    ports, life = world.ports, _Life(hook, calls)
    gateway: Any = _Gateway(ports.gateway, life)
    world.ports = dataclasses.replace(ports, gateway=gateway, db=cast(Any, _Mortal(ports.db, life)))
    try:
        work()
    except KilledError:
        pass
    finally:
        world.ports = ports
    assert life.dead, f"{hook} was not called"


# --- what the providers themselves show ---

SPAN = ("2026-11-01T00:00:00Z", "2027-03-01T00:00:00Z")


def raw(
    world: ProviderWorld, side: Side, path: str, *, method: str = "GET", body: Any = None, **query: str
) -> dict[str, Any]:
    """Ask a provider's own API as Ann; `path` is within her calendar."""
    bases = {"google": "calendar/v3/calendars", "outlook": "v1.0/me/calendars"}
    url = f"{side.control.base_url}/{bases[side.name]}/{quote(side.calendar)}/{path}"
    token = world.ports.gateway.grants.access_token(side.account_id)
    headers = {"Authorization": f"Bearer {token}"}
    answer = requests.request(method, url, params=query, headers=headers, json=body, timeout=30)
    answer.raise_for_status()
    return cast(dict[str, Any], answer.json())


def instances(world: ProviderWorld, side: Side, span: tuple[str, str] = SPAN) -> list[dict[str, Any]]:
    """Return everything that takes place in a span, occurrence by occurrence, as the provider computes it."""
    if side.name == "google":
        answer = raw(
            world, side, "events", singleEvents="true", timeMin=span[0], timeMax=span[1], maxResults="2500"
        )
        return list(answer["items"])
    query = {"startDateTime": span[0], "endDateTime": span[1], "$top": "1000"}
    return list(raw(world, side, "calendarView", **query)["value"])


def agenda(
    world: ProviderWorld, side: Side, title: str | None = None, span: tuple[str, str] = SPAN
) -> list[str]:
    """Return when events take place by a provider's own word: `12-10 09:00` in Berlin; all-day: `12-10`."""
    found = []
    for item in instances(world, side, span):
        if title is None or item.get("summary", item.get("subject")) == title:
            found.append(_local(item["start"], all_day=bool(item.get("isAllDay", "date" in item["start"]))))
    return sorted(found)


def _local(start: dict[str, str], *, all_day: bool) -> str:
    if all_day:
        return str(start.get("date") or start["dateTime"])[5:10]
    moment = datetime.fromisoformat(start["dateTime"])
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return f"{moment.astimezone(ZoneInfo(ZONE)):%m-%d %H:%M}"


def both_show(world: ProviderWorld, title: str | None = None) -> list[str]:
    """Return when events take place by both providers' word, which has to be the same."""
    at_google, at_outlook = (agenda(world, side, title) for side in (world.google, world.outlook))
    assert at_google == at_outlook
    return at_google


def occurrence(world: ProviderWorld, side: Side, at: str, title: str | None = None) -> str:
    """Return the id that an occurrence has at a provider; `at` is as in `agenda`."""
    (found,) = [
        item["id"]
        for item in instances(world, side)
        if _local(item["start"], all_day=bool(item.get("isAllDay", "date" in item["start"]))).startswith(at)
        and title in (None, item.get("summary", item.get("subject")))
    ]
    return cast(str, found)

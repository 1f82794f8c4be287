"""Meetings of Ann and others: who is who, their calendars at the sandboxes, and the API of a consumer."""

from __future__ import annotations

import dataclasses
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from sqlalchemy import select

from hub.accounts import connect, keys
from hub.models import RemoteCalendar, User
from hub.plugin.testing import series, timed
from hub.plugin.types import Answer, Attendee, EventContent, Person
from tests.provider_world import ANN, ProviderWorld, Side

TEN = datetime(2026, 12, 10, 10)
BOB, CAT, DAN = "bob@example.test", "cat@example.test", "dan@example.test"
BOSS = Person("boss@example.test", "Boss")
GUESTS = (
    Attendee(BOB, "Bob", answer=Answer.ACCEPTED),
    Attendee(CAT, "Cat", answer=Answer.ACCEPTED),
    Attendee(DAN, "Dan", answer=Answer.DECLINED),
)
OWN = dataclasses.replace(timed("Review", TEN), attendees=GUESTS)
"""A meeting that Ann organises."""
INVITATION = dataclasses.replace(
    timed("Review", TEN), organizer=BOSS, attendees=(Attendee(ANN, "Ann"), Attendee(BOB, "Bob"))
)
"""A meeting that came to Ann."""
DAILY = dataclasses.replace(series("Jour", TEN, "FREQ=DAILY;COUNT=5"), attendees=GUESTS)
TUESDAY = TEN + timedelta(days=1)


def move(content: EventContent, minutes: int) -> Any:
    """Return when an event takes place so much later."""
    by = timedelta(minutes=minutes)
    return dataclasses.replace(content.when, start=content.when.start + by, end=content.when.end + by)


def call(world: ProviderWorld, method: str, path: str, body: Any = None) -> Any:
    """Call the REST API; return its answer, a problem too."""
    with world.ports.db.transaction() as session:
        key = keys.add_key(session, world.ports, "tnt_1", "test", keys.SCOPES)[1]
    headers = {"Authorization": f"Bearer {key}"}
    response = world.app.test_client().open(f"/v1{path}", method=method, json=body, headers=headers)
    return response.get_json(silent=True) or response.status_code


def patch(world: ProviderWorld, event_id: str, **changes: Any) -> Any:
    answer = call(world, "PATCH", f"/events/{event_id}", changes)
    world.sync()
    return answer


def at(moment: datetime) -> dict[str, str]:
    return {"date_time": moment.isoformat(), "time_zone": "Europe/Berlin"}


def copies_of(event: dict[str, Any]) -> dict[str, str]:
    """Return the states of an event's copies by link."""
    return {copy["link_id"]: copy["state"] for copy in event["copies"]}


def answers(content: EventContent) -> dict[str, str]:
    return {guest.email: guest.answer.value for guest in content.attendees}


def told(world: ProviderWorld) -> list[tuple[str, str]]:
    """Return the mails that went out, as kind and address."""
    return sorted((mail["kind"], mail["to"]) for mail in world.mails())


def person(side: Side, email: str) -> Side:
    """Return the calendar of another person at a provider, who is made if need be."""
    calendars = side.control.add_person(email)["calendars"]
    calendar = next(c["remote_id"] for c in calendars if c["primary"])
    return _Other(side.name, side.control, calendar, email=email)


@dataclasses.dataclass
class _Other(Side):
    """Somebody else's calendar."""

    email: str = ""

    def events(self) -> dict[str, EventContent]:
        return self.control.events(self.email, self.calendar)

    def create(self, content: EventContent) -> str:
        return self.control.create(self.email, self.calendar, content)

    def update(self, remote_id: str, **changes: Any) -> None:
        self.control.update(self.email, self.calendar, remote_id, **changes)

    def delete(self, remote_id: str) -> None:
        self.control.delete(self.email, self.calendar, remote_id)

    def answer(self, remote_id: str, answer: Answer, original_start: Any = None) -> None:
        self.control.answer(self.email, self.calendar, remote_id, answer, original_start)


def link_person(
    world: ProviderWorld, other: Side, *, user_id: str = "usr_1", calendar_id: str = "cal_1"
) -> Side:
    """Connect another person's account for a user of the hub, and link its calendar."""
    assert isinstance(other, _Other)
    with world.ports.db.transaction() as session:
        begun = connect.begin(session, world.ports, session.get_one(User, user_id), other.name)
    back = other.control.consent(begun.authorization_url, other.email)
    query = dict(parse_qsl(urlsplit(back).query))
    other.account_id = connect.complete(world.ports, other.name, query, None).account_id
    with world.ports.db.reading() as session:
        remote = select(RemoteCalendar).where(
            RemoteCalendar.account_id == other.account_id, RemoteCalendar.primary
        )
        name = session.scalars(remote).one().name
    other.link_id = world.link(other.account_id, name, calendar_id)
    other.project = world.sides[other.name].project
    world.sides[f"{other.name} {other.email}"] = other
    world.settle()
    return other

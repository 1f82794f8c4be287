"""`fetch_changes`: a listing page by page, each series made whole.

Before: the hub's pull hands in its cursor (Google's sync token). After: the hub applies the page and
keeps the new cursor with the last one. A page of the hub is a page of Google's listing or, after the
last of those, a bundle of series that had to be read one by one; the opaque page token carries both.
Guide: https://developers.google.com/workspace/calendar/api/guides/sync
"""

from __future__ import annotations

import base64
import dataclasses
import json
import zlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from typing import Any, TypeGuard

from hub.plugin.errors import CursorExpiredError, GoneError, RetryLaterError, TooHeavyError
from hub.plugin.paging import START, Circle
from hub.plugin.types import Call, ChangePage, RemoteCalendar, RemoteChange, Scope, Window
from hub_google import series, times
from hub_google.client import Client
from hub_google.errors import About
from hub_google.translate import from_remote, is_left_out
from hub_google.wire import Event, EventList

BUNDLE = 20
"""How many series one call reads at most, to stay within its deadline."""

MOST_HELD = 4_000_000
"""Characters of the items of series that a page token takes along; other series are read by themselves."""

FOREVER = datetime(9999, 12, 31, tzinfo=UTC)
"""The end of what a full listing covers: Google is asked without an upper bound."""

UNREADABLE = (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError)
"""What translating an item that makes no sense raises."""


@dataclass
class _Waiting:
    """What must be read by itself, a series mostly: its iCalUID, or else the instances that told of it."""

    uid: str = ""
    instances: list[str] = field(default_factory=list)


@dataclass
class _Place:
    """Where a listing stands: what the opaque page token holds."""

    token: str | None = None
    """Google's next page; None on the first page and when the listing is through."""
    sync: str | None = None
    """Google's new sync token, when the listing is through."""
    waiting: dict[str, _Waiting] = field(default_factory=dict)
    circle: Circle = START
    """What the pages so far held, since a listing may run in circles."""
    plain: bool = False
    """It did, or took too long: it has begun anew with pages of Google's own size, which are smaller."""
    held: dict[str, Event] = field(default_factory=dict)
    """By id, the items of series that a full listing has shown so far: what belongs to one may come later."""
    size: int = 0
    """How many characters of them have been held."""

    def begin_plainly(self) -> None:
        """Begin the listing anew, with pages of Google's own size (250 of an event list, sheet 3.1)."""
        self.token, self.circle, self.plain = None, START, True
        self.held, self.size = {}, 0

    def write(self) -> str:
        data = dataclasses.asdict(dataclasses.replace(self, held={}))
        if self.held:
            packed = zlib.compress(json.dumps(list(self.held.values())).encode(), 1)
            data["held"] = base64.b64encode(packed).decode()
        return json.dumps(data, separators=(",", ":"))

    @classmethod
    def read(cls, page: str | None) -> _Place:
        if page is None:
            return cls()
        try:
            data = json.loads(page)
            waiting = {k: _Waiting(**v) for k, v in data.pop("waiting").items()}
            circle = Circle(**data.pop("circle"))
            packed = data.pop("held", None)
            held = json.loads(zlib.decompress(base64.b64decode(packed))) if packed else ()
            return cls(**data, waiting=waiting, circle=circle, held={item["id"]: item for item in held})
        except (ValueError, TypeError, KeyError, AttributeError, zlib.error):
            raise CursorExpiredError("The page to go on from cannot be read.") from None


def fetch(
    call: Call, calendar: RemoteCalendar, cursor: str | None, page: str | None, window: Window
) -> ChangePage:
    """Return one page of changes (the hook `fetch_changes`)."""
    client = Client(call)
    place = _Place.read(page)
    changes: list[RemoteChange] = []
    if place.sync is None:
        changes = _list(client, calendar, cursor, place, window)
    if place.sync is not None:
        changes += _read_waiting(client, calendar, place)
    done = place.sync is not None and not place.waiting
    return ChangePage(
        changes=tuple(changes),
        scope=Scope.DELTA if cursor else Scope.SNAPSHOT,
        next_page=None if done else place.write(),
        next_cursor=place.sync if done else None,
        window=None if cursor else Window(window.start, FOREVER),
    )


def _list(
    client: Client, calendar: RemoteCalendar, cursor: str | None, place: _Place, window: Window
) -> list[RemoteChange]:
    """Read one page of Google's listing; note in `place` how to go on."""
    query: dict[str, Any] = {"calendarId": calendar.remote_id, "singleEvents": False}
    if not place.plain:
        query["maxResults"] = series.PAGE_SIZE
    if cursor:
        # Beside a sync token most parameters are an error, timeMin among them (sheet 3.1).
        query["syncToken"] = cursor
    else:
        query["timeMin"] = window.start.astimezone(UTC).isoformat()
    about = About.CHANGES if cursor else About.CALENDAR
    try:
        answer: EventList = client.run(client.events.list(pageToken=place.token, **query), about)
    except TooHeavyError:
        if cursor or place.plain:
            raise
        place.begin_plainly()
        return []
    items = [i for i in answer.get("items") or () if isinstance(i, dict) and is_id(i.get("id"))]
    _go_on(place, answer, [item["id"] for item in items])
    zone = answer.get("timeZone") or calendar.zone or "UTC"
    if cursor is not None:
        return _sort_out(items, zone, place, None)
    is_whole = place.sync is not None
    return _sort_out(_hold_series(items, place), zone, place, window.start if is_whole else None)


def _go_on(place: _Place, answer: EventList, ids: list[str]) -> None:
    """Note where the listing goes on; one that runs in circles begins anew once, with smaller pages.

    Raises:
        CursorExpiredError: it runs in circles with those, too.
    """
    place.token = answer.get("nextPageToken") or None
    if place.token is None:
        place.sync = answer.get("nextSyncToken")
        if not place.sync:
            raise RetryLaterError("Google ended a listing without a place to go on from.")
        return
    place.circle = place.circle.after(ids, place.token)
    if place.circle.is_closed:
        if place.plain:
            raise CursorExpiredError("Google shows the same pages of this calendar again and again.")
        place.begin_plainly()


def _hold_series(items: list[Event], place: _Place) -> list[Event]:
    """Return what of a page of a full listing can be told now: its series are, when all pages were seen."""
    for item in items:
        place.held.pop(item["id"], None)  # The later entry counts.
    if place.sync is not None:
        items, place.held = [*place.held.values(), *items], {}
        return items
    told = []
    for item in items:
        is_of_series = item.get("recurrence") or item.get("recurringEventId")
        if is_of_series and place.size < MOST_HELD:
            place.held[item["id"]] = item
            place.size += len(json.dumps(item))
        else:
            told.append(item)
    return told


def _sort_out(items: Iterable[Event], zone: str, place: _Place, since: datetime | None) -> list[RemoteChange]:
    """Return what the page tells for certain; put the rest on the list of series to be read.

    A full listing that has come to its end (`since` is set) has shown each series with its instances, but
    leaves out those that ended before. An incremental listing shows only the items that changed: there each
    series is read by itself, since one that came without its exceptions would look as if a person had taken
    them back.
    """
    masters: dict[str, Event] = {}
    instances: dict[str, list[Event]] = {}
    changes: list[RemoteChange] = []
    for item in {item["id"]: item for item in items}.values():  # The later entry counts.
        if is_left_out(item):
            continue
        owner = item.get("recurringEventId")
        if owner and not is_id(owner):
            changes.append(RemoteChange(item["id"], fault="Google does not say which series it is of."))
        elif owner:
            instances.setdefault(owner, []).append(item)
        elif item.get("status") == "cancelled":
            changes.append(RemoteChange(item["id"]))
        elif item.get("recurrence"):
            masters[item["id"]] = item
        elif not item.get("start"):
            # Of a deleted event no more than its id is promised (reference/events: status).
            place.waiting[item["id"]] = _Waiting()
        else:
            changes.append(read(item, [], zone))
    gone = {c.remote_id for c in changes}
    for remote_id, master in masters.items():
        is_known = since is not None and _starts_after(master, since, zone)
        if is_known and remote_id not in place.waiting:
            changes.append(read(master, instances.pop(remote_id, []), zone))
        else:
            instances.pop(remote_id, None)
            place.waiting[remote_id] = _Waiting(master.get("iCalUID", ""))
    for owner, members in instances.items():
        if owner not in gone:
            _note(place, owner, members)
    return changes


def is_id(value: object) -> TypeGuard[str]:
    """Whether a value can be the id of anything (reference/events: at most 1024 characters)."""
    return isinstance(value, str) and 0 < len(value) <= 1024 and value.isprintable()


def _note(place: _Place, owner: str, members: list[Event]) -> None:
    waiting = place.waiting.setdefault(owner, _Waiting())
    waiting.uid = waiting.uid or next((m["iCalUID"] for m in members if m.get("iCalUID")), "")
    waiting.instances += [m["id"] for m in members if m["id"] not in waiting.instances]


def _starts_after(master: Event, since: datetime, zone: str) -> bool:
    """Return whether no instance of the series can have ended before the listing's span."""
    try:
        own = times.known_zone(master["start"].get("timeZone"), zone)
        start = times.read_time(master["start"], own)
    except UNREADABLE:
        return True
    if isinstance(start, datetime):
        return times.to_utc(start, own) >= since
    return datetime.combine(start, time(), UTC) - timedelta(days=1) >= since


def read(item: Event, instances: list[Event], zone: str) -> RemoteChange:
    """Return an item as a change, or as a fault that costs itself alone."""
    try:
        return RemoteChange(item["id"], from_remote(item, instances, zone))
    except UNREADABLE as e:
        return RemoteChange(item["id"], fault=f"Google's event cannot be read: {type(e).__name__}: {e}"[:300])


def _read_waiting(client: Client, calendar: RemoteCalendar, place: _Place) -> list[RemoteChange]:
    """Read a bundle of the series that are waiting."""
    changes: list[RemoteChange] = []
    for remote_id in list(place.waiting)[:BUNDLE]:
        changes += _read_series(client, calendar, remote_id, place.waiting.pop(remote_id))
    return changes


def _read_series(
    client: Client, calendar: RemoteCalendar, remote_id: str, waiting: _Waiting
) -> list[RemoteChange]:
    """Read a series, or the single occurrences that the person was invited to.

    Those of a series that is here by now may have been told as events of their own before: they are gone.
    """
    zone = calendar.zone or "UTC"
    try:
        family = series.read_family(client, calendar, remote_id, waiting.uid)
        if is_left_out(family[0]):
            return []
        change = read(*family, zone)
        return [change, *(RemoteChange(i["id"]) for i in family[1] if change.event and is_id(i.get("id")))]
    except GoneError as e:
        if e.code == "cancelled" or not waiting.instances:
            return [RemoteChange(remote_id)]
    # The person was invited to single occurrences of somebody's series: each is an event of its own.
    return [_read_single(client, calendar, i, zone) for i in waiting.instances]


def _read_single(client: Client, calendar: RemoteCalendar, remote_id: str, zone: str) -> RemoteChange:
    try:
        item = series.get_item(client, calendar, remote_id)
    except GoneError:
        return RemoteChange(remote_id)
    if item.get("status") == "cancelled":
        return RemoteChange(remote_id)
    return read(item, [], zone)

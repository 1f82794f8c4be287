"""The mailboxes: people, calendars, events, and what changed when. Pure, in memory, under one lock.

Every write moves a sequence number and appends to its calendar's log, so that a delta round costs what
changed and not what there is.
"""

from __future__ import annotations

import base64
import hashlib
import random
import struct
import threading
import uuid
from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

from hub_outlook import zones
from hub_outlook.sandbox import reads, series
from hub_outlook.sandbox.clock import Clock
from hub_outlook.sandbox.problems import GraphError, conflict, not_found
from hub_outlook.sandbox.switches import SWITCHES

ID_BYTES = 97
"""Of the constant part of an id: with serial and occurrence an id has 152 characters, as in Exchange."""
AT_HOME = b"\x01\x03\x24"
"""What the ids of a personal mailbox begin with: AQMk."""
UID_HEAD = "040000008200E00074C5B7101A82E008"
"""What the uids of all items that Exchange makes begin with (MS-OXOCAL: PidLidGlobalObjectId)."""


@dataclass
class Person:
    """One mailbox and its owner."""

    email: str
    name: str
    id: str
    zone: str | None = "W. Europe Standard Time"
    """What the mailbox's settings name as its time zone; None or empty: none was ever set."""
    mailbox: str = "enabled"
    """enabled, unlicensed, guest, or personal: the account of a person at home."""
    ready_at: datetime | None = None
    """Until then the mailbox is being made, or moved, and answers as one that has none."""
    links: int = 0
    """How many deltaLinks were given out."""
    expired_links: int = 0
    """All deltaLinks up to this one are too old."""

    @property
    def is_personal(self) -> bool:
        return self.mailbox == "personal"


@dataclass
class Folder:
    """A calendar."""

    id: str
    person: str
    name: str
    can_edit: bool = True
    is_default: bool = False
    owner: str = ""
    """E-mail address of whose calendar it is; another's is one that was shared in."""
    owner_name: str = ""
    hex_color: str = ""
    group: str = "My Calendars"


@dataclass
class Item:
    """A single event, or a series with all its occurrences."""

    serial: int
    person: str
    folder: str
    values: dict[str, Any]
    start: datetime
    end: datetime
    zone: str
    created: datetime
    modified: datetime
    change_key: str
    seq: int
    uid: str
    recurrence: dict[str, Any] | None = None
    exceptions: dict[str, dict[str, Any]] = field(default_factory=dict)
    """What changed occurrences override, by original date; `start`, `end` and `zone` may be among it."""
    cancelled: set[str] = field(default_factory=set)
    generation: int = 0
    """Moves with each new rule or time: occurrence ids are made of it."""
    extended: dict[str, str] = field(default_factory=dict)
    transaction_id: str | None = None
    deleted: bool = False
    is_organizer: bool = True
    organizer: dict[str, str] = field(
        default_factory=lambda: {"name": "Someone Else", "address": "someone.else@example.test"}
    )
    """Who organises it if that is not the mailbox's owner: name and address."""
    by_owner: bool = False
    """Its times were written in Outlook itself, in the mailbox's own zone if nobody knows that."""
    is_cancelled: bool = False
    extensions: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Open extensions by name (`sandbox.extensions`)."""
    drifted: int = 0
    """The sequence number of the last change that was none."""
    given_id: str | None = None
    """An id of the person's making, in both forms; None: the mailbox makes it."""
    history: list[tuple[float, dict[str, Any]]] = field(default_factory=list)
    """The last states with the time of each change, if reads lag."""


class Model:
    """All mailboxes."""

    def __init__(self, clock: Clock, seed: int, base_url: str = "") -> None:
        self.clock = clock
        self.base_url = base_url
        self.seed = seed
        self.random = random.Random(seed)
        self.lock = threading.RLock()
        self.people: dict[str, Person] = {}
        self.folders: dict[str, Folder] = {}
        self.items: dict[int, Item] = {}
        self.logs: dict[str, list[tuple[int, int, float]]] = {}
        """By calendar: sequence number, serial and time of each change."""
        self.serials: dict[str, list[int]] = {}
        self.transactions: dict[str, int] = {}
        self.given: dict[str, int] = {}
        """Serials by person and id, of events whose id was given."""
        self.mails: list[dict[str, str]] = []
        self.switches = dict(SWITCHES)
        self.seq = 0
        self.watch: Callable[[Item, str], None] = lambda _item, _kind: None
        """Told of each change after it was made: created, updated or deleted."""
        self._dates: dict[tuple[int, int], list[date]] = {}

    # --- people and calendars ---

    def add_person(self, email: str, name: str, mailbox: str = "enabled") -> Person:
        name = name or email.partition("@")[0].title()
        person = Person(email, name, str(self.guid(email)), mailbox=mailbox)
        self.people[email.casefold()] = person
        self.add_folder(person, "Calendar", is_default=True)
        return person

    def add_folder(self, person: Person, name: str, **values: Any) -> Folder:
        folder_id = self.folder_id(f"{person.email} {name} {len(self.folders)}")
        values = {"owner": person.email, "owner_name": person.name} | values
        folder = Folder(folder_id, person.email.casefold(), name, **values)
        self.folders[folder_id] = folder
        return folder

    def person(self, name: str) -> Person:
        found = self.people.get(name.casefold())
        found = found or next((p for p in self.people.values() if p.id == name), None)
        if found is None:
            raise GraphError(404, "Request_ResourceNotFound", f"Resource '{name}' does not exist.")
        return found

    def folders_of(self, person: Person) -> list[Folder]:
        return [f for f in self.folders.values() if f.person == person.email.casefold()]

    def folder(self, person: Person, folder_id: str) -> Folder:
        found = self.folders.get(folder_id)
        if found is None:
            if len(folder_id) < 40:
                raise GraphError(400, "ErrorInvalidIdMalformed", "Id is malformed.")
            raise not_found()
        if found.person != person.email.casefold():
            raise not_found()
        return found

    def default_folder(self, person: Person) -> Folder:
        return next(f for f in self.folders_of(person) if f.is_default)

    def tenant(self, person: Person) -> str:
        """Return the id of the organisation that a mailbox belongs to, or of all people at home."""
        return str(self.switches["personal_tenant"] if person.is_personal else self.guid("tenant"))

    def guid(self, what: str) -> uuid.UUID:
        return uuid.UUID(bytes=hashlib.sha256(f"{self.seed} {what}".encode()).digest()[:16], version=4)

    # --- ids ---

    def folder_id(self, what: str) -> str:
        return base64.urlsafe_b64encode(self._constant(f"folder {what}") + bytes(15)).decode()

    def _constant(self, what: str) -> bytes:
        return b"\x00\x09" + hashlib.shake_128(f"{self.seed} {what}".encode()).digest(ID_BYTES - 2)

    def event_id(self, item: Item, immutable: bool, day: date | None = None) -> str:
        """Return the id of an event, or of its occurrence on an original date, in one of two forms."""
        if item.given_id and not day:
            return item.given_id
        immutable = immutable and bool(self.switches["immutable_ids"])
        immutable = immutable and not (day and not self.switches["immutable_occurrences"])
        constant = self._constant(f"{'immutable' if immutable else item.folder} {item.person}")
        if self.people[item.person].is_personal:
            constant = AT_HOME + constant[len(AT_HOME) :]
        tail = struct.pack(">III", day.toordinal(), item.generation, item.serial) if day else bytes(12)
        packed = constant + struct.pack(">I", item.serial) + tail
        return base64.urlsafe_b64encode(packed).decode()

    def find(self, person: Person, event_id: str) -> tuple[Item, date | None]:
        """Return the event of an id of either form, and the date if it is an occurrence."""
        if (serial := self.given.get(f"{person.email.casefold()} {event_id}")) is not None:
            if self.items[serial].deleted:
                raise not_found()
            return self.items[serial], None
        try:
            packed = base64.urlsafe_b64decode(event_id)
        except ValueError:
            packed = b""
        if len(packed) != ID_BYTES + 16 or not packed.startswith((b"\x00\x09", AT_HOME)):
            raise GraphError(400, "ErrorInvalidIdMalformed", "Id is malformed.")
        serial, ordinal, generation, _ = struct.unpack(">IIII", packed[ID_BYTES:])
        item = self.items.get(serial)
        if item is None or item.deleted or item.person != person.email.casefold():
            raise not_found()
        day = date.fromordinal(ordinal) if ordinal else None
        if event_id not in (self.event_id(item, True, day), self.event_id(item, False, day)):
            raise not_found()
        if day and (generation != item.generation or not self.has_occurrence(item, day)):
            raise not_found()
        return item, day

    # --- writing ---

    def create(
        self,
        folder: Folder,
        fields: dict[str, Any],
        transaction_id: str | None = None,
        given_id: str | None = None,
    ) -> Item:
        """Add an event of already checked fields."""
        key = f"{folder.person} {transaction_id}"
        now = self.clock.now()
        first = self.items[self.transactions[key]] if key in self.transactions else None
        if transaction_id and first and self._is_remembered(first):
            self._refuse_duplicate(first)
        serial = len(self.items) + 1
        item = Item(
            serial=serial,
            person=folder.person,
            folder=folder.id,
            values=fields["values"],
            start=fields["start"],
            end=fields["end"],
            zone=fields["zone"],
            recurrence=fields.get("recurrence"),
            extended=fields.get("extended", {}),
            created=now,
            modified=now,
            change_key="",
            seq=0,
            uid=f"{UID_HEAD}{'0' * 8}{self.guid(f'uid {serial}').hex.upper()}{'0' * 24}",
            transaction_id=transaction_id,
            given_id=given_id,
        )
        self.items[serial] = item
        if given_id:
            self.given[f"{folder.person} {given_id}"] = serial
        self.serials.setdefault(folder.id, []).append(serial)
        if transaction_id:
            self.transactions[key] = serial
        self.touch(item, "created")
        return item

    def _is_remembered(self, first: Item) -> bool:
        """Whether the transactionId of an event is still known."""
        seconds = float(self.switches["transaction_seconds"])
        return not seconds or self.clock.now() - first.created < timedelta(seconds=seconds)

    def drift(self) -> None:
        """Give events another change key some time after a write, as Exchange does when it looks at them."""
        if not self.switches["drift_seconds"]:
            return
        before = self.clock.now() - timedelta(seconds=float(self.switches["drift_seconds"]))
        for item in list(self.items.values()):
            if not item.deleted and item.drifted != item.seq and item.modified <= before:
                self.touch(item, "updated")
                item.drifted = item.seq

    def _refuse_duplicate(self, first: Item) -> None:
        more = {}
        if self.switches["existing_event_id"]:
            more["@event.existingEventId"] = self.event_id(first, True)
        raise GraphError(
            self.switches["duplicate_transaction_status"],
            "ErrorDuplicateTransactionId",
            "Your request can't be completed. The TransactionId specified in the request has already been "
            "used to create a different event.",
            more=more,
        )

    def update(self, item: Item, fields: dict[str, Any]) -> None:
        """Change a single event or a master; a new time or rule makes a series anew."""
        item.values |= fields["values"]
        item.extended |= fields.get("extended", {})
        written = {name for name in fields["values"] if item.recurrence}
        reshaped = False
        for name in ("start", "end", "zone", "recurrence"):
            if name in fields and (fields[name] != getattr(item, name) or name == "recurrence"):
                setattr(item, name, fields[name])
                written.add("start" if name == "zone" or "rule_follows" in fields else name)
                reshaped = True
        dropping = set(self.switches["drop_exceptions"])
        drops = bool(written & dropping) or (bool(written) and "*" in dropping) or item.recurrence is None
        if reshaped or (drops and item.recurrence):
            item.generation += 1
            self._drop_exceptions(item, all_of_them=drops)
        self.touch(item, "updated")

    def _drop_exceptions(self, item: Item, *, all_of_them: bool) -> None:
        """Forget the exceptions of a series that was made anew, or that has no such days any more."""
        left = set() if all_of_them else {day.isoformat() for day in self.series_dates(item)}
        item.exceptions = {day: own for day, own in item.exceptions.items() if day in left}
        item.cancelled &= left

    def update_occurrence(self, item: Item, day: date, fields: dict[str, Any]) -> None:
        """Make an occurrence an exception, unless it would cross a neighbour."""
        own = item.exceptions.get(day.isoformat(), {})
        changed = own | fields["values"] | {k: fields[k] for k in ("start", "end", "zone") if k in fields}
        if "start" in changed:
            self._refuse_crossing(item, day, changed)
        item.exceptions[day.isoformat()] = changed
        self.touch(item, "updated")

    def _refuse_crossing(self, item: Item, day: date, changed: dict[str, Any]) -> None:
        zone = item.zone
        local = zones.to_wall(zones.to_utc(changed["start"], iana(changed["zone"])), iana(zone)).date()
        all_days = self.occurrence_dates(item)
        at = all_days.index(day)
        before = self._placed(item, all_days[at - 1]) if at else date.min
        after = self._placed(item, all_days[at + 1]) if at + 1 < len(all_days) else date.max
        if not before < local < after:
            raise GraphError(
                400,
                "ErrorOccurrenceCrossingBoundary",
                "Modified occurrence is crossing or overlapping adjacent occurrence.",
            )

    def _placed(self, item: Item, day: date) -> date:
        own = item.exceptions.get(day.isoformat(), {})
        return own["start"].date() if "start" in own else day

    def delete(self, item: Item) -> None:
        item.deleted = True
        self.touch(item, "deleted")

    def cancel_occurrence(self, item: Item, day: date) -> None:
        item.cancelled.add(day.isoformat())
        item.exceptions.pop(day.isoformat(), None)
        self.touch(item, "updated")

    def touch(self, item: Item, kind: str) -> None:
        """Give an event a new change key and a place at the end of its calendar's log."""
        self.seq += 1
        digest = hashlib.sha256(f"{self.seed} key {self.seq}".encode()).digest()
        item.change_key = base64.b64encode(digest[:16]).decode()
        item.seq = self.seq
        item.modified = self.clock.now()
        reads.remember(self, item)
        self.logs.setdefault(item.folder, []).append((self.seq, item.serial, item.modified.timestamp()))
        self.watch(item, kind)

    def require_version(self, item: Item, if_match: str | None) -> None:
        if if_match and if_match != "*" and if_match != f'W/"{item.change_key}"':
            raise conflict()

    # --- reading ---

    def live(self, folder: Folder) -> Iterator[Item]:
        return (
            item for serial in self.serials.get(folder.id, ()) if not (item := self.items[serial]).deleted
        )

    def changed_since(self, folder: Folder, seq: int) -> Iterator[Item]:
        """Yield what changed after a sequence number, each event once, at its last change."""
        log = self.logs.get(folder.id, [])
        newest = self.clock.now().timestamp() - float(self.switches["delta_lag"])
        for number, serial, at in log[bisect_right(log, seq, key=lambda entry: entry[0]) :]:
            if at > newest and self.switches["delta_lag"]:
                return
            item = self.items[serial]
            if item.seq == number:
                yield item

    def series_dates(self, item: Item) -> list[date]:
        """Return the dates that the rule computes, cancelled or not."""
        assert item.recurrence
        key = (item.serial, item.generation)
        if key not in self._dates:
            self._dates[key] = series.dates(item.recurrence)
        return self._dates[key]

    def occurrence_dates(self, item: Item) -> list[date]:
        """Return the original dates of the occurrences that are left."""
        return [d for d in self.series_dates(item) if d.isoformat() not in item.cancelled]

    def has_occurrence(self, item: Item, day: date) -> bool:
        known = self.series_dates(item)
        at = bisect_right(known, day) - 1
        return at >= 0 and known[at] == day and day.isoformat() not in item.cancelled

    def span(self, item: Item, day: date | None = None) -> tuple[datetime, datetime]:
        """Return start and end in naive UTC, of an event or one occurrence; all-day ones by their dates."""
        start, end, zone = item.start, item.end, item.zone
        values = item.values
        if item.recurrence:
            own = item.exceptions.get(day.isoformat(), {}) if day else {}
            # A master shows its first occurrence as the pattern has it, wherever that one was moved to.
            day = day or next(iter(self.series_dates(item)), item.start.date())
            if "start" in own:
                start, end, zone = own["start"], own["end"], own["zone"]
            else:
                moved = datetime.combine(day, item.start.time())
                start, end = moved, moved + (item.end - item.start)
            values = item.values | own
        if values["isAllDay"]:
            return start, end
        return zones.to_utc(start, iana(zone)), zones.to_utc(end, iana(zone))

    def members(self, item: Item, start: datetime, end: datetime) -> list[date]:
        """Return the original dates of the occurrences that touch a window of naive UTC."""
        known = self.series_dates(item)
        margin = item.end - item.start + timedelta(days=2)
        low = bisect_right(known, (start - margin).date())
        high = bisect_right(known, (end + timedelta(days=2)).date())
        near = {d for d in known[low:high] if d.isoformat() not in item.cancelled}
        near |= {date.fromisoformat(d) for d in item.exceptions}
        return [d for d in sorted(near) if touches(self.span(item, d), start, end)]


def iana(zone: str) -> str:
    """Return the IANA zone of a name that was checked when it was written."""
    return zones.to_iana(zone) or "UTC"


def touches(span: tuple[datetime, datetime], start: datetime, end: datetime) -> bool:
    return span[0] < end and (span[1] > start or span[0] == span[1] >= start)

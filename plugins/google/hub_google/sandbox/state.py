"""Everything the sandbox knows, in memory; `store` keeps it over restarts.

Plain data with a clock that can be moved on and one generator for ids, so that equal seeds and equal
calls give equal answers. Whoever reads or writes it holds `lock`.
"""

from __future__ import annotations

import base64
import random
import threading
import time
from collections import deque
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

SWITCHES: dict[str, Any] = {
    # What Google does with exceptions when rule or start of a series change: not confirmed.
    "exceptions_on_master_change": "drop_missing",  # or keep, drop_all
    "exceptions_ignore_time_min": False,
    "token_remembers_window": False,
    "noop_patch_moves_etag": False,
    "reminders_move_etag": True,
    "sequence_rises": "times",  # or always, never: with which changes of an event
    "shows_defaults": False,  # what is at its default stands in answers, too
    "whole_cancelled_instances": False,  # a cancelled occurrence is shown with all that it held
    "refuses_points": False,  # an event that ends when it begins is refused
    "guest_edits": "local",  # or refused: what a guest changes of a meeting's time and texts
    "both_inserts_win": False,
    "conference": "success",  # or pending (until it is read), failure
    "cut_texts": 0,  # characters that are kept of a text; 0: all
    "properties_match_any": False,
    "clamp_page_size": True,
    "forbidden_reason": "invalid",
    "forbidden_message": "Sync token cannot be used with other request restrictions.",
    "updated_min_chains": True,  # a listing by updatedMin ends with a sync token
    "empty_pages": 0,  # so many come before each page that holds something
    "most_attendees_shown": 0,  # a longer list of guests is shown in part, though nobody has asked for that
    "page_limit": 0,
    "repeat_page_token": False,
    "endless_pages": "",  # or sized (only where a size is asked for), always
    "overlap_pages": False,
    "read_lag": 0.0,
    "sync_token_days": 30,
    "updated_min_days": 30,
    "tombstone_days": 0,
    "error_details": False,
    "compresses": False,  # answers to who can take it, as Google does; costs time
    "channel_seconds": 604800,
    "webhook_unauthorized": 0,  # the status that a callback of an unverified domain is refused with
    "sync_before_answer": False,  # the first message of a channel comes before the answer that it is open
    "stops_again": False,  # a channel that is stopped already can be stopped
    "drop_notifications": 0,
    "duplicate_notifications": 0,
    "deliver_after_stop": False,
    "notify_delay": 0.0,
    "delivery_tries": 6,
    "delivery_backoff": 0.5,  # seconds before the second try; doubled before each later one
    "delivery_timeout": 10.0,  # a webhook that takes longer has failed
    "reorder_notifications": False,
    "most_channels": 0,
    "quota_per_account": 0,
    "quota_per_project": 0,
    "quota_per_calendar": 0,  # writes in a second
    "read_only_people": [],
    "testing_mode": False,
    "rotates_refresh_tokens": False,  # each refresh brings a new one, and the old one is dead
    "tells_refresh_lifetime": False,
}
"""What is not confirmed about Google, or must be playable both ways; set by the control API."""


def stamped(moment: datetime) -> str:
    """Return an instant as Google prints it."""
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


_HISTORY = 5
BASE32HEX = "0123456789abcdefghijklmnopqrstuv"


@dataclass
class Record:
    """One event, master or exception; an exception's `data` holds only what differs from its master."""

    id: str
    uid: str
    data: dict[str, Any]
    organizer: dict[str, str]
    creator: dict[str, str]
    created: str
    updated: str = ""
    etag: str = ""
    seq: int = 0
    master: str | None = None
    original: dict[str, str] | None = None
    stub: bool = False
    """It was moved away: another calendar has it now."""
    children: list[str] = field(default_factory=list)
    history: list[tuple[float, int, dict[str, Any], str, str]] = field(default_factory=list)
    """The last states with the time and number of the change, for reads that lag: data, etag, updated."""

    @property
    def cancelled(self) -> bool:
        return self.data.get("status") == "cancelled"


@dataclass
class CalendarState:
    """One calendar: its events by id, and the order in which they changed."""

    id: str
    summary: str
    zone: str
    acl: dict[str, str]
    etag: str = ""
    records: dict[str, Record] = field(default_factory=dict)
    log: dict[str, int] = field(default_factory=dict)
    """Change numbers by event id, the latest last: an incremental listing reads it from the end."""
    by_uid: dict[str, list[str]] = field(default_factory=dict)
    floor: int = 0
    """Sync tokens from before this change number have expired."""
    details: dict[str, str] = field(default_factory=dict)
    """Its description and place."""


@dataclass
class ListEntry:
    """A person's own view of a calendar."""

    seq: int = 0
    etag: str = ""
    settings: dict[str, Any] = field(default_factory=dict)
    deleted: bool = False


@dataclass
class Person:
    """An account at Google."""

    email: str
    name: str
    entries: dict[str, ListEntry] = field(default_factory=dict)
    floor: int = 0


@dataclass
class Grant:
    """What a person allowed a project, with the refresh tokens that stand for it."""

    person: str
    client: str
    scopes: list[str]
    refresh: dict[str, float] = field(default_factory=dict)
    """Last use (sandbox time) by token."""
    made: dict[str, float] = field(default_factory=dict)
    opens: dict[str, list[str]] = field(default_factory=dict)
    """Scopes by token: those of its own consent, and the earlier ones if that asked for them."""


@dataclass
class Access:
    """An access token."""

    person: str
    client: str
    scopes: list[str]
    ends: float


@dataclass
class ChannelState:
    """A notification channel."""

    id: str
    person: str
    client: str
    resource: str
    calendar: str | None
    address: str
    token: str | None
    ends: float
    number: int = 0
    stopped: bool = False
    kinds: list[str] = field(default_factory=list)
    """The types of events that it is about; empty: all."""


def _state_of(record: Record, at: float) -> tuple[float, int, dict[str, Any], str, str]:
    return at, record.seq, record.data, record.etag, record.updated


class State:
    """The whole sandbox."""

    def __init__(self, base_url: str, client_id: str, client_secret: str, seed: int) -> None:
        self.lock = threading.RLock()
        self.base_url, self.client_id, self.client_secret = base_url, client_id, client_secret
        self.clients = {client_id: client_secret}
        """The secrets of the projects that may ask for anything; a test can add some."""
        self.random = random.Random(seed)
        self.offset = 0.0
        self.counter = 0
        self.people: dict[str, Person] = {}
        self.calendars: dict[str, CalendarState] = {}
        self.grants: dict[str, Grant] = {}
        self.access: dict[str, Access] = {}
        self.codes: dict[str, dict[str, Any]] = {}
        self.channels: dict[str, ChannelState] = {}
        self.switches: dict[str, Any] = dict(SWITCHES)
        self.calls: deque[dict[str, Any]] = deque(maxlen=200_000)
        self.mails: list[dict[str, str]] = []
        self.touched: dict[str | tuple[str, str], set[str]] = {}
        """Calendars, and people's calendar lists, that changed in this request."""
        self._last_stamp = 0

    def grant_of(self, client: str, person: str) -> Grant | None:
        """Return what a person allowed a project."""
        return self.grants.get(f"{client} {person}")

    # --- time and ids ---

    def now(self) -> float:
        """Return the sandbox's time in seconds."""
        return time.time() + self.offset

    def moment(self) -> datetime:
        return datetime.fromtimestamp(self.now(), UTC)

    def stamp(self) -> str:
        """Return the time as Google prints it: UTC with milliseconds."""
        return stamped(self.moment())

    def etag(self) -> str:
        """Return a new etag: microseconds times two, never the same twice, with quotes inside."""
        self._last_stamp = max(self._last_stamp + 1, int(self.now() * 1_000_000))
        return f'"{self._last_stamp * 2}"'

    def event_id(self) -> str:
        return "".join(self.random.choices(BASE32HEX, k=26))

    def token(self, prefix: str = "", size: int = 30) -> str:
        return prefix + base64.urlsafe_b64encode(self.random.randbytes(size)).decode().rstrip("=")

    def next_seq(self) -> int:
        self.counter += 1
        return self.counter

    def begin_lag(self) -> None:
        """Remember how everything is when reads begin to lag."""
        for calendar in self.calendars.values():
            for record in calendar.records.values():
                record.history = [_state_of(record, 0.0)]

    def visible(self, record: Record) -> Record | None:
        """Return a record as reads show it, which may lag; None if it is not there for them yet."""
        lag = float(self.switches["read_lag"])
        if not lag or not record.history:
            return record
        shown = [state for state in record.history if state[0] <= self.now() - lag]
        if not shown:
            return None
        _, seq, data, etag, updated = shown[-1]
        return replace(record, seq=seq, data=data, etag=etag, updated=updated)

    def visible_seq(self, calendar: CalendarState) -> int:
        """Return up to which change number reads of a calendar show everything."""
        lag, seq = float(self.switches["read_lag"]), self.counter
        if not lag:
            return seq
        for event_id in reversed(calendar.log):
            hidden = [s for at, s, *_ in calendar.records[event_id].history if at > self.now() - lag]
            if not hidden:
                break
            seq = min(seq, hidden[0] - 1)
        return seq

    def older_than(self, stamp: str, days: float) -> bool:
        return datetime.fromisoformat(stamp) < self.moment() - timedelta(days=days)

    # --- changes ---

    def changed(self, calendar: CalendarState, record: Record, data_too: bool = True) -> None:
        """Note that an event changed: new etag, its place in the order of changes, notifications."""
        record.etag = self.etag()
        if data_too or not record.updated:
            record.updated = self.stamp()
        record.seq = self.next_seq()
        if self.switches["read_lag"]:
            record.history = [*record.history[1 - _HISTORY :], _state_of(record, self.now())]
        calendar.log.pop(record.id, None)
        calendar.log[record.id] = record.seq
        kinds = self.touched.setdefault(calendar.id, set())
        kinds.add(str(record.data.get("eventType", "default")))

    def add(self, calendar: CalendarState, record: Record) -> None:
        """Put an event into a calendar."""
        calendar.records[record.id] = record
        calendar.by_uid.setdefault(record.uid, []).append(record.id)

    def drop(self, calendar: CalendarState, record: Record) -> None:
        """Forget an event, without a trace."""
        calendar.records.pop(record.id, None)
        calendar.log.pop(record.id, None)
        ids = calendar.by_uid.get(record.uid, [])
        if record.id in ids:
            ids.remove(record.id)

    def entry_changed(self, person: Person, calendar_id: str) -> ListEntry:
        """Note that a person's calendar list entry changed."""
        entry = person.entries[calendar_id]
        entry.seq, entry.etag = self.next_seq(), self.etag()
        self.touched.setdefault(("list", person.email), set())
        return entry

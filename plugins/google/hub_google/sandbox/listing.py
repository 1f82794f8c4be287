"""Reading events: listings with filters, sync tokens and pages, and the occurrences of a series.

An incremental listing walks the calendar's order of changes from its end, so its cost grows with
what changed and not with the calendar.
https://developers.google.com/workspace/calendar/api/guides/sync
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from hub_google.sandbox import expand, moments, render
from hub_google.sandbox.events import Events
from hub_google.sandbox.failure import ApiError, full_sync_required, invalid
from hub_google.sandbox.state import CalendarState, Record, State

_FORBIDDEN = ("iCalUID", "orderBy", "privateExtendedProperty", "q", "sharedExtendedProperty")
_FORBIDDEN_TIMES = ("timeMin", "timeMax", "updatedMin")
_SAME = ("singleEvents", "showHiddenInvitations", "eventTypes", "maxAttendees", "timeZone")

Query = dict[str, list[str]]


def one(query: Query, name: str, default: str = "") -> str:
    """Return a parameter that may be given once."""
    return query.get(name, [default])[-1]


def flag(query: Query, name: str) -> bool:
    """Return a boolean parameter."""
    return one(query, name) == "true"


def size_of(query: Query, default: int, largest: int, *, clamp: bool = True) -> int:
    """Return the page size; whether Google clamps one that is too large is not known."""
    text = one(query, "maxResults", str(default))
    if not text.isdigit() or int(text) < 1:
        raise invalid("Invalid value for maxResults.", "maxResults")
    if int(text) > largest and not clamp:
        raise invalid("Invalid value for maxResults.", "maxResults")
    return min(int(text), largest)


def seal(state: State, value: dict[str, Any]) -> str:
    """Return a value as an opaque token that cannot be made up."""
    raw = json.dumps(value, separators=(",", ":")).encode()
    mark = hashlib.sha256(state.client_secret.encode() + raw).digest()[:6]
    return base64.urlsafe_b64encode(mark + raw).decode()


def unseal(state: State, token: str) -> dict[str, Any] | None:
    """Return what `seal` was given, or None if it never was."""
    try:
        data = base64.b64decode(token.encode(), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None
    mark, raw = data[:6], data[6:]
    if hashlib.sha256(state.client_secret.encode() + raw).digest()[:6] != mark:
        return None
    found: dict[str, Any] = json.loads(raw)
    return found


@dataclass
class _Filter:
    """The restrictions of one listing."""

    after: datetime | None
    before: datetime | None
    updated: datetime | None
    kinds: list[str]
    words: str
    uid: str
    private: list[str]
    shared: list[str]

    @classmethod
    def read(cls, query: Query) -> _Filter:
        after, before = _moment(query, "timeMin"), _moment(query, "timeMax")
        if after and before and before <= after:
            message = "The specified time range is empty."
            raise ApiError(400, "timeRangeEmpty", message, "calendar", "timeMax")
        return cls(
            after,
            before,
            _moment(query, "updatedMin"),
            query.get("eventTypes", []),
            one(query, "q").lower(),
            one(query, "iCalUID"),
            query.get("privateExtendedProperty", []),
            query.get("sharedExtendedProperty", []),
        )


def _moment(query: Query, name: str) -> datetime | None:
    text = one(query, name)
    if not text:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise ApiError(400, "badRequest", "Bad Request", at=name) from None
    if found.tzinfo is None:
        raise ApiError(400, "badRequest", "Bad Request", at=name)
    return found.replace(microsecond=0)


class Listing:
    """One call of events.list."""

    def __init__(self, state: State, calendar: CalendarState, person: str, query: Query) -> None:
        self.state, self.calendar, self.person, self.query = state, calendar, person, query
        self.deleted, self.single = flag(query, "showDeleted"), flag(query, "singleEvents")
        self.order = one(query, "orderBy")
        self.size = size_of(query, 250, 2500, clamp=state.switches["clamp_page_size"])
        self.sync = self._sync_token() if one(query, "syncToken") else None
        self.filter = _Filter.read(query)
        if self.sync and state.switches["token_remembers_window"] and self.sync["after"]:
            self.filter.after = datetime.fromisoformat(self.sync["after"])
        self.page = self._page_token() if one(query, "pageToken") else None

    # --- tokens ---

    def _signature(self) -> str:
        text = json.dumps([[name, self.query.get(name, [])] for name in _SAME])
        return hashlib.sha256(text.encode()).hexdigest()[:8]

    def _sync_token(self) -> dict[str, Any]:
        named = next((name for name in _FORBIDDEN + _FORBIDDEN_TIMES if name in self.query), None)
        if named or one(self.query, "showDeleted") == "false":
            reason, message = (self.state.switches[f"forbidden_{part}"] for part in ("reason", "message"))
            raise ApiError(400, reason, message, at=named or "showDeleted")
        token = unseal(self.state, one(self.query, "syncToken"))
        if token is None or token.get("calendar") != self.calendar.id or "seq" not in token:
            raise invalid("Invalid sync token value.", "syncToken")
        if token["same"] != self._signature():
            raise invalid("Sync token cannot be used with other request restrictions.", "syncToken")
        age = self.state.now() - token["made"]
        if token["seq"] < self.calendar.floor or age > self.state.switches["sync_token_days"] * 86400:
            raise full_sync_required()
        return token

    def _page_token(self) -> dict[str, Any]:
        token = unseal(self.state, one(self.query, "pageToken"))
        if token is None or token.get("calendar") != self.calendar.id or "last" not in token:
            raise invalid("Invalid page token value.", "pageToken")
        return token

    def _next_sync(self, seq: int) -> str:
        after = self.filter.after.isoformat() if self.filter.after else None
        return seal(
            self.state,
            {
                "calendar": self.calendar.id,
                "seq": seq,
                "made": int(self.state.now()),
                "same": self._signature(),
                "after": after,
            },
        )

    # --- the answer ---

    def answer(self) -> dict[str, Any]:
        """Return the page that the request asks for."""
        if self.order == "startTime" and not self.single:
            message = "The requested ordering is not available for the particular query."
            raise invalid(message, "orderBy")
        if self.filter.updated and self._too_long_ago(self.filter.updated):
            message = "The requested minimum modification time lies too far in the past."
            raise ApiError(410, "updatedMinTooLongAgo", message, "calendar", "updatedMin")
        seq = self.page["seq"] if self.page else self.state.visible_seq(self.calendar)
        envelope = self._envelope()
        last, blank = (self.page["last"], self.page["blank"]) if self.page else ("", 0)
        if blank < int(self.state.switches["empty_pages"]):
            return envelope | {"items": [], "nextPageToken": self._next_page(last, seq, blank + 1)}
        records = self._candidates()
        size = min(self.size, self.state.switches["page_limit"] or self.size)
        found = [(key, r) for key, r in records if key > last][: size + 1]
        shown = [self._show(r) for _, r in found[:size]]
        if len(found) > size:
            at = size - 2 if self.state.switches["overlap_pages"] and size > 1 else size - 1
            key = last if self._repeats() and last else found[at][0]
            return envelope | {"items": shown, "nextPageToken": self._next_page(key, seq)}
        if self.filter.updated and not self.state.switches["updated_min_chains"]:
            return envelope | {"items": shown}
        return envelope | {"items": shown, "nextSyncToken": self._next_sync(seq)}

    def _repeats(self) -> bool:
        """Whether this listing shows the same page for ever; the token stands still or moves."""
        endless = self.state.switches["endless_pages"]
        is_sized = endless == "sized" and "maxResults" in self.query
        return bool(endless == "always" or is_sized or self.state.switches["repeat_page_token"])

    def _next_page(self, last: str, seq: int, blank: int = 0) -> str:
        turn = self.page.get("turn", 0) + 1 if self.page and self.state.switches["endless_pages"] else 0
        place = {"calendar": self.calendar.id, "last": last, "seq": seq, "turn": turn, "blank": blank}
        return seal(self.state, place)

    def _too_long_ago(self, moment: datetime) -> bool:
        return self.state.older_than(moment.isoformat(), self.state.switches["updated_min_days"])

    def _envelope(self) -> dict[str, Any]:
        entry = self.state.people[self.person].entries.get(self.calendar.id)
        return {
            "kind": "calendar#events",
            "etag": f'"p{self.state.counter}"',
            "summary": self.calendar.summary,
            "updated": self.state.stamp(),
            "timeZone": one(self.query, "timeZone", self.calendar.zone),
            "accessRole": self.calendar.acl.get(self.person, "none"),
            "defaultReminders": entry.settings.get("defaultReminders", []) if entry else [],
        }

    def _show(self, record: Record) -> dict[str, Any]:
        asked = {name: one(self.query, name) for name in ("maxAttendees", "timeZone")}
        events = Events(self.state, self.calendar, self.person, asked)
        # Without showDeleted, the changes since a sync token tell no details of what is deleted.
        return events.show(record, bare=not self.deleted)

    # --- which events ---

    def _candidates(self) -> list[tuple[str, Record]]:
        """Return what the listing shows, with a key that orders it the same for every page."""
        source: Iterable[Record]
        if self.sync:
            source = self._since(self.sync["seq"])
        elif self.filter.uid:
            source = [self.calendar.records[i] for i in self.calendar.by_uid.get(self.filter.uid, ())]
        else:
            source = self.calendar.records.values()
        visible = (self.state.visible(r) for r in source)
        kept = [r for r in visible if r is not None and self._fits(r)]
        if self.single:
            kept = [i for r in kept for i in self._expanded(r)]
        return sorted(((self._key(r), r) for r in kept), key=lambda pair: pair[0])

    def _since(self, seq: int) -> list[Record]:
        found = []
        for event_id in reversed(self.calendar.log):
            if self.calendar.log[event_id] <= seq:
                break
            record = self.state.visible(self.calendar.records[event_id])
            if record is not None and record.seq > seq:
                found.append(record)
        return found

    def _key(self, record: Record) -> str:
        if self.order == "updated":
            return f"{record.updated} {record.id}"
        if self.order == "startTime":
            start = moments.instant(render.merged(self.calendar, record)["start"], self.calendar.zone)
            return f"{start.isoformat()} {record.id}"
        # Stable but of no use to anybody: exceptions may come before their masters.
        return hashlib.md5(record.id.encode(), usedforsecurity=False).hexdigest()

    def _fits(self, record: Record) -> bool:
        if record.cancelled and not self._shows_cancelled(record):
            return False
        f = self.filter
        if f.updated and datetime.fromisoformat(record.updated) < f.updated:
            return False
        data = render.merged(self.calendar, record)
        kind = data.get("eventType", "default")
        if f.kinds and kind not in f.kinds:
            return False
        if f.words and f.words not in _text(data, record.organizer):
            return False
        how = any if self.state.switches["properties_match_any"] else all
        if f.private and not how(_has(data, "private", p) for p in f.private):
            return False
        if f.shared and not how(_has(data, "shared", p) for p in f.shared):
            return False
        return self._in_span(record, data)

    def _shows_cancelled(self, record: Record) -> bool:
        if self.sync or self.deleted or self.filter.updated:
            days = self.state.switches["tombstone_days"]
            return not (days and not self.sync and self.state.older_than(record.updated, days))
        master = self.calendar.records.get(record.master or "")
        return not self.single and master is not None and not master.cancelled

    def _in_span(self, record: Record, data: dict[str, Any]) -> bool:
        f = self.filter
        if f.after is None and f.before is None:
            return True
        if record.master is not None and self.state.switches["exceptions_ignore_time_min"]:
            return True
        if self.sync and record.cancelled:
            return True
        return expand.overlaps(data, self.calendar.zone, f.after, f.before)

    def _expanded(self, record: Record) -> list[Record]:
        """Return a master's plain occurrences; exceptions stand in the listing by themselves."""
        if not record.data.get("recurrence") or record.cancelled:
            return [] if record.data.get("recurrence") else [record]
        events = Events(self.state, self.calendar, self.person, {})
        starts = expand.occurrences(record.data, self.calendar.zone, self.filter.after, self.filter.before)
        plain = (events.occurrence(record, start) for start in starts)
        return [p for p in plain if p.id not in self.calendar.records]


def instances(events: Events, event_id: str, query: Query) -> dict[str, Any]:
    """Return the occurrences of one series (events.instances)."""
    state, calendar = events.state, events.calendar
    record = events.find(event_id)
    after, before, wanted = _moment(query, "timeMin"), _moment(query, "timeMax"), one(query, "originalStart")
    if record.master is not None:
        found = [] if record.cancelled else [record]
    else:
        found = []
        for start in expand.occurrences(record.data, calendar.zone, after, before):
            plain = events.occurrence(record, start)
            real = calendar.records.get(plain.id, plain)
            if not real.cancelled or flag(query, "showDeleted"):
                found.append(real)
    if wanted:
        target = datetime.fromisoformat(wanted)
        found = [r for r in found if moments.instant(r.original or {}, calendar.zone) == target]
    size = size_of(query, 250, 2500)
    token = unseal(state, one(query, "pageToken")) if one(query, "pageToken") else {"skip": 0}
    if token is None or "skip" not in token:
        raise invalid("Invalid page token value.", "pageToken")
    shown = [events.show(r) for r in found[token["skip"] : token["skip"] + size]]
    answer = {
        "kind": "calendar#events",
        "timeZone": calendar.zone,
        "summary": calendar.summary,
        "items": shown,
    }
    if token["skip"] + size < len(found):
        return answer | {"nextPageToken": seal(state, {"skip": token["skip"] + size})}
    return answer


def _text(data: dict[str, Any], organizer: dict[str, str]) -> str:
    """Return what `q` looks into."""
    people = [*(data.get("attendees") or ()), organizer]
    place = (data.get("workingLocationProperties") or {}).values()
    labels = [str(part.get("label", "")) for part in place if isinstance(part, dict)]
    names = [f"{who.get('email', '')} {who.get('displayName', '')}" for who in people]
    texts = [str(data.get(key, "")) for key in ("summary", "description", "location")]
    return " ".join([*texts, *names, *labels]).lower()


def _has(data: dict[str, Any], kind: str, pair: str) -> bool:
    key, _, value = pair.partition("=")
    properties: dict[str, str] = (data.get("extendedProperties") or {}).get(kind, {})
    return properties.get(key) == value

"""Writing events: insert, import, update, patch, delete, move, and single occurrences of a series.

https://developers.google.com/workspace/calendar/api/v3/reference/events
"""

from __future__ import annotations

import re
from typing import Any

from hub_google.sandbox import body, expand, guests, moments, render
from hub_google.sandbox.failure import ApiError, invalid, no_writer, not_found, precondition_failed
from hub_google.sandbox.state import CalendarState, Record, State

_NAMES = frozenset(
    {"kind", "etag", "id", "iCalUID", "htmlLink", "created", "updated", "creator", "organizer"}
)
_ID = re.compile(r"[0-9a-v]{5,1024}")


class Events:
    """The writing half of the events resource, for one person and one calendar."""

    def __init__(self, state: State, calendar: CalendarState, person: str, query: dict[str, str]) -> None:
        self.state, self.calendar, self.person, self.query = state, calendar, person, query

    # --- finding ---

    def find(self, event_id: str) -> Record:
        """Return an event, a tombstone, or an occurrence that has no exception yet.

        Raises:
            ApiError: 404.
        """
        if found := self.calendar.records.get(event_id):
            return found
        master_id, _, suffix = event_id.rpartition("_")
        master = self.calendar.records.get(master_id)
        if master is None or master.cancelled:
            raise not_found()
        original = expand.original_of(suffix, master.data, self.calendar.zone)
        if original is None:
            raise not_found()
        return self.occurrence(master, original)

    def occurrence(self, master: Record, original: dict[str, str]) -> Record:
        """Return one occurrence of a series as a record that is not stored (yet)."""
        event_id = expand.instance_id(master.id, original, self.calendar.zone)
        data = {"start": original, "end": moments.shifted(original, master.data, self.calendar.zone)}
        return Record(
            id=event_id,
            uid=master.uid,
            data=data,
            organizer=master.organizer,
            creator=master.creator,
            created=master.created,
            updated=master.updated,
            etag=master.etag,
            master=master.id,
            original=original,
        )

    def read(self, event_id: str) -> Record:
        """Return what a read shows under an id, which may lag behind what was written.

        Raises:
            ApiError: 404.
        """
        found = self.state.visible(self.find(event_id))
        if found is None or self._is_purged(found):
            raise not_found()
        return found

    def _unpurged(self, event_id: str) -> Record:
        record = self.find(event_id)
        if self._is_purged(record):
            raise not_found()
        return record

    def _is_purged(self, record: Record) -> bool:
        """Whether it was deleted so long ago that nobody is told (reference/events: status)."""
        days = self.state.switches["tombstone_days"]
        master = self.calendar.records.get(record.master or "")
        alone = master is None or master.cancelled
        return bool(days and record.cancelled and alone and self.state.older_than(record.updated, days))

    def show(self, record: Record, *, bare: bool = False) -> dict[str, Any]:
        """Return an event as the answer to this query carries it; `bare`: of a deleted one no details."""
        limit = self.query.get("maxAttendees", "")
        most = int(limit) if limit.isdigit() else self.state.switches["most_attendees_shown"] or None
        look = render.Look(
            self.query.get("timeZone") or None,
            most,
            bare=bare,
            defaults=self.state.switches["shows_defaults"],
            whole_instances=self.state.switches["whole_cancelled_instances"],
        )
        return render.show(self.calendar, record, self.person, look)

    # --- creating ---

    def insert(self, sent: Any, own_id: str = "") -> Record:
        """Make an event, with an id of the client's if it gives one.

        Args:
            own_id: one of Google's own, which may hold what no client may ask for.
        """
        self._must_write()
        data = self._writable(sent)
        event_id = own_id or sent.get("id") or self.state.event_id()
        if not own_id and (not isinstance(event_id, str) or not _ID.fullmatch(event_id)):
            raise invalid("Invalid resource id value.")
        if event_id in self.calendar.records:
            return self._insert_again(event_id, data)
        if data.get("eventType") in ("fromGmail",):
            raise self._wrong_type("fromGmail")
        uid = sent.get("iCalUID") or f"{event_id}@google.com"
        return self._store_new(event_id, uid, data, self._own_address())

    def _insert_again(self, event_id: str, data: dict[str, Any]) -> Record:
        """Refuse an id that is taken; Google does not promise to notice (reference/events/insert)."""
        record = self.calendar.records[event_id]
        if not self.state.switches["both_inserts_win"] or record.cancelled:
            raise ApiError(409, "duplicate", "The requested identifier already exists.")
        self._store(record, record.data, body.checked(body.merge(record.data, data), self.calendar))
        return record

    def _writable(self, sent: Any) -> dict[str, Any]:
        return body.writable(sent, self.query, int(self.state.switches["cut_texts"]))

    def _checked(self, data: dict[str, Any]) -> dict[str, Any]:
        if self.state.switches["refuses_points"] and data.get("start") == data.get("end"):
            raise ApiError(400, "timeRangeEmpty", "The specified time range is empty.", "calendar")
        return body.checked(data, self.calendar, self.state.switches["conference"])

    def finish_conference(self, record: Record) -> None:
        """Let a conference be ready that was pending when it was last looked at."""
        data = body.finished(record.data)
        if data is not None and self.calendar.records.get(record.id) is record:
            record.data = data
            self.state.changed(self.calendar, record)

    def plant(self, sent: dict[str, Any]) -> Record:
        """Make an event as Google's own programs do: of any kind, with what no client may write."""
        data = {name: value for name, value in sent.items() if name not in _NAMES}
        event_id = sent.get("id") or self.state.event_id()
        uid = sent.get("iCalUID") or f"{event_id}@google.com"
        organizer = sent.get("organizer") or self._own_address()
        return self._store_new(event_id, uid, data, organizer, mail=False)

    def replant(self, record: Record, sent: dict[str, Any]) -> None:
        """Change an event as Google's own programs do."""
        old = render.merged(self.calendar, record)
        self._store(record, old, self._checked(body.merge(old, sent) | {"sequence": old.get("sequence", 0)}))
        guests.follow(self.state, self.calendar, record, "none", old)

    def import_(self, sent: Any) -> Record:
        """Make a private copy of an event that was organised elsewhere; mails nobody."""
        self._must_write()
        data = self._writable(sent)
        if not sent.get("iCalUID"):
            raise ApiError(400, "required", "Missing iCalUID.")
        if data.get("eventType", "default") != "default":
            raise self._wrong_type(data["eventType"])
        same = [
            r
            for i in self.calendar.by_uid.get(sent["iCalUID"], [])
            if (r := self.calendar.records[i]) and not r.cancelled
        ]
        if same:
            raise ApiError(409, "duplicate", "The requested identifier already exists.")
        organizer = sent.get("organizer") or self._own_address()
        return self._store_new("_" + self.state.event_id(), sent["iCalUID"], data, organizer, mail=False)

    def _store_new(
        self, event_id: str, uid: str, data: dict[str, Any], organizer: dict[str, str], mail: bool = True
    ) -> Record:
        data.setdefault("status", "confirmed")
        data.setdefault("sequence", 0)
        if data.get("reminders") is None:
            data["reminders"] = {"useDefault": True}
        record = Record(
            id=event_id,
            uid=uid,
            data=self._checked(body.merge({}, data)),
            organizer=dict(organizer),
            creator={"email": self.person},
            created=self.state.stamp(),
        )
        self.state.add(self.calendar, record)
        self.state.changed(self.calendar, record)
        if mail:
            guests.follow(self.state, self.calendar, record, self._mails())
        return record

    # --- changing ---

    def write(self, event_id: str, sent: Any, if_match: str | None, replace: bool) -> Record:
        """Update (`replace`) or patch an event or occurrence."""
        self._must_write()
        record = self._unpurged(event_id)
        self._must_match(record, if_match)
        new = self._writable(sent)
        old = render.merged(self.calendar, record)
        self._may_change(record, new, old, replace=replace)
        self._keep_others_rows(record, new, old)
        if new.get("status") == "cancelled" and not record.cancelled:
            self._cancel(record)
            return record
        if record.cancelled:
            self._must_revive(record, new)
            base = {} if record.master is None or replace else self._inherited(record)
            old = base or old
        data = body.merge({} if replace else old, new)
        if replace:
            data.setdefault("status", "confirmed")
            data.setdefault("reminders", {"useDefault": True})
        data["sequence"] = self._sequence(old, new, data)
        data = body.without_meeting(self._checked(data), new)
        if record.master is not None:
            data.pop("recurrence", None)
        if data == old and not record.cancelled and not self.state.switches["noop_patch_moves_etag"]:
            return record
        self._store(record, old, data)
        guests.follow(self.state, self.calendar, record, self._mails(), old)
        if guests.tell_organizer(self.state, self.calendar, record, self._mails(), old):
            self._bring_answer(record)
        return record

    def _keep_others_rows(self, record: Record, new: dict[str, Any], old: dict[str, Any]) -> None:
        """Take of a guest's list, and of one that says to be a part, the own row alone (sheet 4.4)."""
        is_partial = new.pop("attendeesOmitted", False)
        is_guest = record.organizer.get("email") != self.calendar.id
        if "attendees" in new and (is_partial or (is_guest and not old.get("guestsCanModify"))):
            new["attendees"] = guests.with_answer(
                old.get("attendees") or [], new["attendees"], self.calendar.id
            )

    def _bring_answer(self, record: Record) -> None:
        """Put a guest's answer into the organiser's event, from where all guests see it."""
        home = self.state.calendars.get(record.organizer.get("email", ""))
        if home is None:
            return
        there = Events(self.state, home, home.id, {"sendUpdates": "none"})
        try:
            original = there.find(record.id)
        except ApiError:
            return
        rows = render.merged(self.calendar, record).get("attendees")
        old = render.merged(home, original)
        data = old | {"attendees": guests.with_answer(old.get("attendees") or [], rows, self.calendar.id)}
        there._store(original, old, {"sequence": 0} | data)
        guests.follow(self.state, home, original, "none", old)

    def _store(self, record: Record, old: dict[str, Any], data: dict[str, Any]) -> None:
        moved = any(old.get(k) != data.get(k) for k in ("start", "end", "recurrence"))
        rises = {"times": moved, "always": True, "never": False}[self.state.switches["sequence_rises"]]
        if rises and old.get("sequence") == data["sequence"]:
            data["sequence"] = old.get("sequence", 0) + 1
        only_reminders = {k for k in old.keys() | data.keys() if old.get(k) != data.get(k)} <= {"reminders"}
        if record.master is not None:
            self._attach(record)
            master = self.calendar.records[record.master]
            cleared = {k: None for k in master.data if k not in data and k != "recurrence"}
            own = {k: v for k, v in data.items() if k in ("start", "end") or master.data.get(k) != v}
            record.data = own | cleared
        else:
            was = record.data
            record.data = data
            if moved and was.get("recurrence"):
                self._drop_exceptions(record)
        if only_reminders and not self.state.switches["reminders_move_etag"]:
            return
        self.state.changed(self.calendar, record, data_too=not only_reminders)

    def _drop_exceptions(self, master: Record) -> None:
        """Let exceptions go that the changed series has no place for (not confirmed: a switch)."""
        how = self.state.switches["exceptions_on_master_change"]
        for event_id in list(master.children):
            child = self.calendar.records[event_id]
            suffix = event_id.rpartition("_")[2]
            stays = master.data.get("recurrence") and how != "drop_all"
            if stays and how == "drop_missing":
                stays = expand.original_of(suffix, master.data, self.calendar.zone) is not None
            if not stays:
                master.children.remove(event_id)
                self.state.drop(self.calendar, child)

    def _attach(self, record: Record) -> None:
        """Store an occurrence that becomes an exception."""
        if record.id not in self.calendar.records:
            self.state.add(self.calendar, record)
            self.calendar.records[record.master or ""].children.append(record.id)

    def _inherited(self, record: Record) -> dict[str, Any]:
        """Return the data that a cancelled occurrence comes back with."""
        master = self.calendar.records[record.master or ""]
        fresh = self.occurrence(master, record.original or {})
        return render.merged(self.calendar, fresh)

    @staticmethod
    def _sequence(old: dict[str, Any], new: dict[str, Any], data: dict[str, Any]) -> int:
        stored = int(old.get("sequence", 0))
        if int(new.get("sequence", stored)) < stored:
            raise invalid(
                "Invalid sequence value. The specified sequence number is below the current sequence number "
                "of the resource. Re-fetch the resource and use its sequence number on the following request."
            )
        return int(data.get("sequence", stored)) if "sequence" in new else stored

    # --- deleting and moving ---

    def delete(self, event_id: str, if_match: str | None) -> None:
        """Delete an event, a whole series, or one occurrence."""
        self._must_write()
        record = self._unpurged(event_id)
        if record.cancelled:
            raise ApiError(410, "deleted", "Resource has been deleted")
        self._must_match(record, if_match)
        self._must_see(record)
        kind = render.merged(self.calendar, record).get("eventType", "default")
        if kind == "birthday":
            raise self._wrong_type(kind)
        self._cancel(record)

    def _cancel(self, record: Record) -> None:
        if record.master is not None:
            self._attach(record)
        guests.withdraw(self.state, self.calendar, record, self._mails())
        record.data = {**record.data, "status": "cancelled"}
        self.state.changed(self.calendar, record)
        for event_id in record.children:
            child = self.calendar.records[event_id]
            child.data = {**child.data, "status": "cancelled"}
            self.state.changed(self.calendar, child)

    def move(self, event_id: str, target: CalendarState, if_match: str | None = None) -> dict[str, Any]:
        """Give an event to another calendar; the answer says cancelled, as Google's does."""
        self._must_write()
        record = self.calendar.records.get(event_id)
        if record is None or record.cancelled:
            raise not_found()
        if record.master is not None or record.data.get("eventType", "default") != "default":
            raise invalid("Only default events can be moved.")
        self._must_match(record, if_match)
        self._must_see(record)
        if render.rank(target.acl.get(self.person, "none")) < render.rank("writer"):
            raise no_writer()
        if event_id in target.records and not target.records[event_id].cancelled:
            raise ApiError(409, "duplicate", "The requested identifier already exists.")
        if event_id in target.records:
            self.state.drop(target, target.records[event_id])
        self._copy_to(Events(self.state, target, self.person, self.query), record, record.id)
        self._cancel(record)
        shown = self.show(record)
        # It is another's now, and what stays behind is a stub (reference/events: status).
        record.stub, record.organizer = True, {"email": target.id}
        return shown

    def renumber(self, record: Record, there: Events) -> Record:
        """Give an event another id, here or in another calendar, as an import of a mailbox does."""
        copy = self._copy_to(there, record, self.state.event_id())
        self._cancel(record)
        return copy

    def _copy_to(self, there: Events, record: Record, event_id: str) -> Record:
        """Put an event with its exceptions into a calendar."""
        made = there._store_new(event_id, record.uid, dict(record.data), there._own_address(), mail=False)
        for child_id in record.children:
            child = self.calendar.records[child_id]
            own = {"id": f"{event_id}_{child_id.rpartition('_')[2]}", "master": event_id, "children": []}
            copy = Record(**{**vars(child), **own, "organizer": made.organizer, "data": dict(child.data)})
            there._attach(copy)
            self.state.changed(there.calendar, copy)
        return made

    # --- rights ---

    def _own_address(self) -> dict[str, str]:
        """Return who organises what is made here: the calendar itself."""
        if self.calendar.id in self.state.people:
            return {"email": self.calendar.id}
        return {"email": self.calendar.id, "displayName": self.calendar.summary}

    def _must_write(self) -> None:
        if render.rank(self.calendar.acl.get(self.person, "none")) < render.rank(
            "writerWithoutPrivateAccess"
        ):
            raise no_writer()
        if self.person in self.state.switches["read_only_people"]:
            raise ApiError(403, "quotaExceeded", "Calendar usage limits exceeded.", "usageLimits")

    @staticmethod
    def _must_match(record: Record, if_match: str | None) -> None:
        if if_match and if_match != "*" and if_match != record.etag:
            raise precondition_failed()

    def _must_see(self, record: Record) -> None:
        """Refuse a change of a private event to a writer who is not shown it (reference/calendarList)."""
        role = self.calendar.acl.get(self.person, "none")
        private = render.merged(self.calendar, record).get("visibility") in ("private", "confidential")
        if private and role == "writerWithoutPrivateAccess":
            raise ApiError(403, "forbidden", "Forbidden")

    def _may_change(self, record: Record, new: dict[str, Any], old: dict[str, Any], *, replace: bool) -> None:
        self._must_see(record)
        kind = old.get("eventType", "default")
        if new.get("eventType", kind) != kind:
            raise self._wrong_type(kind)
        if kind == "birthday":
            if (new.get("extendedProperties") or {}).get("private"):
                raise invalid("'birthday' event type must not have private extended properties.")
            if new.keys() - {"colorId", "summary", "reminders", "start", "end"}:
                raise self._wrong_type(kind)
        if kind == "fromGmail" and new.keys() - {"colorId", "reminders"}:
            raise self._wrong_type(kind)
        if kind != "default" and (new.get("extendedProperties") or {}).get("private"):
            raise self._wrong_type(kind)
        changes = {k for k in body.TOLD_TO_GUESTS if k in new and new[k] != old.get(k)}
        if old.get("locked") and changes:
            raise ApiError(403, "forbidden", "Forbidden")
        others = record.organizer.get("email") != self.calendar.id
        may_not = self.state.switches["guest_edits"] == "refused" and not old.get("guestsCanModify")
        if others and changes and may_not:
            raise ApiError(403, "forbidden", "Forbidden")
        # An update that leaves a flag out sets it to its default.
        flags = [k for k in body.SHARED_FLAGS if replace or k in new]
        if others and any(render.flag(new, k) != render.flag(old, k) for k in flags):
            message = "Shared properties can only be changed by the organizer of the event."
            raise ApiError(403, "forbiddenForNonOrganizer", message, "calendar")

    def _must_revive(self, record: Record, new: dict[str, Any]) -> None:
        own = record.organizer.get("email") == self.calendar.id
        if not own or new.get("status") not in ("confirmed", "tentative"):
            raise ApiError(403, "forbidden", "Forbidden")

    @staticmethod
    def _wrong_type(kind: str) -> ApiError:
        message = f"Attempt made to modify '{kind}' event in a way that is not valid for this event type."
        return ApiError(400, "eventTypeRestriction", message, "calendar")

    def _mails(self) -> str:
        legacy = "all" if self.query.get("sendNotifications") == "true" else "none"
        return self.query.get("sendUpdates", legacy)

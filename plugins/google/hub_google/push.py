"""`push_event`: one event written, with as few calls as Google allows.

Every call says `sendUpdates=none` and names no guest, unless the hub says that the guests are to be told. A
create is guarded by its own event id, updates and deletions by If-Match (guides/version-resources).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from hub.plugin.between import as_left, touched_days
from hub.plugin.errors import GoneError, RefusedError, RetryLaterError, VersionMovedError
from hub.plugin.types import (
    Call,
    EventContent,
    Push,
    PushAnswer,
    PushCreate,
    PushDelete,
    PushUpdate,
    RemoteCalendar,
    RemoteEvent,
    SeriesException,
    changed_fields,
)
from hub_google import people, recurrence, series, times, translate, values
from hub_google.client import Client
from hub_google.errors import About
from hub_google.projection import project
from hub_google.wire import Event


def push(call: Call, calendar: RemoteCalendar, push: Push) -> RemoteEvent | None:
    """Write one event and return it as Google shows it (the hook `push_event`)."""
    writer = _Writer(Client(call), calendar, notify=push.notify)
    if isinstance(push, PushDelete):
        writer.delete(push)
        return None
    if isinstance(push, PushAnswer):
        return writer.answer(push, call)
    return writer.create(push) if isinstance(push, PushCreate) else writer.update(push)


def _fitted(content: EventContent) -> EventContent:
    projection = project(content)
    if projection.refusal:
        raise RefusedError(projection.refusal)
    return projection.content


def _without_own_meeting(content: EventContent, shown: EventContent) -> EventContent:
    """Return what is to be written beside the conference that Google itself holds for the event."""
    own = shown.conference
    if own and own.provider and content.conference and content.conference.url == own.url:
        return dataclasses.replace(content, conference=None)
    return content


class _Writer:
    def __init__(self, client: Client, calendar: RemoteCalendar, *, notify: bool) -> None:
        self.client = client
        self.calendar = calendar
        self.events = client.events
        self.send_updates = "all" if notify else "none"

    # --- create ---

    def create(self, push: PushCreate) -> RemoteEvent:
        wanted = _fitted(push.content)
        body: Event = values.without_nulls(self._create_body(push.fields, wanted))
        body["id"] = push.create_id
        body["extendedProperties"] = {"private": {translate.TAG_KEY: push.tag}}
        if push.notify and push.content.attendees:
            body["attendees"] = people.guests(push.content.attendees, {})
        try:
            item: Event = self._insert(body | translate.new_meeting(push.content, push.create_id))
        except RefusedError as e:
            if e.code != "duplicate":
                raise
            return self._adopt(push, wanted)
        except GoneError as e:
            series.confirm_calendar(self.client, self.calendar)
            # Nobody can have deleted what was never there.
            raise RetryLaterError("Google did not find what it was to make.", code=e.code) from None
        made = series.whole((item, []), self.calendar)
        # The series is made, and must not be taken for another's: what of its days is not there is
        # written again as a change, which tells why it is refused.
        with suppress(RefusedError, VersionMovedError):
            if not self._write_occurrences((item, []), made.content, wanted):
                return made
        return self._as_left(item, made.content, wanted)

    def _insert(self, body: Event) -> Event:
        """Make an event; one whose meeting Google does not make comes without it."""
        try:
            made: Event = self._run(self.events.insert, body=body)
        except RefusedError as e:
            if e.code == "duplicate" or "conferenceData" not in body:
                raise
            del body["conferenceData"]
            made = self._run(self.events.insert, body=body)
        return made

    def _adopt(self, push: PushCreate, wanted: EventContent) -> RemoteEvent:
        """Return what an earlier try made, as people have left it."""
        try:
            item = series.get_item(self.client, self.calendar, push.create_id)
        except GoneError:
            # What was made a moment ago may not be visible yet, and nobody has said that it was deleted.
            raise RetryLaterError("Google has the event and does not show it.", code="duplicate") from None
        if item.get("status") == "cancelled":
            # Google keeps the id of a deleted event for ever: it was made, and somebody has deleted it.
            raise GoneError("The event was deleted in Google Calendar.")
        if translate.tag_of(item) != push.tag:
            raise RefusedError("Another event has this id.", code="duplicate")
        family = series.complete(self.client, self.calendar, item)
        found = series.whole(family, self.calendar)
        if push.attempt == 0 and push.fields & changed_fields(project(found.content).content, wanted):
            # A worker that slept for long, or a hub that has forgotten its try: it is not theirs to change.
            raise RetryLaterError("The event is there already.", code="duplicate")
        return found

    # --- update ---

    def update(self, push: PushUpdate) -> RemoteEvent:
        wanted = _fitted(_without_own_meeting(push.content, push.base))
        base = project(_without_own_meeting(push.base, push.base)).content
        fields = push.fields
        if push.version:
            fields &= changed_fields(base, wanted)
        fields &= translate.FIELD_KEYS.keys()
        meeting = translate.changed_meeting(push) | self._guests(push)
        if not fields and not meeting:
            family = self._family(push.remote_id)
            self._check_version(family, push.version)
            return series.whole(family, self.calendar)
        with self._telling_gone(push.remote_id):
            if ("conferenceData" in meeting or "when" in fields) and (
                base.when.is_series or wanted.when.is_series
            ):
                return self._update_series(push, wanted, fields, meeting)
            body = self._patch_body(fields, wanted) | meeting
            item = self._run(
                self.events.patch, translate.etag_of(push.version), eventId=push.remote_id, body=body
            )
        return self._as_left(item, push.base, wanted) if item.get("recurrence") else self._alive((item, []))

    def _guests(self, push: PushUpdate) -> Event:
        """Return the patch that changes who is invited; Google's own list is read for it."""
        if not push.notify or "attendees" not in push.fields:
            return {}
        with self._telling_gone(push.remote_id):
            item = series.get_item(self.client, self.calendar, push.remote_id)
            if item.get("status") == "cancelled":
                raise GoneError("The event was deleted.", code="cancelled")
            if push.version and item.get("etag", "") != translate.etag_of(push.version):
                raise VersionMovedError("The event was changed meanwhile.")
        wanted = people.guests(push.content.attendees, item)
        now, then = ({a.get("email"): a for a in rows} for rows in (item.get("attendees") or [], wanted))
        return {"attendees": wanted} if now != then else {}

    def _update_series(
        self, push: PushUpdate, wanted: EventContent, fields: frozenset[str], meeting: Event
    ) -> RemoteEvent:
        """Write rule, times and exceptions: the master first, then the occurrences that differ."""
        family = self._family(push.remote_id)
        self._check_version(family, push.version)
        item, shown = family[0], series.whole(family, self.calendar).content
        body = self._patch_body(fields, wanted) | meeting
        if not self._lines_differ(item, shown, wanted):
            for key in translate.FIELD_KEYS["when"]:
                body.pop(key, None)  # type: ignore[misc]
        current = shown
        if body:
            etag = item.get("etag", "") if push.version else ""
            item = self._run(self.events.patch, etag, eventId=push.remote_id, body=body)
            if not wanted.when.is_series:
                return self._alive((item, []))
            family = self._family(push.remote_id, item)
            current = series.whole(family, self.calendar).content
            if touched_days(current, shown, wanted, project):
                raise VersionMovedError("A day of the series was changed meanwhile.")
        written = self._write_occurrences(family, current, wanted)
        return self._as_left(item, shown, wanted, None if written else family)

    @staticmethod
    def _lines_differ(master: Event, shown: EventContent, wanted: EventContent) -> bool:
        """Return whether the master itself must change, not only some of its occurrences."""
        a, b = project(shown).content.when, wanted.when
        if (a.start, a.end, a.start_zone, a.end_zone, a.recurrence) != (
            b.start,
            b.end,
            b.start_zone,
            b.end_zone,
            b.recurrence,
        ):
            return True
        # An occurrence that an EXDATE leaves out comes back only by the master.
        off = {e.original_start for e in b.exceptions if e.cancelled}
        _, left_out = recurrence.read_lines(master.get("recurrence") or (), b.start, b.start_zone)
        return bool(set(left_out) & {e.original_start for e in a.exceptions if e.cancelled} - off)

    def _write_occurrences(self, family: series.Family, shown: EventContent, wanted: EventContent) -> int:
        """Write the occurrences of a series that are not as wanted; return how many.

        It starts from what is there, so doing it twice, or after a crash in the middle, does no harm.
        """
        now = {e.original_start: e for e in project(shown).content.when.exceptions}
        then = {e.original_start: e for e in wanted.when.exceptions}
        differing = [d for d in now.keys() | then.keys() if now.get(d) != then.get(d)]
        etags = {i["id"]: i.get("etag", "") for i in family[1]}
        for original in sorted(differing, key=times.at_midnight):
            exception = then.get(original, SeriesException(original))
            self._write_occurrence(family[0]["id"], exception, now.get(original), wanted, etags)
        return len(differing)

    def _as_left(
        self, item: Event, before: EventContent, wanted: EventContent, family: series.Family | None = None
    ) -> RemoteEvent:
        """Return a series as this push has left it.

        Args:
            item: the master, as its own write was answered.
            family: the series as it was read after the last write; None: it is read now.
        """
        seen = self._alive(family or self._family(item["id"], item))
        return as_left(seen, series.whole((item, []), self.calendar), before, wanted, project)

    def _write_occurrence(
        self,
        master_id: str,
        exception: SeriesException,
        shown: SeriesException | None,
        wanted: EventContent,
        etags: dict[str, str],
    ) -> None:
        event_id = times.instance_id(master_id, exception.original_start, wanted.when.start_zone)
        etag = etags.get(event_id, "")
        try:
            if exception.cancelled:
                self._run(self.events.delete, etag, eventId=event_id)
                return
            body = translate.instance_to_remote(exception, wanted, shown)
            self._run(self.events.patch, etag, eventId=event_id, body=body)
        except GoneError:
            if not exception.cancelled:
                raise RefusedError("Google does not know this occurrence of the series.") from None

    # --- answer ---

    def answer(self, push: PushAnswer, call: Call) -> RemoteEvent:
        """Answer an invitation, or one occurrence of it, in the owner's own row."""
        event_id = push.remote_id
        if push.original_start is not None:
            zone = push.base.when.start_zone
            event_id = times.instance_id(push.remote_id, push.original_start, zone)
        item = series.get_item(self.client, self.calendar, event_id)
        if item.get("status") == "cancelled":
            raise GoneError("The event was deleted.", code="cancelled")
        body = people.answered(item, push, call, self.calendar)
        if body is not None:
            with self._telling_gone(event_id):
                self._run(self.events.patch, item.get("etag", ""), eventId=event_id, body=body)
        return self._alive(self._family(push.remote_id))

    # --- delete ---

    def delete(self, push: PushDelete) -> None:
        with self._telling_gone(push.remote_id):
            if "~" in push.version:
                self._check_version(self._family(push.remote_id), push.version)
            self._run(self.events.delete, translate.etag_of(push.version), eventId=push.remote_id)

    # --- small parts ---

    @contextmanager
    def _telling_gone(self, remote_id: str) -> Iterator[None]:
        """Tell a deleted event from a changed one, a lost calendar and an untrue answer, by one more read."""
        try:
            yield
        except GoneError:
            if series.get_item(self.client, self.calendar, remote_id).get("status") != "cancelled":
                raise RetryLaterError("Google says that an event is gone, and shows it.") from None
            raise
        except VersionMovedError:
            # A deletion moves the etag too.
            if series.get_item(self.client, self.calendar, remote_id).get("status") == "cancelled":
                raise GoneError("The event was deleted.", code="cancelled") from None
            raise

    def _run(self, method: Any, if_match: str = "", **arguments: Any) -> Any:
        if "conferenceData" in arguments.get("body", ()):
            arguments["conferenceDataVersion"] = 1  # Without it Google says yes and leaves it as it is.
        request = method(calendarId=self.calendar.remote_id, sendUpdates=self.send_updates, **arguments)
        return self.client.run(request, About.WRITE, if_match)

    def _family(self, remote_id: str, item: Event | None = None) -> series.Family:
        uid = item.get("iCalUID") if item else None
        return series.read_family(self.client, self.calendar, remote_id, uid)

    def _alive(self, family: series.Family) -> RemoteEvent:
        if family[0].get("status") == "cancelled":
            raise GoneError("The event was deleted.", code="cancelled")
        return series.whole(family, self.calendar)

    def _check_version(self, family: series.Family, version: str) -> None:
        if version and translate.version_of(*family) != version:
            raise VersionMovedError("The event was changed meanwhile.")

    @staticmethod
    def _create_body(fields: frozenset[str], wanted: EventContent) -> Event:
        """Return the event without the keys that only fields have which are left to Google's defaults."""
        left = _keys_of(translate.FIELD_KEYS) - _keys_of(fields)
        return {k: v for k, v in translate.to_remote(wanted).items() if k not in left}  # type: ignore[return-value]

    @staticmethod
    def _patch_body(fields: frozenset[str], wanted: EventContent) -> Event:
        whole = translate.to_remote(wanted)
        keys = _keys_of(fields)
        return {k: v for k, v in whole.items() if k in keys}  # type: ignore[return-value]


def _keys_of(fields: Iterable[str]) -> set[str]:
    """Return the keys of Google's event that carry these fields."""
    return {key for name in fields for key in translate.FIELD_KEYS.get(name, ())}

"""What one page of a listing means for the hub: values in, writes out.

Comes between reading the rows that a page tells of and writing what became of them
(`hub.inbound.apply`). Nothing is read or written here; a page that is planned again upon its own
outcome plans nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from hub.domain.drafts import (
    DELETED,
    FIRST_VERSION,
    UNTROUBLED,
    Draft,
    EventDraft,
    Followed,
    InStep,
    NewEvent,
    is_leftover,
    lost,
    lost_later,
    shown,
)
from hub.domain.fingerprint import fingerprint
from hub.domain.merge import NOTHING, Clash, Merged, common_ground, taken_whole
from hub.domain.merging import Ids, Merging, Terms, Views, columns_of, when_of
from hub.domain.plain import NO_EXTRA, Plain, beginning, differences, differing, value_of, with_fields
from hub.domain.recurrence import span
from hub.plugin.types import RemoteEvent

UNSEEN = (
    "The provider took the hub's value, and before any listing had shown it there was another one in a newer "
    "version: somebody has put it there, or left it there since the hub's was not kept. It stands, the hub's "
    "is kept here."
)
"""Why a value stands that may have been given, or left, without knowledge of the hub's."""
MOST_DELETIONS = 3
"""How often a deletion that was not kept is made again."""
_OF_THE_EVENT = (
    "remote_id", "remote_version", "uid", "base", "synced", "shown_at", "seen_generation", "is_ours",
)  # fmt: skip
"""What a copy knows of the provider's event, as opposed to what is wanted of it."""


def _as_kept(base: Plain, theirs: Plain, lost: frozenset[str]) -> Plain:
    """Return the base as it is there, where our last write was not kept: that is no edit of a person."""
    values = {name: theirs.get(name) for name in lost}
    if "description" in lost:
        values["description_html"] = theirs.get("description_html")
    return with_fields(base, values)


def _unseen(replaced: Mapping[str, str]) -> frozenset[str]:
    """Return the fields that our last write gave another value, which no listing has shown yet.

    A first value is not among them: nobody has put another in its place who had not seen it.
    """
    return frozenset(name for name, before in replaced.items() if before != fingerprint(value_of({}, name)))


class Plan(Merging):
    """Decides, event by event, what a page of one link comes to."""

    def __init__(self, terms: Terms, ids: Ids, views: Views) -> None:
        super().__init__(terms, ids, views)
        self._drawn: list[str] = []
        """Ids that were drawn for new events, the lowest last: that is used first."""

    # --- what the hub knows already ---

    def seen(self, copy: Draft) -> None:
        """Note that the provider shows what we hold: a replay, an echo, or old news of a deleted event."""
        copy.set({"seen_generation": self.terms.generation, "missing_at": None, "doubted": False})
        if copy["replaced"]:
            copy.set({"replaced": {}, "unkept": 0})
        self._write(copy)

    def listed(self, copy: Draft) -> None:
        """Note that the provider lists an event, of which nothing else can be understood."""
        copy.set({"seen_generation": self.terms.generation, "missing_at": None})
        self._write(copy)

    def follows(self, known: InStep, remote: RemoteEvent, theirs: Plain) -> bool:
        """Take over what was changed of an event that was in step; False if more has to be decided.

        `changed` comes to the same in three times the time.
        """
        if (
            remote.version == known.remote_version
            or (remote.uid, remote.web_link) != (known.uid, known.web_link)
            or remote.read_only
            or remote.own_fields
            or remote.notify_only
            or remote.partial_fields
            or remote.notice
            or not self._sees_all(known.content)
            or self._is_unwanted(theirs, is_ours=known.is_ours)
        ):
            return False
        merged = taken_whole(known.content, theirs)
        if merged is None:
            return False
        version, updated_at, times = known.version, None, None
        if merged.taken:
            version += 1
            updated_at = max(known.updated_at, self._edited_at(remote))
            if "when" in merged.taken:
                times = span(remote.content.when, self.terms.zone)
            fields = differences(known.content, theirs, merged.taken)
            self._log("updated", known.event_id, version, fields)
            self.writes.touched.append(known.event_id)
        self.writes.followed.append(
            Followed(known.id, known.event_id, remote, theirs, version, updated_at, times)
        )
        return True

    def changed(
        self,
        copy: Draft,
        event: EventDraft,
        remote: RemoteEvent,
        theirs: Plain,
        *,
        is_ours: bool = False,
        heir: EventDraft | None = None,
    ) -> None:
        """Merge what the provider shows now into an event that has a copy here.

        Args:
            is_ours: whether it is known by the hub's own mark.
            heir: what the event goes on as, deleted or not, if it has been moved.
        """
        if is_ours:
            copy.set({"is_ours": True})
        self._show(copy, event, remote, theirs, heir)
        self._write(copy)

    def _show(
        self, copy: Draft, event: EventDraft, remote: RemoteEvent, theirs: Plain, heir: EventDraft | None
    ) -> None:
        base, tried = common_ground(copy["base"], copy["synced"]), copy["tried"]
        was_removed = copy["removed_at"] is not None
        was_deleted = event.row["deleted_at"] is not None
        seen = {"seen_generation": self.terms.generation}
        is_unwanted = was_deleted or copy["left_out"]
        if base is not None and was_deleted and self._is_no_news(copy, remote):
            base = _as_kept(base, theirs, lost_later(copy["replaced"], base, theirs))
        if is_leftover(copy) and is_unwanted and base is not None and not differing(base, theirs):
            self._delete_again(copy, event, remote, theirs)
            return
        if base is not None and not was_deleted and self._is_no_news(copy, remote):
            lost = lost_later(copy["replaced"], base, theirs)
            if lost:
                copy.set(shown(remote, theirs))
                self.writes.unkept.append((copy["id"], event.id, lost))
            if lost or remote.version == copy["remote_version"]:
                copy.set(seen | {"missing_at": None})
                return
        lost = frozenset() if base is None or was_deleted else self._lost_beneath(copy, base, theirs)
        if lost:
            copy.set(shown(remote, theirs) | seen)
            self.writes.unkept.append((copy["id"], event.id, lost))
            return
        unseen = frozenset() if base is None else _unseen(copy["replaced"])
        copy.set({**shown(remote, theirs), **seen, "replaced": {}, "unkept": 0})
        if was_deleted and base is not None and not differing(base, theirs) and not was_removed:
            copy.set({"due_at": None})
            return
        if self.terms.direction == "export":
            return
        if heir and heir.row["deleted_at"] is None and base is not None and not was_removed:
            self._pass_on(heir, self._merge(base, theirs, heir, copy, remote, copy["synced"], tried), remote)
            copy.set({"wanted_version": event.version, "pushed_version": event.version - 1, **UNTROUBLED})
            return
        merged = self._merge(base, theirs, event, copy, remote, copy["synced"], tried)
        if was_deleted and base is not None and not (merged.taken or merged.clashes or was_removed):
            copy.set({"due_at": None})  # Nothing but a write of our own whose answer was lost.
            return
        if was_deleted:
            self._restore(event, copy)
            if heir:  # Should that turn up somewhere, it is this one.
                heir.row.set({"moved_to": event.id})
                self.writes.events.append(heir)
        for name in sorted((unseen & merged.taken) - {clash.field for clash in merged.clashes}):
            values = value_of(event.content, name), value_of(theirs, name)
            self._note(event, Clash(name, *values, "provider"), event.content, remote, UNSEEN)
        self._take(event, copy, merged, remote)

    def _pass_on(self, heir: EventDraft, merged: Merged, remote: RemoteEvent) -> None:
        """Let count for what an event was moved to what was still changed of it where it was."""
        ours = heir.content
        if merged.taken:
            heir.content = merged.content
            heir.row.set({"version": heir.version + 1})
            self.writes.passed_on.append((heir.id, merged.content))
        for clash in merged.clashes:
            self._note(heir, clash, ours, remote)

    def _delete_again(self, copy: Draft, event: EventDraft, remote: RemoteEvent, theirs: Plain) -> None:
        """Want an event deleted once more that our own deletion has left there; a bounded number of times."""
        sent = (copy["tried"] or {}).get(DELETED, ())
        copy.set(shown(remote, theirs) | {"seen_generation": self.terms.generation})
        copy.set({"tried": {DELETED: list(sent)}, "due_at": None})
        copy.set({"wanted_version": event.version, "pushed_version": event.version - 1})
        if len(sent) > MOST_DELETIONS:
            problem = "The provider said yes to the deletion and keeps the event. Delete it there."
            copy.set({"parked_at": self.terms.now, "problem": problem})

    @staticmethod
    def _lost_beneath(copy: Draft, base: Plain, theirs: Plain) -> frozenset[str]:
        """Return what an earlier write lost, where a later, unanswered one of ours explains all the rest."""
        tried = copy["tried"]
        lost = lost_later(copy["replaced"], base, theirs) if tried else frozenset()
        if not lost:
            return lost
        rest = differing(base, theirs) - lost
        is_ours = bool(rest) and all(
            fingerprint(value_of(theirs, name)) in tried.get(name, ()) for name in rest
        )
        return lost if is_ours else frozenset()

    @staticmethod
    def _is_no_news(copy: Draft, remote: RemoteEvent) -> bool:
        """Whether this is not later than what our own write was answered with."""
        if remote.version == copy["remote_version"] != "":
            return True
        shown_at = copy["shown_at"]
        return bool(remote.updated_at and shown_at and remote.updated_at <= shown_at)

    def _restore(self, event: EventDraft, copy: Draft) -> None:
        """Bring a deleted event back, since a person edited it without knowing of the deletion."""
        self.writes.revived.append((event.id, event.version, event.row["deleted_at"]))
        event.row.set({"deleted_at": None, "moved_to": None})
        event.row.set({"version": event.version + 1, "updated_at": self.terms.now})
        copy.set({"parked_at": None, "due_at": None})
        self._log("restored", event.id, event.version, beginning(event.content, event.row["extra"]))
        reason = "It was deleted in the hub and edited at the provider: the edit wins, it was restored."
        self._conflict(event, DELETED, "provider", {"value": None}, {"value": copy["base"]}, reason)
        self._touch(event)

    def removed(self, copy: Draft, event: EventDraft) -> None:
        """Note that the provider holds the event no more: the guard decides whether that deletes it here."""
        lives = event.row["deleted_at"] is None
        if lives and DELETED in (copy["tried"] or ()):
            # Our own deletion, before the event was restored.
            copy.set(lost(self._ids.bare()) | {"wanted_version": event.version})
        elif lives and self.terms.direction != "export":
            copy.set({"missing_at": copy["missing_at"] or self.terms.now})
        elif (
            copy["doubted"]
            and copy["uid"] != event.row["uid"]
            and copy["wanted_version"] > copy["pushed_version"]
        ):
            # It was moved away, perhaps: our copy is deleted wherever it is.
            copy.set({"remote_version": "", "doubted": False, "due_at": None})
        else:
            gone = {"removed_at": self.terms.now, "missing_at": None, "read_only": None, **UNTROUBLED}
            copy.set(gone | {"wanted_version": event.version, "pushed_version": event.version})
        self._write(copy)

    # --- what the hub does not know yet ---

    def pair(
        self,
        copy: Draft | None,
        event: EventDraft,
        remote: RemoteEvent,
        theirs: Plain,
        base: Plain | None = None,
        synced: Mapping[str, str] = NOTHING,
        *,
        is_ours: bool = False,
    ) -> None:
        """Take an event that is new in this link for one that the hub has already.

        Args:
            base: what an earlier link of the same remote calendar was shown last, and its `synced`.
            is_ours: whether the hub has made it there.
        """
        is_new = copy is None
        if copy is None:
            copy = self._new_copy(event.id)
        if is_ours:
            copy.set({"is_ours": True})
        tried = copy["tried"]
        copy.set(shown(remote, theirs) | {"seen_generation": self.terms.generation})
        merged = self._merge(base, theirs, event, copy, remote, synced, tried)
        if self.terms.direction == "export":
            owed = merged.owed | merged.taken
            merged = Merged(event.content, frozenset(), owed, merged.synced, ())
        self._take(event, copy, merged, remote)
        if is_new:
            self.writes.new_copies.append(columns_of(copy))
        else:
            self._write(copy)

    def supersede(self, copy: Draft) -> None:
        """Part the hub's own copy from its event, for which another has come by itself: that is paired next.

        It lives on as the copy of a tombstone, so that it is deleted as any other.
        """
        uid = copy["uid"] or f"{copy['remote_id']}@{self.terms.provider}"
        self._bury(copy["base"], uid, {name: copy[name] for name in _OF_THE_EVENT})
        copy.set({
            "base": None, "synced": {}, "tried": {}, "replaced": {}, "shown_at": None, "is_ours": False,
        })  # fmt: skip

    def expect(self, count: int) -> None:
        """Draw the ids of so many new events and their copies: one by one they take several times as long."""
        self._drawn = self._ids.many(2 * count)[::-1] if count else []

    def _new_id(self, prefix: str) -> str:
        return f"{prefix}_{self._drawn.pop()}" if self._drawn else self._ids.new(prefix)

    def create(self, remote: RemoteEvent, theirs: Plain) -> None:
        """Bring in an event that the hub has not, unless it is long past."""
        times = span(remote.content.when, self.terms.zone)
        if self.terms.direction != "export" and (times[1] is None or times[1] >= self.terms.oldest):
            self._create(remote, theirs, self.terms.lens.brought_in(theirs), times)

    def move_here(self, copy: Draft, old: EventDraft, remote: RemoteEvent, theirs: Plain) -> str:
        """Take an event over from another calendar, with all that the hub knows of it; return its new id.

        Args:
            copy: what it was there, and `old` what it meant; the caller ends both.
        """
        merged = self._merge(copy["base"], theirs, old, copy, remote, copy["synced"], copy["tried"])
        times = span(when_of(merged.content), self.terms.zone)
        event_id, here = self._create(remote, theirs, merged.content, times, old.row["extra"])
        here["synced"] = merged.synced
        if merged.owed and self.terms.direction != "import":
            here["pushed_version"] = 0
        event = EventDraft(Draft({"id": event_id, "version": FIRST_VERSION}), merged.content)
        for clash in merged.clashes:
            self._note(event, clash, old.content, remote)
        return event_id

    def moved_late(self, copy: Draft, remote: RemoteEvent, theirs: Plain) -> str:
        """Take in what was deleted elsewhere before its move was known; return its new id.

        The deletion follows it here, unless somebody has edited it too: that wins, and is told.
        """
        base = copy["base"]
        if self.terms.direction != "import" and base and not differing(base, theirs):
            known = {**shown(remote, theirs), "synced": copy["synced"], "is_ours": copy["is_ours"]}
            return self._bury(theirs, remote.uid or f"{remote.remote_id}@{self.terms.provider}", known)
        event_id = self.bring_here(remote, theirs)
        event = EventDraft(Draft({"id": event_id, "version": FIRST_VERSION}), theirs)
        reason = "It was deleted elsewhere, and moved to this calendar and edited: the edit wins, it lives."
        self._conflict(event, DELETED, "provider", {"value": None}, {"value": theirs}, reason)
        return event_id

    def _bury(self, content: Plain, uid: str, known: Mapping[str, Any]) -> str:
        """Note what is to be deleted at the provider as the copy of a tombstone; return its event's id.

        Args:
            known: what the copy knows of the provider's event.
        """
        event_id, now = self._ids.new("evt"), self.terms.now
        times = span(when_of(content), self.terms.zone)
        self.writes.new_events.append(NewEvent(event_id, uid, content, *times, now, now, {}, now))
        leftover = self._new_copy(event_id)
        leftover.set({"wanted_version": FIRST_VERSION, "seen_generation": self.terms.generation, **known})
        self.writes.new_copies.append(columns_of(leftover))
        return event_id

    def bring_here(self, remote: RemoteEvent, theirs: Plain) -> str:
        """Bring in an event from another calendar as it is shown here; return its new id."""
        content = self.terms.lens.brought_in(theirs)
        event_id, _ = self._create(remote, theirs, content, span(remote.content.when, self.terms.zone))
        return event_id

    def _create(
        self,
        remote: RemoteEvent,
        theirs: Plain,
        content: Plain,
        times: tuple[datetime, datetime | None],
        extra: dict[str, Any] = NO_EXTRA,
    ) -> tuple[str, dict[str, Any]]:
        """Note an event that is new here, and its copy; return its id and the copy's columns."""
        event_id = self._new_id("evt")
        uid = remote.uid or f"{remote.remote_id}@{self.terms.provider}"
        edited_at = self._edited_at(remote)
        self.writes.new_events.append(
            NewEvent(event_id, uid, content, *times, self.terms.now, edited_at, extra)
        )
        copy = shown(remote, theirs)
        copy["id"], copy["event_id"], copy["link_id"] = self._new_id("cpy"), event_id, self.terms.link_id
        copy["wanted_version"] = copy["pushed_version"] = FIRST_VERSION
        copy["seen_generation"] = self.terms.generation
        self.writes.new_copies.append(copy)
        self._log("created", event_id, FIRST_VERSION, beginning(content, extra))
        return event_id, copy

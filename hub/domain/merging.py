"""Merging what a provider shows into an event, and noting what comes of it: values in, writes out.

Under the plan of a page (`hub.domain.page`); nothing is read or written here.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple, Protocol

from hub.domain.drafts import NEW_COPY, UNTROUBLED, Draft, EventDraft, Writes
from hub.domain.fingerprint import fingerprint
from hub.domain.lens import Lens, pinned
from hub.domain.merge import Clash, Merged, Side, merge
from hub.domain.people import guests_differ
from hub.domain.plain import Plain, differences, differing, is_day, value_of, with_fields
from hub.domain.recurrence import span
from hub.plugin.codec import from_json
from hub.plugin.types import RemoteEvent, When


class Terms(NamedTuple):
    """What a plan has to know of the link and of the moment."""

    link_id: str
    direction: str
    lens: Lens
    policy: str
    generation: int
    """Of the link's listings: what it shows carries it."""
    zone: str
    """The calendar's, for floating times."""
    provider: str
    now: datetime
    oldest: datetime
    """What ended before is not brought in."""


class Ids(Protocol):
    """Makes ids (`hub.ids`)."""

    def new(self, prefix: str) -> str: ...

    def bare(self) -> str: ...

    def many(self, count: int) -> list[str]: ...


class Views(Protocol):
    """Shows an event as others see it."""

    def project(self, content: Plain) -> Plain:
        """Return what the link's provider can show."""

    def shapes(self, content: Plain) -> list[Plain]:
        """Return what each provider of the calendar's links can show."""


class Merging:
    """What a plan decides of one event, and the writes that come of it.

    Args:
        ids: makes the ids of what is new.
    """

    def __init__(self, terms: Terms, ids: Ids, views: Views) -> None:
        self.terms = terms
        self.writes = Writes()
        self._ids = ids
        self._views = views

    def _sees_all(self, content: Plain) -> bool:
        """Whether an event is seen in the calendar as it is, and taken over from there as it is."""
        lens, when = self.terms.lens, content["when"]
        is_open = lens.busy_title is None and not lens.leave_alone and self.terms.direction != "export"
        return is_open and ("start_zone" in when or is_day(when["start"]))

    def _merge(
        self,
        base: Plain | None,
        theirs: Plain,
        event: EventDraft,
        copy: Draft,
        remote: RemoteEvent,
        synced: Mapping[str, str],
        tried: Mapping[str, Any],
    ) -> Merged:
        """Merge what is seen there with what the link shows of the event."""
        project, winner, tried = self._views.project, self._winner(event, remote), tried or {}
        lens, is_ours = self.terms.lens, copy["is_ours"]
        shapes = self._views.shapes(theirs) if base is None else ()
        whole = pinned(event.content, self.terms.zone)
        own = lens.compared(whole, theirs if base is None else base, is_ours=is_ours)
        fields, writable = lens.taken(is_ours=is_ours), lens.written(is_ours=is_ours)
        merged = merge(base, theirs, own, synced, project, winner, tried, fields, shapes, writable)
        if own is event.content:
            return merged
        clashes = merged.clashes
        if base is not None:
            unseen = (differing(base, theirs) - fields) & merged.owed
            unseen = {n for n in unseen if fingerprint(value_of(theirs, n)) not in tried.get(n, ())}
            clashes += tuple(Clash(n, None, value_of(theirs, n), "hub") for n in sorted(unseen))
        taken = {name: merged.content.get(name) for name in merged.taken}
        if "when" in taken:
            taken["when"] = lens.put_back(event.content, merged.content["when"], is_ours=is_ours)
        if "description" in taken:
            taken["description_html"] = merged.content.get("description_html")
        content = with_fields(event.content, taken)
        return Merged(content, merged.taken, merged.owed, merged.synced, clashes)

    def _is_unwanted(self, content: Plain, *, is_ours: bool) -> bool:
        """Whether a copy that the hub has made is to go, since the link copies no such events (any more)."""
        if not is_ours:
            return False
        lens, ends_at = self.terms.lens, None
        if not lens.filters.past:
            ends_at = span(when_of(content), self.terms.zone)[1]
        return lens.withheld(content, ends_at, self.terms.now) is not None

    def _winner(self, event: EventDraft, remote: RemoteEvent) -> Side:
        if self.terms.policy == "provider":
            return "provider"
        if self.terms.policy == "hub":
            return "hub"
        return "provider" if self._edited_at(remote) >= event.row["updated_at"] else "hub"

    def _edited_at(self, remote: RemoteEvent) -> datetime:
        """When the person made the edit, as far as the provider tells; never in the future."""
        return min(remote.updated_at or self.terms.now, self.terms.now)

    def _take(self, event: EventDraft, copy: Draft, merged: Merged, remote: RemoteEvent) -> None:
        """Take over what came of a merge; the copy stays wanted for what the provider still lacks."""
        ours = event.content
        if merged.taken:
            self._edit(event, merged, remote)
        for clash in merged.clashes:
            self._note(event, clash, ours, remote)
        version = event.version
        is_owed = bool(merged.owed) or self._is_unwanted(event.content, is_ours=copy["is_ours"])
        is_owed = is_owed and self.terms.direction != "import"
        if is_owed or is_asked_for(copy["notify_version"], copy["reply"], event.content, copy["base"]):
            pushed: dict[str, Any] = {
                "pushed_version": min(copy["pushed_version"], version - 1),
                "due_at": None,
            }
            if merged.taken:  # What was refused was another event, in a way.
                pushed |= UNTROUBLED
        else:
            pushed = {"pushed_version": version, "notify_version": 0, **UNTROUBLED}
        made = {"wanted_version": version, "synced": merged.synced, "uncertain": False, "create_id": None}
        copy.set(made | pushed)

    def _edit(self, event: EventDraft, merged: Merged, remote: RemoteEvent) -> None:
        before = event.content
        event.content, event.fields = merged.content, merged.taken
        if "when" in merged.taken:
            event.span = span(when_of(merged.content), self.terms.zone)
        updated_at = max(event.row["updated_at"], self._edited_at(remote))
        event.row.set({"version": event.version + 1, "updated_at": updated_at})
        if event.row["deleted_at"] is None:
            self._log("updated", event.id, event.version, differences(before, merged.content, merged.taken))
        self._touch(event)

    def _note(
        self, event: EventDraft, clash: Clash, ours: Plain, remote: RemoteEvent, reason: str | None = None
    ) -> None:
        loser = "provider" if clash.kept == "hub" else "hub"
        # The hub's own value, whole: a busy-only calendar is shown less of it.
        hub_value = {"value": value_of(ours, clash.field)}
        provider_value = {"value": clash.provider_value}
        if clash.field == "description":
            hub_value["html"] = ours.get("description_html")
            provider_value["html"] = remote.content.description_html
        reason = reason or (
            f"Both sides changed it; by the rule {self.terms.policy!r} the {clash.kept}'s value stands, "
            f"the {loser}'s is kept here."
        )
        self._conflict(event, clash.field, clash.kept, hub_value, provider_value, reason)

    def _conflict(
        self,
        event: EventDraft,
        name: str,
        kept: str,
        hub_value: dict[str, Any],
        provider_value: dict[str, Any],
        reason: str,
    ) -> None:
        conflict = {
            "id": self._ids.new("cfl"),
            "event_id": event.id,
            "field": name,
            "kept": kept,
            "hub_value": hub_value,
            "provider_value": provider_value,
            "reason": reason,
            "at": self.terms.now,
        }
        self.writes.conflicts.append((event, conflict))

    def _new_copy(self, event_id: str) -> Draft:
        copy = Draft(NEW_COPY)
        copy |= {"id": self._ids.new("cpy"), "event_id": event_id, "link_id": self.terms.link_id}
        return copy

    def _write(self, copy: Draft) -> None:
        if copy.changed:
            self.writes.copies.append(copy)

    def _touch(self, event: EventDraft) -> None:
        if not self.writes.events or self.writes.events[-1] is not event:
            self.writes.events.append(event)
        if event.row["deleted_at"] is None:
            self.writes.touched.append(event.id)

    def _log(self, kind: str, event_id: str, version: int, fields: dict[str, Any]) -> None:
        self.writes.log.append(
            {"kind": kind, "event_id": event_id, "event_version": version, "fields": fields}
        )


def is_asked_for(notify_version: int, reply: Plain | None, ours: Plain, base: Plain) -> bool:
    """Whether somebody has asked for what only a person may ask for: to invite guests, or to answer."""
    return bool(reply) or (notify_version > 0 and guests_differ(ours, base))


def columns_of(copy: Draft) -> dict[str, Any]:
    """Return what is known of a new copy."""
    return copy.changed | {name: copy[name] for name in ("id", "event_id", "link_id")}


def when_of(content: Plain) -> When:
    return from_json(When, content["when"])

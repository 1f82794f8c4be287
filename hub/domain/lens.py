"""What one link makes of an event: whether it is copied, what of it is shown there, what comes back.

A remote calendar may be shown less than the hub knows: only when it is busy, not every event, not every
field. So what is compared with it, and written to it, is a view of the event; and what was changed there
is put back into the whole event, of which it saw a part. A copy that the hub has made follows all of the
link's options. What people have made there is theirs: it is never taken away and never masked; a
busy-only link writes nothing into it but its time.

Works on plain contents (`hub.domain.plain`); whatever a link does not look at costs nothing.
"""

from __future__ import annotations

import string
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from typing import Any

from hub.domain.merge import ALL_FIELDS
from hub.domain.plain import Plain, days_by_start, days_of, is_day, with_days
from hub.domain.recurrence import OWN_TIMES, without_orphans
from hub.plugin.codec import from_json, to_json
from hub.plugin.types import SeriesException, When

BUSY_FIELDS = frozenset({"when", "show_as", "status"})
"""What a busy-only calendar is shown of an event, beside the title that stands for all of them."""
TELLING = frozenset({
    "title", "description", "location", "organizer", "attendees", "conference", "attachments", "categories",
    "url",
})  # fmt: skip
"""What tells something of an event that a busy-only calendar must not show, whoever wrote it there."""
NEVER_LEFT_ALONE = frozenset({"when", "title"})
LEAVABLE = tuple(sorted(ALL_FIELDS - NEVER_LEFT_ALONE))
"""The fields that a link may leave alone."""
PLACEHOLDERS = ("calendar", "show_as")
"""What the title of a busy-only copy may name in braces: the hub's calendar, and how its time counts."""

_FILTERED = ("own_answer", "show_as", "categories")
"""What filters look at that a single day may have otherwise than its series."""
_LONG_AGO = datetime.min.replace(tzinfo=UTC)

_OF_A_DAY = frozenset(f.name for f in fields(SeriesException)) - {"original_start"}
_BUSY_OF_A_DAY = frozenset({"cancelled", *OWN_TIMES, "show_as", "status"})


@dataclass(frozen=True, slots=True)
class Filters:
    """Which events are copied: those of a kind are left out where it is False."""

    declined: bool = False
    """Events, and days of a series, that the account's owner has declined."""
    free: bool = True
    """Those whose time counts as free; single days of a series, too."""
    all_day: bool = True
    past: bool = True
    """Those that are over: their copies are taken away once they are."""
    only_categories: tuple[str, ...] = ()
    """Set: only events of one of these categories."""
    without_categories: tuple[str, ...] = ()
    """No events of any of these."""

    @classmethod
    def of(cls, stored: Mapping[str, Any]) -> Filters:
        if not stored or stored == _NONE_STORED:
            return _NO_FILTERS
        values: dict[str, Any] = {
            n: tuple(v) if isinstance(v, list | tuple) else v for n, v in stored.items()
        }
        return cls(**values)

    def stored(self) -> dict[str, Any]:
        return {n: list(v) if isinstance(v, tuple) else v for n, v in asdict(self).items()}


_NO_FILTERS = Filters()
_NONE_STORED = _NO_FILTERS.stored()


@dataclass(frozen=True, slots=True)
class Lens:
    """The options of a link, as far as they change what is seen through it."""

    busy_title: str | None = None
    """The title of every copy in a busy-only calendar; None: the calendar is shown all of an event."""
    filters: Filters = _NO_FILTERS
    leave_alone: frozenset[str] = frozenset()
    """Fields that are neither written there nor taken over from there."""

    # --- which fields travel ---

    def taken(self, *, is_ours: bool) -> frozenset[str]:
        """Return the fields in which a change there changes the event."""
        seen = BUSY_FIELDS if self.busy_title is not None and is_ours else ALL_FIELDS
        return seen - self.leave_alone if self.leave_alone else seen

    def written(self, *, is_ours: bool) -> frozenset[str]:
        """Return the fields that the hub writes there.

        What a busy-only calendar must not show is taken away even where it is left alone.
        """
        if self.busy_title is None:
            return ALL_FIELDS - self.leave_alone if self.leave_alone else ALL_FIELDS
        return ALL_FIELDS - (self.leave_alone - TELLING) if is_ours else BUSY_FIELDS - self.leave_alone

    # --- which events are copied ---

    def withheld(self, content: Plain, ends_at: datetime | None, now: datetime) -> str | None:
        """Return why an event is not copied, in a sentence for people; None: it is.

        Args:
            ends_at: when its last occurrence is over; None: never.
        """
        wanted = self.filters
        if not wanted.declined and content.get("own_answer") == "declined":
            return "The link copies no events that were declined."
        if not wanted.free and content.get("show_as") == "free":
            return "The link copies no events whose time counts as free."
        if not wanted.all_day and is_day(content["when"]["start"]):
            return "The link copies no all-day events."
        if not wanted.past and ends_at is not None and ends_at <= now:
            return "The link copies no events that are over."
        if wanted.only_categories or wanted.without_categories:
            has = _folded(content.get("categories", ()))
            if wanted.only_categories and not has & _folded(wanted.only_categories):
                return "The link copies only events of other categories."
            if has & _folded(wanted.without_categories):
                return "The link copies no events of this category."
        return None

    def _hidden(self, content: Plain) -> frozenset[str]:
        """Return the days of a series that are not copied, by their original starts."""
        days = days_of(content["when"])
        return frozenset(day["original_start"] for day in days if self._is_hidden(content, day))

    def _is_hidden(self, content: Plain, day: Plain) -> bool:
        own = {name: day[name] for name in _FILTERED if name in day}
        if day.get("cancelled") or not own:
            return False
        return self.withheld(content | own, None, _LONG_AGO) is not None

    # --- views ---

    def shown(self, content: Plain, base: Plain | None, *, is_ours: bool) -> Plain:
        """Return what is to be seen of an event there.

        Args:
            base: what is there; None: nothing yet.
            is_ours: whether the hub has made it there, or is about to.
        """
        if self.busy_title is None or is_ours or base is None:
            return self.compared(content, base, is_ours=is_ours or base is None)
        written = self.written(is_ours=False)
        kept = {name: value for name, value in base.items() if name not in written}
        if "when" in written:
            kept["when"] = put_back(content["when"], base["when"], _BUSY_OF_A_DAY - self.leave_alone)
        return kept | {n: content[n] for n in written - {"when"} if n in content}

    def compared(self, content: Plain, base: Plain | None, *, is_ours: bool) -> Plain:
        """Return what of an event is compared with what is seen there."""
        hidden = self._hidden(content) if is_ours else frozenset()
        masks = self.busy_title is not None and is_ours
        if not (hidden or masks or self.leave_alone):
            return content
        days = [_absent(d) if d["original_start"] in hidden else d for d in days_of(content["when"])]
        seen = content
        if masks:
            seen = {name: value for name, value in content.items() if name in BUSY_FIELDS}
            seen["title"] = self._title(content)
            days = [_only(day, _BUSY_OF_A_DAY) for day in days]
        when = with_days(content["when"], [day for day in days if not _is_bare(day)] if masks else days)
        left = self.leave_alone - TELLING if masks else self.leave_alone
        if not left:
            return seen | {"when": when}
        theirs = base or {}
        if left & _OF_A_DAY:
            when = put_back(when, theirs.get("when", {}), _OF_A_DAY - left)
        seen = {name: value for name, value in seen.items() if not _belongs(name, left)}
        return seen | {n: v for n, v in theirs.items() if _belongs(n, left)} | {"when": when}

    def _title(self, content: Plain) -> str:
        assert self.busy_title is not None
        return self.busy_title.replace("{show_as}", content.get("show_as", "busy").replace("_", " "))

    # --- coming back ---

    def brought_in(self, theirs: Plain) -> Plain:
        """Return what comes into the hub of an event that people have made there."""
        if not self.leave_alone:
            return theirs
        content = {name: value for name, value in theirs.items() if not _belongs(name, self.leave_alone)}
        if self.leave_alone & _OF_A_DAY:
            content["when"] = put_back(theirs["when"], {}, _OF_A_DAY - self.leave_alone)
        return content

    def put_back(self, content: Plain, when: Plain, *, is_ours: bool) -> Plain:
        """Return the time of an event once it was changed there, where only a view of it was seen.

        Args:
            content: the whole event before.
            when: its time as it is seen there now.
        """
        masks = self.busy_title is not None and is_ours
        names = (_BUSY_OF_A_DAY if masks else _OF_A_DAY) - self.leave_alone
        known, hidden = content["when"], self._hidden(content) if is_ours else frozenset()
        still = {d["original_start"] for d in days_of(when) if d.get("cancelled")} & hidden
        whole = {d["original_start"]: d for d in days_of(known) if d["original_start"] in still}
        seen = [whole.get(day["original_start"], day) for day in days_of(when)]
        put = put_back(with_days(when, seen), known, names)
        if "exceptions" not in put:
            return put
        live: Plain = to_json(without_orphans(from_json(When, put)))
        return live


def put_back(seen: Plain, known: Plain, names: frozenset[str]) -> Plain:
    """Return a time as it is seen, with what is known of its single days beside these names."""
    if seen == known or not (days_of(seen) or days_of(known)):
        return seen
    shown, details = days_by_start(seen), days_by_start(known)
    days = []
    for start in sorted(shown.keys() | details.keys()):
        day = {n: v for n, v in details.get(start, {}).items() if n not in names}
        day |= {n: v for n, v in shown.get(start, {}).items() if n in names}
        day["original_start"] = start
        if not _is_bare(day) or (start in shown and _is_bare(shown[start])):
            days.append(day)
    return with_days(seen, days)


def pinned(content: Plain, zone: str) -> Plain:
    """Return an event at the times of a zone if its own are floating: what is copied has to be somewhere."""
    when = content["when"]
    if "start_zone" in when or is_day(when["start"]):
        return content
    return content | {"when": when | {"start_zone": zone, "end_zone": when.get("end_zone", zone)}}


def without_fields(content: Plain, names: frozenset[str]) -> Plain:
    """Return a content without these fields, in its single days too."""
    return Lens(leave_alone=names).brought_in(content)


def title_of(template: str, calendar: str) -> str:
    """Return the title of a busy-only link's copies, but for what is each event's own."""
    return template.replace("{calendar}", calendar)


def fault_of_title(template: str) -> str | None:
    """Return what is wrong with a title for busy-only copies."""
    known = ", ".join(f"{{{name}}}" for name in PLACEHOLDERS)
    try:
        parts = list(string.Formatter().parse(template))
    except ValueError:
        return f"has a brace that is not closed: only {known} may stand in braces"
    for _, name, spec, conversion in parts:
        if name is not None and (name not in PLACEHOLDERS or spec or conversion):
            return f"may name {known} in braces, and nothing else"
    return None


def _folded(names: Iterable[str]) -> frozenset[str]:
    return frozenset(name.strip().casefold() for name in names)


def _belongs(name: str, to: frozenset[str]) -> bool:
    return name in to or (name == "description_html" and "description" in to)


def _absent(day: Plain) -> Plain:
    return {"original_start": day["original_start"], "cancelled": True}


def _only(day: Plain, names: frozenset[str]) -> Plain:
    return {name: value for name, value in day.items() if name in names or name == "original_start"}


def _is_bare(day: Plain) -> bool:
    """Whether an exception says nothing: what differs in nothing that is seen is none."""
    return day.keys() <= {"original_start"}

"""What Outlook can hold of an event: the losses are said field by field, before a link is switched on."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from datetime import date, datetime, timedelta
from functools import lru_cache
from itertools import pairwise
from typing import Any, TypeVar

from hub.plugin import rules
from hub.plugin.meaning import exact_losses
from hub.plugin.text import clean, join_line, one_line, without_join_line
from hub.plugin.types import (
    Conference,
    EventContent,
    EventStatus,
    Location,
    Loss,
    Projection,
    Reminder,
    SeriesException,
    ShowAs,
    Visibility,
    When,
    changed_fields,
)
from hub_outlook import recurrence, zones

T = TypeVar("T")

DEFAULT_REMINDER = (Reminder(15),)
"""What Outlook does where nothing is said (Graph: user-post-events); it has no calendar default to show."""
LONGEST_TITLE = 255
OF_THE_SERIES = ("conference", "attachments", "categories", "color")
"""What an occurrence is not given otherwise than its series."""

NO_LENGTH = "Outlook has no event that ends before it begins, and no day without length."
CROSSES = (
    "Outlook cannot move the occurrence of {was} of “{title}” to {to}: another one takes place there or in "
    "between. Move it to a day between its neighbours, cancel those, or let the link write such series day "
    "by day, as single events."
)
PICTURES = re.compile(r"\[cid:[^\]\s]*\]")
PICTURE = "[picture]"
"""What stands in the text for a picture in it: Exchange writes the name of the part that holds it."""

REASONS = {
    "title": "Outlook keeps titles on one line of at most 255 characters.",
    "description": "Outlook keeps no blanks at the ends of lines and no empty lines around a text.",
    "status": "Outlook has no tentative events of one's own; it shows the time as tentative instead.",
    "when": "Outlook keeps times and what occurrences have of their own in its own way.",
    "show_as": "Outlook shows the time of a tentative event as tentative.",
    "visibility": "Outlook has no public events: they follow the calendar's sharing.",
    "reminders": "Outlook keeps one popup reminder per event, and no calendar default.",
    "organizer": "Outlook names the mailbox's owner as the organiser of what the hub writes.",
    "attendees": "Outlook would mail every guest, so guests are not written there.",
    "own_answer": "A copy is nobody's invitation, so there is nothing to answer.",
    "conference": "Outlook shows how to join another service's meeting as the last line of the text.",
    "attachments": "Outlook takes files, not links to files.",
    "categories": "Outlook keeps categories as a set of names without blanks around them.",
    "color": "Outlook colours events by category only.",
    "priority": "Outlook knows only high, normal and low importance.",
    "url": "Outlook has no page address on events.",
    "location": "Outlook keeps places on one line, without blanks around it.",
}


def plain(text: str) -> str:
    """Return text as both sides write it: LF line ends, plain blanks, no empty lines around it."""
    return PICTURES.sub(PICTURE, clean(text).strip("\n"))


def texts(content: EventContent) -> tuple[str, Conference | None]:
    """Return the text, and the meeting as the last line of it tells of it, if it does not say so already."""
    whole = plain(content.description)
    text, own = without_join_line(whole)
    url = content.conference.url if content.conference else ""
    if join_line(whole, url):
        return text, Conference(url)
    return text, Conference(own) if own and join_line(text, own) else None


@lru_cache(maxsize=4096)
def project(content: EventContent) -> Projection:
    """Return what of `content` Outlook would show after a push."""
    try:
        when, losses = _when(content.when)
    except recurrence.UnmappableError as error:
        return Projection(content, (), str(error))
    description, conference = texts(content)
    held = replace(
        content,
        when=replace(when, exceptions=()),
        title=_title(content.title),
        description=description,
        description_html=None,
        location=_location(content.location),
        status=EventStatus.CONFIRMED,
        visibility=_visibility(content.visibility),
        show_as=_show_as(content),
        reminders=_reminders(content.reminders),
        organizer=None,
        attendees=(),
        own_answer=None,
        conference=conference,
        attachments=(),
        categories=categories(content.categories),
        color=None,
        priority=_priority(content.priority),
        url=None,
    )
    try:
        kept, more = _exceptions(held, when, content.when)
    except recurrence.UnmappableError as error:
        return Projection(content, (), str(error))
    held = replace(held, when=replace(when, exceptions=kept))
    return Projection(held, exact_losses(content, held, (*losses, *more), REASONS))


def categories(names: tuple[str, ...] | list[str]) -> tuple[str, ...]:
    """Return category names as a set in a fixed order (Outlook compares them without case)."""
    found = {name.casefold(): name for name in map(one_line, reversed(names)) if name}
    return tuple(found[key] for key in sorted(found))


def _title(title: str) -> str:
    return one_line(title)[:LONGEST_TITLE].rstrip()


def _location(location: Location | None) -> Location | None:
    if location is None:
        return None
    held = replace(location, name=one_line(location.name), address=one_line(location.address))
    if held.latitude is None or held.longitude is None:
        held = replace(held, latitude=None, longitude=None)
    return held if held != Location("") else None


def _visibility(visibility: Visibility) -> Visibility:
    return Visibility.DEFAULT if visibility is Visibility.PUBLIC else visibility


def _show_as(content: EventContent) -> ShowAs:
    tentative = content.status is EventStatus.TENTATIVE and content.show_as is ShowAs.BUSY
    return ShowAs.TENTATIVE if tentative else content.show_as


def _reminders(reminders: tuple[Reminder, ...] | None) -> tuple[Reminder, ...]:
    if reminders is None:
        return DEFAULT_REMINDER
    popups = [r.minutes for r in reminders if r.method == "popup"] or [r.minutes for r in reminders]
    return (Reminder(min(popups)),) if reminders else ()


def _priority(priority: int) -> int:
    if priority in (0, 5):
        return 0
    return 1 if priority < 5 else 9


# --- when ---


def _when(when: When) -> tuple[When, list[Loss]]:
    if when.all_day:
        end = _ordered_end(when.start, when.end)
        losses = [] if end == when.end else [Loss("when", NO_LENGTH)]
        return _ruled(replace(when, end=end, start_zone=None, end_zone=None)), losses
    assert isinstance(when.start, datetime) and isinstance(when.end, datetime)
    zone, reason = _zone(when)
    losses = [Loss("when", reason)] if reason else []
    source = when.start_zone or "UTC"
    end_source = when.end_zone or source
    if end_source != source and not losses:
        losses.append(Loss("when", "Outlook keeps one time zone for the start and the end of an event."))
    start, end = _moved(when.start, source, zone), _moved(when.end, end_source, zone)
    if end < start:
        end = start
        losses.append(Loss("when", NO_LENGTH))
    return _ruled(replace(when, start=start, end=end, start_zone=zone, end_zone=zone)), losses


def _ordered_end(start: date | datetime, end: date | datetime) -> date | datetime:
    """Return the end, where it is not before the start as Outlook has it: a day is at least one day long."""
    if isinstance(start, datetime):
        return max(start, end)
    if end > start:
        return end
    if start == date.max:
        raise recurrence.UnmappableError("Outlook cannot hold an event that ends after the year 9999.")
    return start + timedelta(days=1)


def _moved(wall: datetime, source: str, target: str) -> datetime:
    wall = wall.replace(microsecond=0)
    if source == target or (target != "UTC" and zones.agree(source, target, wall)):
        return wall
    if rules.find_zone(source) is None:
        return wall
    return zones.to_wall(zones.to_utc(wall, source), target)


def _zone(when: When) -> tuple[str, str]:
    """Return the zone that Outlook would show, and the reason if that is a loss."""
    assert isinstance(when.start, datetime) and isinstance(when.end, datetime)
    source = when.start_zone
    if source is None:
        return "UTC", "Outlook has no floating times: they are written in UTC."
    known = rules.find_zone(source) is not None
    held = zones.held_as(source) if known else None
    if held is not None and zones.agree(source, held, when.start):
        end_zone = when.end_zone or source
        if when.is_series and not zones.exists(when.start, source):
            raise recurrence.UnmappableError(
                "This series begins at a time that the clocks skip: Outlook would repeat it at another time."
            )
        both_plain = rules.find_zone(end_zone) and zones.is_plain(when.start, source)
        if when.is_series or (both_plain and zones.is_plain(_moved(when.end, end_zone, held), held)):
            return held, "" if held == source else f"Outlook shows the time zone {source} as {held}."
        return "UTC", "This clock time happens twice or never that day, so it is written in UTC."
    if when.is_series:
        raise recurrence.UnmappableError(f"Outlook has no time zone for {source}, so it cannot repeat there.")
    return "UTC", f"Outlook has no time zone for {source}: the event is written in UTC."


def _ruled(when: When) -> When:
    """Return a series with its rule in the words in which Outlook gives it back."""
    if not when.is_series:
        return replace(when, exceptions=())
    rule = recurrence.from_graph(recurrence.to_graph(when), when.start_zone)
    return replace(when, recurrence=(rule,))


# --- occurrences ---


def occurrence(master: EventContent, change: SeriesException) -> EventContent:
    """Return what a changed occurrence shows as a whole: its own values over those of its series."""
    when = master.when
    start = change.start if change.start is not None else change.original_start
    end = change.end if change.end is not None else recurrence.usual_end(start, when)
    return replace(
        master,
        when=When(start, end, change.start_zone or when.start_zone, change.end_zone or when.end_zone),
        title=_or(change.title, master.title),
        description=_or(change.description, master.description),
        location=None if change.location == Location("") else _or(change.location, master.location),
        show_as=_or(change.show_as, master.show_as),
        visibility=_or(change.visibility, master.visibility),
        reminders=_or(change.reminders, master.reminders),
        attendees=_or(change.attendees, master.attendees),
        own_answer=_or(change.own_answer, master.own_answer),
    )


def difference(
    master: EventContent, shown: EventContent, original_start: date | datetime
) -> SeriesException | None:
    """Return an occurrence as its differences from its series, or None if there are none."""
    usual = occurrence(master, SeriesException(original_start))
    differs = changed_fields(usual, shown)
    times: dict[str, Any] = {}
    span = shown.when.start, shown.when.end
    if span != (usual.when.start, usual.when.end) and span != _as_shown(usual.when):
        times = {"start": shown.when.start, "end": shown.when.end}
        if master.when.all_day and not shown.when.all_day:
            # A series of whole days has no zone that its hours could be in.
            times |= {"start_zone": shown.when.start_zone, "end_zone": shown.when.end_zone}
    found = SeriesException(
        original_start,
        title=shown.title if "title" in differs else None,
        description=shown.description if "description" in differs else None,
        location=(shown.location or Location("")) if "location" in differs else None,
        show_as=shown.show_as if "show_as" in differs else None,
        visibility=shown.visibility if "visibility" in differs else None,
        reminders=shown.reminders if "reminders" in differs else None,
        attendees=shown.attendees if "attendees" in differs else None,
        own_answer=shown.own_answer if "own_answer" in differs else None,
        **times,
    )
    return None if found == SeriesException(original_start) else found


def _as_shown(when: When) -> tuple[date | datetime, date | datetime]:
    """Return start and end as Outlook shows them: a time that the clocks skip on that day is another one."""
    if isinstance(when.start, datetime) and isinstance(when.end, datetime):
        zone = when.start_zone or zones.FALLBACK
        begin, finish = zones.to_utc(when.start, zone), zones.to_utc(when.end, zone)
        return zones.to_wall(begin, zone), zones.to_wall(finish, zone)
    return when.start, when.end


def _or(own: T | None, series: T) -> T:
    return series if own is None else own


def _exceptions(
    held: EventContent, when: When, asked: When
) -> tuple[tuple[SeriesException, ...], list[Loss]]:
    """Return the exceptions that Outlook would show, and what they lose beyond their series' losses."""
    found: list[SeriesException] = []
    losses: list[Loss] = []
    move = _mover(asked, when)
    originals = {e: move(e.original_start, asked.start_zone) for e in when.exceptions}
    made = _made(when, originals.values())
    for change, original in originals.items():
        if original not in made:
            if not change.cancelled:
                losses.append(Loss("when", "A changed occurrence that the rule does not make is left out."))
            continue
        if change.cancelled:
            found.append(SeriesException(original, cancelled=True))
            continue
        if change.attendees is not None:
            losses.append(Loss("when", "Occurrences have no guests of their own."))
        own = [name for name in OF_THE_SERIES if getattr(change, name) is not None]
        if own:
            losses.append(Loss("when", f"Occurrences take these from their series: {', '.join(own)}."))
        own_when, more = _own_when(held.when, change, move, asked)
        losses += more
        shown = difference(held, _held_occurrence(held, change, original, own_when), original)
        if shown:
            found.append(shown)
    by_start = {e.original_start: e for e in found}
    _refuse_crossing(when, by_start, held.title)
    return tuple(by_start[start] for start in sorted(by_start)), losses


def _refuse_crossing(when: When, changes: Mapping[date | datetime, SeriesException], title: str) -> None:
    """Check that no occurrence is moved to the day of another one, or past it.

    They are written one by one, so each has to find its place between where its neighbours are at first
    and where they come to be (Graph: ErrorOccurrenceCrossingBoundary).

    Raises:
        UnmappableError: one is.
    """
    moved = [e for e in changes.values() if e.start is not None and _day(e.start) != _day(e.original_start)]
    if not moved:
        return
    last = max(e.original_start for e in moved)
    left: list[date | datetime] = []
    for start in rules.starts(when.recurrence, when.start, when.start_zone):
        if start not in changes or not changes[start].cancelled:
            left.append(start)
        if left and left[-1] > last:
            break
    for one, other in pairwise(left):
        places = [(_day(start), _day(_placed(changes, start))) for start in (one, other)]
        if max(places[0]) >= min(places[1]):
            was, to = max(places, key=lambda place: abs(place[1] - place[0]))
            raise recurrence.UnmappableError(CROSSES.format(was=was, to=to, title=title or "this series"))


def _placed(changes: Mapping[date | datetime, SeriesException], start: date | datetime) -> date | datetime:
    change = changes.get(start)
    return start if change is None or change.start is None else change.start


def _day(value: date | datetime) -> date:
    return value.date() if isinstance(value, datetime) else value


def _made(when: When, wanted: Collection[date | datetime]) -> set[date | datetime]:
    """Return those of the wanted starts that the rule makes: Outlook has no other occurrences."""
    return rules.hits(when.recurrence, when.start, when.start_zone, wanted) if wanted else set()


_Mover = Callable[[date | datetime, str | None], date | datetime]


def _mover(asked: When, when: When) -> _Mover:
    def move(value: date | datetime, source: str | None) -> date | datetime:
        if isinstance(value, datetime) and when.start_zone:
            return _moved(value, source or asked.start_zone or "UTC", when.start_zone)
        return value

    return move


def _own_when(when: When, change: SeriesException, move: _Mover, asked: When) -> tuple[When, list[Loss]]:
    """Return when an occurrence takes place at Outlook, and what is lost of that: in its series' zone.

    One hour of a series of whole days is in a zone of its own.
    """
    asked_start = change.original_start if change.start is None else change.start
    start_zone = change.start_zone or asked.start_zone
    start = move(asked_start, start_zone)
    end = recurrence.usual_end(start, when)
    if change.end is not None or change.end_zone:
        asked_end = recurrence.usual_end(asked_start, asked) if change.end is None else change.end
        end = move(asked_end, change.end_zone or asked.end_zone or start_zone)
    if when.all_day and isinstance(start, datetime):
        return _when(When(start, end, start_zone, change.end_zone or start_zone))
    usual = move(change.original_start, asked.start_zone)
    if (start, end) != (usual, recurrence.usual_end(usual, when)):
        start, end = _as_shown(When(start, end, when.start_zone))
    return When(start, _ordered_end(start, end), when.start_zone, when.end_zone), []


def _held_occurrence(
    held: EventContent, change: SeriesException, original: date | datetime, own: When
) -> EventContent:
    projected = replace(
        change,
        original_start=original,
        start=own.start,
        end=own.end,
        start_zone=own.start_zone,
        end_zone=own.end_zone,
        title=None if change.title is None else _title(change.title),
        description=None if change.description is None else without_join_line(plain(change.description))[0],
        location=None if change.location is None else _location(change.location) or Location(""),
        visibility=None if change.visibility is None else _visibility(change.visibility),
        reminders=None if change.reminders is None else _reminders(change.reminders),
        attendees=None,
        own_answer=None,
    )
    return occurrence(held, projected)

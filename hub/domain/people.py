"""The people of an event: its organiser, its guests and their answers, and what the owner has answered.

They are data that travels into the hub and stays there: no copy is written for their sake, so no side owes
them to another and none can win or lose them. Guests are merged by address.
"""

from __future__ import annotations

from typing import Any

from hub.domain.plain import Plain, days_by_start, frame, with_days
from hub.plugin.types import Answer

PEOPLE = frozenset({"organizer", "attendees", "own_answer"})
"""The fields of an event that are about people."""
_OF_OCCURRENCES = ("attendees", "own_answer")
_ANSWERED = frozenset(Answer) - {Answer.NEEDS_ACTION}


def merged(base: Plain | None, theirs: Plain, ours: Plain) -> Plain:
    """Return the people of an event after what a provider shows of them; None where there is nobody.

    Args:
        base: what it showed last; None when the two meet for the first time. Then an answer that was given
            is not taken back by an invitation that nobody has answered, and no guest is lost.
    """
    known, shown, own = (side.get("attendees", []) for side in (base or {}, theirs, ours))
    return {
        "organizer": _latest(base, theirs, ours, "organizer"),
        "attendees": _guests(None if base is None else known, shown, own) or None,
        "own_answer": _answer(base, theirs, ours, "own_answer"),
    }


def guests_differ(ours: Plain, base: Plain) -> bool:
    """Whether others are invited than a provider shows, or in another role; their answers are their own.

    Who organises it there is no guest, though some list them and others do not.
    """
    host = base.get("organizer", {}).get("email", "").casefold()
    own, shown = (
        {
            (email, g.get("role"))
            for g in side.get("attendees", ())
            if (email := g["email"].casefold()) != host
        }
        for side in (ours, base)
    )
    return own != shown


def _latest(base: Plain | None, theirs: Plain, ours: Plain, name: str) -> Any:
    if base is None:
        return ours.get(name) or theirs.get(name)
    return theirs.get(name) if theirs.get(name) != base.get(name) else ours.get(name)


def _answer(base: Plain | None, theirs: Plain, ours: Plain, name: str) -> Any:
    if base is None and ours.get(name) not in _ANSWERED:
        return theirs.get(name) or ours.get(name)
    return _latest(base, theirs, ours, name)


def _guests(base: list[Plain] | None, theirs: list[Plain], ours: list[Plain]) -> list[Plain]:
    """Return the guests: what each side has added, without whom either has taken away.

    They stand in the hub's order, since it means nothing.
    """
    if theirs in (base, ours):
        return ours
    known, shown, own = (_by_address(side or []) for side in (base, theirs, ours))
    found = [
        _guest(known.get(address), shown.get(address, guest), guest)
        for address, guest in own.items()
        if address in shown or address not in known
    ]
    return found + [g for address, g in shown.items() if address not in own and address not in known]


def _by_address(guests: list[Plain]) -> dict[str, Plain]:
    return {guest["email"].casefold(): guest for guest in guests}


def _guest(base: Plain | None, theirs: Plain, ours: Plain) -> Plain:
    values = ours | {
        "name": _latest(base, theirs, ours, "name"),
        "role": _latest(base, theirs, ours, "role"),
        "answer": _answer(base, theirs, ours, "answer"),
    }
    return {name: value for name, value in values.items() if value is not None}


# --- of occurrences ---


def without_people(when: Plain) -> Plain:
    """Return when an event takes place, without the guests and answers of single occurrences."""
    exceptions = when.get("exceptions")
    if not exceptions:
        return when
    bare = [{n: v for n, v in e.items() if n not in _OF_OCCURRENCES} for e in exceptions]
    return _with_telling(when, bare)


def with_people(when: Plain, base: Plain | None, theirs: Plain, ours: Plain) -> Plain:
    """Return `when`, one of the two, with the guests and answers of single occurrences after both.

    Args:
        base: when the event took place as the provider showed it last; None if the two meet for the first
            time.
    """
    if not any(side and side.get("exceptions") for side in (base, theirs, ours)):
        return when
    found, known, shown, own = (days_by_start(side or {}) for side in (when, base, theirs, ours))
    starts = found.keys() | (shown.keys() | own.keys() if frame(theirs) == frame(ours) else set())
    exceptions = []
    for start in sorted(starts):
        exception = found.get(start, {"original_start": start})
        if not exception.get("cancelled"):
            before = None if base is None else known.get(start, {})
            people = _of_occurrence(before, shown.get(start, {}), own.get(start, {}))
            exception = {n: v for n, v in {**exception, **people}.items() if v is not None}
        exceptions.append(exception)
    return _with_telling(when, exceptions)


def _of_occurrence(base: Plain | None, theirs: Plain, ours: Plain) -> Plain:
    """Return guests and answer of an occurrence; None where they are as in its series."""
    known, shown, own = (side.get("attendees") for side in (base or {}, theirs, ours))
    if base is not None and shown == known:
        guests = own
    elif shown is None:
        guests = own if base is None else None
    else:
        guests = shown if own is None else _guests(None if base is None else known or [], shown, own)
    return {"attendees": guests, "own_answer": _answer(base, theirs, ours, "own_answer")}


def _with_telling(when: Plain, exceptions: list[Plain]) -> Plain:
    """Return the time with those exceptions that say something."""
    return with_days(when, [e for e in exceptions if len(e) > 1])

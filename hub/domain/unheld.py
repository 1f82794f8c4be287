"""What a provider cannot hold of single occurrences survives when somebody changes the series there. Pure.

A time is taken over as a whole, exceptions included. Of an exception the provider shows only what it can
hold (`project`): where it shows that as before, the rest of it is still meant.
"""

from __future__ import annotations

from hub.domain.cut import TEXTS, with_hidden_end
from hub.domain.people import PEOPLE
from hub.domain.plain import Plain, days_by_start
from hub.domain.recurrence import NOT_CONTENT, RecurrenceError, without_orphans
from hub.plugin.codec import from_json, to_json
from hub.plugin.types import When

_NOT_HERE = NOT_CONTENT | PEOPLE


def with_unheld(theirs: Plain, shown: Plain, ours: Plain) -> Plain:
    """Return the time that a provider shows, with what the hub alone knows of its occurrences.

    Args:
        theirs: what the provider shows now.
        shown: what it can show of `ours`, the hub's own.
    """
    same_clock = theirs.get("start_zone") == ours.get("start_zone")
    if not ours.get("exceptions") or not theirs.get("recurrence") or not same_clock:
        return theirs
    now, could = days_by_start(theirs), days_by_start(shown)
    dropped = False
    for start, own in days_by_start(ours).items():
        unheld = {n: v for n, v in own.items() if n not in _NOT_HERE and could.get(start, {}).get(n) != v}
        if own.get("cancelled") or not unheld or (start in could and start not in now):
            continue  # What it could show and shows no more, somebody has taken back.
        there = now.get(start, {"original_start": start})
        if there.get("cancelled"):
            continue
        was = could.get(start, {})
        kept = {n: v for n, v in unheld.items() if there.get(n) == was.get(n)}
        kept |= {
            n: with_hidden_end(there[n], was.get(n), unheld[n]) for n in TEXTS & unheld.keys() & there.keys()
        }
        dropped = dropped or start not in now
        if kept:
            now[start] = there | kept
    when = theirs | {"exceptions": [now[start] for start in sorted(now)]} if now else theirs
    return _made(when) if dropped else when


def has_longer_texts(when: Plain, theirs: Plain) -> bool:
    """Whether a day has more of a text than its provider shows, after an edit of what that shows of it."""
    shown = days_by_start(theirs)
    return any(
        name in day and name in shown.get(start, {}) and day[name] != shown[start][name]
        for start, day in days_by_start(when).items()
        for name in TEXTS
    )


def _made(when: Plain) -> Plain:
    """Return the time without exceptions for days that its rule does not make."""
    try:
        plain: Plain = to_json(without_orphans(from_json(When, when)))
    except RecurrenceError:
        return when
    return plain

"""The menu of faults: which kinds there are at which boundary, and when one is played.

A boundary is a place where a driver leaves the hub: the begin and commit of a transaction, each hook of
a provider, a hint, a notification, the start of a task. `reliability` speaks of the process, the
broker, the database, notifications and providers; each of those has its boundaries here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from random import Random

DATABASE = ("away", "die", "pause")
COMMIT = ("refused", "unknown", "die_before", "die_after", "pause")
CALL = (
    "cut_before", "cut_after", "busy", "throttled", "hangs", "hangs_after", "token_refused", "garbage",
    "raises", "slow", "die_before", "die_after", "pause_after",
)  # fmt: skip
LISTING = ("cursor_expired", "calendar_lost", "short", "emptied", "empty_page", "doubled", "stale")
HINT = ("lost", "doubled", "late")
NOTICE = ("lost", "doubled", "late", "forged", "storm")
TASK = ("die", "late", "redelivered")

MENU: Mapping[str, tuple[str, ...]] = {
    "db.begin": DATABASE,
    "db.read": DATABASE,
    "db.commit": COMMIT,
    "fetch_changes": (*CALL, *LISTING),
    "get_event": CALL,
    "push_create": (*CALL, "refused", "not_kept"),
    "push_update": (*CALL, "refused", "version_moved", "not_kept", "ignored", "half_written"),
    "push_delete": (*CALL, "version_moved"),
    "subscribe": CALL,
    "renew": (*CALL, "forgotten"),
    "unsubscribe": CALL,
    "refresh_grant": tuple(kind for kind in CALL if kind not in ("token_refused", "garbage", "throttled")),
    "list_calendars": CALL,
    "hint": HINT,
    "notice": NOTICE,
    "task": TASK,
}  # fmt: skip
"""Boundary -> kinds of fault."""

WEIGHTS = {"db.begin": 0.4, "db.read": 0.4, "db.commit": 1.0, "hint": 1.5, "task": 1.5}
"""How much likelier than the rate a fault is, for those that are passed often; 5 for the others."""

LIES = frozenset({"refused", "not_kept", "ignored"})
"""After these an event may be parked by a written rule, until a person asks for another try."""
Place = tuple[str, int]
"""The n-th passing of a boundary."""


class Faults:
    """Decides at each boundary whether a fault is played.

    Args:
        rng: None plays `given` alone.
        rate: how likely a fault is at one boundary.
        given: faults by place.
        menu: the kinds that may be drawn.
    """

    def __init__(
        self,
        rng: Random | None,
        rate: float = 0.0,
        given: Mapping[Place, str] | None = None,
        menu: Mapping[str, tuple[str, ...]] = MENU,
    ) -> None:
        self._rng = rng
        self._rate = rate
        self._given = given or {}
        self._menu = menu
        self.on = True
        self.passed: Counter[str] = Counter()
        self.played: dict[Place, str] = {}

    def at(self, boundary: str) -> str | None:
        """Count the boundary; return the kind of fault to play here."""
        if not self.on:
            return None
        place = (boundary, self.passed[boundary])
        self.passed[boundary] += 1
        kind = self._given.get(place)
        rate = self._rate * WEIGHTS.get(boundary, 5.0)
        if kind is None and self._rng is not None and self._rng.random() < rate:
            kind = self._rng.choice(self._menu[boundary])
        if kind is not None:
            self.played[place] = kind
        return kind

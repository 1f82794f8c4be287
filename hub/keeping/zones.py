"""The windows of events follow the zone data: what was computed by an older release is computed anew.

Comes when a worker begins, and by the beat. Wall times and rules are what is stored; only the instants that
windows are looked for by (`Event.starts_at`, `ends_at`) are derived from them, when an event is written. A
country that changes its clocks moves those instants, and no provider tells of that, since nobody edits
anything. It goes through all events in batches, each in a transaction of its own, and can end anywhere and
go on later; an event that somebody writes meanwhile is left to that write. Of two processes that compute with
different zone data the one that begins later goes on alone.
"""

from __future__ import annotations

import re
import zoneinfo
from functools import lru_cache
from importlib import metadata
from pathlib import Path

from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from hub.domain.recurrence import span
from hub.log import get_logger
from hub.models import Calendar, Event, ZoneRelease
from hub.ports import Ports

log = get_logger()

BATCH = 500
"""Events of one transaction."""
NAME = "events"
_VERSION = re.compile(r"#\s*version\s+(\S+)")


@lru_cache(maxsize=1)
def installed() -> str:
    """Return the release of the zone data that this process computes with, such as 2026a.

    The system's is asked for first, as `zoneinfo` does, and tells its release in the file tzdata.zi; else
    it is that of the package tzdata.
    """
    for folder in zoneinfo.TZPATH:
        try:
            with (Path(folder) / "tzdata.zi").open(encoding="utf-8") as file:
                found = _VERSION.match(file.readline(100))
        except (OSError, UnicodeDecodeError):
            continue
        if found:
            return found[1][:40]
    return metadata.version("tzdata")[:40]


def follow(ports: Ports) -> None:
    """Compute the windows of all events anew, if that was last done with other zone data."""
    release = installed()
    with ports.db.reading() as session:
        row = session.get(ZoneRelease, NAME)
        if row is not None and row.release == release and row.reached is None:
            return
    if row is None and not _is_first(ports):
        return
    log.info("zone_data_changed", before=row.release if row else None, now=release)
    changed, count = 0, _batch(ports, release, begins=True)
    while count is not None:
        changed += count
        count = _batch(ports, release)
    log.info("zone_data_followed", events=changed)


def _is_first(ports: Ports) -> bool:
    try:
        with ports.db.transaction() as session:
            session.add(ZoneRelease(name=NAME, release="", reached=None))
    except IntegrityError:
        return False  # Another worker was quicker.
    return True


def _batch(ports: Ports, release: str, *, begins: bool = False) -> int | None:
    """Go through some events; return how many of them changed, None if there are no more or others do it.

    Args:
        begins: whether what others do by another release is begun anew by this one.
    """
    with ports.db.transaction() as session:
        claim = select(ZoneRelease).where(ZoneRelease.name == NAME).with_for_update(skip_locked=True)
        row = session.scalars(claim).one_or_none()
        if row is None or (row.release == release and row.reached is None):
            return None
        if row.release != release:
            if not begins:
                return None
            row.release, row.reached = release, ""
        events = session.execute(
            select(Event, Calendar.zone)
            .join(Calendar, Calendar.id == Event.calendar_id)
            .where(Event.id > (row.reached or ""), Event.deleted_at.is_(None))
            .order_by(Event.id)
            .limit(BATCH)
        ).all()
        row.reached = events[-1][0].id if len(events) == BATCH else None
        return sum(_brought(session, event, zone) for event, zone in events)


def _brought(session: Session, event: Event, zone: str) -> bool:
    """Bring the window of an event to what its zones say now; return whether that changed it."""
    starts_at, ends_at = span(event.when, zone)
    if (event.starts_at, event.ends_at) == (starts_at, ends_at):
        return False
    same = (
        Event.id == event.id,
        Event.version == event.version,
        # A calendar that gets another zone moves its floating events, which makes no new version of them.
        Event.starts_at == event.starts_at,
        Event.ends_at.is_not_distinct_from(event.ends_at),
    )
    values = {"starts_at": starts_at, "ends_at": ends_at}
    session.execute(update(Event).where(*same).values(values).execution_options(synchronize_session=False))
    return True

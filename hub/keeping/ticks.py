"""Ticks of the beat: of those that come too often, the first alone is worked at.

Two beats, a beat that was started again, or one whose clock goes wrong send more than is wanted, by the
thousand in the worst case; each of the others then costs one look at a row. One kind of tick goes through
every queue that must not fall silent, and leaves a heartbeat where somebody still listens to it.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, or_, select, update
from sqlalchemy.exc import IntegrityError

from hub.models import Heartbeat, Tick
from hub.ports import Ports


def is_due(ports: Ports, name: str, every: float) -> bool:
    """Say whether this tick is to be worked at: the last one was, at least half a period ago.

    A last one that lies in the future was noted by a clock that went wrong, and counts as none.
    """
    now = ports.clock.now()
    with ports.db.reading() as session:
        at = session.scalar(select(Tick.at).where(Tick.name == name))
    if at is None:
        return _is_first(ports, name, now)
    earliest, latest = now - timedelta(seconds=every / 2), now + timedelta(seconds=every)
    if earliest < at < latest:
        return False
    is_over: ColumnElement[bool] = or_(Tick.at <= earliest, Tick.at >= latest)
    with ports.db.transaction() as session:
        taken = session.scalar(
            update(Tick).where(Tick.name == name, is_over).values(at=now).returning(Tick.name)
        )
    return taken is not None


def _is_first(ports: Ports, name: str, now: datetime) -> bool:
    try:
        with ports.db.transaction() as session:
            session.add(Tick(name=name, at=now))
    except IntegrityError:
        return False
    return True


def beat_heart(ports: Ports, queue: str) -> None:
    """Note that a worker has taken a task from a queue."""
    now = ports.clock.now()
    with ports.db.transaction() as session:
        noted = session.scalar(
            update(Heartbeat).where(Heartbeat.name == queue).values(at=now).returning(Heartbeat.name)
        )
    if noted is None:
        try:
            with ports.db.transaction() as session:
                session.add(Heartbeat(name=queue, at=now))
        except IntegrityError:
            pass  # another worker was quicker

"""`hub duplicates`: clears up what looks the same and was made twice, without a word to anybody.

Only what carries the hub's own mark goes, and only where the event stays that it repeats. What the hub holds
as an event of its own is deleted as one, in one run that can be undone; what it does not know is written to a
file before it is deleted at the provider, and can be made again from there.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import select

from hub.models import Actor, Direction, EventCopy, Link, LinkState
from hub.outbound import edit
from hub.outbound.edit import Author
from hub.outbound.lease import border_calendar
from hub.outbound.window import window_of
from hub.plugin.codec import content_from_json, to_json
from hub.plugin.errors import GoneError, RetryLaterError
from hub.plugin.types import PushCreate, PushDelete, RemoteCalendar, RemoteEvent, Window
from hub.ports import Ports

TRIES = 5
MARK = "cpy_"
"""What the hub's marks begin with: they are the ids of copies."""


@dataclass(frozen=True, slots=True)
class Duplicate:
    """An event that repeats another one of the same calendar."""

    link_id: str
    calendar: RemoteCalendar
    account_id: str
    remote: RemoteEvent
    event_id: str | None
    """The hub's own event that it is; None if the hub does not know it."""


def find(ports: Ports, link_id: str | None = None) -> Iterator[Duplicate]:
    """Yield what was made twice in the calendars that are written to.

    Args:
        link_id: look at this link alone.
    """
    with ports.db.reading() as session:
        wanted = select(Link).where(
            Link.deleted_at.is_(None), Link.state == LinkState.ACTIVE, Link.direction != Direction.IMPORT
        )
        links = session.scalars(wanted.where(Link.id == link_id) if link_id else wanted).all()
        places = [
            (link.id, link.account_id, border_calendar(link.remote_calendar), window_of(session, ports, link))
            for link in links
        ]
    for link, account_id, calendar, span in places:
        yield from _in_calendar(ports, link, account_id, calendar, Window(*span))


def _in_calendar(
    ports: Ports, link_id: str, account_id: str, calendar: RemoteCalendar, window: Window
) -> Iterator[Duplicate]:
    with ports.db.reading() as session:
        rows = session.execute(
            select(EventCopy.remote_id, EventCopy.id, EventCopy.event_id).where(
                EventCopy.link_id == link_id, EventCopy.removed_at.is_(None), EventCopy.remote_id.is_not(None)
            )
        )
        known = {remote_id: (copy_id, event_id) for remote_id, copy_id, event_id in rows}
    alike: dict[Any, list[RemoteEvent]] = defaultdict(list)
    for remote in _listed(ports, account_id, calendar, window):
        alike[remote.content.title, remote.content.when].append(remote)
    for group in alike.values():
        for remote in _repeated(ports, account_id, calendar, group, known):
            event_id = known[remote.remote_id][1] if remote.remote_id in known else None
            yield Duplicate(link_id, calendar, account_id, remote, event_id)


def _repeated(
    ports: Ports,
    account_id: str,
    calendar: RemoteCalendar,
    group: list[RemoteEvent],
    known: dict[str | None, tuple[str, str]],
) -> list[RemoteEvent]:
    """Return those of several events that look the same which repeat the one that stays."""
    if len(group) < 2:
        return []
    # A listing need not show the mark.
    read = [r if r.tag else _read(ports, account_id, calendar, r) for r in group]
    there = [r for r in read if r is not None]

    def is_own(remote: RemoteEvent) -> bool:
        return remote.remote_id in known and known[remote.remote_id][0] == remote.tag

    def worth(remote: RemoteEvent) -> tuple[bool, bool, bool, str]:
        is_marked = (remote.tag or "").startswith(MARK)
        return not is_own(remote), is_marked, remote.remote_id not in known, str(remote.created_at)

    there.sort(key=worth)
    return [r for r in there[1:] if (r.tag or "").startswith(MARK) and not is_own(r) and _is_plain(r)]


def _is_plain(remote: RemoteEvent) -> bool:
    """Whether nobody else has to do with an event."""
    people = remote.content.attendees or remote.content.organizer
    return not (people or remote.read_only or remote.notify_only)


def _read(ports: Ports, account_id: str, calendar: RemoteCalendar, remote: RemoteEvent) -> RemoteEvent | None:
    try:
        found: RemoteEvent = _ask(
            ports, account_id, "get_event", calendar=calendar, remote_id=remote.remote_id
        )
    except GoneError:
        return None
    return found


def _listed(ports: Ports, account_id: str, calendar: RemoteCalendar, window: Window) -> Iterator[RemoteEvent]:
    page: str | None = None
    while True:
        asked = {"calendar": calendar, "cursor": None, "page": page, "window": window}
        answer = _ask(ports, account_id, "fetch_changes", **asked)
        yield from (change.event for change in answer.changes if change.event)
        page = answer.next_page
        if page is None:
            return


def _ask(ports: Ports, account_id: str, hook: str, **arguments: Any) -> Any:
    """Ask a provider, again where it is busy."""
    for _ in range(TRIES - 1):
        try:
            return ports.gateway.call(account_id, hook, **arguments)
        except RetryLaterError as error:
            ports.clock.sleep(error.after or 1.0)
    return ports.gateway.call(account_id, hook, **arguments)


def clear(ports: Ports, found: list[Duplicate], folder: Path) -> tuple[str, Path]:
    """Delete duplicates; return the run that undoes those of the hub, and the file with the others."""
    run_id = ports.ids.new("run")
    file = folder / f"duplicates-{run_id}.jsonl"
    author = Author(Actor.HUB, None, run_id)
    for duplicate in found:
        if duplicate.event_id is not None:
            with ports.db.transaction() as session:
                event = edit.get_event(session, duplicate.event_id, lock=True)
                if event is not None:
                    edit.delete_event(session, ports, event, author)
            continue
        with file.open("a", encoding="utf-8") as log:
            log.write(
                json.dumps({"link_id": duplicate.link_id, "content": to_json(duplicate.remote.content)})
            )
            log.write("\n")
        _delete(ports, duplicate)
    return run_id, file


def _delete(ports: Ports, duplicate: Duplicate) -> None:
    push = PushDelete(duplicate.remote.remote_id, duplicate.remote.version)
    try:
        _ask(ports, duplicate.account_id, "push_event", calendar=duplicate.calendar, push=push)
    except GoneError:
        pass  # Somebody was quicker.


def restore(ports: Ports, file: Path) -> int:
    """Make again at their providers what `clear` has written to a file; return how many."""
    lines = [json.loads(line) for line in file.read_text("utf-8").splitlines()]
    for line in lines:
        with ports.db.reading() as session:
            link = session.get_one(Link, line["link_id"])
            account_id, calendar = link.account_id, border_calendar(link.remote_calendar)
        push = PushCreate(ports.ids.bare(), ports.ids.new("cpy"), content_from_json(line["content"]))
        _ask(ports, account_id, "push_event", calendar=calendar, push=push)
    return len(lines)

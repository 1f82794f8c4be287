"""Many events at once: the first import against paging alone, and pages of changes against a bare store."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from itertools import count, islice
from typing import Any
from urllib.parse import quote

import requests
from sqlalchemy import (
    Column,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    bindparam,
    delete,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite

from bench.figures import Figure, balance
from bench.rig import ZONE, Rig
from demo.stage import wait_until
from hub.inbound.apply import apply_page
from hub.models import Change, Event, EventCopy, Link, LinkSignal, LinkState, RemoteCalendar
from hub.outbound.lease import find_free, held, release, take
from hub.wiring import settle_heap
from hub_google.changes import read

PERSON = "bulk@example.test"
RESTING = "lnk_bench"
PAGE = 250
SINGLES = 250
"""How many changes are applied one by one."""
METADATA = MetaData()
COPIES = Table(
    "bench_copies",
    METADATA,
    Column("remote_id", String(200), primary_key=True),
    Column("version", Text),
    Column("hash", String(32)),
    Column("content", Text),
)
OUTBOX = Table(
    "bench_outbox",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("remote_id", String(200)),
    Column("version", Text),
)
Item = dict[str, Any]


def measure(rig: Rig, events: int, changes: int, rounds: int) -> list[Figure]:
    """Fill a calendar, import it again and again, then change many of its events again and again."""
    (primary,) = (c for c in rig.person("google", PERSON, calendars=1) if c["primary"])
    account = rig.connect("google", PERSON)
    remote = rig.stage.remote_calendar(account, primary["name"])
    fill = {"person": PERSON, "calendar": primary["remote_id"], "count": events}
    requests.post(
        f"{rig.stage.sandboxes['google'].base_url}/_bench/fill", json=fill, timeout=300
    ).raise_for_status()
    figures, link_id, items = _imports(rig, account, remote["id"], primary["remote_id"], events, rounds)
    _link_that_rests(rig, link_id)
    return [*figures, *_bulks(rig, link_id, items[:changes], rounds)]


# --- the first import ---


def _imports(
    rig: Rig, account: Item, remote_id: str, calendar: str, events: int, rounds: int
) -> tuple[list[Figure], str, list[Item]]:
    token = rig.ports.gateway.grants.access_token(account["id"])  # type: ignore[attr-defined]
    url = f"{rig.environ['HUB_GOOGLE_API_URL']}calendars/{quote(calendar)}/events"
    floors, hubs, lists = [], [], []
    link_id, items = "", []
    for number in range(rounds):
        if link_id:
            rig.stage.api("DELETE", f"/links/{link_id}")
        rig.settle()
        start = time.perf_counter()
        items = [item for page in _pages(url, token) for item in page]
        floors.append(time.perf_counter() - start)
        balance("events that paging alone has seen", events, len(items))
        link_id, seconds, calls = _import(rig, remote_id, number, events)
        hubs.append(seconds)
        lists.append(float(calls))
    name = f"first import of {events:,} events"
    figures = [
        Figure(name, "s", tuple(hubs), tuple(floors), "<= 3"),
        Figure("  listing calls", "calls", tuple(lists), goal=f"{-(-events // 2500)}"),
    ]
    return figures, link_id, items


def _pages(url: str, token: str) -> Iterator[list[Item]]:
    """Read the listing that an import reads, and parse it; nothing else."""
    with requests.Session() as session:
        session.headers["Authorization"] = f"Bearer {token}"
        page: str | None = None
        while True:
            since = datetime.now(UTC).isoformat()
            query = {"maxResults": "2500", "singleEvents": "false", "timeMin": since, "pageToken": page}
            answer = session.get(url, params=query, timeout=60)
            answer.raise_for_status()
            found = json.loads(answer.content)
            yield found["items"]
            page = found.get("nextPageToken")
            if not page:
                return


def _import(rig: Rig, remote_id: str, number: int, events: int) -> tuple[str, float, int]:
    """Link the calendar to a new one of the hub; return the link, the seconds, and the listing calls."""
    box = rig.stage.sandboxes["google"]
    calendar_id = rig.calendar(f"Import {number}")
    box.clear_ledger()
    start = time.perf_counter()
    body = {"calendar_id": calendar_id, "remote_calendar_id": remote_id}
    link_id: str = rig.stage.api("POST", "/links", body)["id"]

    def imported() -> bool:
        with rig.ports.db.reading() as session:
            return session.scalar(select(Link.imported_at).where(Link.id == link_id)) is not None

    wait_until(imported, "the import", seconds=240, pause=0.01)
    seconds = time.perf_counter() - start
    listed = [c for c in box.ledger()["calls"] if c["method"] == "GET" and c["path"].endswith("/events")]
    with rig.ports.db.reading() as session:
        stored = session.scalar(
            select(func.count()).select_from(Event).where(Event.calendar_id == calendar_id)
        )
        copies = session.scalar(
            select(func.count()).select_from(EventCopy).where(EventCopy.link_id == link_id)
        )
    balance("imported events and their copies", (events, events), (stored, copies))
    rig.settle()
    return link_id, seconds, len(listed)


# --- pages of changes ---


def _link_that_rests(rig: Rig, link_id: str) -> None:
    """Give the calendar a second link, so that each change makes a copy wanted; nobody works on it."""
    now = rig.ports.clock.now()
    with rig.ports.db.transaction() as session:
        link = session.get_one(Link, link_id)
        linked = select(Link.remote_calendar_id).where(Link.deleted_at.is_(None))
        free = select(RemoteCalendar).where(RemoteCalendar.id.not_in(linked)).limit(1)
        remote = session.scalars(free).one()
        resting = Link(
            id=RESTING,
            tenant_id=link.tenant_id,
            calendar_id=link.calendar_id,
            remote_calendar_id=remote.id,
            account_id=remote.account_id,
            state=LinkState.PAUSED,
            imported_at=now,
            created_at=now,
        )
        session.add(resting)
        session.flush()
        session.add(LinkSignal(link_id=resting.id))


def _bulks(rig: Rig, link_id: str, items: list[Item], rounds: int) -> list[Figure]:
    with rig.ports.db.engine.begin() as connection:
        METADATA.create_all(connection)
    settle_heap()  # As a worker does; the floor gains as much.
    bulk, warm_up, edits = _edited(items, PAGE), -1, count()
    single = _edited(items[:SINGLES], 1)
    _store_bare(rig, bulk(warm_up))
    _apply(rig, link_id, bulk(warm_up))
    figures = []
    for name, pages, goal in (
        (f"pages of {PAGE} changes applied", bulk, ">= 0.35"),
        ("single changes applied", single, ">= 0.5"),
        (f"a page of {len(items):,} new events stored", _new(items), ">= 0.5"),
    ):
        floors, hubs = [], []
        for number in islice(edits, rounds):
            floors.append(_store_bare(rig, pages(number)))
            hubs.append(_apply(rig, link_id, pages(number)))
        figures.append(Figure(name, "changes/s", tuple(hubs), tuple(floors), goal))
    return figures


def _edited(items: list[Item], size: int) -> Callable[[int], list[list[Item]]]:
    """Return what makes pages of the items as a person's edit of some number leaves them."""

    def pages(number: int) -> list[list[Item]]:
        edited = [
            i | {"summary": f"{i['summary']}, edit {number}", "etag": f'"{number}-{i["id"]}"'} for i in items
        ]
        return [edited[place : place + size] for place in range(0, len(edited), size)]

    return pages


def _new(items: list[Item]) -> Callable[[int], list[list[Item]]]:
    """Return what makes one page of the items, as events that nobody knows yet."""

    def pages(number: int) -> list[list[Item]]:
        return [
            [
                item | {"id": f"{item['id']}v{number}", "iCalUID": f"{number}-{item['iCalUID']}"}
                for item in items
            ]
        ]

    return pages


def _store_bare(rig: Rig, pages: list[list[Item]]) -> float:
    """Store each page as barely as can be: select, compare digests, upsert, outbox, commit.

    Returns changes a second.
    """
    dialect = sqlite if rig.ports.db.is_sqlite else postgresql
    upsert = dialect.insert(COPIES)
    new = upsert.excluded
    upsert = upsert.on_conflict_do_update(
        index_elements=[COPIES.c.remote_id],
        set_={"version": new.version, "hash": new.hash, "content": new.content},
    )
    known = select(COPIES.c.remote_id, COPIES.c.hash).where(
        COPIES.c.remote_id.in_(bindparam("ids", expanding=True))
    )
    changes = sum(map(len, pages))
    start = time.perf_counter()
    for page in pages:
        with rig.ports.db.engine.begin() as connection:
            had: dict[str, str] = dict(
                connection.execute(known, {"ids": [item["id"] for item in page]}).tuples().all()
            )
            rows = [row for row in map(_row, page) if had.get(row["remote_id"]) != row["hash"]]
            connection.execute(upsert, rows)
            connection.execute(
                insert(OUTBOX), [{n: row[n] for n in ("remote_id", "version")} for row in rows]
            )
    seconds = time.perf_counter() - start
    with rig.ports.db.engine.begin() as connection:
        balance("changes in the bare outbox", changes, connection.execute(delete(OUTBOX)).rowcount)
    return changes / seconds


def _row(item: Item) -> dict[str, str]:
    text = json.dumps(item, sort_keys=True)
    digest = hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
    return {"remote_id": item["id"], "version": item["etag"], "hash": digest, "content": text}


def _apply(rig: Rig, link_id: str, pages: list[list[Item]]) -> float:
    """Apply the same pages as a pull does once it has fetched them, the plugin's translation included.

    Returns changes a second.
    """
    with rig.ports.db.transaction() as session:
        found = find_free(session, rig.ports, link_id)
        assert found is not None
        lease, link = found
        take(rig.ports, link, lease)
    expected = sum(map(len, pages))
    before = _changes(rig)
    _rest(rig)
    start = time.perf_counter()
    for page in pages:
        changes = [read(item, [], ZONE) for item in page]  # type: ignore[arg-type]
        with rig.ports.db.transaction() as session:
            apply_page(session, rig.ports, held(session, rig.ports, lease), changes, lease)
    seconds = time.perf_counter() - start
    release(rig.ports, lease)
    balance("changes that were applied and logged", expected, _changes(rig) - before)
    with rig.ports.db.reading() as session:
        wanted = (
            select(func.count())
            .select_from(EventCopy)
            .where(EventCopy.link_id == RESTING, EventCopy.wanted_version > EventCopy.pushed_version)
        )
        balance("copies wanted in the other link", expected, session.scalar(wanted))
    return expected / seconds


def _rest(rig: Rig) -> None:
    """Let nothing be wanted in the other link any more."""
    with rig.ports.db.transaction() as session:
        session.execute(
            update(EventCopy)
            .where(EventCopy.link_id == RESTING)
            .values(pushed_version=EventCopy.wanted_version)
        )


def _changes(rig: Rig) -> int:
    with rig.ports.db.reading() as session:
        return session.scalar(select(func.count()).select_from(Change)) or 0

"""Bugs in what comes from providers: the pull, the guard, doubts, moves and notifications."""

from __future__ import annotations

from tests.simulate.planted import Bug

PULL, GUARD, WEBHOOK = "hub.inbound.pull", "hub.inbound.guard", "hub.inbound.webhook"
MOVES = "hub.inbound.moves"

BUGS = [
    Bug(
        "the cursor is kept before its page is applied",
        PULL,
        "        found = _store(ports, lease, listing, page)\n",
        "        with ports.db.transaction() as early:\n"
        "            held(early, ports, lease).cursor = page.next_cursor\n"
        "        found = _store(ports, lease, listing, page)\n",
        ("C1", "C2", "C3", "C12"),
    ),
    Bug(
        "with the first page of a listing all counts as listed",
        PULL,
        "    link.page = page.next_page\n",
        "    link.page = page.next_page\n    link.pulled = listing.notified\n",
        ("C1", "C2", "C3", "C12"),
    ),
    Bug(
        "the token of the next page is lost",
        PULL,
        "page_token = page.next_page",
        "page_token = listing.page",
        ("C1", "C8", "C12"),
    ),
    Bug(
        "the mark is read after the listing instead of before",
        PULL,
        "link.pulled = listing.notified",
        "link.pulled = _standing(session, link).notified",
        ("C1", "C2", "C3", "C12"),
    ),
    Bug(
        "a lost cursor is taken for a listing in which nothing was new",
        PULL,
        "        if not keep_cursor:\n            link.cursor = None\n",
        "        link.pulled = _standing(session, link).notified\n",
        ("C1", "C2", "C3", "C12"),
    ),
    Bug(
        "what a full listing did not show is deleted without a question",
        PULL,
        "changes = [_ask(ports, lease, remote_id) for remote_id in remote_ids]",
        "changes = [RemoteChange(remote_id) for remote_id in remote_ids]",
        ("C4", "C7"),
    ),
    Bug(
        "what a full listing did not show is never asked about",
        PULL,
        "missing = _missing(session, link)",
        "missing: list[str] = []",
        ("C1", "C3", "C12"),
    ),
    Bug(
        "an event that cannot be read counts as gone",
        PULL,
        "    except GoneError:\n        return RemoteChange(remote_id)\n",
        "    except ProviderError:\n        return RemoteChange(remote_id)\n",
        ("C1", "C3", "C4", "C7", "C12"),
    ),
    Bug(
        "a calendar that answers 404 has lost all its events",
        PULL,
        "    is_busy = isinstance(error, RetryLaterError)\n",
        "    is_busy = isinstance(error, RetryLaterError)\n"
        "    if type(error).__name__ == 'CalendarLostError':\n"
        "        with ports.db.transaction() as session:\n"
        "            link = held(session, ports, lease)\n"
        "            ids = list(session.scalars(_THERE, {'link_id': link.id}))\n"
        "            apply_page(session, ports, link, [RemoteChange(r) for r in ids], lease)\n"
        "            guard.settle(session, ports, link, lease.run_id)\n",
        ("C4",),
    ),
    Bug(
        "what refused our version and is not listed is never read",
        PULL,
        "            _read_doubted(ports, lease)\n",
        "            pass\n",
        ("C1", "C8", "C12"),
    ),
    Bug(
        "after a first listing the hub's own events are not written",
        "hub.outbound.linking",
        "    stranded = _stranded(session, link)\n",
        "    return False\n    stranded = _stranded(session, link)\n",
        ("C1", "C12"),
    ),
    Bug(
        "the guard never holds",
        GUARD,
        "return removals > settings.guard_count or removals > settings.guard_share * known",
        "return False",
        ("C4",),
    ),
    Bug(
        "deletions are believed page by page",
        PULL,
        "    link.page = page.next_page\n",
        "    guard.settle(session, ports, link, lease.run_id)\n    link.page = page.next_page\n",
        ("C4",),
    ),
    Bug(
        "the verdict on held deletions is turned round",
        GUARD,
        "if link.verdict == Verdict.APPLY:",
        "if link.verdict != Verdict.APPLY:",
        ("C1", "C2", "C3", "C4", "C12"),
    ),
    Bug(
        "a deletion beats an edit, and nobody is told",
        GUARD,
        "edited_elsewhere = copy.wanted_version > copy.pushed_version and may_write",
        "edited_elsewhere = False",
        ("C2",),
    ),
    Bug(
        "an edit that beats a deletion is not told of",
        GUARD,
        "            note_deletion_conflict(session, ports, link, event, content_of(event))\n",
        "",
        ("C2",),
    ),
    Bug(
        "a deletion does not travel to the other calendars",
        GUARD,
        "fan_out(session, ports, deleted, source=link)",
        "fan_out(session, ports, [], source=link)",
        ("C1", "C3", "C12"),
    ),
    Bug(
        "rejected deletions are not made good",
        GUARD,
        "            recreate(ports, copy)\n            copy.wanted_version = event.version\n",
        "            copy.missing_at = None\n",
        ("C1", "C2", "C12"),
    ),
    Bug(
        "a notification is hinted and not counted",
        WEBHOOK,
        "notified=LinkSignal.notified + 1",
        "notified=LinkSignal.notified",
        ("C1", "C2", "C3", "C12"),
    ),
    Bug(
        "notifications within two seconds count as one",
        WEBHOOK,
        "    now = ports.clock.now()\n    session.connection()",
        "    now = ports.clock.now()\n"
        "    links = [\n"
        "        link for link in links\n"
        "        if (at := session.get_one(LinkSignal, link).notified_at) is None\n"
        "        or (now - at).total_seconds() > 2\n"
        "    ]\n"
        "    session.connection()",
        ("C1", "C2", "C3", "C12"),
    ),
    Bug(
        "a notification that comes during a listing is dropped",
        WEBHOOK,
        "(LinkSignal.notified > Link.listed)",
        "(LinkSignal.notified > Link.pulled)",
        ("C1", "C2", "C3", "C12"),
    ),
    Bug(
        "an edit of what has moved on counts for nothing",
        "hub.domain.page",
        "self._pass_on(heir, self._merge",
        "(heir, self._merge",
        ("C1", "C2"),
    ),
    Bug(
        "a deletion does not follow what was moved",
        "hub.inbound.apply",
        'elif heir is old and copy["removed_at"] != old.row["deleted_at"]:',
        "elif False:",
        ("C2", "C3"),
    ),
    Bug(
        "what was moved is not known by the hub's mark",
        MOVES,
        "    found = _unfound(session, siblings, new)\n",
        "    found: dict[str, Suspect] = {}\n",
        ("C1", "C7"),
    ),
    Bug(
        "what was moved is made again before anybody has looked for it",
        MOVES,
        "        new.due_at = due_at\n",
        "",
        ("C7",),
    ),
    Bug(
        "what a lost copy was is forgotten when it is made again",
        "hub.outbound.former",
        'if DELETED not in row["tried"]:',
        "if False:",
        ("C1", "C7"),
    ),
]

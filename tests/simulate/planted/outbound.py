"""Bugs in what is written to providers: edits, the outbox, the push, leases and what became of a write."""

from __future__ import annotations

from tests.simulate.planted import Bug

EDIT, OUTBOX, PUSH = "hub.outbound.edit", "hub.outbound.outbox", "hub.outbound.push"
LEASE, TROUBLE, KEPT = "hub.outbound.lease", "hub.outbound.trouble", "hub.outbound.kept"

BUGS = [
    Bug(
        "a create is sent with a new id at each try",
        OUTBOX,
        "create_id = copy.create_id or ports.ids.bare()",
        "create_id = ports.ids.bare()",
        ("C7",),
    ),
    Bug(
        "an update names no version, so that it overwrites whatever is there",
        OUTBOX,
        "return PushUpdate(copy.remote_id, copy.remote_version, content, base, fields, notify)",
        'return PushUpdate(copy.remote_id, "", content, base, fields, notify)',
        ("C2",),
    ),
    Bug(
        "an update names no version when it is tried again",
        OUTBOX,
        "return PushUpdate(copy.remote_id, copy.remote_version, content, base, fields, notify)",
        "version = copy.remote_version * (not copy.attempts)\n"
        "    return PushUpdate(copy.remote_id, version, content, base, fields, notify)",
        ("C2",),
    ),
    Bug(
        "a deletion names no version, so that it deletes what was just edited",
        OUTBOX,
        "PushDelete(copy.remote_id, copy.remote_version, notify)",
        'PushDelete(copy.remote_id, "", notify)',
        ("C2",),
    ),
    Bug(
        "what was pushed counts as the newest, though it was edited meanwhile",
        OUTBOX,
        "        return\n    copy.pushed_version = max(copy.pushed_version, work.version)",
        "        return\n    copy.pushed_version = copy.wanted_version",
        ("C1", "C12"),
    ),
    Bug(
        "a wish counts as written when it is claimed, before the provider has answered",
        OUTBOX,
        "            kept.note_try(copy, item.push, item.shown)\n",
        "            kept.note_try(copy, item.push, item.shown)\n"
        "            copy.pushed_version = event.version\n",
        ("C1", "C3", "C12"),
    ),
    Bug(
        "an earlier create is taken as it was found, whatever people made of it",
        OUTBOX,
        "return was_tried and bool(changed_fields(work.shown, remote.content))",
        "return False",
        ("C1", "C2", "C12"),
    ),
    Bug(
        "an event that is deleted before its create was answered is left behind",
        OUTBOX,
        "if (event.deleted_at is not None or withheld) and not copy.uncertain:",
        "if event.deleted_at is not None or withheld:",
        ("C1", "C3", "C12"),
    ),
    Bug(
        "a deletion during the create is forgotten when the create succeeds",
        OUTBOX,
        "            copy.pushed_version = version - 1  # Deleted",
        "            pass  # Deleted",
        ("C1", "C3", "C12"),
    ),
    Bug(
        "a 404 on a write removes the copy and forgets the edit",
        OUTBOX,
        'if is_deletion or link.direction == "export":',
        "if True:",
        ("C1", "C2", "C12"),
    ),
    Bug(
        "an edit that is made again after a 404 is not told of",
        OUTBOX,
        "    note_deletion_conflict(session, ports, link, session.get_one(",
        "    (lambda *_: None)(session.get_one(",
        ("C2",),
    ),
    Bug(
        "an event is parked after its first failure",
        OUTBOX,
        "copy.attempts >= ports.settings.park_after\n    if park",
        "copy.attempts >= 1\n    if park",
        ("C1", "C9", "C12"),
    ),
    Bug(
        "a busy-looking title is written for every event",
        "hub.models.view",
        "if link.detail == Detail.BUSY_ONLY:",
        "if link.detail != Detail.BUSY_ONLY:",
        ("C1", "C2", "C12"),
    ),
    Bug(
        "an edit does not raise the event's version",
        EDIT,
        "    event.version += 1\n    event.updated_at = ports.clock.now()\n"
        "    record(session, ports, event, ChangeKind.UPDATED",
        "    event.updated_at = ports.clock.now()\n    record(session, ports, event, ChangeKind.UPDATED",
        ("C1", "C12"),
    ),
    Bug(
        "an edit in the hub is not brought to the links",
        EDIT,
        "    record(session, ports, event, ChangeKind.UPDATED, fields, author)\n    if travels:\n",
        "    record(session, ports, event, ChangeKind.UPDATED, fields, author)\n    if not travels:\n",
        ("C1", "C12"),
    ),
    Bug(
        "a link that is only read from is written to",
        "hub.outbound.spread",
        "    _LINKS.c.direction != Direction.IMPORT,\n",
        "",
        ("C4", "C5", "C7"),
    ),
    Bug(
        "a lease never ends",
        LEASE,
        "        is_free(),\n",
        "        Link.lease_until.is_(None),\n",
        ("C1", "C3", "C9", "C12"),
    ),
    Bug(
        "a run that ends does not look for what was wished meanwhile",
        LEASE,
        "    _hint_owed_after(session, ports, link, lease)\n\n\ndef wake",
        "\n\ndef wake",
        ("C1", "C2", "C3", "C12"),
    ),
    Bug(
        "a paused link goes on",
        LEASE,
        "if link is None or link.state != LinkState.ACTIVE:",
        "if link is None:",
        ("C5",),
    ),
    Bug(
        "a resumed link does not look what happened meanwhile",
        "hub.outbound.linking",
        "    ask_for_pull(session, ports, link.id)\n    start(session, ports, link)\n",
        "    start(session, ports, link)\n",
        ("C1", "C2", "C3", "C12"),
    ),
    Bug(
        "the wait after a failure has no upper end",
        TROUBLE,
        "delay = min(most, base * 2.0 ** min(failures - 1, 20))",
        "delay = base * 500.0**failures",
        ("C1", "C3", "C12"),
    ),
    Bug(
        "that a create may have been sent is not written down before",
        OUTBOX,
        "    copy.uncertain = True\n",
        "",
        ("C1", "C2", "C3", "C7", "C12"),
    ),
    Bug(
        "failures are counted for ever",
        TROUBLE,
        "    link.failures = 0\n    link.due_at = None\n",
        "    link.due_at = None\n",
        ("C1", "C12"),
    ),
    Bug(
        "a trouble that is over is still told",
        TROUBLE,
        "    link.problem = link.problem_code = link.problem_at = None\n\n\ndef _explain",
        "\n\ndef _explain",
        ("C12",),
    ),
    Bug(
        "a calendar that is said to be lost is believed at once",
        TROUBLE,
        "if isinstance(error, CalendarLostError) and _is_still_listed(ports, lease):",
        "if False:",
        ("C1", "C9", "C12"),
    ),
    Bug(
        "a write that a later listing shows undone is taken for a person's edit",
        "hub.domain.page",
        "        if theirs.get(name) != base.get(name) and",
        "        if False and",
        ("C1", "C2", "C12"),
    ),
    Bug(
        "what a write without an answer may have left is not written down",
        KEPT,
        "        copy.tried = tried\n",
        "        pass\n",
        ("C2", "C5"),
    ),
]

"""Bugs in the rules: what a page comes to, the merge, times, and how an event is kept."""

from __future__ import annotations

from tests.simulate.planted import Bug

MERGE, MERGING, PAGE = "hub.domain.merge", "hub.domain.merging", "hub.domain.page"

BUGS = [
    Bug(
        "the policies hub and provider are mixed up",
        MERGING,
        'if self.terms.policy == "provider":',
        'if self.terms.policy == "hub":',
        ("C2",),
    ),
    Bug(
        "an edit of what the hub has deleted is dropped",
        PAGE,
        "            self._restore(event, copy)\n",
        "            return\n",
        ("C1", "C2", "C12"),
    ),
    Bug(
        "a late write of our own brings a deleted event back",
        PAGE,
        "not (merged.taken or merged.clashes or was_removed):",
        "not True:",
        ("C3",),
    ),
    Bug(
        "what the hub still has to write is forgotten after a merge",
        MERGING,
        'min(copy["pushed_version"], version - 1)',
        "version",
        ("C1", "C12"),
    ),
    Bug(
        "what one calendar tells is not brought to the others",
        "hub.inbound.apply",
        "spread(self.session, self.ports, self.link.calendar_id, touched, source=self.link.id, new=new)",
        "pass",
        ("C1", "C12"),
    ),
    Bug(
        "what is new in one calendar is not brought to the others",
        "hub.inbound.apply",
        "[e for e in writes.new_events if e.deleted_at is None]",
        "[]",
        ("C1", "C12"),
    ),
    Bug(
        "an edit at a provider does not raise the event's version",
        MERGING,
        'event.row.set({"version": event.version + 1, "updated_at": updated_at})',
        'event.row.set({"updated_at": updated_at})',
        ("C1", "C12"),
    ),
    Bug(
        "what is gone at one provider is forgotten there and kept elsewhere",
        PAGE,
        'copy.set({"missing_at": copy["missing_at"] or self.terms.now})',
        'copy.set({"removed_at": self.terms.now, "missing_at": None})',
        ("C1", "C12"),
    ),
    Bug(
        "the versions that a provider shows are not kept",
        "hub.domain.drafts",
        '"remote_version": remote.version,',
        '"remote_version": "",',
        ("C2", "C5"),
    ),
    Bug(
        "the loser of a conflict is taken",
        MERGE,
        'if winner == "provider":',
        'if winner != "provider":',
        ("C2",),
    ),
    Bug(
        "what the provider shows is taken over what the hub changed, and nobody is told",
        MERGE,
        "elif name not in ours_changed:",
        "elif True:",
        ("C2",),
    ),
    Bug(
        "what the hub changed during a pull is not owed any more",
        MERGE,
        "owed = frozenset(ours_changed - taken.keys() - settled) | left_over",
        "owed = frozenset(left_over)",
        ("C1", "C12"),
    ),
    Bug(
        "what the loser lacks after a conflict is not owed",
        MERGE,
        'if clash.kept == "hub"}) & writable',
        'if clash.kept == "hub"}) & writable - {clash.field for clash in clashes}',
        ("C1", "C12"),
    ),
    Bug(
        "a write of ours whose answer was lost is taken for a person's edit",
        MERGE,
        "elif name in tried and (",
        "elif False and (",
        ("C2", "C5"),
    ),
    Bug(
        "a conflict is not recorded",
        MERGING,
        "        self.writes.conflicts.append((event, conflict))\n",
        "",
        ("C2",),
    ),
    Bug(
        "of a conflict only the value that stands is kept",
        MERGING,
        '            "provider_value": provider_value,\n',
        '            "provider_value": hub_value,\n',
        ("C2", "C5"),
    ),
    Bug(
        "a conflict names the wrong winner",
        MERGING,
        '            "kept": kept,\n',
        '            "kept": "hub" if kept == "provider" else "provider",\n',
        ("C2",),
    ),
    Bug(
        "a change in the hub forgets the changed days of a series",
        "hub.models.content",
        "    event.content = to_json(content)\n",
        "    event.content = (plain := to_json(content)) | {'when': plain['when'] | {'exceptions': []}}\n",
        ("C1", "C2", "C12"),
    ),
]

"""Bugs in what is written to providers."""

from __future__ import annotations

from tests.simulate.planted import Bug

BUGS = [
    Bug(
        "a create is sent with a new id at each try",
        "hub.outbound.outbox",
        "create_id = copy.create_id or ports.ids.bare()",
        "create_id = ports.ids.bare()",
        ("C7",),
    ),
    Bug(
        "an update names no version, so that it overwrites whatever is there",
        "hub.outbound.outbox",
        "return PushUpdate(copy.remote_id, copy.remote_version, content, base, fields)",
        'return PushUpdate(copy.remote_id, "", content, base, fields)',
        ("C2",),
    ),
    Bug(
        "what was pushed counts as the newest, though it was edited meanwhile",
        "hub.outbound.outbox",
        "copy.pushed_version = max(copy.pushed_version, work.version)",
        "copy.pushed_version = copy.wanted_version",
        ("C1",),
    ),
]

"""Bugs in the upkeep: channels and the sweep."""

from __future__ import annotations

from tests.simulate.planted import Bug

CHANNELS, SWEEP = "hub.keeping.subscriptions", "hub.keeping.sweep"

BUGS = [
    Bug(
        "channels are not renewed",
        CHANNELS,
        '.where(_CHANNELS.c.due_at <= bindparam("now", type_=_CHANNELS.c.due_at.type))',
        '.where(_CHANNELS.c.due_at <= bindparam("now", type_=_CHANNELS.c.due_at.type), '
        "_CHANNELS.c.state != ChannelState.LIVE)",
        ("C1", "C9", "C12"),
    ),
    Bug(
        "a channel whose opening failed is never opened anew",
        CHANNELS,
        "channel.due_at = now + timedelta(seconds=backoff(ports, channel.failures, after))",
        "channel.due_at = now + timedelta(days=365)",
        ("C1", "C9", "C12"),
    ),
    Bug(
        "a renewal closes the new channel and keeps the old one",
        CHANNELS,
        "                _close_later(ports, old, OVERLAP)\n",
        "                _close_later(ports, new or old, OVERLAP)\n",
        ("C1", "C9", "C12"),
    ),
    Bug(
        "the end of a renewed channel is not kept",
        CHANNELS,
        "    channel.expires_at = subscription.expires_at\n",
        "    channel.expires_at = channel.expires_at or channel.created_at\n",
        ("C1", "C9", "C12"),
    ),
    Bug(
        "silent calendars are not looked at",
        SWEEP,
        "            ask_for_pull(session, ports, link.id)\n",
        "            pass\n",
        ("C1", "C2", "C3", "C12"),
    ),
    Bug(
        "the sweep does not look for what is owed",
        SWEEP,
        "    owed.send(ports, work)\n",
        "",
        ("C1", "C2", "C3", "C12"),
    ),
    Bug(
        "the sweep forgets what is to be written",
        "hub.outbound.owed",
        "        if row.push and (near is None or ",
        "        if row.push and near is not None and (",
        ("C1", "C3", "C12"),
    ),
    Bug(
        "the sweep does not open missing channels",
        SWEEP,
        '        ports.queue.hint("subscribe", link_id)\n',
        "        pass\n",
        ("C1", "C9", "C12"),
    ),
]

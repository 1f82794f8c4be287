"""Bugs around accounts: their tokens, what is asked of providers, and what is told of a link's health."""

from __future__ import annotations

from tests.simulate.planted import Bug

GRANTS, GATEWAY, HEALTH = "hub.providers.grants", "hub.providers.gateway", "hub.accounts.health"

BUGS = [
    Bug(
        "a refresh whose worker died is never made by another",
        GRANTS,
        "if grant.refresh_owner and grant.refresh_until and grant.refresh_until > now:",
        "if grant.refresh_owner:",
        ("C1", "C9", "C12"),
    ),
    Bug(
        "fresh tokens are not stored",
        GRANTS,
        "                save_tokens(session, self._vault, self._clock, account_id, tokens)\n",
        "                pass\n",
        ("C1", "C8", "C9", "C12"),
    ),
    Bug(
        "a token that was refused is handed out again",
        GRANTS,
        "        if grant.expires_at - now > EARLY and token != rejected:",
        "        if grant.expires_at - now > EARLY:",
        ("C1", "C8", "C12"),
    ),
    Bug(
        "every worker refreshes for itself",
        GRANTS,
        "if grant.refresh_owner and grant.refresh_until and grant.refresh_until > now:",
        "if False:",
        ("C8",),
    ),
    Bug(
        "an account that was asked to wait waits for ever",
        GATEWAY,
        "timedelta(seconds=min(error.after, 6 * 3600))",
        "timedelta(days=365)",
        ("C1", "C3", "C12"),
    ),
    Bug(
        "an account that was asked to wait is called all the same",
        GATEWAY,
        "if account.blocked_until and account.blocked_until > now:",
        "if False:",
        ("C8",),
    ),
    Bug(
        "an answer is not looked at before it is used",
        GATEWAY,
        "        if not good:\n",
        "        if False:\n",
        ("C9",),
    ),
    Bug(
        "what is owed is told as in sync",
        HEALTH,
        'state = "syncing" if link.imported_at is None or now - since < PATIENCE else "behind"',
        'state = "in_sync"',
        ("C12",),
    ),
    Bug(
        "a listing that is owed is not told",
        HEALTH,
        "elif signal is not None and signal.notified > link.pulled:",
        "elif False:",
        ("C12",),
    ),
    Bug(
        "writes that are owed are not told",
        HEALTH,
        "    if owed.oldest is not None:\n",
        "    if False:\n",
        ("C12",),
    ),
    Bug(
        "held deletions are told as in sync",
        HEALTH,
        "elif link.held_at is not None:",
        "elif False:",
        ("C12",),
    ),
    Bug(
        "a new consent does not set the account's links to work",
        "hub.accounts.connect",
        "                linking.resume(session, ports, link)\n",
        "                pass\n",
        ("C1", "C3", "C12"),
    ),
    Bug(
        "a new consent keeps the old token",
        "hub.accounts.connect",
        "        save_tokens(session, ports.vault, ports.clock, account.id, grant.tokens)\n",
        "",
        ("C1", "C9", "C12"),
    ),
    Bug(
        "one account that has to wait lets all accounts wait",
        "hub.providers.gateway",
        "account = session.get(Account, account_id)\n                if account is not None:\n        ",
        "account = None\n                for account in session.scalars(select(Account)):\n        ",
        ("C1", "C11", "C12"),
    ),
]

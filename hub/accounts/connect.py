"""The OAuth flow that connects an account: begin -> the provider's consent page -> complete.

The code flow with PKCE (RFC 7636, S256) and a single-use state (RFC 9700 section 4.7): the state and
the browser's secret are kept as digests, the code verifier sealed. Each provider has its own callback
address, which is the defence against mix-up. A consent that ends badly leaves nothing behind.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, or_, select
from sqlalchemy.orm import Session

from hub.accounts import calendars, relink
from hub.ids import digest
from hub.log import get_logger
from hub.models import Account, AccountState, Consent, Grant, Link, LinkState, User
from hub.outbound import linking
from hub.plugin.errors import GrantLostError, ProviderError
from hub.plugin.types import AuthorizationRequest, CodeExchange, NewGrant
from hub.ports import Ports
from hub.providers.grants import save_tokens

log = get_logger()

LIFE = timedelta(minutes=10)


class ConnectError(Exception):
    """A consent that did not end in a connected account.

    Args:
        message: what happened, for people.
        advice: what to do now, for people.
        code: the same for programs.
        consent: the flow it belongs to, if that is known: it can be tried again.
    """

    def __init__(self, code: str, message: str, advice: str, consent: Consent | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.advice = advice
        self.consent = consent


@dataclass(frozen=True, slots=True)
class Begun:
    """A flow that waits for the person."""

    authorization_url: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Connected:
    """A flow that ended well."""

    account_id: str
    user_id: str
    return_to: str


def redirect_uri(ports: Ports, provider: str) -> str:
    return f"{ports.settings.public_url}/connect/{provider}/callback"


def begin(
    session: Session,
    ports: Ports,
    user: User,
    provider: str,
    *,
    return_to: str = "",
    browser_secret: str | None = None,
    account: Account | None = None,
) -> Begun:
    """Begin a flow; return where to send the person.

    Args:
        return_to: where the person goes afterwards; the caller has checked it.
        browser_secret: binds the flow to the browser that holds it; None for a flow that an
            application began for a person whose browser is not known yet.
        account: the account to reconnect; any other one is refused.

    Raises:
        UnknownProviderError: no such plugin is loaded.
        ProviderError: the plugin could not build the address.
    """
    state, verifier = ports.ids.secret(), ports.ids.secret()
    state_digest = digest(state)
    request = AuthorizationRequest(
        redirect_uri=redirect_uri(ports, provider),
        state=state,
        code_challenge=challenge(verifier),
        login_hint=account.email if account else None,
        force_consent=not _has_lasting_consent(session, account),
    )
    url = ports.gateway.plain(provider, "authorization_url", request=request)
    expires_at = ports.clock.now() + LIFE
    session.add(
        Consent(
            state_digest=state_digest,
            tenant_id=user.tenant_id,
            user_id=user.id,
            provider=provider,
            account_id=account.id if account else None,
            code_verifier=ports.vault.seal(verifier, f"consents.code_verifier:{state_digest}"),
            browser_digest=digest(browser_secret) if browser_secret else None,
            return_to=return_to,
            expires_at=expires_at,
        )
    )
    return Begun(url, expires_at)


def challenge(verifier: str) -> str:
    """Return the S256 code challenge (RFC 7636 section 4.2)."""
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


def _has_lasting_consent(session: Session, account: Account | None) -> bool:
    """Without a refresh token that works, a provider must be told to ask the person again."""
    if account is None or account.state != AccountState.CONNECTED:
        return False
    grant = session.get(Grant, account.id)
    return grant is not None and grant.refresh_token is not None


def complete(ports: Ports, provider: str, query: Mapping[str, str], browser_secret: str | None) -> Connected:
    """End a flow with what the provider's callback brought.

    Raises:
        ConnectError: it did not end well; nothing was stored.
    """
    label = ports.gateway.info(provider).label
    consent = _take(ports, provider, query.get("state", ""), browser_secret)
    if query.get("error"):
        raise _refused(label, query["error"], consent)
    if not query.get("code"):
        raise ConnectError(
            "no_code", f"{label} sent you back without a sign-in code.", "Try to connect again.", consent
        )
    grant = _exchange(ports, consent, query["code"], label)
    missing = [s for s in ports.gateway.info(provider).scopes if s not in grant.tokens.scopes]
    if missing:
        raise ConnectError(
            "missing_scopes",
            f"{label} was not allowed to share: {', '.join(missing)}.",
            f"Connect again and, on the page of {label}, tick the box for each of them. "
            "Without them the hub cannot keep your calendars in step, so nothing was connected.",
            consent,
        )
    account_id = _store(ports, consent, grant, label)
    _list_calendars(ports, account_id)
    log.info("account_connected", account_id=account_id, provider=provider)
    return Connected(account_id, consent.user_id, consent.return_to)


def _take(ports: Ports, provider: str, state: str, browser_secret: str | None) -> Consent:
    """Spend the state: whatever comes of this callback, it will not be accepted again."""
    again = "Go back to where you started and connect again."
    with ports.db.transaction() as session:
        query = select(Consent).where(Consent.state_digest == digest(state)).with_for_update()
        consent = session.scalars(query).one_or_none()
        if consent is not None:
            session.execute(delete(Consent).where(Consent.state_digest == consent.state_digest))
            session.expunge(consent)
    if consent is None:
        raise ConnectError(
            "unknown_state", "This sign-in is not known here, or was already used once.", again
        )
    if consent.expires_at <= ports.clock.now():
        raise ConnectError(
            "expired_state", "This sign-in took longer than ten minutes and has expired.", again
        )
    if consent.provider != provider:
        raise ConnectError("other_provider", "This sign-in was begun for another provider.", again)
    bound = consent.browser_digest
    if bound is not None and not hmac.compare_digest(bound, digest(browser_secret or "")):
        raise ConnectError(
            "other_browser",
            "This sign-in was begun in another browser, or this one does not keep cookies.",
            "Begin and end it in the same browser, with cookies allowed for this site.",
        )
    return consent


def _refused(label: str, error: str, consent: Consent) -> ConnectError:
    if error in ("access_denied", "consent_required", "interaction_required"):
        return ConnectError(
            "denied",
            f"You did not allow the hub to use your {label}.",
            "Nothing was connected. If that was a mistake, connect again and allow it; if you may not "
            "allow it yourself, ask your administrator to.",
            consent,
        )
    return ConnectError(
        "provider_error",
        f"{label} ended the sign-in with an error.",
        "Try again in a few minutes. If it happens again, ask the hub's operator to look into its log.",
        consent,
    )


def _exchange(ports: Ports, consent: Consent, code: str, label: str) -> NewGrant:
    place = f"consents.code_verifier:{consent.state_digest}"
    request = CodeExchange(
        code=code,
        redirect_uri=redirect_uri(ports, consent.provider),
        code_verifier=ports.vault.open(consent.code_verifier, place),
    )
    try:
        grant: NewGrant = ports.gateway.plain(
            consent.provider, "exchange_code", request=request, now=ports.clock.now()
        )
    except GrantLostError as error:
        advice = "Connect again; if it happens again, try another account."
        raise ConnectError("exchange_refused", error.message, advice, consent) from error
    except ProviderError as error:
        log.warning("exchange_failed", provider=consent.provider, code=error.code, reason=error.message)
        raise ConnectError(
            "exchange_failed",
            f"{label} could not finish the sign-in: {error.message}",
            "Try again in a few minutes. If it happens again, ask the hub's operator for help.",
            consent,
        ) from error
    return grant


def _store(ports: Ports, consent: Consent, grant: NewGrant, label: str) -> str:
    """Store the account and its tokens; links that waited for the person go on."""
    with ports.db.transaction() as session:
        links = _locked_links(session, consent, grant)
        account = _account(session, ports, consent, grant, label)
        moved = account.remote_id != grant.account.remote_id
        account.calendars_at = None if moved else account.calendars_at
        account.remote_id = grant.account.remote_id
        account.email = grant.account.email[:320]
        account.name = grant.account.name[:200]
        account.state = AccountState.CONNECTED
        account.problem = account.problem_at = None
        if moved:  # Else it is the same account, which may have asked to be left alone for a while.
            account.blocked_until = None
        session.flush()
        save_tokens(session, ports.vault, ports.clock, account.id, grant.tokens)
        for link in links:
            if moved:
                relink.wait_for_account(link, ports)
            elif link.state == LinkState.ACTIVE:
                linking.resume(session, ports, link)
        return account.id


def _locked_links(session: Session, consent: Consent, grant: NewGrant) -> Sequence[Link]:
    """Return the links of the account, if there is one already: a run of theirs may just be failing."""
    accounts = select(Account.id).where(
        Account.user_id == consent.user_id,
        Account.provider == consent.provider,
        or_(Account.remote_id == grant.account.remote_id, Account.id == consent.account_id),
    )
    return linking.locked(session, Link.account_id.in_(accounts), Link.deleted_at.is_(None))


def _account(session: Session, ports: Ports, consent: Consent, grant: NewGrant, label: str) -> Account:
    """Return the one row of this user, provider and person; refuse another than the one expected."""
    account = session.scalars(
        select(Account)
        .where(
            Account.user_id == consent.user_id,
            Account.provider == consent.provider,
            Account.remote_id == grant.account.remote_id,
        )
        .with_for_update()
    ).one_or_none()
    if consent.account_id is not None and (account is None or account.id != consent.account_id):
        expected = session.get(Account, consent.account_id)
        if account is None and expected is not None and _has_moved(expected, grant):
            return expected
        name = expected.email if expected else "the account that was to be reconnected"
        raise ConnectError(
            "other_account",
            f"You signed in to {label} as {grant.account.email}, but {name} was to be reconnected.",
            f"Connect again and choose {name}. To add {grant.account.email} as well, connect it anew.",
            consent,
        )
    if account is None:
        if session.get(User, consent.user_id) is None:
            raise ConnectError("unknown_user", "The user was deleted meanwhile.", "There is nothing to do.")
        account = Account(
            id=ports.ids.new("acc"),
            tenant_id=consent.tenant_id,
            user_id=consent.user_id,
            provider=consent.provider,
            remote_id=grant.account.remote_id,
            created_at=ports.clock.now(),
        )
        session.add(account)
    return account


def _has_moved(expected: Account, grant: NewGrant) -> bool:
    """Whether the account has moved at its provider: the old grant is lost, and the address is the same."""
    same_address = expected.email.casefold() == grant.account.email.casefold() != ""
    return same_address and expected.state == AccountState.NEEDS_RECONNECT


def _list_calendars(ports: Ports, account_id: str) -> None:
    """Read the calendars now, while the person waits; what is wrong is shown at the account."""
    try:
        calendars.refresh(ports, account_id)
        relink.heal(ports, account_id)
    except ProviderError as error:
        log.warning("calendars_not_listed", account_id=account_id, code=error.code, reason=error.message)
        with ports.db.transaction() as session:
            account = session.get_one(Account, account_id)
            account.calendars_at = None  # The sweep has them read again.
            account.problem = f"Its calendars could not be read: {error.message}"
            account.problem_at = ports.clock.now()

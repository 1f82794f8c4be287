"""The sandbox's sign-in answers as Microsoft's pages say: addresses, codes, tokens, refusals."""

from __future__ import annotations

import base64
import hashlib
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
import requests

from hub.plugin.control import SandboxControl
from hub.plugin.testing import PERSON, Connected
from hub_outlook.testing import TIMES, Wire

Box = tuple[SandboxControl, dict[str, str]]
BACK = "http://127.0.0.1:9/connect/callback"
HOME = "zoe@home.test"
VERIFIER = "v" * 50
S256 = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
ALL = "Calendars.ReadWrite User.Read offline_access"
AT_HOME = "9188040d-6c67-4c5b-b112-36a304b66dad"


class SignIn:
    """The sign-in by one tenant's address, as an app that is registered there."""

    def __init__(self, box: Box, tenant: str = "common") -> None:
        self.control, self.settings = box
        self.base = f"{self.control.base_url}/{tenant}/oauth2/v2.0"

    def consent(self, person: str = PERSON, scopes: str = ALL, **more: str) -> str:
        """Return the code that a person's consent gives."""
        asked = {"client_id": self.settings["CLIENT_ID"], "redirect_uri": BACK, "response_type": "code"}
        url = f"{self.base}/authorize?{urlencode(asked | {'scope': scopes, 'state': 'my state'} | more)}"
        back = parse_qs(urlsplit(self.control.consent(url, person)).query)
        assert back["state"] == ["my state"]
        return back["code"][0]

    def ask(self, **form: str) -> requests.Response:
        known = {name.lower(): self.settings[name] for name in ("CLIENT_ID", "CLIENT_SECRET")}
        return requests.post(f"{self.base}/token", data=known | form, timeout=10)

    def redeem(self, code: str, **more: str) -> requests.Response:
        return self.ask(**({"grant_type": "authorization_code", "code": code, "redirect_uri": BACK} | more))

    def tokens(self, **more: str) -> dict[str, Any]:
        answer = self.redeem(self.consent(**more))
        assert answer.status_code == 200, answer.text
        tokens: dict[str, Any] = answer.json()
        return tokens

    def refresh(self, token: str, **more: str) -> requests.Response:
        return self.ask(**({"grant_type": "refresh_token", "refresh_token": token} | more))


def refused(answer: requests.Response) -> tuple[int, str, list[int]]:
    body = answer.json()
    keys = {"error", "error_description", "error_codes", "timestamp", "trace_id", "correlation_id"}
    assert keys <= body.keys()
    assert body["error_description"].startswith(f"AADSTS{body['error_codes'][0]}: ")
    return answer.status_code, body["error"], body["error_codes"]


@pytest.fixture
def own_tenant(box: Box) -> str:
    """Return the id of the organisation that Ann is of."""
    control, _ = box
    requests.post(
        f"{control.base_url}/_control/people", json={"email": HOME, "mailbox": "personal"}, timeout=10
    )
    return next(str(person["tenant"]) for person in control.people() if person["email"] == PERSON)


@pytest.mark.parametrize("tenant", ["common", "organizations", "consumers", "own", AT_HOME, "another"])
@pytest.mark.parametrize("person", [PERSON, HOME])
def test_each_tenant_s_address_lets_its_own_people_in(
    box: Box, own_tenant: str, tenant: str, person: str
) -> None:
    sign_in = SignIn(box, own_tenant if tenant == "own" else tenant)
    welcome = {"common": {PERSON, HOME}, "organizations": {PERSON}, "own": {PERSON}}
    welcome |= {"consumers": {HOME}, AT_HOME: {HOME}}
    if person in welcome.get(tenant, ()):
        assert sign_in.redeem(sign_in.consent(person)).status_code == 200
    else:
        with pytest.raises(requests.HTTPError):
            sign_in.consent(person)


def test_a_code_is_good_once_and_for_ten_minutes_at_the_address_that_it_was_given_to(box: Box) -> None:
    sign_in = SignIn(box)
    code = sign_in.consent()
    assert refused(sign_in.redeem(code, redirect_uri=f"{BACK}/")) == (400, "invalid_grant", [50011])
    assert sign_in.redeem(code).status_code == 200
    assert refused(sign_in.redeem(code)) == (400, "invalid_grant", [54005])
    late = sign_in.consent()
    sign_in.control.advance(601)
    assert refused(sign_in.redeem(late)) == (400, "invalid_grant", [70008])


@pytest.mark.parametrize(
    ("asked", "verifier", "fits"),
    [
        ({"code_challenge": S256, "code_challenge_method": "S256"}, VERIFIER, True),
        ({"code_challenge": S256, "code_challenge_method": "S256"}, "w" * 50, False),
        ({"code_challenge": S256, "code_challenge_method": "S256"}, "", False),
        ({"code_challenge": VERIFIER, "code_challenge_method": "plain"}, VERIFIER, True),
        ({"code_challenge": VERIFIER}, VERIFIER, True),
        ({"code_challenge": VERIFIER}, "w" * 50, False),
    ],
)
def test_a_code_is_proved_by_its_verifier(box: Box, asked: dict[str, str], verifier: str, fits: bool) -> None:
    sign_in = SignIn(box)
    answer = sign_in.redeem(sign_in.consent(**asked), code_verifier=verifier)
    if fits:
        assert answer.status_code == 200
    else:
        assert refused(answer) == (400, "invalid_grant", [501481])


def test_only_registered_addresses_get_a_code(box: Box) -> None:
    sign_in = SignIn(box)
    sign_in.control.switches(redirect_uris=[BACK])
    assert sign_in.consent()
    for other in (f"{BACK}/", f"{BACK}?x=1", BACK.replace("http:", "https:")):
        with pytest.raises(requests.HTTPError):
            sign_in.consent(redirect_uri=other)


def test_a_refresh_token_comes_only_with_offline_access(box: Box) -> None:
    sign_in = SignIn(box)
    assert "refresh_token" in sign_in.tokens()
    assert "refresh_token" not in sign_in.tokens(scopes="Calendars.ReadWrite User.Read")


@pytest.mark.parametrize("single_use", [False, True])
def test_each_refresh_brings_another_token_and_the_old_one_may_go_on(box: Box, single_use: bool) -> None:
    sign_in = SignIn(box)
    sign_in.control.switches(single_use_refresh_tokens=single_use)
    old = sign_in.tokens()["refresh_token"]
    new = sign_in.refresh(old).json()["refresh_token"]
    assert new != old and sign_in.refresh(new).status_code == 200
    if single_use:
        assert refused(sign_in.refresh(old)) == (400, "invalid_grant", [50173])
    else:
        assert sign_in.refresh(old).status_code == 200


def test_a_refresh_token_ends_after_ninety_days_in_which_nobody_used_it(box: Box) -> None:
    sign_in = SignIn(box)
    token = sign_in.tokens()["refresh_token"]
    for _ in range(3):
        sign_in.control.advance(89 * 86_400)
        assert sign_in.refresh(token).status_code == 200
    sign_in.control.advance(91 * 86_400)
    assert refused(sign_in.refresh(token)) == (400, "invalid_grant", [700082])


def test_a_second_consent_may_bring_no_refresh_token(box: Box) -> None:
    sign_in = SignIn(box)
    sign_in.control.switches(refresh_token_once=True)
    assert "refresh_token" in sign_in.tokens()
    assert "refresh_token" not in sign_in.tokens()


@pytest.mark.parametrize(
    ("error", "status", "number"),
    [
        ("invalid_grant", 400, 70008),
        ("interaction_required", 400, 50076),
        ("invalid_client", 401, 7000222),
        ("temporarily_unavailable", 503, 90033),
    ],
)
def test_each_class_of_refusal_can_be_played(box: Box, error: str, status: int, number: int) -> None:
    sign_in = SignIn(box)
    token = sign_in.tokens()["refresh_token"]
    sign_in.control.switches(tenant_error=error)
    answer = sign_in.refresh(token)
    assert refused(answer) == (status, error, [number])
    assert ("claims" in answer.json()) == (error == "interaction_required")
    sign_in.control.switches(tenant_error="")
    assert sign_in.refresh(token).status_code == 200


def test_a_wrong_secret_and_an_unknown_app_are_refused(box: Box) -> None:
    sign_in = SignIn(box)
    token = sign_in.tokens()["refresh_token"]
    assert refused(sign_in.refresh(token, client_secret="no"))[:2] == (401, "invalid_client")
    assert refused(sign_in.refresh(token, client_id="no"))[:2] == (400, "unauthorized_client")
    assert refused(sign_in.ask(grant_type="password"))[1] == "unsupported_grant_type"


@pytest.mark.parametrize("qualified", [False, True])
def test_scopes_and_lives_of_tokens_are_as_the_switches_say(
    ann: Connected, box: Box, qualified: bool
) -> None:
    sign_in = SignIn(box)
    sign_in.control.switches(qualified_scopes=qualified, token_seconds=60)
    tokens = sign_in.tokens()
    assert (tokens["token_type"], tokens["expires_in"]) == ("Bearer", 60)
    assert tokens["scope"].startswith("https://graph.microsoft.com/") == qualified
    wire = Wire(ann, tokens["access_token"])
    assert "." not in tokens["access_token"][10:] and wire("GET", "me").status_code == 200
    sign_in.control.advance(61)
    assert wire.code("GET", "me") == (401, "InvalidAuthenticationToken")


@pytest.mark.parametrize("token", ["", "nonsense"])
def test_no_call_is_answered_without_a_token_that_is_known(ann: Connected, token: str) -> None:
    answer = Wire(ann, token or " ")("GET", "me/calendars")
    assert answer.status_code == 401 and answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert answer.json()["error"]["code"] == "InvalidAuthenticationToken"


@pytest.mark.parametrize(
    ("scopes", "reads", "writes"),
    [("Calendars.ReadWrite", 200, 201), ("Calendars.Read", 200, 403), ("User.Read", 403, 403)],
)
def test_a_token_is_good_for_its_scopes(
    ann: Connected, box: Box, scopes: str, reads: int, writes: int
) -> None:
    wire = Wire(ann, SignIn(box).tokens(scopes=scopes)["access_token"])
    answers = wire("GET", "me/events"), wire("POST", "me/events", TIMES)
    assert [a.status_code for a in answers] == [reads, writes]
    assert {a.json()["error"]["code"] for a in answers if a.status_code == 403} <= {"ErrorAccessDenied"}


def test_a_token_reaches_no_other_mailbox(ann: Connected, wire: Wire) -> None:
    ann.control.add_person("bob@example.test", "Bob")
    event_id = wire("POST", "me/events", TIMES).json()["id"]
    assert wire.code("GET", "users/bob@example.test/events")[0] == 403
    bob = Wire(ann, SignIn((ann.control, ann.settings)).tokens(person="bob@example.test")["access_token"])
    assert bob.code("GET", f"me/events/{event_id}") == (404, "ErrorItemNotFound")

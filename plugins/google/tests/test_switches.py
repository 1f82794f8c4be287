"""What is not confirmed about Google is a switch of the sandbox, played both ways."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import pytest
import requests

from hub.plugin.errors import GrantLostError
from hub.plugin.types import AuthorizationRequest
from hub_google import hooks
from hub_google.sandbox.state import SWITCHES
from hub_google.testing import ANN, CALLBACK, Google, reason

BOB = "bob@example.test"
START = {"dateTime": "2027-01-04T09:00:00", "timeZone": "Europe/Berlin"}


def patched(google: Google, event: dict[str, Any], **body: Any) -> dict[str, Any]:
    answer = google.api("PATCH", google.events(f"/{event['id']}"), body)
    answer.raise_for_status()
    found: dict[str, Any] = answer.json()
    return found


@pytest.mark.parametrize("moves", [True, False])
def test_an_edit_of_reminders_alone_moves_the_etag(google: Google, moves: bool) -> None:
    google.control.switches(reminders_move_etag=moves)
    event = google.insert(summary="Talk")
    token = google.listed()["nextSyncToken"]
    wanted = {"useDefault": False, "overrides": [{"method": "popup", "minutes": 5}]}
    now = patched(google, event, reminders=wanted)
    assert now["reminders"] == wanted and now["updated"] == event["updated"]
    assert (now["etag"] != event["etag"]) == moves
    assert len(google.listed(syncToken=token)["items"]) == int(moves)


@pytest.mark.parametrize(("switch", "title", "time"), [("times", 0, 1), ("always", 1, 2), ("never", 0, 0)])
def test_the_sequence_rises_with_some_changes(google: Google, switch: str, title: int, time: int) -> None:
    google.control.switches(sequence_rises=switch)
    event = google.insert(summary="Talk")
    assert patched(google, event, summary="Speech")["sequence"] == title
    later = {"dateTime": "2027-01-04T09:30:00", "timeZone": "Europe/Berlin"}
    assert patched(google, event, start=later)["sequence"] == time


@pytest.mark.parametrize("how", ["local", "refused"])
def test_what_a_guest_changes_stays_in_the_own_copy_or_is_refused(google: Google, how: str) -> None:
    google.control.switches(guest_edits=how)
    google.control.add_person(BOB)
    bob = google.as_person(BOB)
    event = google.insert(summary="Talk", attendees=[{"email": BOB}])
    answer = bob.api("PATCH", bob.events(f"/{event['id']}", BOB), {"summary": "Mine"})
    assert answer.status_code == (200 if how == "local" else 403)
    assert google.api("GET", google.events(f"/{event['id']}")).json()["summary"] == "Talk"
    own = bob.api("PATCH", bob.events(f"/{event['id']}", BOB), {"colorId": "3"})
    assert own.status_code == 200


@pytest.mark.parametrize("both", [False, True])
def test_of_two_inserts_with_one_id_the_second_is_refused_or_wins_too(google: Google, both: bool) -> None:
    google.control.switches(both_inserts_win=both)
    google.insert(id="abcde", summary="First")
    body = {"id": "abcde", "summary": "Second", "start": START, "end": START}
    answer = google.api("POST", google.events(), body)
    if both:
        assert answer.status_code == 200
    else:
        assert reason(answer) == (409, "duplicate")
    (shown,) = google.listed()["items"]
    assert shown["summary"] == ("Second" if both else "First")


@pytest.mark.parametrize("outcome", ["success", "pending", "failure"])
def test_a_conference_is_made_at_once_later_or_never(google: Google, outcome: str) -> None:
    google.control.switches(conference=outcome)
    wish = {"createRequest": {"requestId": "r1", "conferenceSolutionKey": {"type": "hangoutsMeet"}}}
    body = {"start": START, "end": START, "conferenceData": wish}
    made = google.api("POST", google.events(), body, conferenceDataVersion=1).json()
    assert made["conferenceData"]["createRequest"]["status"] == {"statusCode": outcome}
    assert ("entryPoints" in made["conferenceData"]) == (outcome == "success")
    read = google.api("GET", google.events(f"/{made['id']}")).json()["conferenceData"]
    assert ("entryPoints" in read) == (outcome != "failure")


@pytest.mark.parametrize("longest", [0, 100])
def test_texts_are_kept_whole_or_cut_in_silence(google: Google, longest: int) -> None:
    google.control.switches(cut_texts=longest)
    event = google.insert(summary="s" * 500, description="d" * 500, location="l" * 500)
    assert {len(event[key]) for key in ("summary", "description", "location")} == {longest or 500}


@pytest.mark.parametrize("either", [False, True])
def test_several_properties_must_all_match_or_one_of_them(google: Google, either: bool) -> None:
    google.control.switches(properties_match_any=either)
    google.insert(summary="One", extendedProperties={"private": {"a": "1"}})
    google.insert(summary="Both", extendedProperties={"private": {"a": "1", "b": "2"}})
    found = google.listed(privateExtendedProperty=["a=1", "b=2"])["items"]
    assert {e["summary"] for e in found} == ({"One", "Both"} if either else {"Both"})


@pytest.mark.parametrize("clamps", [True, False])
def test_a_page_size_beyond_the_largest_is_clamped_or_refused(google: Google, clamps: bool) -> None:
    google.control.switches(clamp_page_size=clamps)
    answer = google.api("GET", google.events(), maxResults=9999)
    assert answer.status_code == (200 if clamps else 400)


@pytest.mark.parametrize("chains", [True, False])
def test_a_listing_by_updated_min_ends_with_a_token_or_without(google: Google, chains: bool) -> None:
    google.control.switches(updated_min_chains=chains)
    since = google.listed()["updated"]
    gone = google.insert()
    google.api("DELETE", google.events(f"/{gone['id']}"))
    event = google.insert()
    page = google.listed(updatedMin=since)
    assert {i["id"]: i["status"] for i in page["items"]} == {
        gone["id"]: "cancelled",
        event["id"]: "confirmed",
    }
    assert ("nextSyncToken" in page) == chains and "nextPageToken" not in page
    if chains:
        patched(google, event, summary="Later")
        assert [i["id"] for i in google.listed(syncToken=page["nextSyncToken"])["items"]] == [event["id"]]


@pytest.mark.parametrize("refuses", [True, False])
def test_an_event_without_length_is_taken_or_refused(google: Google, refuses: bool) -> None:
    google.control.switches(refuses_points=refuses)
    answer = google.api("POST", google.events(), {"start": START, "end": START})
    assert answer.status_code == 200 if not refuses else reason(answer) == (400, "timeRangeEmpty")


@pytest.mark.parametrize("rotates", [True, False])
def test_a_refresh_brings_a_new_refresh_token_or_none(google: Google, rotates: bool) -> None:
    google.control.switches(rotates_refresh_tokens=rotates)
    first = google.grant.tokens.refresh_token or ""
    tokens = hooks.refresh_grant(google.settings, first, (), google.now)
    assert (tokens.refresh_token not in (None, first)) == rotates
    if rotates:
        with pytest.raises(GrantLostError):
            hooks.refresh_grant(google.settings, first, (), google.now)
    again = hooks.refresh_grant(google.settings, tokens.refresh_token or first, (), google.now)
    assert set(again.scopes) == set(google.grant.tokens.scopes)


@pytest.mark.parametrize("word", ["invalid", "badRequest"])
def test_what_may_not_stand_beside_a_sync_token_is_refused_with_either_reason(
    google: Google, word: str
) -> None:
    google.control.switches(forbidden_reason=word)
    token = google.listed()["nextSyncToken"]
    assert reason(google.api("GET", google.events(), syncToken=token, q="talk")) == (400, word)


@pytest.mark.parametrize("most", [0, 1])
def test_channels_are_unlimited_or_refused_beyond_a_number(google: Google, most: int) -> None:
    google.control.switches(most_channels=most)
    statuses = []
    for n in range(2):
        body = {"id": f"channel-{n}", "type": "web_hook", "address": "http://127.0.0.1:9/"}
        statuses.append(google.api("POST", google.events("/watch"), body).status_code)
    assert statuses == [200, 403 if most else 200]


@pytest.mark.parametrize("tells", [False, True])
def test_how_long_a_refresh_token_lives_is_told_or_not(google: Google, tells: bool) -> None:
    google.control.switches(tells_refresh_lifetime=tells)
    asked = AuthorizationRequest(CALLBACK, "state-1", "", force_consent=True)
    back = google.control.consent(hooks.authorization_url(google.settings, asked), ANN)
    form = {
        "grant_type": "authorization_code",
        "code": parse_qs(urlsplit(back).query)["code"][0],
        "redirect_uri": CALLBACK,
        "client_id": google.settings["CLIENT_ID"],
        "client_secret": google.settings["CLIENT_SECRET"],
    }
    told = requests.post(google.settings["TOKEN_URL"], form, timeout=10).json()
    assert told["refresh_token"] and ("refresh_token_expires_in" in told) == tells


@pytest.mark.parametrize("most", [0, 2])
def test_a_burst_on_one_calendar_is_refused_far_below_the_quota(google: Google, most: int) -> None:
    google.control.switches(quota_per_calendar=most)
    body = {"start": START, "end": START}
    statuses = [google.api("POST", google.events(), body).status_code for _ in range(3)]
    assert statuses == ([200, 200, 403] if most else [200] * 3)
    google.control.advance(2)
    assert google.api("POST", google.events(), body).status_code == 200
    assert google.api("GET", google.events()).status_code == 200


def test_what_google_keeps_for_itself_is_refused(google: Google) -> None:
    flight = google.control.create_raw(ANN, ANN, {"start": START, "end": START, "eventType": "fromGmail"})
    locked = google.control.create_raw(ANN, ANN, {"start": START, "end": START, "locked": True})
    mark = {"private": {"mine": "1"}}
    answer = google.api("PATCH", google.events(f"/{flight}"), {"summary": "Mine"})
    assert reason(answer) == (400, "eventTypeRestriction")
    answer = google.api("PATCH", google.events(f"/{flight}"), {"extendedProperties": mark})
    assert reason(answer) == (400, "eventTypeRestriction")
    assert google.api("PATCH", google.events(f"/{flight}"), {"colorId": "3"}).status_code == 200
    assert reason(google.api("PATCH", google.events(f"/{locked}"), {"location": "Here"})) == (
        403,
        "forbidden",
    )
    assert (
        google.api("PATCH", google.events(f"/{locked}"), {"transparency": "transparent"}).status_code == 200
    )


def test_calendars_are_made_changed_and_deleted_by_their_owners(google: Google) -> None:
    google = google.as_person(extra_scope="calendar")
    assert reason(google.api("POST", "calendars", {})) == (400, "required")
    made = google.api(
        "POST", "calendars", {"summary": "Trips", "timeZone": "Asia/Tokyo", "location": "Kyoto"}
    ).json()
    path = f"calendars/{made['id']}"
    assert google.api("GET", path).json() == made
    assert made["location"] == "Kyoto" and made["timeZone"] == "Asia/Tokyo"
    same = google.api("PATCH", path, {"summary": "Trips"}, headers={"If-Match": made["etag"]})
    assert same.json()["etag"] == made["etag"]
    other = google.api("PATCH", path, {"summary": "Travels"}).json()
    assert other["etag"] != made["etag"]
    stale = google.api("PATCH", path, {"summary": "x"}, headers={"If-Match": made["etag"]})
    assert reason(stale) == (412, "conditionNotMet")
    assert reason(google.api("DELETE", f"users/me/calendarList/{made['id']}")) == (
        403,
        "cannotRemoveOwnedCalendar",
    )
    assert google.api("POST", f"{path}/clear").status_code == 400
    assert google.api("DELETE", f"calendars/{ANN}").status_code == 403
    assert google.api("DELETE", path).status_code == 204
    assert google.api("GET", path).status_code == 404
    google.insert(summary="Talk")
    token = google.listed()["nextSyncToken"]
    assert google.api("POST", f"calendars/{ANN}/clear").status_code == 204
    assert [e["status"] for e in google.listed(syncToken=token)["items"]] == ["cancelled"]


def test_a_calendar_that_was_taken_off_the_list_is_put_back(google: Google) -> None:
    google = google.as_person(extra_scope="calendar")
    holidays = next(
        e["id"]
        for e in google.api("GET", "users/me/calendarList").json()["items"]
        if e["accessRole"] == "reader"
    )
    entry = f"users/me/calendarList/{quote(holidays, safe='')}"
    assert google.api("DELETE", entry).status_code == 204
    assert (
        google.api("POST", "users/me/calendarList", {"id": holidays, "summaryOverride": "Free"}).status_code
        == 200
    )
    assert google.api("GET", entry).json()["summaryOverride"] == "Free"
    assert google.api("PUT", entry, {"hidden": True}).json()["hidden"] is True
    assert google.api("POST", "users/me/calendarList", {"id": "nobody@example.test"}).status_code == 404


# --- batches ---


def batch(google: Google, *calls: str) -> requests.Response:
    parts = [
        f"--b\r\nContent-Type: application/http\r\nContent-ID: <call-{n}>\r\n\r\n{call}\r\n"
        for n, call in enumerate(calls)
    ]
    headers = {
        "Authorization": f"Bearer {google.grant.tokens.access_token}",
        "Content-Type": "multipart/mixed; boundary=b",
    }
    body = "".join(parts) + "--b--\r\n"
    return requests.post(f"{google.url}/batch/calendar/v3", body.encode(), headers=headers, timeout=10)


def test_each_call_of_a_batch_has_an_answer_of_its_own(google: Google) -> None:
    event = google.insert(summary="Talk")
    path = f"/calendar/v3/{google.events('/' + event['id'])}"
    google.control.fault("status", method="DELETE", status=503, body="{}")
    answer = batch(
        google,
        f"GET {path} HTTP/1.1\r\n",
        f'PATCH {path}\r\nContent-Type: application/json\r\n\r\n{{"summary": "Speech"}}',
        f"DELETE {path}",
        "GET /calendar/v3/calendars/nobody@example.test/events",
        "this is no call",
    )
    assert answer.status_code == 200
    told = answer.text.split("--batch_of_the_sandbox")[1:-1]
    assert [t.split("HTTP/1.1 ")[1][:3] for t in told] == ["200", "200", "503", "404", "400"]
    assert [t.split("Content-ID: ")[1].split("\r\n")[0] for t in told] == [
        f"<response-call-{n}>" for n in range(5)
    ]
    assert '"summary": "Talk"' in told[0] and '"summary": "Speech"' in told[1]
    assert [c["method"] for c in google.control.writes()] == ["POST", "PATCH", "DELETE"]


def test_a_batch_of_more_than_fifty_or_of_nothing_is_refused(google: Google) -> None:
    call = f"GET /calendar/v3/{google.events()}?maxResults=1"
    assert batch(google, *[call] * 50).status_code == 200
    assert reason(batch(google, *[call] * 51)) == (400, "badRequest")
    headers = {"Authorization": f"Bearer {google.grant.tokens.access_token}", "Content-Type": "text/plain"}
    answer = requests.post(f"{google.url}/batch/calendar/v3", b"x", headers=headers, timeout=10)
    assert reason(answer) == (400, "badRequest")


def test_every_switch_is_told_of() -> None:
    text = (Path(__file__).parents[1] / "README.md").read_text()
    assert [name for name in SWITCHES if f"`{name}`" not in text] == []

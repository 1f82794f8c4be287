"""The sandbox's calendars, and who may do what with them, as Google documents."""

from __future__ import annotations

from urllib.parse import parse_qs, quote, urlencode, urlsplit

import pytest
import requests

from hub_google.sandbox.wire import ROUTES
from hub_google.testing import ANN, CALLBACK, Google, connect, ids, reason

BOB = "bob@example.test"
START = {"dateTime": "2027-01-04T09:00:00", "timeZone": "Europe/Berlin"}
POINT = {"start": START, "end": START}
LIST = "users/me/calendarList"
PRIVATE = {"summary": "Secret", "visibility": "private", "location": "Here"}


def ask(google: Google, path: str, **form: str) -> requests.Response:
    return requests.post(f"{google.url}/{path}", form, timeout=10)


def client(google: Google) -> dict[str, str]:
    return {name.lower(): google.settings[name] for name in ("CLIENT_ID", "CLIENT_SECRET")}


def team(google: Google) -> str:
    found = google.control.people()[0]["calendars"]
    return next(str(c["remote_id"]) for c in found if c["name"] == "Team")


def test_primary_names_the_own_calendar_wherever_an_id_may_stand(google: Google) -> None:
    google = google.as_person(extra_scope="calendar")
    made = google.api("POST", "calendars/primary/events", POINT).json()
    other = google.api("POST", google.events("", team(google)), POINT).json()
    assert google.api("GET", f"calendars/primary/events/{made['id']}").json()["organizer"]["email"] == ANN
    assert google.api("GET", "calendars/primary").json()["id"] == ANN
    assert google.api("GET", f"{LIST}/primary").json()["id"] == ANN
    moved = google.api("POST", google.events(f"/{other['id']}/move", team(google)), destination="primary")
    assert moved.status_code == 200 and other["id"] in google.control.events(ANN, ANN)
    body = {"id": "c" * 20, "type": "web_hook", "address": "http://127.0.0.1:9/"}
    assert ANN in google.api("POST", "calendars/primary/events/watch", body).json()["resourceUri"]


def test_a_calendar_and_its_list_entry_have_etags_of_their_own(google: Google) -> None:
    google = google.as_person(extra_scope="calendar")
    calendar, entry = f"calendars/{team(google)}", f"{LIST}/{team(google)}"
    own, listed = google.api("GET", calendar).json()["etag"], google.api("GET", entry).json()["etag"]
    assert own != listed
    swapped = google.api("PATCH", entry, {"colorId": "3"}, headers={"If-Match": own})
    assert reason(swapped) == (412, "conditionNotMet")
    swapped = google.api("PATCH", calendar, {"summary": "x"}, headers={"If-Match": listed})
    assert reason(swapped) == (412, "conditionNotMet")
    assert google.api("PATCH", entry, {"colorId": "3"}, headers={"If-Match": listed}).status_code == 200
    assert google.api("GET", calendar).json()["etag"] == own


def test_the_list_of_calendars_tells_of_no_change_that_is_read_only(google: Google) -> None:
    google = google.as_person(extra_scope="calendar")
    whole, calendar = google.api("GET", LIST).json(), team(google)
    before = next(e for e in whole["items"] if e["id"] == calendar)
    google.api("PATCH", f"calendars/{calendar}", {"summary": "Renamed"}).raise_for_status()
    google.role(ANN, "reader", calendar)
    later = google.api("GET", LIST, syncToken=whole["nextSyncToken"]).json()
    assert later["items"] == []
    entry = google.api("GET", f"{LIST}/{calendar}").json()
    assert (entry["summary"], entry["accessRole"], entry["etag"]) == ("Renamed", "reader", before["etag"])


def test_the_list_of_calendars_has_pages_of_a_hundred_and_a_token_that_ends(google: Google) -> None:
    google = google.as_person(extra_scope="calendar")
    google.control.add_person(ANN, calendars=[{"name": f"Calendar {n}"} for n in range(120)])
    first = google.api("GET", LIST).json()
    assert len(first["items"]) == 100 and "nextSyncToken" not in first
    rest = google.api("GET", LIST, pageToken=first["nextPageToken"]).json()
    assert len(ids(first) | ids(rest)) == 123 and "nextPageToken" not in rest
    whole = google.api("GET", LIST, maxResults=250).json()
    assert len(whole["items"]) == 123
    for forbidden in ({"showHidden": "false"}, {"showDeleted": "false"}, {"showOwnOrganizationOnly": "true"}):
        refused = google.api("GET", LIST, syncToken=whole["nextSyncToken"], **forbidden)
        assert reason(refused) == (400, "invalid")
    google.control.expire_cursors(ANN)
    refused = google.api("GET", LIST, syncToken=whole["nextSyncToken"])
    assert reason(refused) == (410, "fullSyncRequired")


@pytest.mark.parametrize(
    ("role", "sees", "writes", "sees_private", "writes_private"),
    [
        ("freeBusyReader", False, 403, False, 403),
        ("reader", True, 403, False, 403),
        ("writerWithoutPrivateAccess", True, 200, False, 403),
        ("writer", True, 200, True, 200),
        ("owner", True, 200, True, 200),
    ],
)
def test_each_role_sees_and_writes_what_google_says(
    google: Google, role: str, sees: bool, writes: int, sees_private: bool, writes_private: int
) -> None:
    plain, secret = google.insert(summary="Open", location="Here"), google.insert(**PRIVATE)
    bob = google.as_person(BOB)
    google.role(BOB, role)
    shown = {i["id"]: i for i in bob.api("GET", bob.events()).json()["items"]}
    for event, seen, status in ((plain, sees, writes), (secret, sees_private, writes_private)):
        item = shown[event["id"]]
        assert item["start"] == event["start"] and ("summary" in item, "location" in item) == (seen, seen)
        path = bob.events(f"/{event['id']}")
        assert bob.api("PATCH", path, {"summary": "Bob was here"}).status_code == status
        if status == 403:
            assert bob.api("POST", f"{path}/move", destination=BOB).status_code == 403
            assert bob.api("DELETE", path).status_code == 403
    assert bob.api("GET", bob.events()).json()["accessRole"] == role
    google.role(BOB, "none")
    assert reason(bob.api("GET", bob.events())) == (404, "notFound")


def test_the_tables_of_colours_are_whole(google: Google) -> None:
    google = google.as_person(extra_scope="calendar.readonly")
    colors = google.api("GET", "colors").json()
    assert list(colors["calendar"]) == [str(n) for n in range(1, 25)]
    assert list(colors["event"]) == [str(n) for n in range(1, 12)]
    assert colors["event"]["11"] == {"background": "#dc2127", "foreground": "#1d1d1d"}


# Which methods a scope opens, in the words of the sheet that was written from the discovery document.
OPENS = {
    "calendar.events": ({"events.list", "events.move", "events.watch", "channels.stop"},
                        {"calendarList.list", "calendars.get", "colors.get"}),
    "calendar.events.owned": ({"events.list", "events.insert", "colors.get"},
                              {"calendarList.list", "calendars.get"}),
    "calendar.events.readonly": ({"events.get", "events.list", "events.instances", "channels.stop"},
                                 {"events.insert", "events.delete", "calendarList.list"}),
    "calendar.calendarlist.readonly": ({"calendarList.list", "calendarList.watch", "colors.get"},
                                       {"calendarList.insert", "calendarList.patch", "events.list"}),
    "calendar.calendarlist": ({"calendarList.insert", "calendarList.delete"}, {"events.list"}),
    "calendar.app.created": ({"calendars.insert", "events.insert", "calendarList.get", "colors.get"},
                             {"events.move", "calendarList.list"}),
    "calendar.calendars.readonly": ({"calendars.get"}, {"calendars.patch", "events.list"}),
    "calendar.readonly": ({"events.list", "calendars.get", "calendarList.list", "events.watch"},
                          {"events.insert", "calendars.patch"}),
}  # fmt: skip
CALLS = {method_id: (method, path) for method, path, method_id, _ in ROUTES}


@pytest.mark.parametrize("scope", OPENS)
def test_a_scope_opens_its_own_methods_and_no_other(google: Google, scope: str) -> None:
    google.control.revoke(ANN)
    query = {
        "client_id": google.settings["CLIENT_ID"], "redirect_uri": CALLBACK, "response_type": "code",
        "scope": f"https://www.googleapis.com/auth/{scope}", "access_type": "offline",
    }  # fmt: skip
    back = google.control.consent(f"{google.settings['AUTHORIZE_URL']}?{urlencode(query)}", ANN)
    code = parse_qs(urlsplit(back).query)["code"][0]
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK}
    token = ask(google, "token", **form, **client(google)).json()["access_token"]
    opened, shut = OPENS[scope]
    for method_id in sorted(opened | shut):
        method, path = CALLS[method_id]
        path = path.strip("/").replace("<calendar_id>", "nobody@x.test").replace("<event_id>", "nosuch")
        answer = google.api(method, path, {}, headers={"Authorization": f"Bearer {token}"})
        refused = answer.status_code == 403 and reason(answer)[1] == "insufficientPermissions"
        assert refused == (method_id in shut), method_id


# --- grants ------------------------------------------------------------------------------------------


def refreshed(google: Google, **more: str) -> requests.Response:
    form = {"grant_type": "refresh_token", "refresh_token": google.grant.tokens.refresh_token or ""}
    return ask(google, "token", **form | client(google) | more)


def test_an_access_token_ends_after_an_hour_with_google_s_own_words(google: Google) -> None:
    told = ask(google, "tokeninfo", access_token=google.grant.tokens.access_token or "").json()
    assert told["aud"] == google.settings["CLIENT_ID"] and "email" not in told
    google.control.advance(3700)
    message = "Invalid Credentials"
    entry = {"domain": "global", "reason": "authError", "message": message}
    where = {"locationType": "header", "location": "Authorization"}
    assert google.api("GET", google.events()).json() == {
        "error": {"errors": [entry | where], "code": 401, "message": message}
    }
    told = ask(google, "tokeninfo", access_token=google.grant.tokens.access_token or "")
    assert told.status_code == 400


@pytest.mark.parametrize("include", [True, False])
def test_what_was_granted_before_is_included_if_that_is_asked_for(google: Google, include: bool) -> None:
    google.control.revoke(ANN)
    first, more = "calendar.calendarlist.readonly", "calendar.readonly"
    connect(google.control, google.settings, scopes=[first, more], extra_scope=more)
    google.grant = connect(google.control, google.settings, scopes=[first], incremental=include)
    granted = {first, more} if include else {first}
    assert set(google.grant.tokens.scopes) == granted
    told = refreshed(google).json()["scope"].split()
    assert {scope.rpartition("/")[2] for scope in told} == granted
    assert google.api("GET", google.events()).status_code == (200 if include else 403)


def test_a_refresh_may_ask_for_less_and_never_for_more(google: Google) -> None:
    prefix = "https://www.googleapis.com/auth/"
    less = refreshed(google, scope=f"{prefix}calendar.events").json()
    assert less["scope"] == f"{prefix}calendar.events"
    assert refreshed(google, scope=f"{prefix}calendar").json()["error"] == "invalid_scope"


def test_a_token_that_nobody_has_is_not_given_back(google: Google) -> None:
    answer = ask(google, "revoke", token="made-up")
    assert answer.status_code == 400 and answer.json()["error"] == "invalid_token"


def test_projects_have_grants_channels_and_quotas_of_their_own(google: Google) -> None:
    body = {"client_id": "elsewhere", "client_secret": "other-secret"}
    requests.post(f"{google.url}/_control/clients", json=body, timeout=10).raise_for_status()
    settings = google.settings | {name.upper(): value for name, value in body.items()}
    there = Google(google.url, google.control, settings, connect(google.control, settings), google.now)
    assert refreshed(google, **body).json()["error"] == "invalid_grant"
    watch = {"id": "c" * 20, "type": "web_hook", "address": "http://127.0.0.1:9/"}
    channel = google.api("POST", google.events("/watch"), watch).json()
    stop = {"id": channel["id"], "resourceId": channel["resourceId"]}
    assert reason(there.api("POST", "channels/stop", stop)) == (404, "notFound")
    google.control.switches(quota_per_project=2)
    statuses = [google.api("GET", google.events()).status_code for _ in range(3)]
    assert statuses == [200, 200, 403] and there.api("GET", there.events()).status_code == 200
    google.control.switches(quota_per_project=0)
    assert ask(there, "revoke", token=there.grant.tokens.access_token or "").status_code == 200
    assert there.api("GET", there.events()).status_code == 401
    assert google.api("POST", "channels/stop", stop).status_code == 204


def test_ids_with_signs_of_their_own_are_read_in_paths(google: Google) -> None:
    google = google.as_person(extra_scope="calendar")
    holidays = "en.german#holiday@group.v.calendar.google.com"
    assert google.api("GET", f"{LIST}/{quote(holidays, safe='')}").json()["id"] == holidays
    google.insert()
    text = google.api("GET", google.events(), prettyPrint="true").text
    assert "\n" in text and "\n" not in google.api("GET", google.events(), prettyPrint="false").text


@pytest.mark.parametrize("compresses", [True, False])
def test_answers_are_compressed_for_who_asks_twice(google: Google, compresses: bool) -> None:
    google.control.switches(compresses=compresses)
    event = google.insert(summary="Talk")
    headers = {"Accept-Encoding": "gzip, deflate", "User-Agent": "(gzip)"}
    answer = google.api("GET", google.events(), headers=headers)
    assert (answer.headers.get("Content-Encoding") == "gzip") == compresses
    assert ids(answer.json()) == {event["id"]}
    plain = google.api("GET", google.events(), headers=headers | {"User-Agent": "any"})
    assert "Content-Encoding" not in plain.headers
    assert [c.remote_id for c in google.changes()[0]] == [event["id"]]

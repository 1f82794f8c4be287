"""The control API that every sandbox serves under `/_control`, and a client for it.

It lets a test, a demo or a plugin author play the person at the provider, read what the hub did, and
make things go wrong. All bodies are JSON; an unknown person, calendar or event is a 404 with
`{"error": …}`, a body that cannot be read a 400.

| request | body | answer |
|---|---|---|
| GET people | | `{"people": [{email, name, calendars: [{remote_id, name, primary, writable}]}]}` |
| POST people | `{email, name?, calendars?: [{name, zone?, role?}]}` | 201, the person; a primary calendar is always made |
| DELETE calendars | `{person, calendar}` | 204; the person's calendar is gone, with its events |
| GET events?person&calendar | | `{"events": [{remote_id, content}]}`, live ones, a series as a whole |
| POST calendars/rename | `{person, calendar}` | `{remote_id}`; the calendar has another id, where that happens |
| POST people/renew | `{person}` | the person; the mailbox has moved, with other ids for all, where that happens |
| GET events/raw?person&calendar&remote_id | | `{raw}`, as the provider itself writes the event |
| POST events | `{person, calendar, content or raw, uid?, made_at?, remote_id?}` | 201 `{remote_id, content}` |
| PATCH events | `{person, calendar, remote_id, content: {changed fields} or raw}` | `{remote_id, content}` |
| DELETE events | `{person, calendar, remote_id}` | 204 |
| POST events/answer | `{person, calendar, remote_id, answer, original_start?}` | `{remote_id, content}`; the person answers an invitation |
| POST events/move | `{person, calendar, remote_id, to, new_id?}` | `{remote_id}`; to another calendar of the person |
| POST consent | `{authorization_url, person, decision: "allow" or "deny", scopes?}` | `{callback_url}` |
| GET ledger | | `{"calls": [{method, path, query, status, write, person, if_match, body, headers?}], "mails": [{to, kind, subject}]}` |
| DELETE ledger | | 204 |
| POST faults | `{kind, times?, skip?, method?, path?, query?, …}` | 201; see below |
| DELETE faults | | 204 |
| POST clock | `{advance: seconds}` | `{now}` |
| POST grants/revoke | `{person}` | 204 |
| POST cursors/expire | `{person}` | 204 |
| POST notifications | `{person, calendar?, times?, secret?}` | 204; tells all channels, though nothing changed |
| POST switches | `{name: value, …}`, the sandbox's own | all of them |

`kind` of a mail is `invitation`, `update`, `cancellation`, `reply` (to the organiser) or `forward`. Invitations come into the
calendars of guests who are people here.

`raw` is an event, or what changes of one, in the provider's own JSON: also such as only its own programs can
make (kinds of events, files, rooms), and values that are no longer valid.

A person's own edits notify as the provider does, and are never counted in the ledger, nor are their mails. `uid` makes an
event the copy of a meeting that others have too, `made_at` one that was made, and last changed, at that
instant of the past, `remote_id` gives it an id that is like no other, but for a letter's case perhaps. A moved event keeps its id as far as the provider keeps it, unless `new_id` asks for
another one (an archive, an import, a moved mailbox). `write` is true for a call that creates, changes or
deletes events; only of those the body is kept, as JSON. `headers` are those that matter to the provider.

A fault hits the next `times` (1) provider calls whose method, path and query (regular expressions) match, after
it let `skip` (0) of them pass:

| kind | what happens |
|---|---|
| status | answers `status` (503), `body` and `headers` without doing anything |
| status_after | does it, and answers `status` (503), `body` and `headers` instead of what came of it |
| reset_before, reset_after | cuts the connection: undone, or done |
| hang | waits `seconds`, then cuts; nothing is done |
| late | does it and answers after `seconds` |
| strip | takes the `keys` (`["*"]`: all) out of what was sent, then does it; with `silent` the answer \
shows them as sent, with `status` it is that and `body` |
| thin | does it, and takes the `keys` out of the answer and of each item it lists (of those with `ids`, if given) |
| alter | puts the `values` into what was sent (objects are merged), then does it |
| odd | does it, and puts the `values` into the answer, or into each item it lists (of those with `ids`, if given) |
| short | does it, and answers with no more than `keep` (0) of the items listed |

The consent page is HTML for people: one `<form method="post">` whose hidden fields carry the request,
with a field `person` (an email), checked boxes `scope`, and two buttons named `decision` with the
values `allow` and `deny`.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import requests

from hub.plugin.codec import content_from_json, to_json
from hub.plugin.types import Answer, EventContent, Sandbox


class SandboxControl:
    """Plays the person at a sandbox over its control API.

    Raises:
        requests.HTTPError: from every method, if the sandbox refuses.
    """

    def __init__(self, base_url: str) -> None:
        self.base_url = base_url.rstrip("/")

    def _call(self, method: str, path: str, body: Any = None, **query: str) -> Any:
        answer = requests.request(
            method, f"{self.base_url}/_control/{path}", json=body, params=query, timeout=30
        )
        answer.raise_for_status()
        return answer.json() if answer.content else None

    def people(self) -> list[dict[str, Any]]:
        return self._call("GET", "people")["people"]  # type: ignore[no-any-return]

    def add_person(
        self, email: str, name: str = "", calendars: list[dict[str, str]] | None = None
    ) -> dict[str, Any]:
        body = {"email": email, "name": name, "calendars": calendars or []}
        return self._call("POST", "people", body)  # type: ignore[no-any-return]

    def events(self, person: str, calendar: str) -> dict[str, EventContent]:
        """Return what is in the calendar now, by remote id."""
        found = self._call("GET", "events", person=person, calendar=calendar)["events"]
        return {e["remote_id"]: content_from_json(e["content"]) for e in found}

    def create(self, person: str, calendar: str, content: EventContent, **more: str) -> str:
        """Make an event; `more` is its `uid`, when it was `made_at`, and its `remote_id`."""
        body = {"person": person, "calendar": calendar, "content": to_json(content), **more}
        return self._call("POST", "events", body)["remote_id"]  # type: ignore[no-any-return]

    def update(self, person: str, calendar: str, remote_id: str, **changes: Any) -> None:
        """Change fields of `EventContent`, as the person."""
        body = {"person": person, "calendar": calendar, "remote_id": remote_id}
        self._call("PATCH", "events", body | {"content": {name: to_json(v) for name, v in changes.items()}})

    def raw(self, person: str, calendar: str, remote_id: str) -> dict[str, Any]:
        """Return an event in the provider's own JSON."""
        query = {"person": person, "calendar": calendar, "remote_id": remote_id}
        return self._call("GET", "events/raw", **query)["raw"]  # type: ignore[no-any-return]

    def create_raw(self, person: str, calendar: str, raw: dict[str, Any]) -> str:
        """Make an event from the provider's own JSON."""
        body = {"person": person, "calendar": calendar, "raw": raw}
        return self._call("POST", "events", body)["remote_id"]  # type: ignore[no-any-return]

    def update_raw(self, person: str, calendar: str, remote_id: str, raw: dict[str, Any]) -> None:
        """Change an event by the provider's own JSON."""
        body = {"person": person, "calendar": calendar, "remote_id": remote_id, "raw": raw}
        self._call("PATCH", "events", body)

    def delete(self, person: str, calendar: str, remote_id: str) -> None:
        self._call("DELETE", "events", {"person": person, "calendar": calendar, "remote_id": remote_id})

    def answer(
        self, person: str, calendar: str, remote_id: str, answer: Answer, original_start: Any = None
    ) -> None:
        """Answer an invitation, or its occurrence of `original_start`, as the person."""
        body = {"person": person, "calendar": calendar, "remote_id": remote_id, "answer": answer.value}
        if original_start is not None:
            body["original_start"] = original_start.isoformat()
        self._call("POST", "events/answer", body)

    def move(self, person: str, calendar: str, remote_id: str, to: str, *, new_id: bool = False) -> str:
        """Move an event to another calendar of the person; return the id it has there."""
        body = {"person": person, "calendar": calendar, "remote_id": remote_id, "to": to, "new_id": new_id}
        return self._call("POST", "events/move", body)["remote_id"]  # type: ignore[no-any-return]

    def rename_calendar(self, person: str, calendar: str) -> str:
        """Give a calendar another id; return it."""
        body = {"person": person, "calendar": calendar}
        return self._call("POST", "calendars/rename", body)["remote_id"]  # type: ignore[no-any-return]

    def renew(self, person: str) -> dict[str, Any]:
        """Move a person's mailbox, so that everything in it has another id and all grants are lost."""
        return self._call("POST", "people/renew", {"person": person})  # type: ignore[no-any-return]

    def notify(self, person: str, **more: Any) -> None:
        """Notify all channels though nothing changed: `calendar`, how many `times`, with which `secret`."""
        self._call("POST", "notifications", {"person": person, **more})

    def delete_calendar(self, person: str, calendar: str) -> None:
        self._call("DELETE", "calendars", {"person": person, "calendar": calendar})

    def consent(
        self,
        authorization_url: str,
        person: str,
        decision: str = "allow",
        scopes: list[str] | None = None,
    ) -> str:
        """Answer the consent page; return the address that the browser is sent to."""
        body = {"authorization_url": authorization_url, "person": person, "decision": decision}
        if scopes is not None:
            body["scopes"] = scopes  # type: ignore[assignment]
        return self._call("POST", "consent", body)["callback_url"]  # type: ignore[no-any-return]

    def ledger(self) -> dict[str, list[dict[str, Any]]]:
        return self._call("GET", "ledger")  # type: ignore[no-any-return]

    def writes(self) -> list[dict[str, Any]]:
        return [call for call in self.ledger()["calls"] if call["write"]]

    def mails(self) -> list[dict[str, Any]]:
        return self.ledger()["mails"]

    def clear_ledger(self) -> None:
        self._call("DELETE", "ledger")

    def fault(self, kind: str, **options: Any) -> None:
        self._call("POST", "faults", {"kind": kind, **options})

    def clear_faults(self) -> None:
        self._call("DELETE", "faults")

    def advance(self, seconds: float) -> None:
        self._call("POST", "clock", {"advance": seconds})

    def revoke(self, person: str) -> None:
        self._call("POST", "grants/revoke", {"person": person})

    def expire_cursors(self, person: str) -> None:
        self._call("POST", "cursors/expire", {"person": person})

    def switches(self, **values: Any) -> dict[str, Any]:
        return self._call("POST", "switches", values)  # type: ignore[no-any-return]


@contextmanager
def serving(sandbox: Sandbox, port: int, host: str = "127.0.0.1") -> Iterator[None]:
    """Serve a sandbox from threads of this process while the block runs.

    Raises:
        AssertionError: at the end, if an answer did not fit the provider's published contract.
    """
    from werkzeug.serving import make_server

    server = make_server(host, port, sandbox.app, threaded=True)
    server.daemon_threads = True  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join(timeout=10)
        server.server_close()
        sandbox.close()
    if faults := sandbox.faults():
        raise AssertionError("The sandbox does not keep to the contract:\n" + "\n".join(faults))

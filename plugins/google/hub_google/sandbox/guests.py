"""Guests: copies in the calendars of simulated people, their answers, and the mails that others would get."""

from __future__ import annotations

from typing import Any

from hub_google.sandbox import render
from hub_google.sandbox.state import CalendarState, Record, State

_OWN = ("reminders", "colorId", "transparency", "visibility")
"""What a guest's copy keeps to itself."""
_ANSWER = ("responseStatus", "comment", "additionalGuests")
"""What a guest's row says for the guest."""


def follow(
    state: State, calendar: CalendarState, record: Record, mails: str, before: dict[str, Any] | None = None
) -> None:
    """Carry an organiser's event to its guests after it was made or changed.

    Args:
        before: what it held before the change.
    """
    if record.organizer.get("email") != calendar.id:
        return
    data = render.merged(calendar, record)
    now, was = _guests(data, calendar), _guests(before or {}, calendar)
    title = data.get("summary", "")
    _mail(state, [e for e in now if e not in was], mails, "invitation", title)
    if _shared(data) != _shared(before or {}):
        _mail(state, [e for e in now if e in was], mails, "update", title)
    for email in now:
        if (home := state.calendars.get(email)) is not None:
            _copy(state, home, record, data)
    gone = [e for e in was if e not in now]
    _mail(state, gone, mails, "cancellation", title)
    _withdraw_from(state, gone, record, mails)


def withdraw(state: State, calendar: CalendarState, record: Record, mails: str) -> None:
    """Take an event from its guests before it is deleted; with `none` their copies stay (sheet 4.3)."""
    if record.organizer.get("email") != calendar.id:
        return
    data = render.merged(calendar, record)
    invited = _guests(data, calendar)
    _mail(state, invited, mails, "cancellation", data.get("summary", ""))
    _withdraw_from(state, invited, record, mails)


def _withdraw_from(state: State, emails: list[str], record: Record, mails: str) -> None:
    for email in emails:
        home = state.calendars.get(email)
        copy = home.records.get(record.id) if home else None
        if home and copy and not copy.cancelled and mails != "none":
            copy.data = {**copy.data, "status": "cancelled"}
            state.changed(home, copy)


def with_answer(old: list[dict[str, Any]], rows: Any, reader: str) -> list[dict[str, Any]]:
    """Return a list of guests of which only the reader's own row is taken over, and of that the answer."""
    sent: dict[str, Any] = next(
        (r for r in rows or () if str(r.get("email", "")).casefold() == reader.casefold()), {}
    )
    said = {key: sent[key] for key in _ANSWER if key in sent}
    return [row | said if row.get("email", "").casefold() == reader.casefold() else row for row in old]


def tell_organizer(
    state: State, calendar: CalendarState, record: Record, mails: str, old: dict[str, Any]
) -> bool:
    """Mail a guest's new answer to the organiser; return whether there is one."""
    rows = [_own_row(d, calendar.id) for d in (old, render.merged(calendar, record))]
    organizer = record.organizer.get("email", "")
    if rows[0] == rows[1] or organizer == calendar.id:
        return False
    _mail(state, [organizer], mails, "reply", str(rows[1].get("responseStatus", "")))
    return True


def _own_row(data: dict[str, Any], email: str) -> dict[str, Any]:
    return next((a for a in data.get("attendees") or () if a.get("email") == email), {})


def _shared(data: dict[str, Any]) -> dict[str, Any]:
    """Return what guests are told of, which the list of guests is not."""
    return {k: v for k, v in data.items() if k not in (*_OWN, "attendees", "sequence", "extendedProperties")}


def _copy(state: State, home: CalendarState, record: Record, data: dict[str, Any]) -> None:
    copy = home.records.get(record.id)
    if copy is None:
        copy = Record(
            id=record.id,
            uid=record.uid,
            data={},
            organizer=record.organizer,
            creator=record.creator,
            created=record.created,
            master=record.master,
            original=record.original,
            children=[r.id for r in home.records.values() if r.master == record.id],
        )
        state.add(home, copy)
        # Who is invited to one occurrence only has no master for it (sheet 3.6).
        if record.master in home.records:
            home.records[record.master].children.append(record.id)
    kept = {k: copy.data[k] for k in _OWN if k in copy.data}
    private = copy.data.get("extendedProperties", {}).get("private")
    shared = {k: v for k, v in data.items() if k not in _OWN}
    properties = {k: v for k, v in (shared.pop("extendedProperties", None) or {}).items() if k == "shared"}
    if private:
        properties["private"] = private
    new = {"reminders": {"useDefault": True}} | shared | kept
    if properties:
        new["extendedProperties"] = properties
    if new != copy.data:
        copy.data = new
        state.changed(home, copy)


def _guests(data: dict[str, Any], calendar: CalendarState) -> list[str]:
    emails = (a.get("email", "") for a in data.get("attendees") or ())
    return [e for e in emails if e and e != calendar.id]


def _mail(state: State, emails: list[str], mails: str, kind: str, subject: str) -> None:
    """Record the mails that Google would send; `externalOnly` is for guests without an account here."""
    for email in emails:
        if mails == "all" or (mails == "externalOnly" and email not in state.people):
            state.mails.append({"to": email, "kind": kind, "subject": subject, "sendUpdates": mails})

"""Guests: copies in the calendars of simulated people, and the mails that others would get."""

from __future__ import annotations

from typing import Any

from hub_google.sandbox import render
from hub_google.sandbox.state import CalendarState, Record, State

_OWN = ("reminders", "colorId", "transparency", "visibility")
"""What a guest's copy keeps to itself."""


def follow(state: State, calendar: CalendarState, record: Record, mails: str) -> None:
    """Carry an organizer's event to its guests after it was made or changed."""
    if record.organizer.get("email") != calendar.id:
        return
    data = render.merged(calendar, record)
    _mail(state, calendar, data, mails, data.get("summary", ""))
    for email in _guests(data, calendar):
        if (home := state.calendars.get(email)) is not None:
            _copy(state, home, record, data)


def withdraw(state: State, calendar: CalendarState, record: Record, mails: str) -> None:
    """Take an event from its guests before it is deleted; with `none` their copies stay (sheet 4.3)."""
    if record.organizer.get("email") != calendar.id:
        return
    data = render.merged(calendar, record)
    _mail(state, calendar, data, mails, f"Cancelled: {data.get('summary', '')}")
    for email in _guests(data, calendar):
        home = state.calendars.get(email)
        copy = home.records.get(record.id) if home else None
        if home and copy and not copy.cancelled and mails != "none":
            copy.data = {**copy.data, "status": "cancelled"}
            state.changed(home, copy)


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


def _mail(state: State, calendar: CalendarState, data: dict[str, Any], mails: str, subject: str) -> None:
    """Record the mails that Google would send; `externalOnly` is for guests without an account here."""
    for email in _guests(data, calendar):
        if mails == "all" or (mails == "externalOnly" and email not in state.people):
            state.mails.append({"to": email, "subject": subject, "sendUpdates": mails})

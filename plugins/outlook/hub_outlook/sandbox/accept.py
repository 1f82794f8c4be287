"""What the sandbox accepts of an event's JSON, and how it is kept (Graph: user-post-events, event-update)."""

from __future__ import annotations

import html
import re
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from tzlocal import windows_tz

from hub_outlook import texts, zones
from hub_outlook.sandbox import series
from hub_outlook.sandbox.model import Item
from hub_outlook.sandbox.problems import GraphError

ENUMS = {
    "showAs": ["free", "tentative", "busy", "oof", "workingElsewhere", "unknown"],
    "sensitivity": ["normal", "personal", "private", "confidential"],
    "importance": ["low", "normal", "high"],
}
FLAGS = {
    "isReminderOn": True,
    "responseRequested": True,
    "allowNewTimeProposals": True,
    "hideAttendees": False,
    "isAllDay": False,
}
DEFAULTS: dict[str, Any] = {
    "subject": None,
    "body": {"text": "", "html": ""},
    "location": None,
    "locations": [],
    "hasAttachments": False,
    "isDraft": False,
    "attendees": [],
    "categories": [],
    "showAs": "busy",
    "sensitivity": "normal",
    "importance": "normal",
    "reminderMinutesBeforeStart": 15,
    "isOnlineMeeting": False,
    "onlineMeetingUrl": None,
    **FLAGS,
}
LISTED = frozenset(windows_tz.win_tz.values())
"""The IANA names that Graph's pages name beside those of Windows (Graph: resources/datetimetimezone)."""
_DOCUMENT = re.compile(r"<body\b[^>]*>(.*)</body>", re.IGNORECASE | re.DOTALL)
JOIN_PAGE = "https://teams.microsoft.com/l/meetup-join/"
MIDNIGHT = "The Event.{} property for an all-day event needs to be set to midnight."


def new_event(body: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of a new event, with Graph's defaults.

    Raises:
        GraphError: something is missing or not valid.
    """
    if "start" not in body or "end" not in body:
        raise _bad("ErrorInvalidRequest", "The event needs a start and an end.")
    fields = changes(body, None)
    fields["values"] = DEFAULTS | fields["values"]
    return fields


def changes(body: dict[str, Any], item: Item | None, own: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return the fields that a body sets; `own` is what an occurrence has now, instead of its series."""
    values = _values(body)
    fields: dict[str, Any] = {"values": values}
    now = own or {}
    if "attendees" in values:
        values["attendees"] = _with_answers(
            values["attendees"], now.get("attendees", item.values["attendees"] if item else [])
        )
    all_day = bool(values.get("isAllDay", now.get("isAllDay", item.values["isAllDay"] if item else False)))
    if {"start", "end", "isAllDay"} & body.keys():
        fields |= _times(body, item, now, all_day)
    if "recurrence" in body:
        start: datetime = fields["start"] if "start" in fields or not item else item.start
        zone: str = fields["zone"] if "zone" in fields or not item else item.zone
        rule = body["recurrence"]
        fields["recurrence"] = series.checked(rule, start.date(), zone) if rule is not None else None
    elif item and item.recurrence and own is None and fields.get("start", item.start) != item.start:
        fields |= {"recurrence": _moved(item, fields["start"]), "rule_follows": True}
    if "singleValueExtendedProperties" in body:
        fields["extended"] = {p["id"]: str(p["value"]) for p in body["singleValueExtendedProperties"] or []}
    return fields


def end_meeting(item: Item, own: dict[str, Any], values: dict[str, Any]) -> None:
    """End an online meeting whose body is written without how to join it (Graph: event-update)."""
    meets = (item.values | own)["isOnlineMeeting"]
    if meets and "body" in values and JOIN_PAGE not in values["body"]["html"]:
        values["isOnlineMeeting"] = False


def check_limits(body: dict[str, Any], switches: dict[str, Any]) -> None:
    """Refuse what is longer, or more, than the switches allow (Microsoft's pages give no numbers).

    Raises:
        GraphError: it is.
    """
    span = (body.get("recurrence") or {}).get("range") or {}
    for value, most in (
        (len(str(body.get("subject") or "")), switches["longest_subject"]),
        (int(body.get("reminderMinutesBeforeStart") or 0), switches["most_reminder_minutes"]),
        (int(span.get("numberOfOccurrences") or 0), switches["most_occurrences"]),
    ):
        if most and value > int(most):
            raise _bad("ErrorPropertyValidationFailure", f"At least one property failed validation: {value}.")
    pattern = (body.get("recurrence") or {}).get("pattern") or {}
    is_weekly = str(pattern.get("type")).casefold() == "weekly"
    if switches["first_day_required"] and is_weekly and not pattern.get("firstDayOfWeek"):
        raise _bad("ErrorInvalidRequest", "The recurrence pattern weekly needs firstDayOfWeek.")
    for name in ("start", "end"):
        zone = str((body.get(name) or {}).get("timeZone"))
        if zone in switches["refused_zones"] or not _is_taken(zone, str(switches["iana_zones"])):
            raise _unsupported(zone)


def _is_taken(zone: str, iana_names: str) -> bool:
    """Whether a name of a zone is one of Windows, or an IANA name where those are taken."""
    if "/" not in zone or zone.casefold().startswith("tzone:") or iana_names == "all":
        return True
    return iana_names == "listed" and zone in LISTED


def _unsupported(zone: str) -> GraphError:
    return _bad(
        "TimeZoneNotSupportedException",
        f"A valid TimeZone value must be specified. The following TimeZone value is not supported: '{zone}'.",
    )


def _bad(code: str, message: str) -> GraphError:
    return GraphError(400, code, message)


def _moved(item: Item, start: datetime) -> dict[str, Any]:
    """Return the rule of a series whose first start was moved alone: its range begins there."""
    assert item.recurrence
    span = item.recurrence["range"] | {"startDate": start.date().isoformat()}
    return {**item.recurrence, "range": span}


def _values(body: dict[str, Any]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name, allowed in ENUMS.items():
        if name in body:
            by_lower = {a.casefold(): a for a in allowed}
            if str(body[name]).casefold() not in by_lower:
                raise _bad("RequestBodyRead", f"Requested value '{body[name]}' was not found.")
            values[name] = by_lower[str(body[name]).casefold()]
    for name in (*FLAGS, "isOnlineMeeting"):
        if name in body:
            if not isinstance(body[name], bool):
                raise _bad("RequestBodyRead", f"{name} must be a Boolean.")
            values[name] = body[name]
    if "subject" in body:
        values["subject"] = body["subject"]
    if "body" in body:
        values["body"] = stored_body(body["body"] or {})
    if "location" in body or "locations" in body:
        # Each stands for the other: one place replaces all that there were.
        places = body["locations"] if "locations" in body else [body["location"]]
        found = [place for place in map(_location, places or []) if place]
        values["location"] = (_location(body.get("location")) or found[0]) if found else None
        values["locations"] = found
    if "reminderMinutesBeforeStart" in body:
        values["reminderMinutesBeforeStart"] = int(body["reminderMinutesBeforeStart"] or 0)
    for name in ("attendees", "categories"):
        if name in body:
            values[name] = list(body[name] or [])
    return values


def _with_answers(rows: list[dict[str, Any]], known: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return guests with the answers that they have given: who writes the list does not say them."""
    said = {_address(row): row["status"] for row in known if row.get("status")}
    bare = [{k: v for k, v in row.items() if k != "status"} for row in rows]
    return [row | ({"status": said[_address(row)]} if _address(row) in said else {}) for row in bare]


def _address(row: dict[str, Any]) -> str:
    return ((row.get("emailAddress") or {}).get("address") or "").casefold()


def own(body: dict[str, Any]) -> dict[str, Any]:
    """Return what of an event only Outlook itself writes."""
    return {name: body[name] for name in ("hasAttachments", "isDraft", "onlineMeetingUrl") if name in body}


def stored_body(body: dict[str, Any]) -> dict[str, str]:
    """Return a body as Exchange keeps it: always HTML in its own wrapping, and the text in it."""
    content = str(body.get("content") or "")
    if str(body.get("contentType") or "text").casefold() == "html":
        text = texts.of_html(content)
        document = _DOCUMENT.search(content)
        inner = document[1] if document else content
    else:
        text = content.replace("\r\n", "\n")
        inner = "<br>\r\n".join(html.escape(line) for line in text.split("\n"))
    wrapped = (
        '<html><head>\r\n<meta http-equiv="Content-Type" content="text/html; charset=utf-8">'
        '<meta name="Generator" content="Microsoft Exchange Server">\r\n<!-- converted from text -->'
        f'</head>\r\n<body>\r\n<div class="PlainText">{inner}</div>\r\n</body>\r\n</html>\r\n'
    )
    return {"html": wrapped, "text": text.replace("\n", "\r\n") + ("\r\n" if text else "")}


def _location(location: Any) -> dict[str, Any] | None:
    if not isinstance(location, dict):
        return None
    name = location.get("displayName") or ""
    if not (name or location.get("address") or location.get("coordinates")):
        return None
    return {
        "displayName": name,
        "locationType": "default",
        "uniqueId": name or None,
        "uniqueIdType": "private" if name else "unknown",
        "address": location.get("address") or {},
        "coordinates": location.get("coordinates") or {},
    }


def _times(body: dict[str, Any], item: Item | None, own: dict[str, Any], all_day: bool) -> dict[str, Any]:
    now: dict[str, Any] = {"start": own.get("start"), "end": own.get("end"), "zone": own.get("zone")}
    if item and now["start"] is None:
        now = {"start": item.start, "end": item.end, "zone": item.zone}
    start, zone = read_time(body["start"]) if "start" in body else (now["start"], now["zone"])
    end, end_zone = read_time(body["end"]) if "end" in body else (now["end"], now["zone"])
    if all_day:
        for name, value in (("Start", start), ("End", end)):
            if value.time() != datetime.min.time() or zones.to_iana(zone) != zones.to_iana(end_zone):
                raise _bad("ErrorInvalidRequest", MIDNIGHT.format(name))
        if end - start < timedelta(days=1):
            raise _bad("ErrorInvalidRequest", "The duration of an all-day event must be at least 24 hours.")
    elif zone != end_zone:
        end = zones.to_wall(zones.to_utc(end, zones.to_iana(end_zone) or "UTC"), zones.to_iana(zone) or "UTC")
    if end < start:
        raise _bad("ErrorPropertyValidationFailure", "At least one property failed validation: End < Start.")
    return {"start": start, "end": end, "zone": zone}


def read_time(value: Any) -> tuple[datetime, str]:
    """Return wall time and zone of a dateTimeTimeZone.

    Raises:
        GraphError: the zone is not supported, or the time is none.
    """
    if not isinstance(value, dict) or not isinstance(value.get("dateTime"), str):
        raise _bad("ErrorInvalidParameter", "A dateTimeTimeZone is not valid.")
    zone = str(value.get("timeZone") or "")
    if zones.to_iana(zone) is None:
        raise _unsupported(zone)
    try:
        wall = datetime.fromisoformat(value["dateTime"]).replace(microsecond=0)
    except ValueError:
        raise _bad("ErrorInvalidParameter", "A dateTime is not valid.") from None
    if wall.tzinfo is not None:  # An offset counts: it moves the time into the zone.
        wall = wall.astimezone(ZoneInfo(zones.to_iana(zone) or "UTC")).replace(tzinfo=None)
    return wall, zone

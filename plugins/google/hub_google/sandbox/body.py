"""What a client may write: bodies checked, cut to Google's limits and merged into what is there."""

from __future__ import annotations

from typing import Any

from hub_google.sandbox import expand, moments
from hub_google.sandbox.failure import ApiError, invalid
from hub_google.sandbox.state import CalendarState

WRITABLE = frozenset(
    [
        "summary",
        "description",
        "location",
        "status",
        "colorId",
        "transparency",
        "visibility",
        "sequence",
        "attendees",
        "attendeesOmitted",
        "extendedProperties",
        "guestsCanInviteOthers",
        "guestsCanModify",
        "guestsCanSeeOtherGuests",
        "anyoneCanAddSelf",
        "reminders",
        "source",
        "start",
        "end",
        "recurrence",
        "conferenceData",
        "attachments",
        "eventType",
    ]
)
TOLD_TO_GUESTS = ("summary", "description", "location", "start", "end", "recurrence")
"""What the organiser decides for all."""
SHARED_FLAGS = frozenset({"guestsCanInviteOthers", "guestsCanModify", "guestsCanSeeOtherGuests"})
_CHOICES = {
    "status": ("confirmed", "tentative", "cancelled"),
    "transparency": ("opaque", "transparent"),
    "visibility": ("default", "public", "private", "confidential"),
}


def writable(body: Any, query: dict[str, str], longest: int = 0) -> dict[str, Any]:
    """Return the keys of a body that a client may write with these query switches.

    Args:
        longest: characters that are kept of a text, if there is a limit.

    Raises:
        ApiError: the body is no object.
    """
    if not isinstance(body, dict):
        raise ApiError(400, "parseError", "Parse Error")
    kept = {k: v for k, v in body.items() if k in WRITABLE}
    if query.get("conferenceDataVersion", "0") != "1":
        kept.pop("conferenceData", None)
    if query.get("supportsAttachments", "false") != "true":
        kept.pop("attachments", None)
    for key in ("summary", "description", "location") if longest else ():
        if isinstance(kept.get(key), str):
            kept[key] = kept[key][:longest]
    return kept


def merge(old: Any, new: Any) -> Any:
    """Return a patch's result: objects key by key, null deletes, arrays whole."""
    if not isinstance(new, dict):
        return new
    found = dict(old) if isinstance(old, dict) else {}
    for key, value in new.items():
        if value is None:
            found.pop(key, None)
        else:
            found[key] = merge(found.get(key), value)
    return found


def checked(data: dict[str, Any], calendar: CalendarState, conference: str = "success") -> dict[str, Any]:
    """Return an event's data as Google would store it.

    Args:
        conference: what becomes of a conference that is asked for.

    Raises:
        ApiError: for times, rules and values that Google refuses.
    """
    data = dict(data)
    for which in ("start", "end"):
        data[which] = moments.accept(data.get(which), which, calendar.zone)
    if ("date" in data["start"]) != ("date" in data["end"]):
        raise invalid("Invalid start time.")
    if moments.instant(data["end"], calendar.zone) < moments.instant(data["start"], calendar.zone):
        raise ApiError(400, "timeRangeEmpty", "The specified time range is empty.", "calendar")
    if "date" in data["start"] and data["end"] == data["start"]:
        raise ApiError(400, "timeRangeEmpty", "The specified time range is empty.", "calendar")
    expand.check(data, calendar.zone)
    for key, choices in _CHOICES.items():
        if key in data and data[key] not in choices:
            raise invalid(f"Invalid value for: {key}.")
    if "colorId" in data and data["colorId"] not in {str(n) for n in range(1, 12)}:
        raise invalid("Invalid value for: colorId.")
    if "source" in data and not str(data["source"].get("url", "")).startswith(("http://", "https://")):
        raise invalid("Invalid value for: source.url.")
    if "-::~" in str(data.get("description", "")):
        data["description"] = _without_block(data["description"])
    _check_reminders(data.get("reminders"))
    _check_guests(data)
    _cut_properties(data)
    if "conferenceData" in data:
        data["conferenceData"] = _conference(data["conferenceData"], conference)
    return data


def without_meeting(data: dict[str, Any], patch: dict[str, Any]) -> dict[str, Any]:
    """Return an event without the short link to a conference that a patch has taken away."""
    if patch.get("conferenceData", ...) is not None:
        return data
    return {key: value for key, value in data.items() if key != "hangoutLink"}


def _without_block(text: str) -> str:
    """Take out the lines about a conference that Google puts into what it exports."""
    kept, inside = [], False
    for line in text.split("\n"):
        if line.startswith("-::~") and line.rstrip().endswith("~::-"):
            inside = not inside
        elif not inside:
            kept.append(line)
    return "\n".join(kept).strip()


def finished(data: dict[str, Any]) -> dict[str, Any] | None:
    """Return the event with the conference that was pending; None if none was."""
    request = (data.get("conferenceData") or {}).get("createRequest") or {}
    if (request.get("status") or {}).get("statusCode") != "pending":
        return None
    return data | {"conferenceData": _conference({"createRequest": request})}


def _check_reminders(value: Any) -> None:
    if value is None:
        return
    overrides = value.get("overrides") or []
    if value.get("useDefault") and overrides:
        raise ApiError(400, "cannotUseDefaultRemindersAndSpecifyOverride", "Cannot specify both.", "calendar")
    fine = all(
        o.get("method") in ("email", "popup")
        and isinstance(o.get("minutes"), int)
        and 0 <= o["minutes"] <= 40320
        for o in overrides
    )
    if len(overrides) > 5 or not fine:
        raise invalid("Invalid reminder overrides.")


def _check_guests(data: dict[str, Any]) -> None:
    for guest in data.get("attendees") or ():
        if "@" not in str(guest.get("email", "")):
            raise invalid("Invalid attendee email.")
        guest.setdefault("responseStatus", "needsAction")
    if len(data.get("attachments") or ()) > 25:
        raise invalid("Too many attachments.")


def _cut_properties(data: dict[str, Any]) -> None:
    """Drop long keys and cut long values silently (guides/extended-properties)."""
    properties = data.get("extendedProperties")
    if properties is None:
        return
    kept = {}
    for kind in ("private", "shared"):
        found = {k: str(v)[:1024] for k, v in (properties.get(kind) or {}).items() if len(k) <= 44}
        if found:
            kept[kind] = found
    pairs = [(k, v) for group in kept.values() for k, v in group.items()]
    if len(pairs) > 300 or sum(len(k) + len(v) for k, v in pairs) > 32 * 1024:
        raise invalid("Too many extended properties.")
    data["extendedProperties"] = kept
    if not kept:
        del data["extendedProperties"]


def _conference(value: dict[str, Any], outcome: str = "success") -> dict[str, Any]:
    """Return the conference that a create request asks for."""
    request = value.get("createRequest")
    if not request or value.get("entryPoints"):
        return value
    if outcome != "success":
        return {"createRequest": request | {"status": {"statusCode": outcome}}}
    uri = f"https://meet.example.test/{request.get('requestId', 'x')}"
    return {
        "createRequest": request | {"status": {"statusCode": "success"}},
        "conferenceSolution": {"key": {"type": "hangoutsMeet"}, "name": "Google Meet"},
        "entryPoints": [{"entryPointType": "video", "uri": uri, "label": uri.removeprefix("https://")}],
    }

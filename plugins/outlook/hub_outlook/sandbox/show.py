"""How the sandbox shows an event: Graph's JSON, by a request's preferences (Graph: resources/event)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from hub_outlook import zones
from hub_outlook.sandbox.accept import JOIN_PAGE
from hub_outlook.sandbox.model import Item, Model
from hub_outlook.sandbox.problems import GraphError

UNSET = "0001-01-01T00:00:00Z"


@dataclass(frozen=True)
class Preferences:
    """The Prefer headers of one request."""

    immutable: bool = False
    zone: str = "UTC"
    text: bool = False
    page_size: int | None = None
    applied: tuple[str, ...] = ()

    @classmethod
    def parse(cls, headers: list[str]) -> Preferences:
        """Read preferences from one header or several.

        Raises:
            GraphError: the time zone is not supported.
        """
        found: dict[str, str] = {}
        for part in ",".join(headers).split(","):
            name, _, value = part.strip().partition("=")
            found[name.casefold()] = value.strip().strip('"')
        zone = found.get("outlook.timezone", "UTC")
        if zones.to_iana(zone) is None:
            raise GraphError(
                400,
                "TimeZoneNotSupportedException",
                "A valid TimeZone value must be specified. The following TimeZone value is not supported: "
                f"'{zone}'.",
            )
        known = ("outlook.timezone", "outlook.body-content-type")
        size = found.get("odata.maxpagesize", "")
        return cls(
            found.get("idtype", "").casefold() == "immutableid",
            zone,
            found.get("outlook.body-content-type", "").casefold() == "text",
            int(size) if size.isdigit() and int(size) else None,
            tuple(f'{name}="{found[name]}"' for name in known if name in found),
        )


def stamp(at: datetime) -> str:
    """Return an instant with Graph's seven fractional digits."""
    return f"{at.replace(tzinfo=None).isoformat(timespec='microseconds')}0Z"


def wall(at: datetime, zone: str) -> dict[str, str]:
    return {"dateTime": f"{at.isoformat()}.0000000", "timeZone": zone}


def times(model: Model, item: Item, day: date | None, prefer: Preferences) -> dict[str, Any]:
    """Return start and end: converted, but for all-day events, whose midnights are only relabelled."""
    start, end = model.span(item, day)
    own = item.exceptions.get(day.isoformat(), {}) if day else {}
    if not (item.values | own)["isAllDay"]:
        target = zones.to_iana(prefer.zone) or "UTC"
        start, end = zones.to_wall(start, target), zones.to_wall(end, target)
    label = prefer.zone if model.switches["iana_labels"] else zones.to_windows(prefer.zone) or prefer.zone
    return {"start": wall(start, label), "end": wall(end, label)}


def full(model: Model, item: Item, prefer: Preferences, day: date | None = None) -> dict[str, Any]:
    """Return an event with all default properties, nulls and all; `day` picks an occurrence."""
    own = item.exceptions.get(day.isoformat(), {}) if day else {}
    values = item.values | own
    kind = "seriesMaster" if item.recurrence else "singleInstance"
    if day:
        kind = "exception" if day.isoformat() in item.exceptions else "occurrence"
    person = model.people[item.person]
    folder = model.folders[item.folder]
    place = values["location"] or _no_place()
    meets = values["isOnlineMeeting"] and not person.is_personal
    link = f"{model.base_url}/v1.0/users('{person.id}')/calendars('{folder.id}')"
    return {
        "@odata.etag": f'W/"{item.change_key}"',
        "id": model.event_id(item, prefer.immutable, day),
        "createdDateTime": stamp(item.created),
        "lastModifiedDateTime": stamp(item.modified),
        "changeKey": item.change_key,
        "categories": values["categories"],
        "transactionId": item.transaction_id if day is None else None,
        "originalStartTimeZone": _named(model, item, own.get("zone", item.zone)),
        "originalEndTimeZone": _named(model, item, own.get("zone", item.zone)),
        "iCalUId": _ical_uid(item, day),
        "uid": item.uid,
        "reminderMinutesBeforeStart": values["reminderMinutesBeforeStart"],
        "isReminderOn": values["isReminderOn"],
        "hasAttachments": values["hasAttachments"],
        "subject": values["subject"],
        "bodyPreview": values["body"]["text"][:255].strip(),
        "importance": values["importance"],
        "sensitivity": values["sensitivity"],
        "isAllDay": values["isAllDay"],
        "isCancelled": item.is_cancelled,
        "isOrganizer": item.is_organizer,
        "isDraft": values["isDraft"],
        "responseRequested": values["responseRequested"],
        "seriesMasterId": model.event_id(item, prefer.immutable) if day else None,
        "showAs": values["showAs"],
        "type": kind,
        "webLink": f"https://outlook.office365.com/owa/?itemid={model.event_id(item, False, day)}",
        "onlineMeetingUrl": values["onlineMeetingUrl"],
        "isOnlineMeeting": meets,
        "onlineMeetingProvider": "teamsForBusiness" if meets else "unknown",
        "onlineMeeting": _meeting(model, item) if meets else None,
        "allowNewTimeProposals": values["allowNewTimeProposals"],
        "occurrenceId": occurrence_id(model, item, day) if day else None,
        "hideAttendees": values["hideAttendees"],
        "responseStatus": _response(item, values),
        "body": {
            "contentType": "text" if prefer.text else "html",
            "content": _body(model, item, values, prefer.text),
        },
        **times(model, item, day, prefer),
        "location": place,
        "locations": values["locations"],
        "recurrence": None if day else _recurrence(model, item),
        "attendees": [] if _is_hidden(item) else [_guest(a) for a in values["attendees"]],
        "organizer": _organizer(item, person.name, person.email),
        "calendar@odata.associationLink": f"{link}/$ref",
        "calendar@odata.navigationLink": link,
    } | ({"originalStart": _original(item, day)} if day else {})


def _body(model: Model, item: Item, values: dict[str, Any], as_text: bool) -> str:
    """Return the body with what Exchange appends to it: how to join, if it does not say so already."""
    body, end = values["body"], "</div>\r\n</body>"
    meets = values["isOnlineMeeting"] and not model.people[item.person].is_personal
    join = "" if not meets or JOIN_PAGE in body["html"] else _how_to_join(model, item, as_text)
    if as_text:
        return str(body["text"]) + join
    html = str(body["html"])
    shown = html.replace(end, f"{join}{end}") if end in html else html + join
    if not model.switches["restless_html"]:
        return shown
    seed = f"{model.random.random():.9f}"
    return shown.replace("<body>", f'<body lang="en" data-x="{seed}">\r\n<!-- {seed} -->')


def _named(model: Model, item: Item, zone: str) -> str | None:
    """Return what a zone is called; a mailbox may have none, or one that somebody made."""
    own = model.people[item.person].zone
    if item.by_owner and zones.to_iana(own) is None:
        return own
    shown = zone if model.switches["iana_echo"] else zones.to_windows(zone) or zone
    return str(model.switches["zone_names"].get(shown, shown))


def _recurrence(model: Model, item: Item) -> dict[str, Any] | None:
    if item.recurrence is None:
        return None
    span = item.recurrence["range"]
    return item.recurrence | {
        "range": span | {"recurrenceTimeZone": _named(model, item, span["recurrenceTimeZone"])}
    }


def stub(model: Model, item: Item, prefer: Preferences, day: date) -> dict[str, Any]:
    """Return an unchanged occurrence as a delta page shows it."""
    return {
        "@odata.type": "#microsoft.graph.event",
        "@odata.etag": f'W/"{item.change_key}"',
        "seriesMasterId": model.event_id(item, prefer.immutable),
        "type": "occurrence",
        "id": model.event_id(item, prefer.immutable, day),
        **times(model, item, day, prefer),
    }


def occurrence_id(model: Model, item: Item, day: date) -> str:
    return f"OID.{model.event_id(item, bool(model.switches['immutable_oids']))}.{day.isoformat()}"


def _ical_uid(item: Item, day: date | None) -> str:
    """Return the uid with the occurrence's date in bytes 17 to 20, as Exchange does (MS-OXOCAL)."""
    if day is None:
        return item.uid
    return item.uid[:32] + f"{day.year:04X}{day.month:02X}{day.day:02X}" + item.uid[40:]


def _original(item: Item, day: date) -> str:
    start = datetime.combine(day, item.start.time())
    if item.values["isAllDay"]:
        return f"{start.isoformat()}Z"
    return f"{zones.to_utc(start, zones.to_iana(item.zone) or 'UTC').isoformat()}Z"


def _no_place() -> dict[str, Any]:
    empty: dict[str, Any] = {"address": {}, "coordinates": {}}
    return {"displayName": "", "locationType": "default", "uniqueIdType": "unknown", **empty}


def _meeting(model: Model, item: Item) -> dict[str, str]:
    return {"joinUrl": f"{JOIN_PAGE}{model.guid(f'join {item.serial}')}"}


def _how_to_join(model: Model, item: Item, as_text: bool) -> str:
    """Return what Exchange appends to the text of an online meeting."""
    link, line = _meeting(model, item)["joinUrl"], "_" * 80
    if as_text:
        return "\r\n".join(("", line, "Microsoft Teams meeting", f"Join: <{link}>", line, ""))
    return (
        f'<br>\r\n<div><span style="color:#5F5F5F; white-space:nowrap">{line}</span></div>'
        '<div class="me-email-text" lang="en"><div>Microsoft Teams meeting</div>'
        f'<div>Join: &lt;<a href="{link}">{link}</a>&gt;</div></div><div><span>{line}</span></div>'
    )


def _guest(attendee: dict[str, Any]) -> dict[str, Any]:
    status = attendee.get("status") or {"response": "none", "time": UNSET}
    return {"type": attendee.get("type") or "required", "status": status} | {
        "emailAddress": attendee.get("emailAddress") or {}
    }


def _is_hidden(item: Item) -> bool:
    return bool(item.values["hideAttendees"]) and not item.is_organizer


def _response(item: Item, values: dict[str, Any]) -> dict[str, str]:
    """Return what the mailbox's owner has answered, here or (an occurrence) alone."""
    if item.is_organizer:
        return {"response": "organizer", "time": UNSET}
    said = values.get("response") or "notResponded"
    return {"response": said, "time": UNSET if said == "notResponded" else stamp(item.modified)}


def _organizer(item: Item, name: str, email: str) -> dict[str, Any]:
    if item.is_organizer:
        return {"emailAddress": {"name": name, "address": email}}
    return {"emailAddress": item.organizer}

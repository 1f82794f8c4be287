"""Rounds of calendarView/delta: stateless tokens that seal calendar, window, place (Graph: event-delta)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from hub_outlook.sandbox import show
from hub_outlook.sandbox.model import Folder, Item, Model, Person, touches
from hub_outlook.sandbox.problems import GraphError
from hub_outlook.sandbox.show import Preferences

REFUSED = ("$select", "$filter", "$orderby", "$search")


def answer(
    model: Model, person: Person, folder: Folder | None, query: dict[str, str], prefer: Preferences, base: str
) -> dict[str, Any]:
    """Return one page of a round."""
    for name in REFUSED:
        if name in query and not model.switches["delta_ignores_options"]:
            raise GraphError(
                400, "ErrorInvalidUrlQuery", f"The query parameter {name} is not supported here."
            )
    if "$expand" in query:
        raise GraphError(500, "InternalServerError", "Value cannot be null. Parameter name: type")
    sealed = query.get("$skiptoken") or query.get("$deltatoken")
    place = _open(model, person, sealed, base) if sealed else _start(model, folder, query, prefer)
    _refuse_others(query, place)
    if model.switches["links_keep_preferences"]:
        prefer = replace(prefer, zone=place["zone"], text=place["text"], page_size=place["size"])
    if not model.switches["delta_text"]:
        prefer = replace(prefer, text=False)
    _refuse_tiny(model, place, prefer)
    if place.get("masters_now"):
        items: list[Item] = []
        done = True
    else:
        items, place, done = _page(model, person, place, prefer)
    value = [shown for item in items for shown in _shown(model, item, place, prefer)]
    value, place, done = _without_masters(model, value, place, prefer, done)
    if model.switches["shuffle_delta"]:
        model.random.shuffle(value)
    if model.switches["duplicate_delta"] and value:
        value.append(value[0])
    path = f"{base}/users/{person.id}/calendars/{place['folder']}/calendarView/delta"
    if model.folders[place["folder"]].is_default and not model.switches["delta_by_calendar"]:
        path = f"{base}/users/{person.id}/calendar/calendarView/delta"
    kind, link = ("deltaLink", "$deltatoken") if done else ("nextLink", "$skiptoken")
    if model.switches["swap_tokens"]:
        link = "$skiptoken" if done else "$deltatoken"
    return {"value": value, f"@odata.{kind}": f"{path}?{link}={_seal(model, place)}"}


def _without_masters(
    model: Model, value: list[dict[str, Any]], place: dict[str, Any], prefer: Preferences, done: bool
) -> tuple[list[dict[str, Any]], dict[str, Any], bool]:
    """Keep masters back, for the last page or for good: some rounds show them there or not at all."""
    how = model.switches["delta_masters"]
    if how == "with":
        return value, place, done
    if place.get("masters_now"):
        owed = (model.items[serial] for serial in place["owed"])
        shown = [
            s for item in owed for s in _shown(model, item, place, prefer) if not s.get("seriesMasterId")
        ]
        return shown, place | {"owed": [], "masters_now": False}, True
    kept = [shown for shown in value if shown.get("type") != "seriesMaster"]
    if how == "missing":
        return kept, place, done
    back = (shown["id"] for shown in value if shown.get("type") == "seriesMaster")
    mailbox = model.people[model.folders[place["folder"]].person]
    owed_now = [*place.get("owed", []), *(model.find(mailbox, known)[0].serial for known in back)]
    ends = done and bool(owed_now)
    return kept, place | {"owed": owed_now, "masters_now": ends}, done and not ends


def _refuse_tiny(model: Model, place: dict[str, Any], prefer: Preferences) -> None:
    """Give up, as Exchange does, where small pages or long windows meet a series without end."""
    (start, end), most = _window(place), int(model.switches["heavy_window_days"])
    is_tiny = bool(prefer.page_size) and int(prefer.page_size or 0) < int(model.switches["tiny_page"])
    if is_tiny or (most and (end - start).days > most):
        for item in model.live(model.folders[place["folder"]]):
            if item.recurrence and item.recurrence["range"]["type"] == "noEnd":
                raise GraphError(504, "UnknownError", "The request timed out.")


def _start(model: Model, folder: Folder | None, query: dict[str, str], prefer: Preferences) -> dict[str, Any]:
    assert folder
    start, end = bound(query, "startDateTime"), bound(query, "endDateTime")
    return {
        "folder": folder.id,
        "start": start.isoformat(),
        "end": end.isoformat(),
        "after": 0,
        "seq": model.seq,
        "first": True,
        "zone": prefer.zone,
        "text": prefer.text,
        "size": prefer.page_size,
    }


def _refuse_others(query: dict[str, str], place: dict[str, Any]) -> None:
    """Refuse a token that comes with a window other than the one that it seals."""
    for name, sealed in (("startDateTime", "start"), ("endDateTime", "end")):
        if name in query and bound(query, name).isoformat() != place[sealed]:
            message = f"The value of parameter '{name}' is not the one that the token was made with."
            raise GraphError(400, "ErrorInvalidUrlQuery", message)


def bound(query: dict[str, str], name: str) -> datetime:
    """Return a bound of a view in naive UTC; its own offset decides, none is UTC.

    Raises:
        GraphError: it is missing or no time.
    """
    try:
        at = datetime.fromisoformat(query.get(name, "").replace(" ", "+"))
    except ValueError:
        message = f"The value '{query.get(name, '')}' of parameter '{name}' is invalid."
        raise GraphError(400, "ErrorInvalidParameter", message) from None
    return at.astimezone(UTC).replace(tzinfo=None) if at.tzinfo else at


def _page(
    model: Model, person: Person, place: dict[str, Any], prefer: Preferences
) -> tuple[list[Item], dict[str, Any], bool]:
    """Return the events of a page, the place after it, and whether the round is over."""
    size = prefer.page_size or int(model.switches["delta_page_size"])
    size = min(size, int(model.switches["page_limit"]) or size)
    blank = int(place.get("blank") or 0)
    if blank < int(model.switches["empty_delta_pages"]):
        return [], {**place, "blank": blank + 1}, False
    folder = model.folders[place["folder"]]
    found: list[Item] = []
    source = _initial(model, folder, place) if place["first"] else model.changed_since(folder, place["seq"])
    position, previous = dict(place, blank=0), 0
    endless = _is_endless(model, place, prefer)
    for item in source:
        if len(found) >= size:
            if endless and place.get("turn"):
                return found, {**place, "turn": place["turn"] + 1}, False
            if model.switches["overlap_delta"] and previous:
                position["after" if place["first"] else "seq"] = previous
            return found, {**position, "turn": 1}, False
        previous = position["after" if place["first"] else "seq"]
        found.append(item)
        position["after" if place["first"] else "seq"] = item.serial if place["first"] else item.seq
    person.links += 1
    return found, {**position, "first": False, "issue": person.links, "after": 0, "turn": 0}, True


def _is_endless(model: Model, place: dict[str, Any], prefer: Preferences) -> bool:
    """Whether this round shows its second page for ever, under new tokens (msgraph-sdk-dotnet#3082)."""
    start, end = _window(place)
    match model.switches["endless_delta"]:
        case "sized":
            return prefer.page_size is not None
        case "days":
            return (end - start).days > int(model.switches["endless_delta_days"])
        case how:
            return bool(how == "always")


def _initial(model: Model, folder: Folder, place: dict[str, Any]) -> Iterator[Item]:
    serials = model.serials.get(folder.id, [])
    for serial in serials[bisect_right(serials, place["after"]) :]:
        item = model.items[serial]
        if not item.deleted and _in_window(model, item, place):
            yield item


def _window(place: dict[str, Any]) -> tuple[datetime, datetime]:
    return datetime.fromisoformat(place["start"]), datetime.fromisoformat(place["end"])


def _in_window(model: Model, item: Item, place: dict[str, Any]) -> bool:
    start, end = _window(place)
    if item.recurrence:
        return bool(model.members(item, start, end))
    return touches(model.span(item), start, end)


def _shown(model: Model, item: Item, place: dict[str, Any], prefer: Preferences) -> list[dict[str, Any]]:
    """Return what a page says of an event: whole, a series with its members, or a tombstone."""
    kind = {"@odata.type": "#microsoft.graph.event"}
    if item.deleted or item.folder != place["folder"] or not _in_window(model, item, place):
        # A change outside of the window shows as removed, too (docs#6599).
        gone = replace(item, folder=place["folder"])
        ids = [model.event_id(gone, prefer.immutable)]
        if item.deleted and item.recurrence and model.switches["series_tombstones"]:
            days = model.members(item, *_window(place))
            ids += [model.event_id(gone, prefer.immutable, day) for day in days]
        reason = {"reason": model.switches["removed_reason"]}
        return [{**kind, "id": known, "@removed": reason} for known in ids]
    found = [kind | show.full(model, item, prefer)]
    if item.recurrence:
        for day in model.members(item, *_window(place)):
            if day.isoformat() in item.exceptions:
                found.append(kind | show.full(model, item, prefer, day))
            else:
                found.append(show.stub(model, item, prefer, day))
    for shown in found:
        for name in ("calendar@odata.associationLink", "calendar@odata.navigationLink"):
            shown.pop(name, None)
    return found


# --- tokens ---


def _seal(model: Model, place: dict[str, Any]) -> str:
    packed = base64.urlsafe_b64encode(json.dumps(place).encode()).decode().rstrip("=")
    return f"{packed}.{_signature(model, packed)}"


def _signature(model: Model, packed: str) -> str:
    return hmac.new(f"delta {model.seed}".encode(), packed.encode(), hashlib.sha256).hexdigest()[:24]


def _open(model: Model, person: Person, sealed: str, base: str) -> dict[str, Any]:
    packed, _, signature = sealed.partition(".")
    place: dict[str, Any] = {}
    if hmac.compare_digest(signature, _signature(model, packed)):
        place = json.loads(base64.urlsafe_b64decode(packed + "=" * (-len(packed) % 4)))
    folder = model.folders.get(place.get("folder", ""))
    if folder is None or folder.person != person.email.casefold():
        raise GraphError(400, "ErrorInvalidUrlQuery", "Badly formed token.")
    anew = f"{base}/users/{person.id}/calendars/{folder.id}/calendarView/delta?$deltatoken="
    headers = {"Location": anew} if model.switches["resync_location"] else {}
    if model.switches["resync"]:
        raise GraphError(410, str(model.switches["resync"]), "Resync required.", headers=headers)
    issue, kept = place.get("issue", person.links), int(model.switches["delta_generations"])
    if (issue <= person.expired_links and "issue" in place) or (kept and issue <= person.links - kept):
        raise GraphError(
            410,
            "SyncStateNotFound",
            f"The sync state generation is not found; generation={issue};[highest={person.links}].",
            headers=headers,
        )
    return place

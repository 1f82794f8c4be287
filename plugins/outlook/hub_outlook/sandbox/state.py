"""Keeps the sandbox's state in a file, so that a restarted demo finds its people and events again."""

from __future__ import annotations

import json
import os
import tempfile
import threading
from dataclasses import asdict, fields
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from flask import Response

from hub_outlook.sandbox.grants import Grants, Token
from hub_outlook.sandbox.model import Folder, Item, Model, Person
from hub_outlook.sandbox.subscriptions import Subscriptions, Watch

PAUSE = 0.5


class State:
    """Writes the model to a file, shortly after it changed."""

    def __init__(self, path: Path, model: Model, grants: Grants, subscriptions: Subscriptions) -> None:
        self.path = path
        self.model = model
        self.grants = grants
        self.subscriptions = subscriptions
        self._closing = threading.Event()
        self._file = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="outlook-sandbox-state", daemon=True)
        self._saved: object = None

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        self._closing.set()
        self._thread.join(timeout=10)
        self.save()

    def _run(self) -> None:
        while not self._closing.wait(PAUSE):
            self.save()

    def _mark(self) -> object:
        model = self.model
        watches = [(w.id, w.expires_at) for w in self.subscriptions.watches.values()]
        people = [(p.email, p.links, p.expired_links) for p in model.people.values()]
        return (
            model.seq,
            len(model.folders),
            model.clock.offset,
            self.grants.issued,
            len(self.grants.access),
            watches,
            people,
        )

    def save(self) -> None:
        """Write the state if it changed, whole or not at all."""
        with self._file:
            with self.model.lock:
                mark = self._mark()
                if mark == self._saved:
                    return
                text = json.dumps(self._dump(), default=_encode)
            handle, name = tempfile.mkstemp(dir=self.path.parent, prefix=self.path.name)
            with os.fdopen(handle, "w") as out:
                out.write(text)
            os.replace(name, self.path)
            self._saved = mark

    def _dump(self) -> dict[str, Any]:
        model = self.model
        return {
            "offset": model.clock.offset.total_seconds(),
            "seq": model.seq,
            "people": [asdict(p) for p in model.people.values()],
            "folders": [asdict(f) for f in model.folders.values()],
            "items": [_fields(i) for i in model.items.values()],
            "access": {k: asdict(t) for k, t in self.grants.access.items()},
            "refresh": {k: asdict(t) for k, t in self.grants.refresh.items()},
            "watches": [asdict(w) for w in self.subscriptions.watches.values()],
        }

    def keep(self, response: Response) -> Response:
        """Write the state before an answer goes out."""
        self.save()
        return response

    def load(self) -> bool:
        """Read the state of an earlier run; return whether there was one."""
        if not self.path.exists():
            return False
        data = json.loads(self.path.read_text(), object_hook=_decode)
        model = self.model
        model.clock.offset = timedelta(seconds=data["offset"])
        model.seq = data["seq"]
        model.people = {p["email"].casefold(): Person(**p) for p in data["people"]}
        model.folders = {f["id"]: Folder(**f) for f in data["folders"]}
        for values in data["items"]:
            self._add(Item(**values))
        for log in model.logs.values():
            log.sort()
        self.grants.access = {k: Token(**t) for k, t in data["access"].items()}
        self.grants.refresh = {k: Token(**t) for k, t in data["refresh"].items()}
        self.subscriptions.watches = {w["id"]: Watch(**w) for w in data["watches"]}
        return True

    def _add(self, item: Item) -> None:
        model = self.model
        model.items[item.serial] = item
        model.serials.setdefault(item.folder, []).append(item.serial)
        model.logs.setdefault(item.folder, []).append((item.seq, item.serial, item.modified.timestamp()))
        if item.given_id:
            model.given[f"{item.person} {item.given_id}"] = item.serial
        if item.transaction_id:
            model.transactions[f"{item.person} {item.transaction_id}"] = item.serial


def _fields(item: Item) -> dict[str, Any]:
    """Return what an item holds, without the copy of all its values that `asdict` makes."""
    return {field.name: getattr(item, field.name) for field in fields(item)}


def _encode(value: Any) -> Any:
    if isinstance(value, datetime):
        return {"$at": value.isoformat()}
    if isinstance(value, set):
        return {"$set": sorted(value)}
    raise TypeError(f"cannot keep {type(value).__name__}")


def _decode(value: dict[str, Any]) -> Any:
    if "$at" in value:
        return datetime.fromisoformat(value["$at"])
    if "$set" in value:
        return set(value["$set"])
    return value

"""What a person does with whole calendars: events moved between them, calendars deleted."""

from __future__ import annotations

from bisect import insort
from dataclasses import replace

from hub_outlook.sandbox.model import Folder, Item, Model


def move(model: Model, item: Item, folder: Folder) -> Item:
    """Put an event into another calendar: its regular id changes, the immutable one does not.

    It shows as removed where it was (Graph: outlook-immutable-id, delta-query-events).
    """
    left = item.folder
    model.serials[left].remove(item.serial)
    item.folder = folder.id
    insort(model.serials.setdefault(folder.id, []), item.serial)
    model.touch(item, "updated")
    model.logs.setdefault(left, []).append((item.seq, item.serial, item.modified.timestamp()))
    return item


def renumber(model: Model, item: Item, folder: Folder) -> Item:
    """Give an event other ids of both forms, as an archive, an import or a moved mailbox does."""
    copy = replace(item, serial=len(model.items) + 1, folder=folder.id, transaction_id=None)
    model.items[copy.serial] = copy
    model.serials.setdefault(folder.id, []).append(copy.serial)
    model.delete(item)
    model.touch(copy, "created")
    return copy


def delete_folder(model: Model, folder: Folder) -> None:
    """Take a calendar away with its events."""
    for item in list(model.live(folder)):
        model.delete(item)
    del model.folders[folder.id]

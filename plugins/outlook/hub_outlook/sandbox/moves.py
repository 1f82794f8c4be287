"""What a person does with whole calendars: events moved between them, calendars deleted."""

from __future__ import annotations

from bisect import insort
from dataclasses import replace

from hub_outlook.sandbox.model import Folder, Item, Model, Person


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
    serial = len(model.items) + 1
    copy = replace(item, serial=serial, folder=folder.id, transaction_id=None, given_id=None, history=[])
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


def rename_folder(model: Model, folder: Folder) -> Folder:
    """Give a calendar another id, as happens to some soon after they were made (docs#11296)."""
    new = replace(folder, id=model.folder_id(f"after {folder.id}"))
    model.folders = {f.id: f for f in (new if f is folder else f for f in model.folders.values())}
    for item in model.items.values():
        if item.folder == folder.id:
            item.folder = new.id
    model.serials[new.id] = model.serials.pop(folder.id, [])
    model.logs[new.id] = model.logs.pop(folder.id, [])
    return new


def renew(model: Model, person: Person) -> None:
    """Move a mailbox to another tenant: the person, the calendars and the events get other ids."""
    for folder in model.folders_of(person):
        new = rename_folder(model, folder)
        for item in list(model.live(new)):
            renumber(model, item, new)
    person.id = str(model.guid(f"{person.id} moved"))
    person.expired_links = person.links

"""What becomes of each field of Graph's event resource, and what of the hub's event Outlook can hold.

The tests hold this to the SDK's model and to what `translate` and `project` really do.
"""

from __future__ import annotations

from hub.plugin.fidelity import Extent, Fate, Fidelity, Field, Held
from hub_outlook.project import REASONS

MAPPED, READ, KEPT, LOST = Fate.MAPPED, Fate.READ, Fate.KEPT, Fate.LOST

_BOTH = (
    Field("subject", MAPPED, ("title",), "On one line, without blanks around it."),
    Field("body.content", MAPPED, ("description", "conference"), "Text, as Exchange makes it of its HTML; "
          "the last line may tell how to join a meeting. How to join a Teams meeting, and pictures, stay in "
          "it; not written without a `[picture]` for each of these, or where Exchange's block on how to join "
          "is not found."),
    Field("body.contentType", KEPT, (), "Text is asked for and written; Exchange keeps HTML."),
    Field("start.dateTime", MAPPED, ("when",)),
    Field("start.timeZone", MAPPED, ("when",), "Read in UTC, written by the Windows name of the zone."),
    Field("end.dateTime", MAPPED, ("when",)),
    Field("end.timeZone", MAPPED, ("when",)),
    Field("isAllDay", MAPPED, ("when",)),
    Field("recurrence.pattern", MAPPED, ("when",), "The exact table is in the plugin; no other rule is "
          "written."),
    Field("recurrence.range", MAPPED, ("when",)),
    Field("location.displayName", MAPPED, ("location",)),
    Field("location.address", MAPPED, ("location",), "Read as one line; written as the street."),
    Field("location.coordinates", MAPPED, ("location",)),
    Field("showAs", MAPPED, ("show_as",)),
    Field("sensitivity", MAPPED, ("visibility",)),
    Field("importance", MAPPED, ("priority",)),
    Field("categories", MAPPED, ("categories",), "As a set of names, compared without case."),
    Field("isReminderOn", MAPPED, ("reminders",)),
    Field("reminderMinutesBeforeStart", MAPPED, ("reminders",)),
    Field("attendees.emailAddress", MAPPED, ("attendees",), "Written only if the consumer asks for "
          "invitations."),
    Field("attendees.type", MAPPED, ("attendees",), "Written with the address."),
    Field("isOnlineMeeting", MAPPED, ("conference",), "Written where a meeting of Microsoft's is wished "
          "for, which is ended in Outlook alone."),
    Field("onlineMeetingProvider", MAPPED, ("conference",), "Written with it."),
    Field("singleValueExtendedProperties", MAPPED, ("tag",), "The hub's own mark; those of others are kept."),
)  # fmt: skip

_READ = (
    Field("locations", READ, ("location",), "The names of several rooms stand in one line; a place that is "
          "written "
          "replaces them."),
    Field("attendees.status", READ, ("attendees",), "An answer is given by a call of its own."),
    Field("responseStatus", READ, ("own_answer",)),
    Field("organizer.emailAddress", READ, ("organizer",), "Of a meeting; an own appointment has none."),
    Field("isOrganizer", READ, ("read_only", "notify_only", "own_answer"), "Others' meetings are not "
          "written, own "
          "ones only if their guests are to be told."),
    Field("onlineMeeting.joinUrl", READ, ("conference",)),
    Field("onlineMeetingUrl", READ, ("conference",), "Another service's meeting, called by its "
          "host, where there is none of Microsoft's."),
    Field("originalStartTimeZone", READ, ("when",), "The zone that people see a single event in."),
    Field("originalStart", READ, ("when",), "Which day of its series it is, where its name is not shown."),
    Field("cancelledOccurrences", READ, ("when", "version")),
    Field("exceptionOccurrences", READ, ("when", "version"), "Each is written as an event of its own."),
    Field("seriesMasterId", READ, ("when",), "Whose day of a series it is."),
    Field("isCancelled", READ, (), "The organiser has cancelled the meeting: read as a deletion."),
    Field("hideAttendees", READ, ("partial_fields",), "A part of the guests is never taken for all of them."),
    Field("isDraft", READ, ("read_only",), "Its invitations are not sent yet."),
    Field("hasAttachments", READ, ("attachments",), "A link to the event, where the files are."),
    Field("webLink", READ, ("web_link", "attachments")),
    Field("id", READ, ("remote_id",), "In its immutable form."),
    Field("changeKey", READ, ("version",), "Sent back as If-Match."),
    Field("iCalUId", READ, ("uid",)),
    Field("createdDateTime", READ, ("created_at",)),
    Field("lastModifiedDateTime", READ, ("updated_at",)),
)  # fmt: skip

_LEFT = (
    Field("@odata.type", KEPT, (), "Always the same."),
    Field("type", KEPT, (), "Said by the rule and the master's id."),
    Field("transactionId", KEPT, (), "Written once, so that a create may be repeated."),
    Field("bodyPreview", KEPT, (), "The beginning of the text."),
    Field("originalEndTimeZone", KEPT, (), "One zone is kept for both ends."),
    Field("attendees.proposedNewTime", LOST, (), "A guest's proposal is answered in Outlook."),
    Field("onlineMeeting.conferenceId", LOST, (), "For dialling in; the address is what is carried."),
    Field("onlineMeeting.phones", LOST, (), "As above."),
    Field("onlineMeeting.quickDial", LOST, (), "As above."),
    Field("onlineMeeting.tollFreeNumbers", LOST, (), "As above."),
    Field("onlineMeeting.tollNumber", LOST, (), "As above."),
    Field("location.locationEmailAddress", LOST, (), "The room's mailbox, which is a guest as well."),
    Field("location.locationType", KEPT, (), "How Outlook came by the place."),
    Field("location.locationUri", LOST, (), "An address of the place, unlike the event's own."),
    Field("location.uniqueId", KEPT, (), "An id at Microsoft."),
    Field("location.uniqueIdType", KEPT, (), "As above."),
    Field("allowNewTimeProposals", LOST, (), "A mirror invites nobody."),
    Field("responseRequested", LOST, (), "A mirror invites nobody."),
    Field("attachments", LOST, (), "Files are never fetched or written."),
    Field("extensions", KEPT, (), "Other programs' data."),
    Field("multiValueExtendedProperties", KEPT, (), "Other programs' data."),
    Field("calendar", KEPT, (), "Known already."),
    Field("instances", KEPT, (), "Made by the rule."),
)  # fmt: skip

HOLDS = (
    Held("title", Extent.PART, "255 characters on one line."),
    Held("description", Extent.PART, f"Text without HTML. {REASONS['description']}"),
    Held("location", Extent.PART, "Name, address and position, without blanks around them."),
    Held("when", Extent.PART, "One zone for both ends, of those that Windows knows; rules of Graph's six "
          "patterns; "
         "days that the rule does not make are left out."),
    Held("status", Extent.PART, REASONS["status"]),
    Held("show_as", Extent.WHOLE),
    Held("visibility", Extent.PART, REASONS["visibility"]),
    Held("reminders", Extent.PART, REASONS["reminders"]),
    Held("organizer", Extent.READ, REASONS["organizer"]),
    Held("attendees", Extent.READ, REASONS["attendees"]),
    Held("own_answer", Extent.READ, REASONS["own_answer"]),
    Held("conference", Extent.PART, REASONS["conference"]),
    Held("attachments", Extent.READ, REASONS["attachments"]),
    Held("categories", Extent.PART, REASONS["categories"]),
    Held("color", Extent.NOT, REASONS["color"]),
    Held("priority", Extent.PART, REASONS["priority"]),
    Held("url", Extent.NOT, REASONS["url"]),
)  # fmt: skip

FIDELITY = Fidelity("the event resource of Microsoft Graph v1.0", (*_BOTH, *_READ, *_LEFT), HOLDS)

"""What becomes of each field of Google's Event resource, and what of the hub's event Google can hold.

The tests hold this to the discovery document and to what `translate` and `projection` really do.
"""

from __future__ import annotations

from hub.plugin.fidelity import Extent, Fate, Fidelity, Field, Held

MAPPED, READ, KEPT, LOST = Fate.MAPPED, Fate.READ, Fate.KEPT, Fate.LOST

_BOTH = (
    Field("summary", MAPPED, ("title",), "On one line, without blanks around it."),
    Field(
        "description",
        MAPPED,
        ("description", "conference"),
        "Text as people see it; the HTML is kept beside it. The last line may tell how to join a meeting.",
    ),
    Field("location", MAPPED, ("location",), "Name and address in one line."),
    Field("start.date", MAPPED, ("when",)),
    Field("start.dateTime", MAPPED, ("when",), "As wall time in the zone of the event; the offset only tells "
          "the instant."),
    Field("start.timeZone", MAPPED, ("when",)),
    Field("end.date", MAPPED, ("when",)),
    Field("end.dateTime", MAPPED, ("when",)),
    Field("end.timeZone", MAPPED, ("when",)),
    Field("recurrence", MAPPED, ("when",), "Rules in one normal form; dates that are left out as cancelled "
          "days."),
    Field("status", MAPPED, ("status",), "Cancelled is a deletion, or a cancelled day of a series."),
    Field("transparency", MAPPED, ("show_as",)),
    Field("visibility", MAPPED, ("visibility",), "Confidential is read as private."),
    Field("reminders.useDefault", MAPPED, ("reminders",)),
    Field("reminders.overrides", MAPPED, ("reminders",)),
    Field("colorId", MAPPED, ("color",), "One of eleven colours."),
    Field("source.url", MAPPED, ("url",)),
    Field("source.title", KEPT, (), "Written with a new address: its host."),
    Field("attendees.email", MAPPED, ("attendees",), "Written only if the consumer asks for invitations."),
    Field("attendees.displayName", MAPPED, ("attendees",), "Written with the address."),
    Field("attendees.optional", MAPPED, ("attendees",), "Written with the address."),
    Field("attendees.resource", MAPPED, ("attendees",), "Written with the address."),
    Field("conferenceData.createRequest", MAPPED, ("conference",), "Written where a meeting of Google's is "
          "wished for; it is answered by what the other fields show."),
    Field("extendedProperties.private", MAPPED, ("tag",), "The hub's own mark; those of others are kept."),
)  # fmt: skip

_READ = (
    Field("attendees.responseStatus", READ, ("attendees", "own_answer"), "An answer is given by a call of "
          "its own."),
    Field("attendees.self", READ, ("own_answer",), "Whose answer is the account's own."),
    Field("organizer.email", READ, ("organizer",)),
    Field("organizer.displayName", READ, ("organizer",)),
    Field("organizer.self", READ, ("read_only",), "Others' meetings are not written; an own event without "
          "guests has no organiser."),
    Field("conferenceData.conferenceSolution", READ, ("conference",)),
    Field("conferenceData.entryPoints", READ, ("conference",), "Video first; one event's meeting is never "
          "written "
          "to another."),
    Field("hangoutLink", READ, ("conference",), "Where no other way to join is shown."),
    Field("attachments.fileUrl", READ, ("attachments",), "Files are links and never fetched."),
    Field("attachments.title", READ, ("attachments",)),
    Field("attachments.mimeType", READ, ("attachments",)),
    Field("eventType", READ, ("read_only", "show_as"), "Only events of the default type are written; working "
          "locations and unknown types are left out."),
    Field("guestsCanModify", READ, ("read_only",), "Whether a guest's copy may be written."),
    Field("attendeesOmitted", READ, ("partial_fields",), "A part of the guests is never taken for all of "
          "them."),
    Field("guestsCanSeeOtherGuests", READ, ("partial_fields",), "As above, of others' meetings."),
    Field("locked", READ, ("read_only",)),
    Field("id", READ, ("remote_id",), "Chosen by the hub for what it makes, and never changed."),
    Field("etag", READ, ("version",), "Sent back as If-Match."),
    Field("iCalUID", READ, ("uid",)),
    Field("htmlLink", READ, ("web_link",)),
    Field("created", READ, ("created_at",)),
    Field("updated", READ, ("updated_at",)),
    Field("recurringEventId", READ, ("when",), "Whose day of a series it is."),
    Field("originalStartTime.date", READ, ("when",)),
    Field("originalStartTime.dateTime", READ, ("when",)),
    Field("originalStartTime.timeZone", KEPT, (), "The day is reckoned in the zone of its series."),
)  # fmt: skip

_LEFT = (
    Field("kind", KEPT, (), "Always the same."),
    Field("sequence", KEPT, (), "Google counts it itself."),
    Field("creator", KEPT, (), "Whoever typed it in; the organiser is what counts."),
    Field("organizer.id", KEPT, (), "An id at Google."),
    Field("attendees.id", KEPT, (), "An id at Google."),
    Field("attendees.organizer", KEPT, (), "Said by the organiser already."),
    Field("attendees.asyncOperation", KEPT, (), "How far Google has come with its own work."),
    Field("attendees.comment", LOST, (), "A guest's note to the organiser belongs to the invitation."),
    Field("attendees.additionalGuests", LOST, (), "Nobody else counts guests of guests."),
    Field("extendedProperties.shared", KEPT, (), "Other programs' marks."),
    Field("conferenceData.conferenceId", KEPT, (), "An id at Google; the address is what people need."),
    Field("conferenceData.notes", LOST, (), "A service's small print goes with its meeting."),
    Field("conferenceData.parameters", KEPT, (), "For add-ons."),
    Field("conferenceData.signature", KEPT, (), "Binds the meeting to this event."),
    Field("attachments.fileId", KEPT, (), "An id at Google."),
    Field("attachments.iconLink", KEPT, (), "A picture for Google's own page."),
    Field("eventLabelId", LOST, (), "Labels are Google's own; the colour is carried."),
    Field("endTimeUnspecified", KEPT, (), "An end is shown all the same."),
    Field("guestsCanInviteOthers", LOST, (), "A mirror invites nobody."),
    Field("anyoneCanAddSelf", KEPT, (), "No longer in use."),
    Field("privateCopy", KEPT, (), "Whether Google carries changes to guests."),
    Field("gadget", KEPT, (), "No longer in use."),
    Field("workingLocationProperties", LOST, (), "Working locations are no events to people and left out."),
    Field("outOfOfficeProperties", LOST, (), "What Google answers to invitations meanwhile; the time is "
          "mirrored."),
    Field("focusTimeProperties", LOST, (), "What Google does with chats meanwhile; the time is mirrored."),
    Field("birthdayProperties", LOST, (), "Whose birthday it is stands in the title."),
)  # fmt: skip

HOLDS = (
    Held("title", Extent.PART, "1,024 characters on one line."),
    Held("description", Extent.PART, "8,192 characters, with HTML; an edit of a cut text keeps the end of "
          "it."),
    Held("location", Extent.PART, "Name and address in one line, without a position."),
    Held("when", Extent.PART, "Times in a zone that is known, any rule of RFC 5545; days that the rule does "
          "not "
         "make, and guests and visibility of single days, are left out."),
    Held("status", Extent.WHOLE),
    Held("show_as", Extent.PART, "Free or busy."),
    Held("visibility", Extent.PART, "Default, public or private: personal and confidential are private."),
    Held("reminders", Extent.PART, "Five, within four weeks before the start, or the calendar's default."),
    Held("organizer", Extent.READ, "The calendar itself becomes the organiser of what the hub writes."),
    Held("attendees", Extent.READ, "Mirrors carry no guests; the hub invites only when the consumer asks."),
    Held("own_answer", Extent.READ, "A copy is nobody's invitation."),
    Held("conference", Extent.PART, "The address, on the last line of the text; a wish for Google's own is "
          "granted."),
    Held("attachments", Extent.READ, "Google takes files of its own Drive only."),
    Held("categories", Extent.NOT, "Google has none."),
    Held("color", Extent.PART, "The nearest of eleven."),
    Held("priority", Extent.NOT, "Google has none."),
    Held("url", Extent.PART, "Web addresses."),
)  # fmt: skip

FIDELITY = Fidelity(
    "the Event resource of Calendar API v3 (discovery document)", (*_BOTH, *_READ, *_LEFT), HOLDS
)

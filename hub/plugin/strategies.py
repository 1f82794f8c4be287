"""Any event that the model can express, drawn by hypothesis: what a plugin's translation is tried with.

`contents()` draws events of all fields, and knows nothing of a provider. Used by `hub.plugin.testing` and by
the plugins' own tests.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, time, timedelta
from itertools import islice
from typing import Any

from hypothesis import strategies as st

from hub.plugin.meaning import starts
from hub.plugin.rules import stamp_of
from hub.plugin.types import (
    Answer,
    Attachment,
    Attendee,
    Conference,
    EventContent,
    EventStatus,
    Location,
    Person,
    Reminder,
    Role,
    SeriesException,
    ShowAs,
    Visibility,
    When,
)

# --- texts ---

ODD_TEXTS = (
    "  blanks around  ",
    "a\r\nb\rc\n\n\n",
    "tab\there\xa0and there\u2003",
    "<b>bold</b> & <a href='https://example.test/'>link</a>",
    "&amp; &lt;not a tag&gt; 1 < 2 & 3 > 2",
    "\x00\x07 control \u2028 line \u2029 break \x85",
    "👩‍👩‍👧‍👦 é e\u0301 \u200f\u0627\u0644 \ufeff",
    "________________________________\nJoin us: https://teams.example.test/",
    "Join the meeting: https://example.test/\nand more",
    "-::~:~::~:~::-\nJoin: https://example.test/\n-::~:~::~:~::-\nafter",
    "see [cid:logo] and http://example.test/a?b=c&d=é#f",
    "DTSTART:19970714T133000\nEND:VEVENT",
    '\' OR 1=1 -- \\n \\, ; "quoted"',
    "-",
)
_CHARACTERS = st.characters(codec="utf-8")


def texts(longest: int = 2000) -> st.SearchStrategy[str]:
    """Draw texts as people and other programs write them, up to so many characters."""
    short = st.text(_CHARACTERS, max_size=20) | st.sampled_from(ODD_TEXTS)
    long = st.builds(
        lambda text, size: (text * size)[:size], st.sampled_from(ODD_TEXTS), st.integers(1, longest)
    )
    return st.one_of(short, short, short, long)


NAMES = st.sampled_from(["", "Bob", "Eve Ümlaut", "Bob, Jr. (room)", " "])
EMAILS = st.sampled_from(["bob@example.test", "Eve@Example.test", "o'hara+tag@sub.example.test"])
URLS = st.sampled_from(
    [
        "https://example.test/",
        "http://example.test/a?b=c&d=é#f",
        "HTTPS://EXAMPLE.TEST",
        "mailto:a@example.test",
    ]
)

# --- times ---

ZONES = (
    "Europe/Berlin", "Europe/Dublin", "Europe/London", "America/New_York", "America/St_Johns",
    "America/Sao_Paulo", "America/Indiana/Indianapolis", "America/Nuuk", "Asia/Kolkata", "Asia/Calcutta",
    "Asia/Kathmandu", "Asia/Gaza", "Asia/Tokyo", "Africa/Casablanca", "Australia/Lord_Howe", "Pacific/Apia",
    "Pacific/Auckland", "Pacific/Chatham", "Antarctica/Troll", "UTC", "Etc/UTC", "GMT", "Etc/GMT+2",
    "EST5EDT",
)  # fmt: skip
"""Whole, half and quarter hours; clocks that change on other days, by half an hour, by no rule; old names."""
CHANGES = (datetime(2027, 3, 28, 2, 30), datetime(2027, 10, 31, 2, 30), datetime(2027, 11, 7, 1, 30))
"""Around clock changes, where a wall time is missing or comes twice."""


ENDS_OF_TIME = (
    datetime(1, 1, 1), datetime(1601, 1, 1), datetime(1604, 2, 29, 12), datetime(9999, 12, 31, 23),
)  # fmt: skip
"""What programs write where they know no date; nothing repeats there."""


def zones() -> st.SearchStrategy[str | None]:
    """Draw zones; None is floating, and one is not in any table."""
    return st.sampled_from([*ZONES, *ZONES[:4], None]) | st.sampled_from([*ZONES, "Mars/Olympus_Mons"])


def wall_times() -> st.SearchStrategy[datetime]:
    """Draw wall times of whole seconds of our days."""
    days = st.dates(date(2015, 1, 1), date(2035, 12, 31))
    usual = st.builds(
        datetime.combine, days, st.sampled_from([time(9), time(0), time(23, 59, 59), time(2, 30)])
    )
    any_time = st.builds(
        lambda t: t.replace(microsecond=0), st.datetimes(datetime(2015, 1, 1), datetime(2035, 12, 31))
    )
    return st.one_of(usual, any_time, st.sampled_from(CHANGES), usual)


def _later(moment: Any, span: timedelta) -> Any:
    try:
        return moment + span
    except OverflowError:
        return moment


_TIMED_SPANS = st.sampled_from(
    [timedelta(minutes=m) for m in (0, 30, 60, 60, 90, 24 * 60, 3 * 24 * 60 + 7, -30)]
)
_DAY_SPANS = st.sampled_from([timedelta(days=d) for d in (1, 1, 2, 9, 0, -2)])


@st.composite
def single_whens(draw: st.DrawFn) -> When:
    """Draw the time of a single event: all-day or timed, zero-length and reversed ones too."""
    if draw(st.integers(0, 3)) == 0:
        first = draw(
            st.dates(date(2015, 1, 1), date(2035, 12, 31)) | st.sampled_from([date.min, date(9999, 12, 30)])
        )
        return When(first, _later(first, draw(_DAY_SPANS)))
    start, zone = draw(st.one_of(wall_times(), wall_times(), st.sampled_from(ENDS_OF_TIME))), draw(zones())
    end_zone = draw(st.sampled_from([zone, zone, zone, None])) if zone else None
    if zone and draw(st.integers(0, 5)) == 0:
        end_zone = draw(st.sampled_from(ZONES))
    return When(start, _later(start, draw(_TIMED_SPANS)), zone, end_zone)


_DAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")


@st.composite
def rules(draw: st.DrawFn, start: date | datetime) -> str:
    """Draw an RRULE line, of all parts that a consumer may use; its first occurrence need not be `start`."""
    freq = draw(st.sampled_from(["DAILY", "WEEKLY", "WEEKLY", "MONTHLY", "YEARLY"]))
    parts = {"FREQ": freq}
    if draw(st.booleans()):
        parts["INTERVAL"] = str(draw(st.sampled_from([1, 2, 3, 13])))
    own = _DAYS[start.weekday()]
    days = [own, *draw(st.lists(st.sampled_from(_DAYS), max_size=2))]
    if freq == "WEEKLY" and draw(st.booleans()):
        parts["BYDAY"] = ",".join(dict.fromkeys(days))
    elif freq in ("MONTHLY", "YEARLY"):
        parts |= draw(
            st.sampled_from([{}, {}, _nth(start), {"BYMONTHDAY": str(start.day)}, {"BYMONTHDAY": "-1"}])
        )
        if freq == "YEARLY" and parts.keys() & {"BYDAY", "BYMONTHDAY"} and draw(st.booleans()):
            parts["BYMONTH"] = str(start.month)
        if draw(st.integers(0, 5)) == 0:
            parts |= {
                "BYDAY": ",".join(dict.fromkeys(days)),
                "BYSETPOS": draw(st.sampled_from(["1", "-1", "1,-1"])),
            }
    if draw(st.integers(0, 4)) == 0:
        parts["WKST"] = draw(st.sampled_from(["SU", "MO"]))
    end = draw(st.sampled_from(["COUNT", "COUNT", "UNTIL", ""]))
    if end == "COUNT":
        parts["COUNT"] = str(draw(st.integers(1, 12)))
    elif end:
        parts["UNTIL"] = _until(start, draw(st.integers(0, 400)))
    return "RRULE:" + ";".join(f"{name}={value}" for name, value in parts.items())


def _nth(start: date | datetime) -> dict[str, str]:
    return {"BYDAY": f"{(start.day - 1) // 7 + 1}{_DAYS[start.weekday()]}"}


def _until(start: date | datetime, days: int) -> str:
    last = _later(start, timedelta(days=days))
    return stamp_of(last) + ("Z" if isinstance(last, datetime) else "")


@st.composite
def series_whens(draw: st.DrawFn) -> When:
    """Draw the time of a series with exceptions, on occurrences and beside them."""
    if draw(st.integers(0, 2)) == 0:
        start: Any = draw(st.dates(date(2015, 1, 1), date(2035, 12, 31)))
        when = When(start, start + draw(st.sampled_from([timedelta(days=1), timedelta(days=2)])))
    else:
        start, zone = draw(wall_times()), draw(zones())
        end = _later(start, draw(st.sampled_from([timedelta(minutes=m) for m in (0, 60, 90, 26 * 60)])))
        when = When(start, end, zone, draw(st.sampled_from([zone, None])))
    lines = [draw(rules(start))]
    if draw(st.integers(0, 7)) == 0:
        lines.append(_rdate(_later(start, timedelta(days=3)), when.start_zone))
    when = replace(when, recurrence=tuple(lines))
    made = list(islice(starts(when), 12))
    odd = _later(start, timedelta(days=1))
    originals = draw(st.lists(st.sampled_from([*made, odd]), max_size=3, unique=True))
    exceptions = tuple(draw(exceptions_at(o, when)) for o in sorted(originals))
    return replace(when, exceptions=exceptions)


def _rdate(moment: Any, zone: str | None) -> str:
    if not isinstance(moment, datetime):
        return f"RDATE;VALUE=DATE:{stamp_of(moment)}"
    return f"RDATE{f';TZID={zone}' if zone else ''}:{stamp_of(moment)}"


@st.composite
def exceptions_at(draw: st.DrawFn, original: date | datetime, when: When) -> SeriesException:
    """Draw an exception at a start: cancelled, moved, otherwise called, or all of that it may say."""
    if draw(st.integers(0, 2)) == 0:
        return SeriesException(original, cancelled=True)
    found = SeriesException(
        original,
        title=draw(st.none() | texts(300)),
        description=draw(st.none() | texts(300)),
        location=draw(st.none() | st.just(Location("")) | locations()),
        status=draw(st.none() | st.sampled_from(EventStatus)),
        show_as=draw(st.none() | st.sampled_from(ShowAs)),
        visibility=draw(st.none() | st.none() | st.sampled_from(Visibility)),
        reminders=draw(st.none() | reminders()),
        attendees=draw(st.none() | st.none() | st.lists(attendees(), max_size=2).map(tuple)),
        own_answer=draw(st.none() | st.none() | st.sampled_from(Answer)),
        conference=draw(st.none() | st.none() | conferences() | st.just(Conference(""))),
        attachments=draw(st.none() | st.none() | attachments()),
        categories=draw(st.none() | st.none() | categories()),
        color=draw(st.none() | st.none() | st.sampled_from(COLORS)),
    )
    if draw(st.booleans()):
        span = draw(st.sampled_from([timedelta(hours=1), timedelta(days=1), timedelta(0)]))
        if when.all_day:
            span = timedelta(days=1)
        start = _later(original, span)
        found = replace(found, start=start, end=_later(start, timedelta(days=1)))
        if not when.all_day and when.start_zone and draw(st.integers(0, 3)) == 0:
            zone = draw(st.sampled_from(ZONES))
            found = replace(found, start_zone=zone, end_zone=zone)
    return found


# --- everything else ---

COLORS = ("tomato", "#1a73e8", "#FFFFFF", "RebeccaPurple", "no-such-color")


def locations() -> st.SearchStrategy[Location]:
    at = st.none() | st.sampled_from([52.5, -33.9, 0.0, 180.0])
    return st.builds(Location, texts(1500), st.just("") | texts(300), at, at)


def reminders() -> st.SearchStrategy[tuple[Reminder, ...]]:
    one = st.builds(
        Reminder,
        st.sampled_from([0, 5, 10, 15, 1440, 40320, 40321, 525600]),
        st.sampled_from(["popup", "email"]),
    )
    return st.lists(one, max_size=7).map(tuple)


def attendees() -> st.SearchStrategy[Attendee]:
    return st.builds(Attendee, EMAILS, NAMES, st.sampled_from(Role), st.sampled_from(Answer))


def conferences() -> st.SearchStrategy[Conference]:
    return st.builds(Conference, URLS, NAMES, NAMES)


def attachments() -> st.SearchStrategy[tuple[Attachment, ...]]:
    return st.lists(st.builds(Attachment, URLS, NAMES), max_size=2).map(tuple)


def categories() -> st.SearchStrategy[tuple[str, ...]]:
    return st.lists(texts(30) | st.sampled_from(["Red", "red", " Blue "]), max_size=3).map(tuple)


def contents() -> st.SearchStrategy[EventContent]:
    """Draw any event: single ones and series, all fields, odd and long texts."""
    return st.builds(
        EventContent,
        when=st.one_of(single_whens(), series_whens()),
        title=texts(3000),
        description=texts(20_000) | st.lists(texts(80), max_size=4).map("\n".join),
        description_html=st.none() | st.just("<p>As <b>HTML</b></p>"),
        location=st.none() | locations(),
        status=st.sampled_from(EventStatus),
        show_as=st.sampled_from(ShowAs),
        visibility=st.sampled_from(Visibility),
        reminders=st.none() | reminders(),
        organizer=st.none() | st.builds(Person, EMAILS, NAMES),
        attendees=st.lists(attendees(), max_size=3, unique_by=lambda a: a.email).map(tuple),
        own_answer=st.none() | st.sampled_from(Answer),
        conference=st.none() | conferences() | st.just(Conference("", "hangoutsMeet")),
        attachments=attachments(),
        categories=categories(),
        color=st.none() | st.sampled_from(COLORS),
        priority=st.integers(0, 9),
        url=st.none() | URLS,
    )

"""The values that cross the border between the hub and a plugin: frozen, documented, JSON-safe.

The event model follows RFC 5545 (and RFC 7986 where it adds to it). Times are kept as people mean
them: wall time plus IANA zone, never an instant; an all-day event holds dates. Instants (`*_at`) are
aware and in UTC.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields
from datetime import date, datetime
from enum import StrEnum
from typing import Any

from hub.plugin.fidelity import Fidelity
from hub.plugin.made import quickly_made


class EventStatus(StrEnum):
    """RFC 5545 STATUS. A cancelled event is a deletion and never crosses the border as content."""

    CONFIRMED = "confirmed"
    TENTATIVE = "tentative"


class ShowAs(StrEnum):
    """How the event's time counts for others (RFC 5545 TRANSP, refined)."""

    FREE = "free"
    TENTATIVE = "tentative"
    BUSY = "busy"
    OUT_OF_OFFICE = "out_of_office"
    WORKING_ELSEWHERE = "working_elsewhere"


class Visibility(StrEnum):
    """Who may see the details (RFC 5545 CLASS; `default` leaves it to the calendar)."""

    DEFAULT = "default"
    PUBLIC = "public"
    PERSONAL = "personal"
    PRIVATE = "private"
    CONFIDENTIAL = "confidential"


class Role(StrEnum):
    """RFC 5545 ROLE of an attendee; `resource` is a room or a thing (CUTYPE=RESOURCE)."""

    REQUIRED = "required"
    OPTIONAL = "optional"
    RESOURCE = "resource"


class Answer(StrEnum):
    """RFC 5545 PARTSTAT."""

    NEEDS_ACTION = "needs_action"
    ACCEPTED = "accepted"
    TENTATIVE = "tentative"
    DECLINED = "declined"


class AccessRole(StrEnum):
    """What the account may do with a calendar."""

    OWNER = "owner"
    WRITER = "writer"
    READER = "reader"
    FREE_BUSY = "free_busy"


class Scope(StrEnum):
    """What the pages of one listing say: only what changed, or all there is in a window."""

    DELTA = "delta"
    SNAPSHOT = "snapshot"


class NotificationKind(StrEnum):
    """What a provider's notification asks for."""

    CHANGED = "changed"
    """Something in the calendar changed: pull."""
    MISSED = "missed"
    """The provider dropped notifications: pull."""
    REMOVED = "removed"
    """The provider ended the subscription: subscribe anew, then pull."""
    REAUTHORIZE = "reauthorize"
    """The subscription must be renewed soon: renew."""


class Coverage(StrEnum):
    """What one subscription watches."""

    CALENDAR = "calendar"
    ACCOUNT = "account"


# --- the event ------------------------------------------------------------------------------------


@quickly_made
@dataclass(frozen=True, slots=True)
class Person:
    """An organiser or attendee's name and address."""

    email: str
    name: str = ""


@quickly_made
@dataclass(frozen=True, slots=True)
class Attendee:
    """A guest as data. Copies carry guests for people to read, never as invitees."""

    email: str
    name: str = ""
    role: Role = Role.REQUIRED
    answer: Answer = Answer.NEEDS_ACTION


@quickly_made
@dataclass(frozen=True, slots=True)
class Location:
    """A place: `name` is the one line that people read, the rest is kept where a provider gives it."""

    name: str
    address: str = ""
    latitude: float | None = None
    longitude: float | None = None


@quickly_made
@dataclass(frozen=True, slots=True)
class Reminder:
    """An alarm `minutes` before the start; `method` is "popup" or "email"."""

    minutes: int
    method: str = "popup"


@quickly_made
@dataclass(frozen=True, slots=True)
class Conference:
    """A way to join: `provider` as the calendar service names it, `url` for people to open.

    Without `provider` it is only an address in the event's text (`hub.plugin.text`); without `url` a wish:
    the calendar service that `provider` names makes the meeting, and the hub learns its address.
    """

    url: str
    provider: str = ""
    label: str = ""


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file by link, never by content."""

    url: str
    title: str = ""
    media_type: str = ""


@quickly_made
@dataclass(frozen=True, slots=True)
class SeriesException:
    """One occurrence of a series that was cancelled or changed (RFC 5545 RECURRENCE-ID).

    Every field but `original_start` and `cancelled` is None where the occurrence is as its series;
    an empty string (or tuple) means cleared.
    """

    original_start: date | datetime
    """Where the rule puts it: naive wall time in the series' `start_zone`, or a date if all-day."""
    cancelled: bool = False
    start: date | datetime | None = None
    end: date | datetime | None = None
    start_zone: str | None = None
    """IANA zone of `start` where it differs from the series' own; likewise `end_zone`. Where a provider shows
    one, `start` and `end` are both set, even if they have the digits of the usual ones."""
    end_zone: str | None = None
    title: str | None = None
    description: str | None = None
    location: Location | None = None
    """`Location("")` means cleared."""
    status: EventStatus | None = None
    show_as: ShowAs | None = None
    visibility: Visibility | None = None
    reminders: tuple[Reminder, ...] | None = None
    attendees: tuple[Attendee, ...] | None = None
    own_answer: Answer | None = None
    """Where the account's owner has answered for this occurrence alone."""
    conference: Conference | None = None
    """`Conference("")` means cleared."""
    attachments: tuple[Attachment, ...] | None = None
    categories: tuple[str, ...] | None = None
    color: str | None = None


@quickly_made
@dataclass(frozen=True, slots=True)
class When:
    """The time of an event, merged as one unit: start, end, zones, rule and exceptions."""

    start: date | datetime
    """A date (all-day) or a naive wall time."""
    end: date | datetime
    """Exclusive; of the same kind as `start`."""
    start_zone: str | None = None
    """IANA zone; None for all-day and for floating times."""
    end_zone: str | None = None
    recurrence: tuple[str, ...] = ()
    """RFC 5545 content lines `RRULE:…`, `RDATE…`, without DTSTART; empty for a single event. EXDATEs
    that hit an occurrence are carried as cancelled `exceptions`, not here. UNTIL is UTC for timed
    series and a date for all-day ones."""
    exceptions: tuple[SeriesException, ...] = ()
    """Sorted by `original_start`; one per original start: of several, a live one wins over a cancelled."""

    def __post_init__(self) -> None:
        count = len(self.exceptions)
        if count > 1 and len({e.original_start for e in self.exceptions}) < count:
            kept = {e.original_start: e for e in sorted(self.exceptions, key=lambda e: not e.cancelled)}
            one_each = tuple(e for e in self.exceptions if kept[e.original_start] is e)
            object.__setattr__(self, "exceptions", one_each)

    @property
    def all_day(self) -> bool:
        """Whether the event holds dates (decided by the provider's flag, never by the clock)."""
        return not isinstance(self.start, datetime)

    @property
    def is_series(self) -> bool:
        return bool(self.recurrence)


@quickly_made
@dataclass(frozen=True, slots=True)
class EventContent:
    """What an event means, apart from any provider: the unit that is merged, field by field.

    Equality of two contents is equality of meaning: a plugin's `from_remote` normalises (line ends,
    trailing blanks, order) so that a provider's rewriting never looks like an edit.
    """

    when: When
    title: str = ""
    description: str = ""
    """Plain text, LF line ends, no trailing blanks. The hub's own text never stands in it."""
    description_html: str | None = field(default=None, compare=False)
    """The HTML that `description` was read from, if the provider holds HTML; never compared."""
    location: Location | None = None
    status: EventStatus = EventStatus.CONFIRMED
    show_as: ShowAs = ShowAs.BUSY
    visibility: Visibility = Visibility.DEFAULT
    reminders: tuple[Reminder, ...] | None = None
    """None: the calendar's default; empty: none at all."""
    organizer: Person | None = None
    attendees: tuple[Attendee, ...] = ()
    own_answer: Answer | None = None
    """The PARTSTAT of the account's own owner, who is a guest; None: nobody asked. It is read and never
    written with an event."""
    conference: Conference | None = None
    attachments: tuple[Attachment, ...] = ()
    categories: tuple[str, ...] = ()
    color: str | None = None
    """CSS3 colour name or `#rrggbb` (RFC 7986 COLOR, widened)."""
    priority: int = 0
    """RFC 5545 PRIORITY: 0 undefined, 1 highest, 9 lowest."""
    url: str | None = None
    """RFC 5545 URL: a page about the event."""


CONTENT_FIELDS: tuple[str, ...] = tuple(f.name for f in fields(EventContent) if f.compare)
"""The names of the fields that are merged one by one."""


def changed_fields(before: EventContent, after: EventContent) -> frozenset[str]:
    """Return the names of the fields whose meaning differs."""
    return frozenset(n for n in CONTENT_FIELDS if getattr(before, n) != getattr(after, n))


@quickly_made
@dataclass(frozen=True, slots=True)
class RemoteEvent:
    """One event (a single one, or a whole series with all its exceptions) as a provider shows it."""

    remote_id: str
    """The provider's id, byte for byte (case matters)."""
    version: str
    """The provider's version for If-Match (etag, change key); "" if it has none."""
    content: EventContent
    uid: str | None = None
    """RFC 5545 UID where the provider shows one that is equal in other mailboxes."""
    tag: str | None = None
    """The hub's own mark as `PushCreate.tag` gave it, if the provider shows it here."""
    web_link: str | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None
    """When any of it was last changed; a change of an occurrence is one of its series, too."""
    read_only: str | None = None
    """Why the hub must not write to it (someone else's meeting, a birthday …); None if it may."""
    own_fields: frozenset[str] = frozenset()
    """Where `read_only` is set: the fields of `EventContent` that are the account owner's own all the same
    (a guest's reminders …), and may be written without anybody being told. Likewise for `notify_only`."""
    notify_only: str | None = None
    """Set where the provider mails the guests of every change, whatever it is asked: why the hub writes it
    only with `notify`."""
    partial_fields: frozenset[str] = frozenset()
    """The fields of which the provider shows a part only (a long guest list): what is not there is not
    gone, and the hub never writes them."""
    notice: str | None = None
    """What could not be understood of it and how it is kept instead (a time zone that nobody knows …): one
    sentence for people, shown beside the event; None if all of it was."""


@quickly_made
@dataclass(frozen=True, slots=True)
class RemoteChange:
    """One upsert (`event` is set) or one deletion (`event` is None) that a listing told of."""

    remote_id: str
    event: RemoteEvent | None = None
    certain: bool = True
    """For a deletion: False if the provider's word is no proof (it may only have left the window);
    the hub then asks `get_event` before it believes it."""
    fault: str | None = None
    """Set (with `event` None) when this item could not be understood: the hub parks it by this reason
    and goes on with the rest of the page. Never read as a deletion."""


@dataclass(frozen=True, slots=True)
class Window:
    """Half-open span of time [start, end), aware UTC datetimes."""

    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class ChangePage:
    """One page of a listing: exactly one of `next_page` and `next_cursor` is set."""

    changes: tuple[RemoteChange, ...]
    scope: Scope
    next_page: str | None = None
    """Opaque; ask for it with the same cursor and window, soon."""
    next_cursor: str | None = None
    """Opaque; on the last page only. The hub stores it with that page. What changes after the first page,
    and is on no later one, is listed from this cursor on."""
    window: Window | None = None
    """For a snapshot: the span that the listing covers; None if it covers everything."""


# --- accounts and calendars -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Tokens:
    """What a token endpoint answered."""

    access_token: str = field(repr=False)
    expires_at: datetime
    scopes: tuple[str, ...]
    """What was granted, in the plugin's own short spelling (as in `ProviderInfo.scopes`)."""
    refresh_token: str | None = field(default=None, repr=False)
    """None if none came with this answer: the hub keeps the one it has."""


@dataclass(frozen=True, slots=True)
class RemoteAccount:
    """Who signed in: `remote_id` never changes for that person, `email` may."""

    remote_id: str
    email: str
    name: str = ""


@dataclass(frozen=True, slots=True)
class NewGrant:
    """What came of a consent."""

    tokens: Tokens
    account: RemoteAccount


@dataclass(frozen=True, slots=True)
class RemoteCalendar:
    """A calendar that an account can see."""

    remote_id: str
    name: str
    access_role: AccessRole = AccessRole.OWNER
    zone: str | None = None
    """IANA zone, if the provider tells it."""
    color: str | None = None
    """`#rrggbb`."""
    primary: bool = False
    can_watch: bool = True
    """False if the provider is known not to send notifications for it."""

    @property
    def writable(self) -> bool:
        return self.access_role in (AccessRole.OWNER, AccessRole.WRITER)


@dataclass(frozen=True, slots=True)
class Call:
    """What every hook that speaks for an account is handed: a token, settings, time. Nothing to keep."""

    access_token: str = field(repr=False)
    account: RemoteAccount
    settings: Mapping[str, str] = field(repr=False)
    """The plugin's own settings by the names it declared in `ProviderInfo.settings`."""
    now: datetime
    """The hub's clock: a plugin asks no other."""
    deadline: float = 12.0
    """Seconds after which the hub stops waiting: use it as the HTTP timeout."""


# --- OAuth ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class AuthorizationRequest:
    """What an authorization URL is built from (RFC 6749 4.1.1, RFC 7636 S256)."""

    redirect_uri: str
    state: str
    code_challenge: str
    login_hint: str | None = None
    force_consent: bool = False
    """Ask for consent again, since no refresh token is held."""


@dataclass(frozen=True, slots=True)
class CodeExchange:
    """What a code is exchanged with (RFC 6749 4.1.3, RFC 7636 4.5)."""

    code: str
    redirect_uri: str
    code_verifier: str = field(repr=False)


# --- subscriptions and notifications ---------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SubscribeRequest:
    """What the hub wants watched, and how the provider's calls will be recognised."""

    channel_id: str
    """The hub's id of the channel, [a-z0-9]{16,40}; the plugin must get it back in notifications."""
    secret: str = field(repr=False)
    """URL-safe, at most 64 characters; must come back with each notification."""
    callback_url: str
    """Where this provider's notifications go."""
    expires_at: datetime
    """How long the hub would like it; the plugin asks for less where the provider allows less."""


@dataclass(frozen=True, slots=True)
class Subscription:
    """A live subscription, as `subscribe` and `renew` return it and `unsubscribe` needs it."""

    channel_id: str
    remote_id: str
    """The provider's own id of it, which `unsubscribe` names."""
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class ProviderRequest:
    """One HTTP request that came to the hub's callback address."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    """Lower-case names."""
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """What the hub must answer literally (a handshake)."""

    status: int
    body: str = ""
    content_type: str = "text/plain"


@dataclass(frozen=True, slots=True)
class Notification:
    """One notice. The hub compares `secret` with the channel's in constant time and trusts nothing else."""

    channel_id: str
    secret: str = field(repr=False)
    kind: NotificationKind = NotificationKind.CHANGED
    remote_id: str | None = None
    """The provider's id of the subscription, if it is told: must fit the channel's."""


@dataclass(frozen=True, slots=True)
class Reception:
    """What a plugin made of one request: a literal answer, or notices (then the hub answers 202)."""

    notifications: tuple[Notification, ...] = ()
    answer: HttpAnswer | None = None


# --- writing ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class PushCreate:
    """Write an event that the provider does not have.

    Idempotent by `create_id`: a second push with the same id finds what the first one made and returns it
    as it is, since a person may have edited it meanwhile. Without an `attempt`, what is there and differs
    is a `RetryLaterError`: the hub comes again with one.
    """

    create_id: str
    """26 to 64 characters of [0-9a-v], made before the first try and kept."""
    tag: str
    """The hub's mark, at most 64 characters, to be stored where people do not see it."""
    content: EventContent
    attempt: int = 0
    """Above 0: an earlier try may have been applied; read before writing, and write nothing if it was.
    What it made and somebody has deleted since is a `GoneError`, where the provider can tell."""
    notify: bool = False
    """Invite the guests of `content` and have them told; else it is made without guests."""
    fields: frozenset[str] = frozenset(CONTENT_FIELDS)
    """The fields that are to be written. The others are at their default in `content`: a link leaves them
    alone, so that no request may name them."""


@dataclass(frozen=True, slots=True)
class PushUpdate:
    """Bring `fields` of an event to `content`; leave the other fields alone."""

    remote_id: str
    version: str
    """Sent as If-Match: a newer one at the provider is a `VersionMovedError`. "" means whatever is there."""
    content: EventContent
    base: EventContent
    """What the provider last showed: the plugin writes the difference, as few calls as it can."""
    fields: frozenset[str]
    notify: bool = False
    """Have the guests told. Only then may `fields` hold `attendees`: exactly those of `content` are then
    invited, and who was and stays keeps answer and all. Else guests are left alone and nobody is told."""


@dataclass(frozen=True, slots=True)
class PushDelete:
    """Delete an event; what is already gone is a `GoneError`."""

    remote_id: str
    version: str
    notify: bool = False
    """Have the guests told that it is cancelled; else nobody is told."""


@dataclass(frozen=True, slots=True)
class PushAnswer:
    """Answer an invitation for the account's owner, who is a guest: nothing else of it is touched.

    What is answered so already is not answered again.
    """

    remote_id: str
    base: EventContent
    """What the provider last showed."""
    answer: Answer
    comment: str = ""
    notify: bool = True
    """Have the organiser told, where the provider leaves a choice."""
    original_start: date | datetime | None = None
    """Set: the answer is for this occurrence of a series alone."""


Push = PushCreate | PushUpdate | PushDelete | PushAnswer


@dataclass(frozen=True, slots=True)
class Loss:
    """A field that a provider cannot hold as it is, and why, in one sentence for people."""

    field: str
    reason: str


@dataclass(frozen=True, slots=True)
class Projection:
    """What of an event a provider can hold. `refusal` is set if it can hold none of it truthfully."""

    content: EventContent
    losses: tuple[Loss, ...] = ()
    refusal: str | None = None


# --- the provider itself ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Setting:
    """A setting that the plugin needs: read by the hub from `HUB_<PROVIDER>_<NAME>` and handed in."""

    name: str
    """Upper case, such as API_URL."""
    help: str
    default: str = ""
    secret: bool = False
    required: bool = False


@dataclass(frozen=True, slots=True)
class Limits:
    """How fast the hub may call: it enforces these and obeys Retry-After besides."""

    per_account_per_minute: int = 600
    per_project_per_minute: int = 10_000
    per_account_concurrency: int = 2


@dataclass(frozen=True, slots=True)
class ProviderInfo:
    """What the hub knows of a provider before anyone connects."""

    name: str
    """Short, [a-z][a-z0-9_]*: names routes, settings and rows."""
    label: str
    """The name that people know."""
    scopes: tuple[str, ...]
    """All that must be granted, in the spelling of `Tokens.scopes`."""
    settings: tuple[Setting, ...] = ()
    limits: Limits = Limits()
    coverage: Coverage = Coverage.CALENDAR
    """Whether one subscription watches a calendar or a whole account."""
    window_days: tuple[int, int] | None = None
    """(past, future) if listings are bound to a window that must be moved on; None if they are not."""
    setup_url: str | None = None
    """Where an operator registers the hub as a client."""
    fidelity: Fidelity | None = None
    """What becomes of each field of an event, for people; None if the plugin does not tell."""


@dataclass(frozen=True, slots=True)
class SandboxOptions:
    """How to start a sandbox."""

    base_url: str
    """Where its server will listen, without a trailing slash."""
    seed: int = 0
    state_path: str | None = None
    """A file to keep its state in over restarts; None: memory only."""
    client_id: str = "hub"
    client_secret: str = field(default="sandbox-secret", repr=False)
    durable: bool = False
    """Answer only when the state is in that file, so that a killed process forgets nothing that it said."""
    checked: bool = False
    """Compare each answer with the provider's published contract (`Sandbox.faults`)."""


@dataclass(frozen=True, slots=True)
class Sandbox:
    """A provider played locally: a WSGI app, and the plugin's settings that point at it."""

    app: Callable[..., Iterable[bytes]]
    settings: Mapping[str, str]
    """Values for `ProviderInfo.settings`, by their names."""
    close: Callable[[], Any]
    """Ends its threads."""
    faults: Callable[[], list[str]] = list
    """Tells which answers did not fit the provider's published contract, if it was asked to compare them."""

"""The sandbox's switches and what they are at first."""

from __future__ import annotations

from typing import Any

SWITCHES: dict[str, Any] = {
    "duplicate_transaction_status": 400,
    "transaction_seconds": 0,  # for so long a transactionId is remembered; 0: for ever
    "existing_event_id": False,
    "drop_exceptions": ["recurrence", "start", "end"],  # a series whose master gets another one of these
    # loses its exceptions and cancellations; []: none does that; ["*"]: any property does
    "first_day_required": False,  # True: a weekly pattern has to say when weeks begin
    "longest_subject": 0,  # longer ones are refused; likewise the next two; 0: no limit
    "most_reminder_minutes": 0,
    "most_occurrences": 0,
    "refused_zones": [],  # names of zones that are refused, as some are that are no Windows names
    "iana_zones": "all",  # or listed (those that Graph's pages name), none: which IANA names are taken
    "iana_echo": False,  # True: zones that were written with an IANA name are shown by it, not by their twin
    "iana_labels": True,  # False: times are labelled with a Windows name also for who prefers an IANA one
    "text_echo": False,  # True: the answer to a write shows a text as it was sent, not the HTML made of it
    "drift_seconds": 0.0,  # so long after a write the event gets another change key, with nothing changed
    "restless_html": False,  # each read shows the HTML of a text with other harmless markup
    "expand_in_views": True,  # False: calendarView shows no extended properties
    "most_on_a_page": 1000,
    "declined_stays": True,  # False: what the owner declines leaves the calendar at once
    "extra_updates": 1,
    "notify": True,
    "drop_notifications": 0,
    "duplicate_notifications": 0,
    "notify_delay": 0.0,
    "shuffle_notifications": False,
    "slow_after": 10.0,  # an answer to a notice that takes longer counts as slow
    "endpoint_sample": 20,  # from so many answers within ten minutes on an address may count as slow
    "slow_delay": 10.0,  # so much later a slow address is told
    "warn_again_seconds": 900.0,  # so often a subscription is told again to be reauthorised; 0: once
    "pause_while_pending": True,  # nothing is told of a subscription that waits to be reauthorised
    "calendar_subscriptions": True,  # False: only all events of a mailbox can be watched
    "http_callbacks": True,  # False: only https addresses are told
    "validation_code": "ValidationError",  # of a subscription that is refused, also for its handshake
    "handshake_failure": "Subscription validation request {}.",  # what is said of it: "failed", "timed out"
    "handshake_seconds": 10.0,
    "handshake_token": "Validation: Testing client application reachability for subscription Request-Id: {}",
    "shorter_subscriptions": 0,  # subscriptions live so many minutes at most, whatever was asked for
    "refuse_second": True,  # False: the same changes may be watched twice
    "conflict_names_id": True,  # False: a refusal does not say which subscription stands in the way
    "personal_tenant": "9188040d-6c67-4c5b-b112-36a304b66dad",
    "deliver_after_stop": False,
    "shuffle_delta": False,
    "duplicate_delta": False,
    "empty_delta_pages": 0,  # so many come before each page that holds something
    "delta_masters": "with",  # or later (all masters come on the last page), missing: where masters stand
    "removed_reason": "deleted",
    "swap_tokens": False,  # True: a nextLink holds a $deltatoken, a deltaLink a $skiptoken
    "delta_text": True,  # False: delta shows HTML also to who prefers text
    "heavy_window_days": 0,  # rounds over longer windows with an endless series in them end in 504
    "endless_delta": "",  # or sized (where a page size is asked for), days (over spans so long), always
    "endless_delta_days": 100,
    "overlap_delta": False,
    "page_limit": 0,  # pages of delta are no larger, whatever was asked for
    "lost_next_link": False,  # lists end after their first page, and say nothing of more
    "delta_ignores_options": False,  # True: $select and the like are passed over
    "delta_by_calendar": True,  # False: links of the main calendar say /calendar/calendarView/delta
    "series_tombstones": False,  # True: a deleted series is removed with each of its occurrences
    "links_keep_preferences": False,  # True: a round goes on with the preferences that it began with
    "tiny_page": 0,  # smaller pages of a calendar with an endless series end in 504
    "resync": "",  # or resyncRequired: each round is to begin anew, with this code
    "resync_location": False,  # True: a 410 says where to begin
    "immutable_occurrences": True,  # False: occurrences have one form of id only
    "immutable_oids": False,  # True: occurrenceId holds the immutable id of the series
    "immutable_ids": True,  # False: the preference for them is not heeded
    "zone_names": {},  # what is shown instead of the names of zones, as of those that somebody made
    "read_lag": 0.0,  # for so many seconds reads show events as they were before a change
    "delta_lag": 0.0,
    "delta_generations": 0,
    "delta_page_size": 50,
    "qualified_scopes": False,
    "token_seconds": 3599,
    "redirect_uris": [],  # the registered ones; []: any
    "claims_challenge": False,  # True: calls are answered that the person has to sign in again
    "single_use_refresh_tokens": False,
    "refresh_token_once": False,  # True: a second consent brings no refresh token
    "concurrency": 4,
    "calls_per_ten_minutes": 10_000,
    "throttled_status": 429,
    "retry_after": "2",
    "subscription_minutes": 10_070,
    "subscriptions_per_mailbox": 1000,
    "strict": False,  # complain of calls that no careful client makes (GET /_control/complaints)
    "tenant_error": "",
}
"""What the provider's pages leave open or differ on, and services that tests want worse than they are."""

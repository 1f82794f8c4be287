"""The sandbox's switches and what they are at first."""

from __future__ import annotations

from typing import Any

SWITCHES: dict[str, Any] = {
    "duplicate_transaction_status": 400,
    "existing_event_id": False,
    "drop_exceptions": True,
    "declined_stays": True,  # False: what the owner declines leaves the calendar at once
    "extra_updates": 1,
    "notify": True,
    "drop_notifications": 0,
    "duplicate_notifications": 0,
    "notify_delay": 0.0,
    "deliver_after_stop": False,
    "shuffle_delta": False,
    "duplicate_delta": False,
    "empty_delta_pages": False,
    "endless_delta": "",  # or sized (where a page size is asked for), days (over spans so long), always
    "endless_delta_days": 100,
    "overlap_delta": False,
    "page_limit": 0,  # pages of delta are no larger, whatever was asked for
    "lost_next_link": False,  # lists end after their first page, and say nothing of more
    "immutable_ids": True,  # False: the preference for them is not heeded
    "zone_names": {},  # what is shown instead of the names of zones, as of those that somebody made
    "read_lag": 0.0,  # for so many seconds reads show events as they were before a change
    "delta_lag": 0.0,
    "delta_generations": 0,
    "delta_page_size": 50,
    "qualified_scopes": False,
    "token_seconds": 3599,
    "concurrency": 0,
    "retry_after": "2",
    "subscription_minutes": 10_070,
    "subscriptions_per_mailbox": 1000,
    "tenant_error": "",
}
"""What the provider's pages leave open or differ on, and services that tests want worse than they are."""

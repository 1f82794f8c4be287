"""HUB -> PROVIDER: an edit makes copies wanted, the outbox lists them, a push writes them."""

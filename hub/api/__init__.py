"""User calls in: the REST API under /v1, its description, and the health of this process."""

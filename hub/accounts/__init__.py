"""What stands behind the API and the page: keys, sessions, connecting, and what people are shown."""

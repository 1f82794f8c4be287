"""Pages for people: connect, choose calendars, the week, the health of links. No build step."""

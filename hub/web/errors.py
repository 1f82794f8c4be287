"""Error pages in plain words: what happened, and what to do now."""

from __future__ import annotations

from http import HTTPStatus

from flask import Response, g, make_response, render_template

_WORDS = {
    401: ("Please sign in", "Ask the application that you use the hub with for a new sign-in link."),
    403: ("That was not accepted", "Go back, reload the page and try again."),
    404: ("There is nothing here", "It may have been deleted. Go back to the overview."),
    405: ("That is not possible here", "Go back to the overview."),
    412: ("Someone was faster", "The event has changed meanwhile: open it again and repeat your change."),
    413: ("That is too large", "Shorten the text and try again."),
}
_ELSE = ("Something went wrong", "Try again in a moment. If it stays, tell the operator the number below.")


def page(
    status: int, detail: str, *, title: str = "", advice: str = "", again: str | None = None, back: str = "/"
) -> Response:
    """Return an error page.

    Args:
        again: an address that tries the same once more.
        back: where the way out leads.
    """
    known_title, known_advice = _WORDS.get(status, _ELSE)
    html = render_template(
        "error.html",
        status=status,
        title=title or known_title,
        detail=detail if detail != HTTPStatus(status).description else "",
        advice=advice or known_advice,
        again=again,
        back=back,
        request_id=g.get("request_id", ""),
    )
    return make_response(html, status)

"""HTML from elsewhere: read as people read it, and shown only as far as it can do no harm."""

from __future__ import annotations

from collections.abc import Callable
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.domain.html import safe, text_of
from tests.growth import is_even


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("plain", "plain"),
        ("one<br>two", "one\ntwo"),
        ("<p>one</p>\n<p>two</p>", "one\ntwo"),
        ("<b>fat</b> and <i>thin</i>\n again", "fat and thin again"),
        ("<ul><li>a</li><li>b</li></ul>after", "- a\n- b\nafter"),
        ('<a href="https://x.test/1">here</a>', "here (https://x.test/1)"),
        ('<a href="https://x.test/1">https://x.test/1</a>', "https://x.test/1"),
        ('<a href="javascript:alert(1)">here</a>', "here"),
        ('<a href="https://x.test/1">one<a href="https://x.test/2">two</a>',
         "one (https://x.test/1)two (https://x.test/2)"),
        ("1 <b>and 2 <c", "1 and 2 <c"),
        ("seen <!-- for ever <i>seen", "seen <!-- for ever <i>seen"),
        ("<svg><title>a</svg>b</title>c", "bc"),
        ("<head><style>p{}</style></head><body>seen<script>x()</script></body>", "seen"),
        ("<pre>a\n  b</pre>", "a\n  b"),
        ("1 &lt; 2 &amp; 3&nbsp;€", "1 < 2 & 3 €"),
        ("<![if !mso]>for all<![endif]><![x y]>, and <![ 1]>so on", "for all, and so on"),
    ],
)  # fmt: skip
def test_html_is_read_as_a_browser_shows_it(html: str, text: str) -> None:
    assert text_of(html) == text


@pytest.mark.parametrize(
    ("html", "shown"),
    [
        ("<p onclick='x()' style='y'>a</p>", "<p>a</p>"),
        ("<script>alert(1)</script>after", "after"),
        ("<img src=x onerror=alert(1)>", ""),
        ('<a href=" JavaScript:alert(1)">a</a>', "<a>a</a>"),
        ("<b>never closed", "<b>never closed</b>"),
        ("</div><i>a</b></i>", "<i>a</i>"),
        ("&lt;script&gt;", "&lt;script&gt;"),
        ("<svg><script>x</script></svg>b", "b"),
    ],
)
def test_what_is_shown_can_do_nothing(html: str, shown: str) -> None:
    assert safe(html) == shown


def test_a_link_leads_away_and_tells_nobody_whence() -> None:
    assert 'href="https://x.test/?a=1&amp;b=&quot;" rel="noopener' in safe(
        "<a href='https://x.test/?a=1&b=\"'>x</a>"
    )


class _Watcher(HTMLParser):
    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag not in ("script", "style", "img", "svg", "iframe")
        assert {name for name, _ in attrs} <= {"href", "rel", "target"}


PIECES = st.sampled_from([
    "<", ">", "</", "<!--", "-->", "<script>", "<a href='", "'", '"', "javascript:", "<img src=x ", "onload=",
    "&", "&lt;", "<svg/onload=x>", "<p>", "</p>", "<![CDATA[", "]]>", "<![x ", "<?", "\0", "text", "<style>",
])  # fmt: skip


@given(st.lists(PIECES, max_size=12).map("".join))
def test_nothing_harmful_can_be_put_together(html: str) -> None:
    _Watcher().feed(safe(html))
    assert "<script" not in safe(html).lower()
    assert safe(safe(html)) == safe(html)


HOSTILE = [
    "<a ", "<a/", "</a ", "<!--", "<!--x>", "<?", "<!", "<![", "<a href='", "<a b='>' ", "<a b='\">",
    "<svg></b>", "<svg><math>", "<a href='https://x.test'>", "<script></", "<", "&", "<p>", "</p>", "<a\0>",
]  # fmt: skip


@pytest.mark.parametrize("function", [text_of, safe])
@pytest.mark.parametrize("piece", HOSTILE)
def test_no_html_takes_longer_than_its_length_explains(function: Callable[[str], str], piece: str) -> None:
    assert is_even(function, piece * (2000 // len(piece)))


def test_links_that_never_end_take_no_longer_than_others() -> None:
    ends = "</a>" * 8000
    assert is_even(lambda text: text_of(text + ends), "<a href='https://x.test'>" * 250)

"""Descriptions: what people wrote stays, whatever Google's editor makes of it."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub_google.text import (
    clean,
    html_of,
    is_html,
    read_description,
    read_html,
    read_texts,
    write_description,
)


@given(st.text(alphabet=st.characters() | st.sampled_from("<>&;/ab \n\r\t\"'!-#x0")))
def test_any_text_reads_back_as_it_was_written(text: str) -> None:
    assert read_description(write_description(text)) == clean(text)


PIECES = st.sampled_from([
    "<b>", "</b>", "<br>", "<p>", "<p class='x'>", "<a href='https://x.test/1'>", "</a>", "<!--", "-->",
    "<o:p>", "<https://x.test/2>", "<bob@x.test>", "<name>", "</name>", "<title>", "<b and c>", "<", ">",
    "</", "<!x>", "<?x>", "<3", "&lt;", "&amp;", "&", ";", "'", '"', "/", "=", " ", "\n", "word",
])  # fmt: skip


@settings(max_examples=500)
@given(st.lists(PIECES, max_size=12).map("".join))
def test_markup_and_brackets_in_any_order_are_read_back_as_they_were_read(shown: str) -> None:
    text, html = read_description(shown), html_of(shown)
    assert read_description(write_description(text)) == text
    assert read_description(write_description(text, html)) == text
    if html is not None:
        assert read_description(html) == text and html_of(html) == html


JOIN = "https://meet.test/j?a=1&b=2"


@settings(max_examples=500)
@given(st.lists(PIECES, max_size=12).map("".join))
def test_how_to_join_can_be_said_in_any_html_and_is_read_back(shown: str) -> None:
    text, html = read_description(shown), html_of(shown)
    written = write_description(text, html, JOIN)
    assert read_texts(written) == (text, JOIN)
    kept = read_html(written, text, JOIN)
    assert kept is None or read_description(kept) == text
    assert read_texts(write_description(text, kept, JOIN)) == (text, JOIN)


@pytest.mark.parametrize(
    ("html", "written"),
    [
        ("Bring <b>cake</b>", "Bring <b>cake</b><br><br>{}"),
        ("<p>Bring</p><ul><li>cake</li></ul>", "<p>Bring</p><ul><li>cake</li></ul><br><br>{}"),
        ("Fish &amp; chips", "Fish &amp; chips<br><br>{}"),
    ],
)
def test_how_to_join_stands_below_html_as_html_and_the_html_comes_back(html: str, written: str) -> None:
    text = read_description(html)
    line = "Join the meeting: https://meet.test/j?a=1&amp;b=2"
    whole = write_description(text, html, JOIN)
    assert whole == written.format(line)
    assert read_html(whole, *read_texts(whole)) == html
    address = line.removeprefix("Join the meeting: ")
    edited = f'{html}<p>Join the meeting: <a href="{address}" target="_blank">{address}</a></p>'
    assert read_texts(edited) == (text, JOIN) and read_html(edited, text, JOIN) == html


def test_html_that_leaves_something_open_gives_way_to_how_to_join() -> None:
    assert read_texts(write_description("seen", "seen<script>", JOIN)) == ("seen", JOIN)


@pytest.mark.parametrize(
    "text",
    [
        "Join <https://zoom.us/j/123?pwd=x> now",
        "Call <tel:+43-1-2345>",
        "Host: Bob <bob@x.test>",
        "Dear <name>, at <time> in <place>",
        "x<y and y>z, a<b and b>c",
        "One </end>, I <3 you",
    ],
)
def test_what_stands_in_brackets_and_is_no_element_is_text(text: str) -> None:
    assert not is_html(text) and read_description(text) == text
    mixed = f"<p>{text}</p>See <b>below</b>"
    assert read_description(mixed) == f"{text}\nSee below"
    assert read_description(html_of(mixed) or "") == read_description(mixed)


def test_what_a_browser_would_take_for_a_tag_is_written_escaped() -> None:
    assert (
        write_description("Join <https://x.test/1> at 9 < 10") == "Join &lt;https://x.test/1&gt; at 9 &lt; 10"
    )
    assert write_description("9 < 10 & 3 > 2") == "9 < 10 & 3 > 2"


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("One<br>two<br/>three", "One\ntwo\nthree"),
        ("<p>One</p><p>two</p>", "One\ntwo"),
        ("<ul><li>a</li><li>b</li></ul>", "- a\n- b"),
        ("Fish &amp; chips&nbsp;", "Fish & chips"),
        ('<a href="https://example.test/">https://example.test/</a>', "https://example.test/"),
        ('<a href="https://example.test/">Agenda</a>', "Agenda (https://example.test/)"),
        ("plain < text > here & there", "plain < text > here & there"),
        ("&lt;script&gt;", "<script>"),
        ("One<br><![x y]>two<![endif]>", "One\ntwo"),
    ],
)
def test_html_is_read_as_people_see_it(html: str, text: str) -> None:
    assert read_description(html) == text

"""Descriptions: what people wrote stays, whatever Google's editor makes of it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub_google.text import clean, read_description, write_description


@given(st.text(alphabet=st.characters() | st.sampled_from("<>&;/ab \n\r\t\"'!-#x0")))
def test_any_text_reads_back_as_it_was_written(text: str) -> None:
    assert read_description(write_description(text)) == clean(text)


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

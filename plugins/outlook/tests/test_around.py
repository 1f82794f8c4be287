"""A text that is written anew around what Outlook keeps in its HTML, as several programs write that."""

from __future__ import annotations

import pytest

from hub_outlook.around import UnkeepableError, rewritten

LINE = "_" * 80
BLOCK = (
    f'<div><span style="white-space:nowrap">{LINE}</span></div><div class="me-email-text" lang="en">'
    '<div><span>Microsoft Teams</span></div><a href="https://teams.microsoft.com/l/1">Join&nbsp;now</a></div>'
    f"<div><span>{LINE}</span></div>"
)
HEAD = '<html><head>\r\n<style><!-- p {margin:0} --></style></head><body lang="en">'
LOGO = '<img width="10" src="cid:image001.png@01DB" alt="a > b">'


@pytest.mark.parametrize(
    "source",
    [
        f"{HEAD}<p>Old &amp; long</p>\r\n{BLOCK}</body></html>",
        f"{HEAD}{BLOCK}</body></html>",
        f'{HEAD}<div class="WordSection1"><p>Old</p>{BLOCK}</div></body>\r\n</html>',
        f"{HEAD}<div><div>Old<br>{BLOCK}</div><p></p></div></body></html>",
        f"{HEAD}<table><tr><td>Old</td></tr></table>{BLOCK}</body></html>",
        f"{HEAD}<p><![if !supportLists]>Old<![endif]> <![x y]></p>\r\n<![ z]>{BLOCK}</body></html>",
    ],
)  # fmt: skip
def test_how_to_join_stays_as_it_is(source: str) -> None:
    written = rewritten(source, "Old", "New <b>\n\n & so on", is_meeting=True)
    assert written.startswith(HEAD) and written.endswith("</body></html>")
    assert written.count(BLOCK) == 1 and "Old" not in written
    assert "New &lt;b&gt;<br>\r\n<br>\r\n&nbsp;&amp; so on</div>" in written
    inside = written[len(HEAD) : -len("</body></html>")]
    assert inside.count("<div") == inside.count("</div>"), "no element ends that did not begin"
    again = rewritten(written, "New", "Newer", is_meeting=True)
    assert again == rewritten(source, "Old", "Newer", is_meeting=True)


def test_a_block_in_the_text_itself_is_cut_where_it_begins() -> None:
    source = f"<html><body>Old<br>{LINE}<br>Microsoft Teams meeting<br>{LINE}</body></html>"
    written = rewritten(source, "Old", "New", is_meeting=True)
    assert written == f"<html><body><div>New</div>{LINE}<br>Microsoft Teams meeting<br>{LINE}</body></html>"
    bare = f"{LINE}<br>https://teams.live.com/1"
    assert rewritten(bare, "", "New", is_meeting=True) == f"<html><body><div>New</div>{bare}</body></html>"


@pytest.mark.parametrize(
    "source", ["", f"{HEAD}Old</body></html>", f"{HEAD}{LINE}<p>Regards</p></body></html>"]
)
def test_a_meeting_whose_block_is_not_found_is_left_alone(source: str) -> None:
    with pytest.raises(UnkeepableError, match="change the text there"):
        rewritten(source, "Old", "New", is_meeting=True)


@pytest.mark.parametrize(
    "old", [f"Name: {LINE} (sign)", f"<b>Name:</b> {LINE}<br>more", f"Name:&amp;{LINE}", f"{LINE} is a line"]
)
def test_a_line_to_be_filled_in_is_text_and_no_beginning_of_a_block(old: str) -> None:
    source = f"{HEAD}<p>{old}</p>{BLOCK}</body></html>"
    assert rewritten(source, "Old", "New", is_meeting=True) == f"{HEAD}<div>New</div>{BLOCK}</body></html>"


def test_a_block_that_was_copied_into_another_event_is_text() -> None:
    source = f"{HEAD}<p>Old</p>{BLOCK}{LOGO}</body></html>"
    written = rewritten(source, f"Old\n{LINE} [picture]", "New [picture]", is_meeting=False)
    assert written == f"{HEAD}<div>New {LOGO}</div></body></html>"


def test_a_meeting_that_may_have_no_block_is_written_without() -> None:
    source = f"{HEAD}<p>Old</p></body></html>"
    written = rewritten(source, "Old", "New", is_meeting=True, is_optional=True)
    assert written == f"{HEAD}<div>New</div></body></html>"


def test_pictures_stay_in_their_order_and_none_is_lost() -> None:
    source = (
        f'{HEAD}<p>One {LOGO}, [picture], two <IMG SRC="CID:2"/><img src="https://x.test/spy.png"></p></body>'
    )
    before = "One [picture], [picture], two [picture]"
    written = rewritten(source, before, "[picture]\n[picture] [picture]\n[picture]", is_meeting=False)
    inside = f'{LOGO}<br>\r\n[picture] <IMG SRC="CID:2"/><br>\r\n[picture]'
    assert written == f"{HEAD}<div>{inside}</div></body></html>"
    with pytest.raises(UnkeepableError, match="take the picture out in Outlook"):
        rewritten(source, before, "[picture] and [picture]", is_meeting=False)
    with pytest.raises(UnkeepableError, match="not clear"):
        rewritten(source, "[picture]", "[picture] [picture] [picture]", is_meeting=False)


def test_pictures_of_the_block_are_no_pictures_of_the_text() -> None:
    block = BLOCK.replace("<span>Microsoft", f"{LOGO}<span>Microsoft")
    source = f"{HEAD}<p>Old</p>{block}</body></html>"
    assert block in rewritten(source, "Old", "New", is_meeting=True)

"""FLD, texts: what providers make of them never looks like an edit, and costs nobody a word."""

from __future__ import annotations

import dataclasses
from datetime import datetime, timedelta
from typing import Any

import pytest

from hub.plugin.testing import series, timed
from hub.plugin.types import Conference, Location, SeriesException
from tests.provider_world import ProviderWorld, Side
from tests.scenarios.play import clear, other, writes

TEN = datetime(2026, 12, 3, 10)
DAY = timedelta(days=1)
GOOGLE = {
    "start": {"dateTime": "2026-12-03T10:00:00", "timeZone": "Europe/Berlin"},
    "end": {"dateTime": "2026-12-03T11:00:00", "timeZone": "Europe/Berlin"},
}
OUTLOOK = {
    "start": {"dateTime": "2026-12-03T10:00:00", "timeZone": "W. Europe Standard Time"},
    "end": {"dateTime": "2026-12-03T11:00:00", "timeZone": "W. Europe Standard Time"},
}
TIMES = {"google": GOOGLE, "outlook": OUTLOOK}
HTML = 'See <a href="https://example.test/a?b=1&amp;c=2">the plan</a><br>Bring <b>cake</b> &amp; tea <br><br>'
BLOCK = (
    f"-::~:~::{'~:' * 20}~::-\nJoin with Google Meet: https://meet.google.com/abc\n-::~:~::{'~:' * 20}~::-"
)


def rounds(world: ProviderWorld, times: int = 6) -> None:
    for _ in range(times):
        world.relist()
        world.sync()


def described(side: Side, title: str) -> str:
    return side.by_title()[title].description


def test_fld_01_html_that_both_sides_rewrite_is_written_once_and_read_as_it_was(world: ProviderWorld) -> None:
    world.google.create_raw(**GOOGLE, summary="Lunch", description=HTML)
    rounds(world)
    assert [c["method"] for c in writes(world.outlook)] == ["POST"]
    assert writes(world.google) == []
    shown = "See the plan (https://example.test/a?b=1&c=2)\nBring cake & tea"
    assert described(world.google, "Lunch") == described(world.outlook, "Lunch") == shown
    body = world.outlook.raw("Lunch")["body"]
    assert body["contentType"] == "html" and body["content"].startswith("<html><head>")
    assert world.google.raw("Lunch")["description"] == HTML
    world.assert_quiet()


def test_fld_01_html_of_outlook_is_written_once_too(world: ProviderWorld) -> None:
    body = {"contentType": "html", "content": f"<html><head></head><body><p>{HTML}</p></body></html>"}
    world.outlook.create_raw(**OUTLOOK, subject="Lunch", body=body)
    rounds(world)
    assert [c["method"] for c in writes(world.google)] == ["POST"]
    assert writes(world.outlook) == []
    assert described(world.google, "Lunch") == described(world.outlook, "Lunch")
    assert "cake & tea" in described(world.google, "Lunch")
    world.assert_quiet()


def test_fld_01_formatting_survives_an_edit_of_the_title_on_the_mirror(world: ProviderWorld) -> None:
    world.google.create_raw(**GOOGLE, summary="Lunch", description=HTML)
    world.sync()
    world.outlook.update(world.outlook.find("Lunch"), title="Dinner")
    world.sync()
    assert world.google.raw("Dinner")["description"] == HTML
    world.assert_quiet()


@pytest.mark.parametrize(
    "text", ["Join <https://zoom.us/j/123> now", "Host: Bob <bob@x.test>", "Dear <name>", "x<y and y>z"]
)
def test_fld_01_what_stands_in_angle_brackets_survives_an_edit_of_the_mirror(
    world: ProviderWorld, text: str
) -> None:
    world.google.create_raw(**GOOGLE, summary="Plain", description=text)
    world.google.create_raw(**GOOGLE, summary="Mixed", description=f"<b>Soon</b><br>{text}")
    world.sync()
    for title, whole in {"Plain": text, "Mixed": f"Soon\n{text}"}.items():
        assert described(world.outlook, title) == whole
        world.outlook.update(world.outlook.find(title), description=f"{whole}\nBring cake")
    rounds(world, 2)
    assert described(world.google, "Plain") == f"{text}\nBring cake"
    assert described(world.google, "Mixed") == f"Soon\n{text}\nBring cake"
    world.assert_quiet()


def test_fld_01_formatting_survives_that_a_meeting_is_added_changed_and_taken_away(
    world: ProviderWorld,
) -> None:
    world.google.create_raw(**GOOGLE, summary="Lunch", description=HTML)
    world.sync()
    event_id, content = world.hub_event("Lunch")
    for url in ("https://zoom.us/j/1?a=2&b=3", "https://zoom.us/j/4", ""):
        content = dataclasses.replace(content, conference=Conference(url) if url else None)
        world.api_updates(event_id, content)
        world.sync()
        shown = world.google.raw("Lunch")["description"]
        assert "<b>cake</b>" in shown and 'href="https://example.test/a?b=1&amp;c=2"' in shown
        assert world.google.by_title()["Lunch"].conference == content.conference
        _, kept = world.hub_event("Lunch")
        assert (kept.description, kept.conference) == (content.description, content.conference)
        assert kept.description_html and "<b>cake</b>" in kept.description_html
        assert "Join" not in kept.description_html
        world.assert_quiet()


def test_fld_01_a_formatted_event_with_a_meeting_is_written_with_both(world: ProviderWorld) -> None:
    html = "<p>Bring <b>cake</b></p>"
    content = timed("Lunch", TEN, description="Bring cake", conference=Conference("https://zoom.us/j/1"))
    event_id = world.api_creates(dataclasses.replace(content, description_html=html))
    world.sync()
    assert world.google.raw("Lunch")["description"].startswith(html)
    assert world.google.by_title()["Lunch"].conference == content.conference
    world.google.update(world.google.find("Lunch"), title="Dinner")
    world.sync()
    assert world.hub_event("Dinner")[1].description_html == html
    assert world.google.raw("Dinner")["description"].startswith(html)
    assert event_id == world.hub_event("Dinner")[0]
    world.assert_quiet()


def test_fld_01_the_address_of_a_link_survives_an_edit_of_the_mirror(world: ProviderWorld) -> None:
    content = '<html><body><p>Please <a href="https://zoom.us/j/1?pwd=x">join here</a></p></body></html>'
    body = {"contentType": "html", "content": content}
    world.outlook.create_raw(**OUTLOOK, subject="Talk", body=body)
    world.sync()
    text = "Please join here<https://zoom.us/j/1?pwd=x>"
    assert described(world.google, "Talk") == text
    world.google.update(world.google.find("Talk"), description=f"{text}, all")
    rounds(world, 2)
    assert described(world.outlook, "Talk") == f"{text}, all"
    assert "https://zoom.us/j/1?pwd=x" in world.outlook.raw("Talk")["body"]["content"]
    world.assert_quiet()


@pytest.mark.parametrize("source", ["outlook", "google"])
def test_fld_02_the_block_that_google_takes_out_is_not_written_again_and_again(
    world: ProviderWorld, source: str
) -> None:
    text = f"Agenda\n&lt;timeout&gt;30&lt;/timeout&gt;\n\n{BLOCK}"
    if source == "outlook":
        world.outlook.create(timed("Talk", TEN, description=text))
    else:
        world.google.create_raw(**GOOGLE, summary="Talk", description=text)
    rounds(world, 5)
    assert len(writes(other(world, source))) == 1
    assert writes(world.sides[source]) == []
    words = "<timeout>30</timeout>" if source == "google" else "&lt;timeout&gt;30&lt;/timeout&gt;"
    for side in world.sides.values():
        assert words in described(side, "Talk")
    assert described(world.google, "Talk") == f"Agenda\n{words}"
    world.assert_quiet()


def test_fld_02_an_edit_of_a_title_leaves_the_block_to_the_side_that_has_it(world: ProviderWorld) -> None:
    text = f"Agenda\n\n{BLOCK}"
    world.outlook.create(timed("Talk", TEN, description=text))
    world.sync()
    world.google.update(world.google.find("Talk"), title="Speech")
    world.sync()
    assert described(world.outlook, "Speech") == text
    world.assert_quiet()


def test_fld_05_a_text_that_only_one_side_has_stays_when_two_events_meet(unlinked: ProviderWorld) -> None:
    unlinked.link_primary("google")
    unlinked.google.create(timed("Review", TEN, description="One\ntwo\nthree"))
    unlinked.settle()
    unlinked.connect("outlook")
    unlinked.outlook.create(timed("Review", TEN))
    unlinked.link_primary("outlook")
    unlinked.sync()
    unlinked.outlook.update(unlinked.outlook.find("Review"), title="Review 2")
    unlinked.sync()
    for side in unlinked.sides.values():
        assert side.by_title()["Review 2"].description == "One\ntwo\nthree"
    unlinked.assert_quiet()


@pytest.mark.parametrize("side", ["google", "outlook"])
def test_fld_05_a_text_that_a_person_clears_is_cleared(world: ProviderWorld, side: str) -> None:
    world.google.create(timed("Review", TEN, description="One\ntwo\nthree"))
    world.sync()
    here = world.sides[side]
    here.update(here.find("Review"), description="")
    world.sync()
    assert {s.by_title()["Review"].description for s in world.sides.values()} == {""}
    world.assert_quiet()


@pytest.mark.parametrize("source", ["google", "outlook"])
def test_fld_06_events_without_a_title_cost_no_other_event(world: ProviderWorld, source: str) -> None:
    here, there = world.sides[source], other(world, source)
    for n in range(49):
        here.create(timed(f"Event {n}", TEN))
    untitled: dict[str, Any] = {"subject": None} if source == "outlook" else {}
    here.create_raw(**TIMES[source], **untitled)
    world.sync()
    assert len(there.events()) == 50
    shown = there.raw("")
    assert shown.get("summary", shown.get("subject")) in (None, "")
    world.assert_quiet()


ODD = "Lab\x0b\x00 \ud83c meeting \u0007\ud83c\udf89"
"""A vertical tab, NUL, a bell and half of an emoji, before a whole one."""


@pytest.mark.parametrize("source", ["google", "outlook"])
def test_fld_18_odd_characters_are_cleaned_once_on_the_way_in(world: ProviderWorld, source: str) -> None:
    here, there = world.sides[source], other(world, source)
    name = "subject" if source == "outlook" else "summary"
    place = {"displayName": ODD} if source == "outlook" else ODD
    text = {"contentType": "text", "content": ODD} if source == "outlook" else ODD
    body = {"body": text} if source == "outlook" else {"description": text}
    here.create_raw(**TIMES[source], **{name: ODD}, location=place, **body)
    rounds(world, 3)
    (shown,) = there.events().values()
    assert shown.title == "Lab  meeting \N{PARTY POPPER}"
    assert shown.location and shown.location.name == shown.description == shown.title
    assert len(writes(there)) == 1 and writes(here) == []
    assert world.parked() == {}
    world.assert_quiet()


def test_fld_18_odd_characters_of_a_consumer_arrive_cleaned(world: ProviderWorld) -> None:
    world.api_creates(timed("Bell \x07 and \x1b[1mbold\x0b", TEN, description="form\x0cfeed"))
    world.sync()
    for side in world.sides.values():
        assert [c.title for c in side.events().values()] == ["Bell  and [1mbold"]
    world.assert_quiet()


@pytest.mark.parametrize("source", ["google", "outlook", "api"])
def test_fld_22_no_id_stands_where_people_read(world: ProviderWorld, source: str) -> None:
    content = timed("Visit", TEN, description="Bring the form")
    if source == "api":
        world.api_creates(content)
    else:
        world.sides[source].create(content)
    world.sync()
    world.google.update(world.google.find("Visit"), description="Bring the form and a pen")
    world.sync()
    ids = [c.remote_id for side in world.sides.values() for c in world.copies(side.link_id)]
    ids += [c.id for side in world.sides.values() for c in world.copies(side.link_id)]
    google, outlook = world.google.raw("Visit"), world.outlook.raw("Visit")
    read = [google["summary"], google["description"], google.get("location", ""), outlook["subject"]]
    read += [outlook["body"]["content"], outlook["location"]["displayName"], *outlook["categories"]]
    assert not [i for i in ids for text in read if i and i in text]
    assert google["description"] == "Bring the form and a pen"
    assert "Bring the form and a pen</div>" in outlook["body"]["content"]


def test_fld_24_files_and_pictures_stay_where_they_are(world: ProviderWorld) -> None:
    picture = '<html><body><p>Our logo: <img src="cid:logo"> and '
    picture += '<img src="http://127.0.0.1:9/spy.png" alt="spy"></p></body></html>'
    body = {"contentType": "html", "content": picture}
    world.outlook.create_raw(**OUTLOOK, subject="Fair", body=body, hasAttachments=True)
    world.sync()
    mirror = world.google.raw("Fair")
    assert "attachments" not in mirror and "cid:" not in mirror["description"]
    _, event = world.hub_event("Fair")
    assert [a.title for a in event.attachments] == ["Files in Outlook"]
    losses = world.google.project(event).losses
    assert [loss.reason for loss in losses if loss.field == "attachments"] == ["Attachments are not copied."]
    clear(world)
    world.google.update_raw(world.google.find("Fair"), location="Hall 3")
    world.sync()
    (written,) = writes(world.outlook)
    assert written["body"].keys() == {"location"}
    assert "cid:logo" in world.outlook.raw("Fair")["body"]["content"]
    world.assert_quiet()


LOGO = '<img width="10" src="cid:logo" alt="us">'


def test_fld_24_an_edit_of_a_text_keeps_its_pictures_where_they_stand(world: ProviderWorld) -> None:
    html = f'<p>Logo: {LOGO}</p><p>Map: <img src="cid:map"> &amp; more</p>'
    world.outlook.create_raw(**OUTLOOK, subject="Fair", body={"contentType": "html", "content": html})
    world.sync()
    assert described(world.google, "Fair") == "Logo: [picture]\n\nMap: [picture] & more"
    edited = "Welcome <all>\n\n  Logo: [picture]\nMap [picture] & [picture], more"
    world.google.update(world.google.find("Fair"), title="Trade fair", description=edited)
    world.sync()
    body = world.outlook.raw("Trade fair")["body"]["content"]
    assert LOGO in body and 'Map <img src="cid:map"> &amp; [picture]' in body
    assert described(world.outlook, "Trade fair") == edited
    assert described(world.google, "Trade fair") == edited
    world.assert_quiet()
    world.google.update(world.google.find("Trade fair"), description=f"{edited} and more")
    world.sync()
    assert LOGO in world.outlook.raw("Trade fair")["body"]["content"]
    world.assert_quiet()


def test_fld_24_a_text_without_the_place_of_a_picture_waits_and_says_what_to_do(world: ProviderWorld) -> None:
    body = {"contentType": "html", "content": f"<p>Logo: {LOGO}</p>"}
    world.outlook.create_raw(**OUTLOOK, subject="Fair", body=body)
    world.sync()
    world.google.update(world.google.find("Fair"), title="Trade fair", description="No logo")
    world.sync()
    shown = world.outlook.raw("Trade fair")
    assert "cid:logo" in shown["body"]["content"], "the title went through, the text waits"
    assert "put that where it is to stay" in world.parked()["outlook", "Trade fair"]
    assert world.hub_event("Trade fair")[1].description == "No logo"
    world.google.update_raw(world.google.find("Trade fair"), location="Hall 3")
    rounds(world, 2)
    assert world.outlook.raw("Trade fair")["location"]["displayName"] == "Hall 3"
    assert "picture" in world.parked()["outlook", "Trade fair"]
    world.google.update(world.google.find("Trade fair"), description="[picture] Logo")
    world.sync()
    assert f"{LOGO} Logo" in world.outlook.raw("Trade fair")["body"]["content"]
    world.assert_quiet()


def test_fld_24_a_text_that_a_provider_cuts_never_overwrites_the_whole(world: ProviderWorld) -> None:
    whole = " ".join(f"word {n}" for n in range(2000))
    titles = ("before", "inside", "instead", "cleared")
    for title in titles:
        world.outlook.create(timed(title, TEN, description=whole))
    world.sync()
    cut = described(world.google, "before")
    assert len(cut) < len(whole)
    for title in titles:
        world.google.update(world.google.find(title), location=Location("Here"))
    world.sync()
    assert {described(world.outlook, title) for title in titles} == {whole}
    changed = cut.replace("word 3 ", "WORD ")
    edits = {"before": f"Note. {cut}", "inside": changed, "instead": "All new", "cleared": ""}
    for title, text in edits.items():
        world.google.update(world.google.find(title), description=text)
    world.sync()
    end = whole[len(cut) :]
    wanted = {"before": f"Note. {whole}", "inside": changed + end, "instead": "All new", "cleared": ""}
    assert {title: described(world.outlook, title) for title in titles} == wanted
    world.assert_quiet()


@pytest.mark.parametrize("blank", [" ", "\u00a0"])
@pytest.mark.parametrize("where", ["series", "day"])
def test_fld_24_an_edit_at_the_cut_keeps_what_was_not_shown(
    world: ProviderWorld, where: str, blank: str
) -> None:
    whole = " ".join(f"word {n}" for n in range(2000)) + f" 20{blank}km to the end"
    if where == "day":
        day = SeriesException(TEN + DAY, description=whole)
        world.outlook.create(series("Trip", TEN, "FREQ=DAILY;COUNT=3", day))
    else:
        trip = series("Trip", TEN, "FREQ=DAILY;COUNT=3")
        world.outlook.create(dataclasses.replace(trip, description=whole))
    world.sync()

    def text(side: Side) -> str:
        shown = side.by_title()["Trip"]
        return (shown.when.exceptions[0].description or "") if where == "day" else shown.description

    def write(edited: str) -> None:
        when = world.google.by_title()["Trip"].when
        changed = dataclasses.replace(when, exceptions=(SeriesException(TEN + DAY, description=edited),))
        change: dict[str, Any] = {"when": changed} if where == "day" else {"description": edited}
        world.google.update(world.google.find("Trip"), **change)
        world.sync()

    cut = text(world.google)
    head, _, ragged = cut.rpartition(" ")
    end = whole[len(head) + 1 :].partition(" ")[2]
    assert len(cut) < len(whole) and ragged
    write(head)
    assert text(world.outlook).replace("\u00a0", " ") == f"{head} {end}".replace("\u00a0", " ")
    write(text(world.google).removeprefix("word 0 ") + " and more")
    assert text(world.outlook).startswith("word 1 ") and text(world.outlook).endswith("km to the end")
    assert " and more" in text(world.outlook)
    world.assert_quiet()


def test_fld_24_a_title_that_outlook_cuts_keeps_its_end(world: ProviderWorld) -> None:
    title = "t" * 200 + " end of it " + "u" * 200
    world.google.create(timed(title, TEN))
    world.sync()
    (cut,) = [c.title for c in world.outlook.events().values()]
    world.outlook.update(world.outlook.find(cut), title=cut[1:])
    world.sync()
    (shown,) = world.google.events().values()
    assert shown.title == title[1:]
    world.outlook.update(world.outlook.find(title[1 : 1 + len(cut)]), title="Short")
    world.sync()
    assert list(world.google.by_title()) == ["Short"]
    world.assert_quiet()


def test_fld_24_a_provider_that_cuts_more_than_is_known_costs_no_word(world: ProviderWorld) -> None:
    world.google.control.switches(cut_texts=100)
    whole = " ".join(f"word {n}" for n in range(100))
    world.outlook.create(timed("Long", TEN, description=whole))
    world.sync()
    cut = described(world.google, "Long")
    assert whole.startswith(cut) and len(cut) <= 100
    world.google.update(world.google.find("Long"), title="Longer")
    world.sync()
    assert described(world.outlook, "Longer") == whole
    world.google.update(world.google.find("Longer"), description=cut.replace("word 3 ", ""))
    rounds(world, 2)
    assert described(world.outlook, "Longer") == whole.replace("word 3 ", "")
    clear(world)
    rounds(world, 3)
    assert writes(world.google) == writes(world.outlook) == []
    assert world.parked() == {}

"""A person with a real browser and a running hub: connect, link, watch events come and go, on any screen."""

from __future__ import annotations

import dataclasses
import os
import re
import shutil
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, Route, expect, sync_playwright

from demo.stage import Stage, running_hub
from hub.plugin.testing import timed
from hub.plugin.types import Attendee

PERSON = "ann@example.test"
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-dev-shm-usage"]
PROVIDERS = ("google", "outlook")
pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]
# A loaded machine is no fault of the page: waiting ends as soon as the page is right. While it gives way to
# another, it may be asked for what only that one has: names are exact where it has several that are alike.
expect.set_options(timeout=60_000)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    names = ("chromium", "chromium-browser", "google-chrome")
    path = os.environ.get("HUB_TEST_CHROMIUM") or next(filter(None, map(shutil.which, names)), None)
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield started
        started.close()


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    with running_hub(PROVIDERS) as running:
        yield running


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page whose script may not fail and may not break the content security policy."""
    context = browser.new_context(viewport={"width": 1360, "height": 900})
    opened = context.new_page()
    trouble: list[str] = []
    opened.on("pageerror", lambda error: trouble.append(str(error)))
    opened.on(
        "console",
        lambda line: trouble.append(line.text) if "Content Security Policy" in line.text else None,
    )
    yield opened
    context.close()
    assert trouble == []


def connect(page: Page, stage: Stage, label: str) -> None:
    page.goto(stage.url)
    page.get_by_role("link", name=f"Connect {label}").click()
    page.locator("[name=person]").first.wait_for()
    chooser = page.locator("[name=person]").first
    if chooser.evaluate("e => e.tagName") == "SELECT":
        chooser.select_option(PERSON)
    elif chooser.get_attribute("type") in ("radio", "hidden"):
        page.locator(f"[name=person][value='{PERSON}']").first.evaluate("e => { e.checked = true; }")
    else:
        chooser.fill(PERSON)
    page.locator("[name=decision][value=allow]").click()
    expect(page.locator("#accounts")).to_contain_text(PERSON)


def link_main_calendars(page: Page) -> None:
    for account in page.locator("#choose fieldset").all():
        account.locator("label.check", has_text="main calendar").locator("input").check()
    page.get_by_role("button", name="Link the ticked calendars").click()
    expect(page.locator("#plan[data-state=ready]")).to_be_visible()
    page.get_by_role("button", name="Link them").click()
    expect(page.locator("[data-link]")).to_have_count(2)


def first_day_shown(page: Page) -> date:
    """Return the first day of the week on the page, which is of the week in the calendars' zone."""
    after = page.get_by_role("link", name="Week after").get_attribute("href") or ""
    return date.fromisoformat(after.partition("week=")[2]) - timedelta(days=7)


def tell_guests(page: Page, stage: Stage) -> None:
    """Change a meeting without a word to its guest, change it again with one, and cancel it."""
    sandbox = stage.sandboxes["google"]
    start = datetime.combine(first_day_shown(page), time(15))
    guests = (Attendee("bob@example.test", "Bob"),)
    meeting = dataclasses.replace(timed("Review", start, zone="UTC"), attendees=guests)
    remote_id = sandbox.create(PERSON, PERSON, meeting)
    page.locator(".grid .event", has_text="Review").click()
    mails = len(sandbox.mails())
    page.get_by_label("Title", exact=True).fill("Silent review")
    page.get_by_role("button", name="Save").click()
    page.locator(".grid .event", has_text="Silent review").click()
    tell = page.get_by_label("Tell the guests of the change")
    expect(tell).to_have_value("")
    tell.select_option(index=1)
    page.get_by_label("Title", exact=True).fill("Loud review")
    page.get_by_role("button", name="Save").click()
    expect(page.locator(".grid .event", has_text="Loud review")).to_be_visible()
    expect(page.locator("[data-link][data-state=in_sync]")).to_have_count(2)
    assert sandbox.events(PERSON, PERSON)[remote_id].title == "Loud review"
    told = [(mail["kind"], mail["to"]) for mail in sandbox.mails()[mails:]]
    assert told == [("update", "bob@example.test")]
    page.locator(".grid .event", has_text="Loud review").click()
    page.get_by_label("Tell the guests of the deletion").select_option(index=1)
    page.get_by_role("button", name="Delete here and in the linked calendars").click()
    expect(page.locator(".grid .event", has_text="Loud review")).to_have_count(0)
    expect(page.locator("[data-link][data-state=in_sync]")).to_have_count(2)
    assert [mail["kind"] for mail in sandbox.mails()[mails:]] == ["update", "cancellation"]


def test_a_person_connects_links_and_sees_events_arrive_live(page: Page, stage: Stage) -> None:
    """The whole story in one go, since each step needs the one before."""
    labels = {p["name"]: p["label"] for p in stage.api("GET", "/providers")["items"]}
    for provider in PROVIDERS:
        connect(page, stage, labels[provider])
    expect(page.locator("#choose")).to_contain_text("read-only for this account")
    link_main_calendars(page)
    expect(page.locator("[data-link][data-state=in_sync]")).to_have_count(2)

    # What a person does at one provider shows up here without a reload, and at the other one.
    page.evaluate("window.stayed = true")
    sandbox = stage.sandboxes["google"]
    start = datetime.combine(first_day_shown(page), time(12))
    remote_id = sandbox.create(PERSON, PERSON, timed("Tea <b>with</b> Zoë", start, zone="UTC"))
    chip = page.locator(".grid .event", has_text="Tea <b>with</b> Zoë")
    expect(chip).to_be_visible()
    sandbox.update(PERSON, PERSON, remote_id, title="Coffee with Zoë")
    chip = page.locator(".grid .event", has_text="Coffee with Zoë")
    expect(chip).to_be_visible()
    assert page.evaluate("window.stayed") is True

    # What is changed here travels there.
    chip.click()
    page.get_by_label("Title", exact=True).fill("Cake with Zoë")
    page.get_by_role("button", name="Save").click()
    expect(page.locator(".grid .event", has_text="Cake with Zoë")).to_be_visible()
    expect(page.locator("#changes")).to_contain_text("on this page")
    expect(page.locator("[data-link][data-state=in_sync]")).to_have_count(2)
    assert sandbox.events(PERSON, PERSON)[remote_id].title == "Cake with Zoë"

    # What is deleted there goes away here.
    sandbox.delete(PERSON, PERSON, remote_id)
    expect(page.locator(".grid .event", has_text="Zoë")).to_have_count(0)

    # An event made here by keyboard reaches the provider.
    page.get_by_role("link", name="New event").click()
    expect(page.get_by_label("Title", exact=True)).to_be_focused()
    page.keyboard.type("Typed by hand")
    page.keyboard.press("Enter")
    expect(page.locator(".grid .event", has_text="Typed by hand")).to_be_visible()
    expect(page.locator("[data-link][data-state=in_sync]")).to_have_count(2)
    assert "Typed by hand" in [e.title for e in sandbox.events(PERSON, PERSON).values()]

    tell_guests(page, stage)

    # What another direction would do is shown, and is not done.
    second = page.locator("[data-link]").last
    second.locator("summary", has_text="…").click()
    second.get_by_role("link", name="Options").click()
    page.get_by_label("Direction").select_option("import")
    page.get_by_role("button", name="See what that would do").click()
    expect(page.locator("#plan[data-state=ready]")).to_contain_text("Nothing would be changed")
    page.get_by_role("button", name="Leave all as it is").click()
    expect(page.locator("[data-link]")).to_have_count(2)

    # What becomes of series that a calendar has no rule for is a choice of its link.
    second.locator("summary", has_text="…").click()
    second.get_by_role("link", name="Options").click()
    page.get_by_label("Series that cannot be held there").select_option(
        label="are written day by day, as single events"
    )
    page.get_by_role("button", name="See what that would do").click()
    expect(page.locator("#plan[data-state=ready]")).to_be_visible()
    page.get_by_role("button", name="Change it").click()
    expect(page.locator("[data-link]").last).to_contain_text("written day by day, as single events")

    # A link can rest and go on.
    first = page.locator("[data-link]").first
    first.locator("summary", has_text="…").click()
    first.get_by_role("button", name="Pause").click()
    expect(page.locator("[data-link][data-state=paused]")).to_have_count(1)
    page.get_by_role("button", name="Resume").click()
    expect(page.locator("[data-link][data-state=in_sync]")).to_have_count(2)


def test_a_page_fetched_in_a_moment_that_was_over_at_once_is_fetched_again(page: Page, stage: Stage) -> None:
    """The server looks from time to time: what is as before when it looks again is not worth a word to it."""
    page.goto(stage.url)
    fetched: list[str] = []

    def between(route: Route) -> None:
        """Answer the first fetch of the page's script as if something had been on its way just then."""
        answer = route.fetch()
        html = re.sub('data-signature=".*?"', 'data-signature="between"', answer.text(), count=1)
        fetched.append(route.request.url)
        route.fulfill(response=answer, body=html if len(fetched) == 1 else answer.text())

    page.route(lambda url: urlsplit(url).path == "/", between)
    stage.api("POST", "/calendars", {"user_id": stage.me()["id"], "name": "Last change", "zone": "UTC"})
    for _ in range(150):  # The page's own timer, which would help as well, is slower than that.
        if len(fetched) > 1:
            break
        page.wait_for_timeout(100)
    assert len(fetched) > 1
    expect(page.locator("[data-signature=between]")).to_have_count(0, timeout=5_000)


def test_a_page_whose_stream_was_refused_asks_for_another(page: Page, stage: Stage) -> None:
    """As it is behind a proxy, while the server starts again."""
    refused: list[str] = []

    def refuse(route: Route) -> None:
        refused.append(route.request.url)
        route.fulfill(status=502) if len(refused) == 1 else route.continue_()

    page.route("**/live?*", refuse)
    page.goto(stage.url)
    before = page.locator("[data-live]").get_attribute("data-signature") or ""
    stage.api("POST", "/calendars", {"user_id": stage.me()["id"], "name": "While away", "zone": "UTC"})
    expect(page.locator("[data-live]")).not_to_have_attribute("data-signature", before, timeout=25_000)
    assert len(refused) == 2


def test_the_page_fits_a_phone_in_light_and_dark(browser: Browser, stage: Stage) -> None:
    for scheme in ("light", "dark"):
        phone = browser.new_page(viewport={"width": 360, "height": 740}, color_scheme=scheme)
        for path in ("/", "/docs", "/connect/nobody"):
            phone.goto(stage.url + path)
            assert phone.evaluate("document.documentElement.scrollWidth") <= 360, path
        phone.close()


def test_a_person_who_declines_is_told_in_plain_words_and_can_try_again(page: Page, stage: Stage) -> None:
    page.goto(stage.url)
    page.get_by_role("link", name="Connect").first.click()
    page.locator("[name=decision][value=deny]").click()
    expect(page.get_by_role("heading", name="Not connected")).to_be_visible()
    page.get_by_role("link", name="Try again").click()
    page.locator("[name=decision][value=allow]").wait_for()


def test_the_week_can_be_walked_through(page: Page, stage: Stage) -> None:
    page.goto(stage.url)
    here, monday = page.locator("h1").inner_text(), first_day_shown(page)
    page.get_by_role("link", name="Week after").click()
    expect(page.locator("h1")).not_to_have_text(here)
    expect(page.locator("h1")).to_contain_text(str((monday + timedelta(days=13)).day))
    page.get_by_role("link", name="Today").click()
    expect(page.locator("h1")).to_have_text(here)

"""The dashboard's page in a real browser, against a real server whose services run."""

import re
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect

from tests.browser.conftest import Server

pytestmark = pytest.mark.browser

INCIDENT = "Search answers slowly"


@pytest.fixture
def server() -> Iterator[Server]:
    with ExitStack() as stack:
        yield Server(stack, "examples.dashboard:app")


@pytest.fixture
def ada(context: BrowserContext, server: Server) -> Page:
    return come_in(context, server, "Ada", on_call=True)


@pytest.fixture
def bob(context: BrowserContext, server: Server, ada: Page) -> Page:
    bob = come_in(context, server, "Bob")
    expect(people(ada)).to_have_text(["Ada (you)", "Bob"])
    return bob


def come_in(context: BrowserContext, server: Server, name: str, *, on_call: bool = False) -> Page:
    page = context.new_page()
    page.goto(server.url)
    page.get_by_label("Your name").fill(name)
    page.get_by_label("I am on call").set_checked(on_call)
    page.get_by_role("button", name="Enter").click()
    expect(state(page)).to_have_text("Connected")
    expect(people(page)).not_to_have_count(0)
    return page


def state(page: Page) -> Locator:
    return page.locator("#state")


def people(page: Page) -> Locator:
    return page.locator("#people li")


def entry(page: Page, topic: str) -> Locator:
    return page.locator(f'aside button[data-topic="{topic}"]')


def widget(page: Page, topic: str) -> Locator:
    return page.locator(f'.widget[data-topic="{topic}"]')


def show(page: Page, topic: str) -> Locator:
    """Open a widget, and wait until the server has said yes."""
    entry(page, topic).click()
    expect(widget(page, topic)).to_have_attribute("data-state", "open")
    expect(entry(page, topic)).to_have_attribute("aria-pressed", "true")
    return widget(page, topic)


def latency(page: Page, name: str) -> Locator:
    return widget(page, f"service:{name}").locator("[data-value=latency]")


def said(page: Page) -> Locator:
    return widget(page, "incident:1").locator(".said .text")


def say(page: Page, text: str) -> None:
    widget(page, "incident:1").get_by_label("Message", exact=True).fill(text)
    widget(page, "incident:1").get_by_role("button", name="Send").click()


def test_measurements_move_and_end_with_the_widget(ada: Page) -> None:
    shown = show(ada, "service:web")
    expect(latency(ada, "web")).to_have_text(re.compile(r"\d+ ms"))
    points = shown.locator("polyline").get_attribute("points")
    assert points is not None
    expect(shown.locator("polyline")).not_to_have_attribute("points", points)
    shown.get_by_role("button", name="Close").click()
    expect(shown).to_have_count(0)
    expect(entry(ada, "service:web")).to_have_attribute("aria-pressed", "false")
    expect(ada.locator("#hint")).to_be_visible()
    show(ada, "service:web")
    expect(latency(ada, "web")).to_have_text(re.compile(r"\d+ ms"))


def test_a_log_is_followed_from_a_level_and_paused(ada: Page) -> None:
    shown = show(ada, "logs:web")
    lines = shown.locator(".lines li")
    expect(lines.first).to_contain_text("started")
    expect(shown.locator(".lines .debug")).to_have_count(0)
    shown.get_by_label("From level").select_option("debug")
    expect(shown.locator(".lines .debug").first).to_contain_text("GET /")
    shown.get_by_role("button", name="Pause").click()
    expect(shown.get_by_role("button", name="Follow")).to_be_visible()
    count = lines.count()
    # The service has gone on meanwhile: its measurements are pushed after it has written.
    show(ada, "service:web")
    points = widget(ada, "service:web").locator("polyline").get_attribute("points")
    assert points is not None
    expect(widget(ada, "service:web").locator("polyline")).not_to_have_attribute("points", points)
    assert lines.count() == count
    shown.get_by_role("button", name="Follow").click()
    expect(lines.nth(count)).to_be_attached()


def test_what_is_not_for_everybody_says_so_and_leaves_the_rest(bob: Page) -> None:
    entry(bob, "logs:web").click()
    refused = widget(bob, "logs:web")
    expect(refused.get_by_role("alert")).to_contain_text("This is for those who are on call.")
    expect(refused).to_have_attribute("data-state", "closed")
    refused.get_by_role("button", name="Try again").click()
    expect(refused.get_by_role("alert")).to_contain_text("This is for those who are on call.")
    expect(state(bob)).to_have_text("Connected")
    shown = show(bob, "service:web")
    shown.get_by_role("button", name="Restart").click()
    expect(shown.get_by_role("alert")).to_have_text("This is for those who are on call.")
    refused.get_by_role("button", name="Close").click()
    expect(refused).to_have_count(0)
    expect(shown).to_have_attribute("data-state", "open")


def test_a_restart_is_confirmed_and_seen_by_all(ada: Page, bob: Page) -> None:
    for page in (ada, bob):
        show(page, "service:web")
    ada.bring_to_front()  # in a tab behind another one, each click waits a second for the next frame
    mine = widget(ada, "service:web")
    mine.get_by_role("button", name="Restart").click()
    expect(mine.locator("legend")).to_have_text("Restart web?")
    expect(mine.get_by_role("button", name="No")).to_be_focused()
    # The question holds up nothing but this topic's other messages.
    show(ada, "incident:1")
    say(ada, "while I am asked")
    expect(said(ada)).to_have_text(["while I am asked"])
    mine.get_by_role("button", name="No").click()
    expect(mine.locator(".asked")).to_be_hidden()
    mine.get_by_role("button", name="Restart").click()
    mine.get_by_role("button", name="Yes").click()
    for page in (ada, bob):
        expect(latency(page, "web")).to_have_text("–")
    for page in (ada, bob):
        expect(latency(page, "web")).to_have_text(re.compile(r"\d+ ms"))


def test_an_incident_is_talked_about(ada: Page, bob: Page) -> None:
    ada.bring_to_front()
    show(ada, "incident:1")
    people_there = widget(ada, "incident:1").locator(".people")
    expect(people_there).to_have_text("Here: Ada")
    say(ada, "<b>hello</b>")
    expect(said(ada)).to_have_text(["<b>hello</b>"])
    bob.bring_to_front()
    show(bob, "incident:1")
    expect(people_there).to_have_text("Here: Ada, Bob")
    say(bob, "hello yourself")
    for page in (ada, bob):
        expect(said(page)).to_have_text(["<b>hello</b>", "hello yourself"])
    expect(widget(bob, "incident:1").get_by_role("button", name="Resolve")).to_be_hidden()
    widget(bob, "incident:1").get_by_role("button", name="Close").click()
    expect(people_there).to_have_text("Here: Ada")
    expect(people(ada)).to_have_text(["Ada (you)", "Bob"])
    show(bob, "incident:1")
    expect(said(bob)).to_have_text(["<b>hello</b>", "hello yourself"])


def test_an_incident_is_reported_and_resolved(ada: Page, bob: Page) -> None:
    bob.get_by_label("What is wrong?").fill("No payments")
    bob.get_by_role("button", name="Report").click()
    for page in (ada, bob):
        expect(page.locator("#incidents button")).to_have_text([INCIDENT, "No payments"])
    expect(widget(bob, "incident:2")).to_have_attribute("data-state", "open")
    show(bob, "incident:1")
    ada.bring_to_front()
    show(ada, "incident:2")
    widget(ada, "incident:2").get_by_role("button", name="Resolve").click()
    for page in (ada, bob):
        expect(widget(page, "incident:2").get_by_role("alert")).to_contain_text("Resolved by Ada.")
        expect(page.locator("#incidents button")).to_have_text([INCIDENT])
        expect(state(page)).to_have_text("Connected")
    expect(widget(bob, "incident:1")).to_have_attribute("data-state", "open")
    bob.bring_to_front()
    widget(bob, "incident:2").get_by_role("button", name="Try again").click()
    expect(widget(bob, "incident:2").get_by_role("alert")).to_contain_text("There is no incident 2.")


def test_a_reload_opens_what_was_open(ada: Page) -> None:
    for topic in ("service:web", "incident:1"):
        show(ada, topic)
    ada.reload()
    for topic in ("service:web", "incident:1"):
        expect(widget(ada, topic)).to_have_attribute("data-state", "open")
    expect(people(ada)).to_have_text(["Ada (you)"])
    ada.get_by_role("button", name="Leave").click()
    expect(ada.get_by_role("alert")).to_be_hidden()
    expect(ada.get_by_label("Your name")).to_be_focused()
    ada.reload()
    expect(ada.get_by_label("Your name")).to_be_visible()


def test_widgets_survive_a_restart_of_the_server(server: Server, ada: Page) -> None:
    for topic in ("service:web", "logs:web", "incident:1"):
        show(ada, topic)
    ada.get_by_label("What is wrong?").fill("Soon forgotten")
    ada.get_by_role("button", name="Report").click()
    expect(widget(ada, "incident:2")).to_have_attribute("data-state", "open")
    say(ada, "before")
    expect(said(ada)).to_have_text(["before"])
    server.kill()
    expect(state(ada)).to_have_text("Reconnecting…")
    expect(widget(ada, "service:web")).to_have_attribute("data-state", "waiting")
    say(ada, "meanwhile")
    expect(widget(ada, "incident:1").get_by_role("alert")).to_have_text("Not sent: there is no connection.")
    server.start()
    expect(state(ada)).to_have_text("Connected")
    for topic in ("service:web", "logs:web", "incident:1"):
        expect(widget(ada, topic)).to_have_attribute("data-state", "open")
    # What the server has forgotten is refused, and says so; the rest goes on.
    expect(widget(ada, "incident:2").get_by_role("alert")).to_contain_text("There is no incident 2.")
    expect(widget(ada, "incident:1").get_by_label("Message", exact=True)).to_have_value("meanwhile")
    widget(ada, "incident:1").get_by_role("button", name="Send").click()
    expect(said(ada)).to_have_text(["meanwhile"])
    expect(widget(ada, "logs:web").locator(".lines li").first).to_contain_text("started")
    points = widget(ada, "service:web").locator("polyline").get_attribute("points")
    assert points is not None
    expect(widget(ada, "service:web").locator("polyline")).not_to_have_attribute("points", points)


def test_a_missing_name_shows_the_reason(context: BrowserContext, server: Server) -> None:
    page = context.new_page()
    page.goto(server.url)
    page.get_by_role("button", name="Enter").click()
    expect(page.get_by_role("alert")).to_have_text("Please enter a name.")
    expect(page.get_by_label("Your name")).to_be_focused()


def test_the_page_fits_a_phone(browser: Browser, server: Server) -> None:
    context = browser.new_context(viewport={"width": 320, "height": 640})
    page = come_in(context, server, "A name of thirty characters ok", on_call=True)
    for topic in ("service:payments", "logs:web", "incident:1"):
        show(page, topic)
    say(page, "unbroken" * 40)
    expect(said(page)).to_have_count(1)
    widget(page, "service:payments").get_by_role("button", name="Restart").click()
    expect(widget(page, "service:payments").get_by_role("button", name="Yes")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    widths = page.evaluate("[...document.querySelectorAll('.widget')].map((one) => one.scrollWidth - one.clientWidth)")
    assert widths == [0, 0, 0]
    context.close()

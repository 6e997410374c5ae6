"""The dashboard's page in a real browser, against a real server whose services run."""

import re
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect

from tests.browser.conftest import Server

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """One for all tests: each reports incidents of its own. One that restarts it comes last."""
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


def incident(page: Page, title: str) -> str:
    """Report an incident, which opens it; returns its topic."""
    page.get_by_label("What is wrong?").fill(title)
    page.get_by_role("button", name="Report").click()
    mine = page.get_by_role("region", name=title)
    expect(mine).to_have_attribute("data-state", "open")
    return mine.get_attribute("data-topic") or ""


def said(page: Page, topic: str) -> Locator:
    return widget(page, topic).locator(".said .text")


def say(page: Page, topic: str, text: str) -> None:
    widget(page, topic).get_by_label("Message", exact=True).fill(text)
    widget(page, topic).get_by_role("button", name="Send").click()


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
    topic = incident(ada, "Restarts")
    say(ada, topic, "while I am asked")
    expect(said(ada, topic)).to_have_text(["while I am asked"])
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
    topic = incident(ada, "Talk")
    people_there = widget(ada, topic).locator(".people")
    expect(people_there).to_have_text("Here: Ada")
    say(ada, topic, "<b>hello</b>")
    expect(said(ada, topic)).to_have_text(["<b>hello</b>"])
    bob.bring_to_front()
    show(bob, topic)
    expect(people_there).to_have_text("Here: Ada, Bob")
    say(bob, topic, "hello yourself")
    for page in (ada, bob):
        expect(said(page, topic)).to_have_text(["<b>hello</b>", "hello yourself"])
    expect(widget(bob, topic).get_by_role("button", name="Resolve")).to_be_hidden()
    widget(bob, topic).get_by_role("button", name="Close").click()
    expect(people_there).to_have_text("Here: Ada")
    expect(people(ada)).to_have_text(["Ada (you)", "Bob"])
    show(bob, topic)
    expect(said(bob, topic)).to_have_text(["<b>hello</b>", "hello yourself"])


def test_an_incident_is_reported_and_resolved(ada: Page, bob: Page) -> None:
    topic = incident(bob, "No payments")
    other = incident(bob, "No lights")
    ada.bring_to_front()
    for page in (ada, bob):
        expect(entry(page, topic)).to_have_text("No payments")
    show(ada, topic)
    widget(ada, topic).get_by_role("button", name="Resolve").click()
    for page in (ada, bob):
        expect(widget(page, topic).get_by_role("alert")).to_contain_text("Resolved by Ada.")
        expect(entry(page, topic)).to_have_count(0)
        expect(state(page)).to_have_text("Connected")
    expect(widget(bob, other)).to_have_attribute("data-state", "open")
    bob.bring_to_front()
    widget(bob, topic).get_by_role("button", name="Try again").click()
    expect(widget(bob, topic).get_by_role("alert")).to_contain_text("There is no incident")


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


def test_a_missing_name_shows_the_reason(context: BrowserContext, server: Server) -> None:
    page = context.new_page()
    page.goto(server.url)
    page.get_by_role("button", name="Enter").click()
    expect(page.get_by_role("alert")).to_have_text("Please enter a name.")
    expect(page.get_by_label("Your name")).to_be_focused()


def test_the_page_fits_a_phone_and_a_desk(browser: Browser, server: Server) -> None:
    context = browser.new_context(viewport={"width": 320, "height": 640})
    page = come_in(context, server, "A name of thirty characters ok", on_call=True)
    for topic in ("service:payments", "logs:web"):
        show(page, topic)
    topic = incident(page, "Unbroken" * 7)
    say(page, topic, "unbroken" * 40)
    expect(said(page, topic)).to_have_count(1)
    widget(page, "service:payments").get_by_role("button", name="Restart").click()
    expect(widget(page, "service:payments").get_by_role("button", name="Yes")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.set_viewport_size({"width": 1280, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert page.evaluate("document.querySelector('aside').scrollWidth <= document.querySelector('aside').clientWidth")
    widths = page.evaluate("[...document.querySelectorAll('.widget')].map((one) => one.scrollWidth - one.clientWidth)")
    assert widths == [0, 0, 0]
    context.close()


def test_widgets_survive_a_restart_of_the_server(server: Server, ada: Page) -> None:
    forgotten = incident(ada, "Soon forgotten")
    for topic in ("service:web", "logs:web", "incident:1"):
        show(ada, topic)
    say(ada, "incident:1", "before")
    expect(said(ada, "incident:1")).to_have_text(["before"])
    server.kill()
    expect(state(ada)).to_have_text("Reconnecting…")
    expect(widget(ada, "service:web")).to_have_attribute("data-state", "waiting")
    say(ada, "incident:1", "meanwhile")
    expect(widget(ada, "incident:1").get_by_role("alert")).to_have_text("Not sent: there is no connection.")
    server.start()
    expect(state(ada)).to_have_text("Connected")
    for topic in ("service:web", "logs:web", "incident:1"):
        expect(widget(ada, topic)).to_have_attribute("data-state", "open")
    # What the server has forgotten is refused, and says so; the rest goes on.
    expect(widget(ada, forgotten).get_by_role("alert")).to_contain_text("There is no incident")
    expect(widget(ada, "incident:1").get_by_label("Message", exact=True)).to_have_value("meanwhile")
    widget(ada, "incident:1").get_by_role("button", name="Send").click()
    expect(said(ada, "incident:1")).to_have_text(["meanwhile"])
    expect(widget(ada, "logs:web").locator(".lines li").first).to_contain_text("started")
    points = widget(ada, "service:web").locator("polyline").get_attribute("points")
    assert points is not None
    expect(widget(ada, "service:web").locator("polyline")).not_to_have_attribute("points", points)

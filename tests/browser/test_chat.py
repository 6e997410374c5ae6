"""The chat's page in a real browser, against a real server."""

import json
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect
from websockets.sync.client import connect

from tests.browser.conftest import PATIENCE, Server

pytestmark = pytest.mark.browser


ROOMS = ("lobby", "help", "tea-time")


@pytest.fixture(scope="module")
def running() -> Iterator[Server]:
    with ExitStack() as stack:
        yield Server(stack, "examples.chat:app")


@pytest.fixture
def server(running: Server) -> Server:
    """One for all tests, with nobody in its rooms: it may not have noticed yet that the last test's tabs have gone."""
    for room in ROOMS:
        wait_until_empty(running, room)
    return running


def wait_until_empty(server: Server, room: str) -> None:
    """Look in, and stay until all others have left; with them goes what they have said."""
    with connect(server.running.ws(f"/rooms/{room}?name=Caretaker")) as client:
        while "Caretaker" not in (people := json.loads(client.recv(PATIENCE / 1000)).get("people", [])) or people[1:]:
            pass


@pytest.fixture
def ada(context: BrowserContext, server: Server) -> Page:
    return come_in(context, server, "Ada")


@pytest.fixture
def bob(context: BrowserContext, server: Server, ada: Page) -> Page:
    bob = come_in(context, server, "Bob")
    expect(people(ada)).to_have_text(["Ada (you)", "Bob"])
    return bob


def come_in(context: BrowserContext, server: Server, name: str) -> Page:
    page = context.new_page()
    page.goto(server.url)
    page.get_by_label("Your name").fill(name)
    page.get_by_role("button", name="Enter").click()
    expect(state(page)).to_have_text("Connected")
    return page


def say(page: Page, text: str) -> None:
    page.get_by_label("Message", exact=True).fill(text)
    page.get_by_role("button", name="Send").click()


def state(page: Page) -> Locator:
    return page.get_by_role("status")


def people(page: Page) -> Locator:
    return page.locator("#people li")


def talk(page: Page) -> Locator:
    return page.get_by_role("log").locator("li[data-state=said] .text")


def switch(page: Page, room: str) -> None:
    page.locator("#rooms").get_by_role("button", name=room).click()
    expect(page.locator("#room")).to_have_text(room)
    expect(state(page)).to_have_text("Connected")


def test_two_tabs_talk(ada: Page, bob: Page) -> None:
    say(ada, "hello")
    expect(talk(bob)).to_have_text(["hello"])
    say(bob, "hello yourself")
    for page in (ada, bob):
        expect(talk(page)).to_have_text(["hello", "hello yourself"])
        expect(page.get_by_role("log").locator("li .who")).to_have_text(["Ada", "Bob"])


def test_markup_is_shown_as_text(ada: Page, bob: Page) -> None:
    say(ada, "<img src=x onerror=alert(1)>")
    expect(talk(bob)).to_have_text(["<img src=x onerror=alert(1)>"])
    expect(bob.get_by_role("log").locator("img")).to_have_count(0)


def test_typing_is_shown_to_the_other_and_not_to_oneself(ada: Page, bob: Page) -> None:
    ada.get_by_label("Message", exact=True).press_sequentially("hel")
    expect(bob.locator("#typing")).to_have_text("Ada is typing…")
    say(ada, "hello")
    expect(talk(bob)).to_have_text(["hello"])
    expect(bob.locator("#typing")).to_have_text("")
    # What Ada has said has come back to her by now, and so would have what she typed.
    expect(talk(ada)).to_have_text(["hello"])
    expect(ada.locator("#typing")).to_have_text("")


def test_typing_ends_when_the_line_is_emptied(ada: Page, bob: Page) -> None:
    ada.get_by_label("Message", exact=True).fill("h")
    expect(bob.locator("#typing")).to_have_text("Ada is typing…")
    ada.get_by_label("Message", exact=True).fill("")
    expect(bob.locator("#typing")).to_have_text("")


def test_presence_follows_tabs(context: BrowserContext, server: Server, ada: Page, bob: Page) -> None:
    second = come_in(context, server, "Bob")
    bob.close()
    expect(people(second)).to_have_text(["Ada", "Bob (you)"])
    say(second, "still here")
    expect(talk(ada)).to_have_text(["still here"])
    expect(people(ada)).to_have_text(["Ada (you)", "Bob"])
    second.close()
    expect(people(ada)).to_have_text(["Ada (you)"])


def test_a_reload_comes_back_to_its_room(ada: Page, bob: Page) -> None:
    switch(ada, "help")
    switch(bob, "help")
    say(ada, "hello")
    expect(talk(bob)).to_have_text(["hello"])
    bob.reload()
    expect(bob.locator("#room")).to_have_text("help")
    expect(talk(bob)).to_have_text(["hello"])
    for page, names in ((ada, ["Ada (you)", "Bob"]), (bob, ["Ada", "Bob (you)"])):
        expect(people(page)).to_have_text(names)


def test_rooms_are_apart(ada: Page, bob: Page) -> None:
    switch(bob, "help")
    expect(people(ada)).to_have_text(["Ada (you)"])
    say(ada, "to the lobby")
    say(bob, "to the helpers")
    expect(talk(ada)).to_have_text(["to the lobby"])
    expect(talk(bob)).to_have_text(["to the helpers"])
    switch(bob, "lobby")
    expect(talk(bob)).to_have_text(["to the lobby"])
    expect(people(ada)).to_have_text(["Ada (you)", "Bob"])


def test_another_room_can_be_named(ada: Page) -> None:
    ada.get_by_label("Another room").fill("Tea Time")
    ada.get_by_role("button", name="Go").click()
    expect(ada.locator("#room")).to_have_text("tea-time")
    expect(people(ada)).to_have_text(["Ada (you)"])
    ada.go_back()
    expect(ada.locator("#room")).to_have_text("lobby")


def test_survives_a_restart_of_the_server(server: Server, ada: Page, bob: Page) -> None:
    say(ada, "before")
    expect(talk(bob)).to_have_text(["before"])
    server.kill()
    for page in (ada, bob):
        expect(state(page)).to_have_text("Reconnecting…")
    say(ada, "meanwhile")
    expect(ada.locator("li[data-state=sending]")).to_have_count(1)
    server.start()
    for page in (ada, bob):
        expect(state(page)).to_have_text("Connected")
    # Sent by the page itself once it is back; who is back earlier or later sees it all the same.
    for page in (ada, bob):
        expect(talk(page)).to_have_text(["before", "meanwhile"])
        expect(people(page)).to_have_count(2)
    say(bob, "after")
    for page in (ada, bob):
        expect(talk(page)).to_have_text(["before", "meanwhile", "after"])


def test_a_missing_name_shows_the_reason(context: BrowserContext, server: Server) -> None:
    page = context.new_page()
    page.goto(server.url)
    page.get_by_role("button", name="Enter").click()
    expect(page.get_by_role("alert")).to_have_text("Please enter a name.")
    expect(page.get_by_label("Your name")).to_be_focused()
    page.get_by_label("Your name").fill("Ada")
    page.keyboard.press("Enter")
    expect(state(page)).to_have_text("Connected")


def test_the_page_fits_a_phone(browser: Browser, server: Server) -> None:
    context = browser.new_context(viewport={"width": 360, "height": 640})
    page = come_in(context, server, "A name of thirty characters ok")
    say(page, "unbroken" * 40)
    expect(talk(page)).to_have_count(1)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert page.evaluate("document.documentElement.scrollHeight <= innerHeight")
    expect(page.get_by_role("button", name="Send")).to_be_in_viewport()
    context.close()

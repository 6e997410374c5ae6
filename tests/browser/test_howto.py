"""The pages of the how-to "Use it from a browser", in a browser."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from playwright.sync_api import BrowserContext, Dialog, Page, expect

from tests.browser.conftest import Server

pytestmark = pytest.mark.browser


@pytest.fixture
def server() -> Iterator[Server]:
    with ExitStack() as stack:
        yield Server(stack, "docs.snippets.howto.browser:app")


@pytest.fixture
def page(context: BrowserContext, server: Server) -> Page:
    page = context.new_page()
    page.goto(server.url)
    expect(page.locator("#status")).to_have_text("open")
    expect(page.locator("#times")).to_have_text("first")
    page.evaluate("async () => Object.assign(window, { notes: await import('/notes.js') })")
    return page


def test_the_page(page: Page) -> None:
    assert page.evaluate("notes.add('')") == "write something first"
    assert page.evaluate("notes.add('one line')") == "saved, 1 in all"
    expect(page.locator("#lines")).to_have_text("1")
    assert page.evaluate("notes.fill(new File(['a line\\nno\\nb line\\nc line'], 'notes.txt'))") == 5
    assert page.evaluate("notes.find('line', 3)") == ["one line", "a line", "b line"]
    assert page.evaluate("notes.find('no', 3)") == ["no"]
    asked: list[str] = []

    def dismiss(dialog: Dialog) -> None:
        asked.append(dialog.message)
        dialog.dismiss()

    def accept(dialog: Dialog) -> None:
        asked.append(dialog.message)
        dialog.accept()

    page.once("dialog", dismiss)
    assert page.evaluate("async () => (await notes.clear()).lines") == 5
    page.once("dialog", accept)
    assert page.evaluate("async () => (await notes.clear()).lines") == 0
    assert asked == ["Throw 5 lines away?"] * 2


def test_the_page_comes_back(server: Server, page: Page) -> None:
    server.kill()
    expect(page.locator("#status")).not_to_have_text("open")
    assert page.evaluate("notes.add('lost')") == "there is no connection, and no room to wait for one"
    server.start()
    expect(page.locator("#times")).to_have_text("again")
    assert page.evaluate("notes.add('found')") == "saved, 1 in all"


@pytest.fixture
def topics(context: BrowserContext) -> Iterator[Page]:
    with ExitStack() as stack:
        page = context.new_page()
        page.goto(Server(stack, "docs.snippets.howto.browser_topics:app").url)
        page.evaluate("async () => Object.assign(window, await import('/discussions.js'))")
        yield page


def test_the_page_with_topics(topics: Page) -> None:
    assert topics.evaluate("async () => talk(window.five = await enter(5))") == 21
    expect(topics.locator("#status")).to_have_text("open")
    expect(topics.locator("#said")).to_have_text("bob: hello")
    topics.evaluate("() => leave(five)")
    expect(topics.locator("#status")).to_have_text("closed")
    assert topics.evaluate("() => enter(13).catch(({ code }) => code)") == "unauthorized"
    expect(topics.locator("#status")).to_have_text("this discussion is private")

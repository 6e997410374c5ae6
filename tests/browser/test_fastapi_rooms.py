"""The page of the larger FastAPI application in a real browser, against a real server."""

from contextlib import ExitStack

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.conftest import Server

pytestmark = pytest.mark.browser


def come_in(context: BrowserContext, server: Server, token: str) -> Page:
    page = context.new_page()
    page.goto(server.url)
    page.get_by_label("You are").select_option(token)
    page.get_by_role("button", name="Enter").click()
    expect(page.get_by_role("status").first).to_have_text("Connected")
    return page


def test_two_users(context: BrowserContext) -> None:
    with ExitStack() as stack:
        server = Server(stack, "examples.fastapi_rooms.app:app")
        ada = come_in(context, server, "ada-token")
        bob = come_in(context, server, "bob-token")
        expect(ada.locator("#log li")).to_have_text(["bob has come"])

        bob.get_by_label("Message", exact=True).press_sequentially("he")
        expect(ada.locator("#typing")).to_have_text("bob is writing…")
        bob.get_by_label("Message", exact=True).fill("<b>hello</b>")
        bob.get_by_role("button", name="Send", exact=True).click()
        expect(bob.locator("#log li")).to_have_text(["bob: <b>hello</b>"])
        expect(ada.locator("#log li")).to_have_text(["bob has come", "bob: <b>hello</b>"])
        expect(ada.locator("#typing")).to_have_text("")
        expect(ada.locator("#activity")).to_have_text("lobby")

        ada.get_by_label("Text", exact=True).fill("a rather long text")
        ada.get_by_label("Words").fill("2")
        ada.get_by_role("button", name="Shorten").click()
        expect(ada.locator("#jobs li")).to_have_text(["a rather…"])
        expect(bob.locator("#jobs li")).to_have_count(0)

        ada.get_by_role("button", name="Yes").click()
        expect(bob.locator("#yes")).to_have_text("1")
        bob.get_by_role("button", name="No", exact=True).click()
        expect(ada.locator("#no")).to_have_text("1")

        bob.get_by_label("Notice to all").fill("cake")
        bob.get_by_role("button", name="Send notice").click()
        for page in (ada, bob):
            expect(page.locator("#notices li")).to_have_text(["cake (bob)"])

        bob.close()
        expect(ada.locator("#log li").last).to_have_text("bob has left")

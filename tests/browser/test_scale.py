"""The page of examples/scale in a real browser: kill a process, and watch its clients recover at the other."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect

from tests.browser.conftest import PATIENCE
from tests.examples.test_scale import scale

pytestmark = [pytest.mark.browser, pytest.mark.redis]

CLIENTS = 4


@pytest.fixture(scope="module")
def address(redis_server: str) -> Iterator[str]:
    """Its processes stay away once they are killed, until they are told to start."""
    with scale("--back-after", "1000") as (_, url):
        yield url.replace("ws:", "http:").replace("/clients", "/")


@pytest.fixture
def page(context: BrowserContext, address: str) -> Page:
    page = context.new_page()
    page.goto(address)
    expect(clients(page).filter(has_text=re.compile("at (one|two)"))).to_have_count(CLIENTS)
    return page


def clients(page: Page) -> Locator:
    return page.locator(".client")


def at(page: Page, process: str) -> Locator:
    return page.locator(f".client[data-process={process}]")


def counts(page: Page, name: str) -> list[int]:
    return [int(text) for text in page.locator(f"[data-count={name}]").all_text_contents()]


def heard_more(page: Page, than: list[int]) -> None:
    """Wait until each client has heard at least three more."""
    page.wait_for_function(
        """(than) => [...document.querySelectorAll("[data-count=heard]")]
            .every((one, at) => Number(one.textContent) >= than[at] + 3)""",
        arg=than,
        timeout=PATIENCE,
    )


def test_clients_of_a_killed_process_recover_at_the_other(page: Page) -> None:
    heard_more(page, [0] * CLIENTS)
    for killed, other in (("one", "two"), ("two", "one")):
        moved = at(page, killed).count()
        page.get_by_role("button", name=f"Kill {killed}").click()
        expect(page.locator(f"#process-{killed}")).to_have_attribute("data-state", "down")
        expect(at(page, other)).to_have_count(CLIENTS)
        expect(page.locator(f"#process-{other}")).to_contain_text(f"{CLIENTS} of {CLIENTS} clients")
        heard_more(page, counts(page, "heard"))
        if killed == "two":
            assert moved == CLIENTS  # all of them
        page.get_by_role("button", name=f"Start {killed}").click()
        expect(page.locator(f"#process-{killed}")).to_have_attribute("data-state", "running")
    assert sum(counts(page, "recovered")) > 0
    assert counts(page, "doubled") == counts(page, "missing") == [0] * CLIENTS


def test_what_is_said_is_heard_by_all_and_names_the_process(page: Page) -> None:
    page.get_by_label("Message to all clients").fill("<b>hello</b>")
    page.get_by_role("button", name="Send").click()
    expect(page.locator(".client li", has_text="<b>hello</b>")).to_have_count(CLIENTS)
    process = clients(page).first.get_attribute("data-process")
    expect(page.locator("#answer")).to_have_text(f"answered by {process}")


def test_the_page_fits_a_phone(browser: Browser, address: str) -> None:
    context = browser.new_context(viewport={"width": 360, "height": 640}, color_scheme="dark")
    page = context.new_page()
    page.goto(address)
    expect(page.locator(".process")).to_have_count(2)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    context.close()

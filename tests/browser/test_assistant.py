"""The assistant's page in a real browser, against a real server."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from playwright.sync_api import Browser, BrowserContext, FilePayload, Locator, Page, expect

from tests.browser.conftest import Server

pytestmark = pytest.mark.browser

STORY = "Tell me a long story"


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """One for all tests: each has a session of its own. One that restarts it comes last."""
    with ExitStack() as stack:
        yield Server(stack, "examples.assistant:app")


@pytest.fixture
def first(context: BrowserContext, server: Server) -> Page:
    page = context.new_page()
    page.goto(server.url)
    expect(state(page)).to_have_text("Connected")
    return page


@pytest.fixture
def second(first: Page) -> Page:
    with first.expect_popup() as popup:
        first.get_by_role("link", name="Another tab").click()
    for page in (first, popup.value):
        expect(state(page)).to_have_text("Connected · 2 tabs")
    return popup.value


def state(page: Page) -> Locator:
    return page.get_by_role("status")


def ask(page: Page, text: str) -> None:
    page.get_by_label("Question").fill(text)
    page.get_by_role("button", name="Ask").click()


def turn(page: Page, state: str) -> Locator:
    return page.locator(f"#turns li[data-state={state}]")


def answer(page: Page) -> Locator:
    return page.locator("#turns li .answer").last


def file(name: str, text: str) -> FilePayload:
    return {"name": name, "mimeType": "text/plain", "buffer": text.encode()}


def upload(page: Page, name: str, text: str) -> None:
    page.get_by_label("Upload a text").set_input_files(file(name, text))
    expect(page.get_by_role("heading", name=name)).to_be_visible()


def test_both_tabs_see_the_answer_as_it_is_written(first: Page, second: Page) -> None:
    ask(first, STORY)
    for page in (first, second):
        expect(turn(page, "writing").locator(".question")).to_have_text(STORY)
        expect(answer(page)).to_contain_text("There was a server that")
    first.get_by_role("button", name="Stop").click()
    for page in (first, second):
        expect(turn(page, "stopped")).to_have_count(1)
        expect(answer(page)).to_contain_text("(stopped)")
    assert answer(first).inner_text() == answer(second).inner_text()
    expect(first.get_by_role("button", name="Ask")).to_be_visible()
    expect(first.get_by_role("alert")).to_be_hidden()


def test_on_a_small_phone_everything_can_be_reached(first: Page) -> None:
    first.set_viewport_size({"width": 320, "height": 568})
    for name in ("notes.txt", "a-document-with-a-very-long-name-of-2026.txt"):
        upload(first, name, "Tea is grown in hills. " * 100)
    for name in ("Ask", "Shorten the summary of notes.txt"):
        expect(first.get_by_role("button", name=name)).to_be_in_viewport(ratio=1)
    expect(first.get_by_role("link", name="Another tab")).to_be_in_viewport(ratio=1)


def test_an_answer_to_its_end_and_again_after_a_reload(first: Page) -> None:
    ask(first, "<b>Hello</b>")
    expect(turn(first, "done")).to_have_count(1)
    expect(first.locator("#turns .question")).to_have_text("<b>Hello</b>")
    said = answer(first).inner_text()
    assert said.startswith("You said: “<b>Hello</b>”.")
    first.reload()
    expect(answer(first)).to_have_text(said.strip())


def test_a_tab_that_is_closed_ends_its_answer(first: Page, second: Page) -> None:
    ask(second, STORY)
    expect(turn(first, "writing")).to_have_count(1)
    second.close()
    expect(turn(first, "stopped")).to_have_count(1)
    expect(state(first)).to_have_text("Connected")


def test_an_upload_is_summarised_in_both_tabs_and_shortened(first: Page, second: Page) -> None:
    upload(first, "tea.txt", "Tea is a drink, and more than that. " * 5_000)  # 180,000 characters: many pieces
    for page in (first, second):
        document = page.locator("#documents li")
        expect(document.get_by_role("heading")).to_have_text("tea.txt")
        expect(document).to_contain_text("40,000 words")
        expect(document.locator(".summary")).to_have_text(
            "Tea is a drink, and more than that. " * 4 + "Tea is a drink, and more than that…"
        )
    shorten = second.get_by_role("button", name="Shorten the summary of tea.txt")
    shorten.click()
    shorten.click()  # one after the other
    for page in (first, second):
        expect(page.locator(".summary")).to_have_text("Tea is a drink, and more than that. Tea is…")


def test_too_large_an_upload_is_told(first: Page) -> None:
    first.get_by_label("Upload a text").set_input_files(file("large.txt", "x" * 500_000))
    expect(first.get_by_role("alert")).to_have_text("A document has at most 200,000 characters.")
    upload(first, "small.txt", "x")
    expect(first.get_by_role("alert")).to_be_hidden()


def test_a_document_is_deleted_when_it_is_confirmed(first: Page, second: Page) -> None:
    upload(first, "notes.txt", "a b c")
    ask(first, "Delete notes.txt")
    question = first.get_by_role("group", name="Delete notes.txt? This cannot be undone.")
    expect(question).to_be_focused()
    expect(second.get_by_role("group")).to_have_count(0)
    question.get_by_role("button", name="Delete").click()
    for page in (first, second):
        expect(answer(page)).to_have_text("notes.txt is deleted.")
        expect(page.locator("#documents li")).to_have_count(0)
    expect(first.get_by_label("Question")).to_be_focused()


def test_a_question_may_be_declined(first: Page) -> None:
    upload(first, "notes.txt", "a b c")
    for decline in ("Keep", "Not now", "Escape", "Stop"):
        ask(first, "Delete notes.txt")
        question = first.get_by_role("group")
        expect(question).to_be_visible()
        if decline == "Escape":
            first.keyboard.press("Escape")
        else:
            first.get_by_role("button", name=decline).click()
        expect(question).to_have_count(0)
        if decline == "Stop":
            expect(turn(first, "stopped")).to_have_count(1)
        else:
            expect(answer(first)).to_have_text("I have kept notes.txt.")
        expect(first.get_by_role("button", name="Ask")).to_be_visible()
    expect(first.locator("#documents li")).to_have_count(1)


def test_one_of_several_documents_is_chosen(first: Page) -> None:
    upload(first, "a.txt", "x")
    upload(first, "b.txt", "one two three")
    ask(first, "Summarise my document")
    first.get_by_role("group", name="Which document do you mean?").get_by_role("button", name="b.txt").click()
    expect(answer(first)).to_have_text("b.txt has 3 words. It says: one two three")


def test_suggestions_follow_what_is_typed(first: Page) -> None:
    suggestions = first.get_by_label("Suggestions").get_by_role("button")
    first.get_by_label("Question").press_sequentially("docum")
    expect(suggestions).to_have_text(["Summarise my document", "Delete a document", "Which document is the longest?"])
    first.get_by_label("Question").press_sequentially("ent long")
    expect(suggestions).to_have_text(["Which document is the longest?"])
    suggestions.click()
    expect(first.get_by_label("Question")).to_have_value("Which document is the longest?")
    expect(suggestions).to_have_count(0)


def test_a_wrong_address_is_told(context: BrowserContext, server: Server) -> None:
    page = context.new_page()
    page.goto(f"{server.url}#No")
    expect(page.get_by_role("alert")).to_have_text(
        "A session is named in small letters, digits and hyphens, 40 at most."
    )
    expect(state(page)).to_have_text("Not connected")


def test_the_page_fits_a_phone(browser: Browser, server: Server) -> None:
    context = browser.new_context(viewport={"width": 360, "height": 640})
    page = context.new_page()
    page.goto(server.url)
    upload(page, "a-rather-long-name-of-a-document-without-a-space-in-it.txt", "unbroken" * 40)
    ask(page, "unbroken" * 40)
    expect(turn(page, "done")).to_have_count(1)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert page.evaluate("document.documentElement.scrollHeight <= innerHeight")
    expect(page.get_by_role("button", name="Ask")).to_be_in_viewport()
    expect(page.get_by_label("Upload a text")).to_be_in_viewport()
    context.close()


def test_the_page_comes_back_after_a_restart_of_the_server(server: Server, first: Page) -> None:
    ask(first, STORY)
    expect(turn(first, "writing")).to_have_count(1)
    server.kill()
    expect(state(first)).to_have_text("Reconnecting…")
    server.start()
    expect(state(first)).to_have_text("Connected")
    expect(first.locator("#turns li")).to_have_count(0)  # the memory of the server is gone
    ask(first, "Hello")
    expect(turn(first, "done")).to_have_count(1)

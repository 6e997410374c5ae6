"""The pages of the Django projects in a real browser, against real servers."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect

from tests.browser.conftest import Server
from tests.full import FULL

pytestmark = pytest.mark.browser

ROOT = Path(__file__).parents[2]


def environment(project: str) -> dict[str, str]:
    """As in the project's folder."""
    return {"PYTHONPATH": os.pathsep.join([str(ROOT / "examples" / project), str(ROOT)])}


@pytest.fixture(scope="module")
def chats() -> Iterator[Callable[[str], Server]]:
    """One for each name of a server, for all tests: each comes with browsers of its own, and nothing is kept."""
    with ExitStack() as stack:
        yield cache(lambda name: Server(stack, "config.asgi:application", name, environment("django_chat")))


@pytest.fixture
def chat(request: pytest.FixtureRequest, chats: Callable[[str], Server]) -> Server:
    """Under uvicorn, or the server that a test names."""
    return chats(getattr(request, "param", "uvicorn"))


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One for all tests, as for the chat."""
    env = {**environment("django_mixed"), "TALK_DATABASE": str(tmp_path_factory.mktemp("mixed") / "db.sqlite3")}
    migrate = [sys.executable, "examples/django_mixed/manage.py", "migrate", "--verbosity", "0"]
    subprocess.run(migrate, cwd=ROOT, env={**os.environ, **env}, check=True, timeout=120)
    with ExitStack() as stack:
        yield Server(stack, "project.asgi:application", env=env)


@pytest.fixture(scope="module")
def rooms(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """With the users and rooms of `prepare`, in one process."""
    env = {**environment("django_rooms"), "ROOMS_DATABASE": str(tmp_path_factory.mktemp("rooms") / "db.sqlite3")}
    words = [sys.executable, "examples/django_rooms/manage.py", "prepare"]
    subprocess.run(words, cwd=ROOT, env={**os.environ, **env}, check=True, timeout=120, stdout=subprocess.DEVNULL)
    with ExitStack() as stack:
        yield Server(stack, "config.asgi:application", env=env)


def state(page: Page) -> Locator:
    return page.get_by_role("status")


def talk(page: Page) -> Locator:
    return page.get_by_role("log").locator("li")


def say(page: Page, text: str) -> None:
    page.get_by_label("Message", exact=True).fill(text)
    page.get_by_role("button", name="Send").click()


# -- django_chat ------------------------------------------------------------------------------------------


def enter(context: BrowserContext, server: Server, room: str) -> Page:
    page = context.new_page()
    page.goto(server.url)
    page.get_by_label("Which room?").fill(room)
    page.get_by_role("button", name="Enter").click()
    expect(state(page)).to_have_text("Connected")
    return page


@pytest.mark.parametrize("chat", ["uvicorn", "daphne"] if FULL else ["uvicorn"], indirect=True)
def test_what_is_said_in_one_tab_is_seen_in_both(context: BrowserContext, chat: Server) -> None:
    one, two = enter(context, chat, "lobby"), enter(context, chat, "lobby")
    elsewhere = enter(context, chat, "elsewhere")
    say(one, "hello")
    expect(talk(two)).to_have_text(["hello"])
    say(two, "<b>hello</b> yourself")
    for page in (one, two):
        expect(talk(page)).to_have_text(["hello", "<b>hello</b> yourself"])
    say(elsewhere, "nobody here?")
    expect(talk(elsewhere)).to_have_text(["nobody here?"])
    expect(talk(one)).to_have_count(2)


@pytest.mark.skipif(not FULL, reason="make full has it; the pages of both kinds do so below")
def test_a_tab_comes_back_after_a_restart(context: BrowserContext, chat: Server) -> None:
    one, two = enter(context, chat, "lobby"), enter(context, chat, "lobby")
    chat.kill()
    for page in (one, two):
        expect(state(page)).to_have_text("Reconnecting…")
    say(one, "still there?")
    expect(one.get_by_label("Message", exact=True)).to_have_value("still there?")
    chat.start()
    for page in (one, two):
        expect(state(page)).to_have_text("Connected")
    one.get_by_role("button", name="Send").click()
    for page in (one, two):
        expect(talk(page)).to_have_text(["still there?"])


# -- django_mixed -----------------------------------------------------------------------------------------


def sign_in(context: BrowserContext, server: Server, name: str) -> None:
    page = context.new_page()
    page.goto(server.url)
    page.get_by_label("Your name").fill(name)
    page.get_by_role("button", name="Enter").click()
    expect(page.get_by_text(f"You are {name}")).to_be_visible()
    page.close()


def come_in(context: BrowserContext, server: Server, what: str) -> Page:
    page = context.new_page()
    page.goto(server.url)
    page.get_by_role("link", name=f"lobby, on a {what}").click()
    expect(state(page)).to_have_text("Connected")
    return page


@pytest.fixture
def other(browser: Browser) -> Iterator[BrowserContext]:
    """Another person's browser, with cookies of its own."""
    context = browser.new_context()
    yield context
    context.close()


def test_a_consumers_page_and_a_channels_page_talk(
    context: BrowserContext, other: BrowserContext, mixed: Server
) -> None:
    sign_in(context, mixed, "Ada")
    sign_in(other, mixed, "Bob")
    ada = come_in(context, mixed, "class-based consumer")
    bob = come_in(other, mixed, "native channel")
    say(ada, "hello")
    expect(talk(bob)).to_have_text(["Adahello"])
    say(bob, "<b>hello</b> yourself")
    ada.get_by_role("button", name="Ring the bell").click()
    for page in (ada, bob):
        expect(talk(page)).to_have_text(["Adahello", "Bob<b>hello</b> yourself", "the houseAda rings the bell"])
    expect(ada.locator("li.mine")).to_have_count(1)
    expect(bob.locator("li.mine")).to_have_count(1)


def test_both_kinds_come_back_after_a_restart(context: BrowserContext, mixed: Server) -> None:
    sign_in(context, mixed, "Ada")
    pages = [come_in(context, mixed, what) for what in ("class-based consumer", "native channel")]
    mixed.kill()
    for page in pages:
        expect(state(page)).to_have_text("Reconnecting…")
    mixed.start()
    for page in pages:
        expect(state(page)).to_have_text("Connected")
    say(pages[0], "back")
    for page in pages:
        expect(talk(page)).to_have_text(["Adaback"])


def test_the_channels_page_is_told_that_the_session_has_ended(context: BrowserContext, mixed: Server) -> None:
    sign_in(context, mixed, "Ada")
    page = come_in(context, mixed, "native channel")
    context.clear_cookies()
    mixed.kill()
    mixed.start()
    expect(state(page)).to_have_text("Please sign in.")


# -- django_rooms -----------------------------------------------------------------------------------------


def log_in(context: BrowserContext, server: Server, name: str) -> Page:
    page = context.new_page()
    page.goto(server.url)
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password").fill("rooms")
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_text(f"You are {name}")).to_be_visible()
    return page


def go_into(page: Page, room: str) -> None:
    page.get_by_role("link", name=room).click()
    expect(state(page)).to_have_text("Connected")


def test_members_talk_raise_hands_and_ask_for_digests(
    context: BrowserContext, other: BrowserContext, rooms: Server
) -> None:
    ada, bob = log_in(context, rooms, "ada"), log_in(other, rooms, "bob")
    expect(ada.get_by_role("listitem")).to_have_text(["Garden", "Library"])
    for page in (ada, bob):
        go_into(page, "Garden")
    ada.get_by_label("Message", exact=True).fill("<b>hello</b>")
    expect(bob.get_by_text("ada is writing…")).to_be_visible()
    ada.get_by_role("button", name="Send").click()
    for page in (ada, bob):
        expect(talk(page)).to_have_text(["ada<b>hello</b>"])
    expect(bob.get_by_text("ada is writing…")).to_be_hidden()
    bob.get_by_role("button", name="Raise hand").click()
    for page in (ada, bob):
        expect(page.get_by_text("Hands: bob")).to_be_visible()
    ada.get_by_role("button", name="Digest").click()
    expect(talk(ada)).to_have_text(["ada<b>hello</b>", "Lines: 1 (ada 1)"])
    expect(talk(bob)).to_have_count(1)
    bob.reload()
    expect(talk(bob)).to_have_text(["ada<b>hello</b>"])
    expect(bob.get_by_role("button", name="Lower hand")).to_be_visible()
    rooms.kill()
    expect(state(ada)).to_have_text("Reconnecting…")
    rooms.start()
    expect(state(ada)).to_have_text("Connected")
    say(ada, "again")
    expect(talk(ada)).to_have_text(["ada<b>hello</b>", "Lines: 1 (ada 1)", "adaagain"])


def test_the_pages_fit_a_phone(browser: Browser, chat: Server, mixed: Server) -> None:
    context = browser.new_context(viewport={"width": 320, "height": 568})
    sign_in(context, mixed, "A" * 30)
    for page in (enter(context, chat, "a" * 50), come_in(context, mixed, "native channel")):
        page.get_by_label("Message", exact=True).fill("word" * 100)
        page.get_by_role("button", name="Send").click()
        expect(talk(page)).to_have_count(1)
        for scheme in ("dark", "light"):
            page.emulate_media(color_scheme=scheme)
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
            for name in ("Leave", "Rooms"):
                if (link := page.get_by_role("link", name=name)).count():
                    expect(link).to_be_in_viewport(ratio=1)
            expect(page.get_by_role("button", name="Send")).to_be_in_viewport(ratio=1)
    context.close()

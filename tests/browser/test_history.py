"""history.js in a real browser, against a real server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from playwright.sync_api import Browser, Page

from tests.browser.conftest import Server
from tests.browser.tools import blank, run

pytestmark = pytest.mark.browser


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """With a server of its own, whose histories are empty."""
    with ExitStack() as stack:
        server = Server(stack, "tests.browser.history:app")
        context = browser.new_context()
        yield from blank(context.new_page(), server)
        context.close()


BEGIN = """
    const { resume } = await import("/chanx/history.js");
    const heard = [], lost = [];
    const socket = made();
    const places = resume(socket, { onlost: (stream) => lost.push(stream) });
    const said = (text) => new Promise((resolve) => {
        const look = () => heard.includes(text) && resolve();
        socket.on("said", look);
        look();
    });
    socket.on("said", (frame) => heard.push(frame.text));
    await socket.until("open");
    socket.send({ action: "say", text: "first" });
    await said("first");
"""


def test_what_was_missed_is_heard_once_in_order(page: Page) -> None:
    heard, lost, places = run(
        page,
        f"""async () => {{
            {BEGIN}
            socket.send({{ action: "cut", count: 5 }});
            await socket.until("open", 2);
            socket.send({{ action: "say", text: "last" }});
            await said("last");
            await said("in b");
            return [heard, lost, places()];
        }}""",
    )
    assert [text for text in heard if text != "in b"] == ["first", "0", "1", "2", "3", "4", "last"]
    assert heard.count("in b") == 1
    assert lost == []
    assert (places["a"]["seq"], places["b"]["seq"]) == (7, 1)


def test_what_cannot_be_had_is_told(page: Page) -> None:
    heard, lost = run(
        page,
        f"""async () => {{
            {BEGIN}
            socket.send({{ action: "cut", count: 20 }});
            await socket.until("open", 2);
            await said("in b");
            await socket.request({{ action: "say", text: "last" }});
            await said("last");
            return [heard, lost];
        }}""",
    )
    assert [text for text in heard if text != "in b"] == ["first", "last"]
    assert lost == ["a"]


def test_a_page_may_go_on_where_an_earlier_one_stood(page: Page) -> None:
    heard = run(
        page,
        f"""async () => {{
            {BEGIN}
            const from = places();
            socket.send({{ action: "cut", count: 3 }});
            await socket.until("close");
            socket.close();
            const again = made(), texts = [];
            resume(again, {{ from }});
            await new Promise((resolve) => again.on("said", ({{ text }}) => {{
                texts.push(text);
                if (texts.length === 4) resolve();
            }}));
            return texts;
        }}""",
    )
    assert sorted(heard) == ["0", "1", "2", "in b"]


def test_the_script_of_the_how_to_page(page: Page) -> None:
    heard = run(
        page,
        """async () => {
            const { follow } = await import("/docs/page_history.js");
            const texts = [];
            let socket;
            await new Promise((resolve) => {
                socket = follow("/ws", (text) => { texts.push(text); if (texts.length === 4) resolve(); }, () => {});
                socket.onopen = (again) => again || socket.send({ action: "cut", count: 3 });
            });
            return texts;
        }""",
    )
    assert sorted(heard) == ["0", "1", "2", "in b"]


def test_a_count_may_go_on_in_another_epoch(page: Page) -> None:
    """As after a restart of the broker: the page takes the epoch over, and asks with it from then on."""
    places, asked, heard, lost = run(
        page,
        """async () => {
            const { resume } = await import("/chanx/history.js");
            const asked = [], heard = [], lost = [];
            const end = {
                _push: (frame) => heard.push(frame.seq),
                request: async (frame) => {
                    asked.push({ ...frame.streams.s });
                    for (const seq of [4, 5]) end._push({ action: "said", stream: "s", seq }, "said");
                    return { streams: { s: { recovered: true, seq: 5, epoch: "three" } } };
                },
            };
            const places = resume(end, { onlost: (stream) => lost.push(stream) });
            const told = (action, seq, epoch) => end._push({ action, stream: "s", seq, epoch }, action);
            told("joined", 1, "one");
            end._push({ action: "said", stream: "s", seq: 2 }, "said");
            told("position", 2, "two");
            end._push({ action: "said", stream: "s", seq: 3 }, "said");
            told("joined", 5, "three");
            await new Promise((resolve) => setTimeout(resolve));
            return [places().s, asked, heard, lost];
        }""",
    )
    assert places == {"seq": 5, "epoch": "three"}
    assert asked == [{"seq": 3, "epoch": "two"}]
    assert heard == [2, 3, 4, 5]
    assert lost == []

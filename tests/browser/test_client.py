"""chanx.js in a real browser, against a real server."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from playwright.sync_api import Browser, Page

from tests.browser.conftest import Server
from tests.browser.tools import blank, closed, run

pytestmark = pytest.mark.browser

APP = "tests.browser.app:app"


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with ExitStack() as stack:
        yield Server(stack, APP)


@pytest.fixture
def mortal() -> Iterator[Server]:
    """A server of one's own, to be killed."""
    with ExitStack() as stack:
        yield Server(stack, APP)


@pytest.fixture(scope="module")
def tab(browser: Browser) -> Iterator[Page]:
    """One for all tests: a context for each would take longer than most of them."""
    context = browser.new_context()
    yield context.new_page()
    context.close()


@pytest.fixture
def page(tab: Page, server: Server) -> Iterator[Page]:
    """A blank page; what its scripts raise and do not catch fails the test."""
    yield from blank(tab, server)


@pytest.fixture
def mortal_page(tab: Page, mortal: Server) -> Iterator[Page]:
    yield from blank(tab, mortal)


# -- requests -----------------------------------------------------------------------------------------


def test_a_request_is_answered(page: Page) -> None:
    answers = run(
        page,
        """async () => {
            const socket = await opened();
            return await Promise.all([
                socket.request({ action: "say", text: "one" }),
                socket.request({ action: "note" }),
                socket.request({ action: "say", text: "two" }),
            ]);
        }""",
    )
    assert answers == [
        {"action": "said", "text": "one", "ref": 1},
        None,
        {"action": "said", "text": "two", "ref": 3},
    ]


def test_an_error_frame_is_thrown(page: Page) -> None:
    refused, invalid = run(
        page,
        """async () => {
            const socket = await opened();
            return [
                await failure(socket.request({ action: "forbidden" })),
                await failure(socket.request({ action: "say" })),
            ];
        }""",
    )
    assert refused == {"name": "ChanxError", "code": "unauthorized", "detail": "not for you", "errors": []}
    assert (invalid["code"], invalid["errors"][0]["loc"]) == ("invalid_message", ["text"])


def test_of_several_answers_a_request_takes_the_first_and_the_rest_is_no_push(page: Page) -> None:
    answer, log = run(
        page,
        """async () => {
            const socket = await opened({ onstatus: null });
            const answer = await socket.request({ action: "split", text: "one two three" });
            await socket.request({ action: "note" });
            return [answer.text, socket.log];
        }""",
    )
    assert (answer, log) == ("one", [["open", False]])


def test_pushes_go_to_the_hook_and_to_their_listeners(page: Page) -> None:
    pushed, heard = run(
        page,
        """async () => {
            const socket = await opened();
            const heard = [];
            const next = (frame) => heard.push(`next ${frame.text}`);  // not yet for the frame that it is made at
            const off = socket.on("said", (frame) => { heard.push(frame.text); socket.on("said", next); });
            socket.on("number", () => heard.push("wrong"));
            const sent = socket.send({ action: "push", text: "one" });
            await socket.until("push", 1);
            off();
            socket.send({ action: "push", text: "two" });
            await socket.until("push", 2);
            socket.send({ action: "say", text: "three", ref: "mine" });
            await socket.until("push", 3);
            return [[sent, ...socket.log.filter(([kind]) => kind === "push").map(([, frame]) => frame)], heard];
        }""",
    )
    assert pushed == [
        True,
        {"action": "said", "text": "one"},
        {"action": "said", "text": "two"},
        {"action": "said", "text": "three", "ref": "mine"},
    ]
    assert heard == ["one", "next two", "next three"]


def test_a_request_can_be_given_up(page: Page) -> None:
    results = run(
        page,
        """async () => {
            const socket = await opened();
            const control = new AbortController();
            const held = socket.request({ action: "hold" }, { signal: control.signal });
            control.abort(gone());
            return [
                await failure(held),
                await failure(socket.request({ action: "hold" }, { signal: control.signal })),
                await failure(socket.request({ action: "hold" }, { timeout: 1 })),
                (await socket.request({ action: "say", text: "still here" })).text,
            ];
        }""",
    )
    assert [result["name"] for result in results[:2]] == ["AbortError", "AbortError"]
    assert results[2:] == [closed("no answer in time", "timeout"), "still here"]


# -- streams ------------------------------------------------------------------------------------------


def test_a_stream_is_iterated_to_its_end(page: Page) -> None:
    numbers, words, nothing = run(
        page,
        """async () => {
            const socket = await opened();
            const all = async (message) => {
                const frames = [];
                for await (const frame of socket.stream(message)) frames.push(frame);
                return frames;
            };
            return [
                await all({ action: "count", to: 1000 }),
                await all({ action: "split", text: "one two" }),
                await all({ action: "note" }),
            ];
        }""",
    )
    assert [frame["number"] for frame in numbers] == list(range(1, 1001))
    assert [frame["text"] for frame in words] == ["one", "two"]
    assert nothing == []


def test_an_error_ends_a_stream_after_its_items(page: Page) -> None:
    seen, error = run(
        page,
        """async () => {
            const socket = await opened();
            const seen = [];
            const read = async () => {
                for await (const { number } of socket.stream({ action: "count", fail: 3 })) seen.push(number);
            };
            const error = await failure(read());
            return [seen, error];
        }""",
    )
    assert seen == [1, 2]
    assert (error["code"], error["detail"]) == ("unauthorized", "no further")


def test_leaving_the_loop_cancels_the_stream(page: Page) -> None:
    seen, log = run(
        page,
        """async () => {
            const socket = await opened({ onstatus: null });
            const seen = [];
            for await (const { number } of socket.stream({ action: "count", id: "left" })) {
                seen.push(number);
                if (number === 3) break;
            }
            await socket.request({ action: "ended", id: "left" });  // the server's `finally` has run
            return [seen, socket.log];
        }""",
    )
    assert (seen, log) == ([1, 2, 3], [["open", False]])


def test_a_signal_cancels_the_stream(page: Page) -> None:
    waiting, early, inside = run(
        page,
        """async () => {
            const socket = await opened();
            const read = async (id, control, each = () => {}) => {
                const options = { signal: control.signal };
                for await (const frame of socket.stream({ action: id ? "count" : "hold", id }, options)) {
                    await each(frame);
                }
            };
            const [one, two, three] = [1, 2, 3].map(() => new AbortController());
            const waiting = failure(read("", one));
            one.abort(gone());
            two.abort(gone());
            const early = await failure(read("early", two));
            let count = 0;
            const inside = await failure(read("inside", three, async () => {
                count += 1;
                await socket.request({ action: "note" });  // meanwhile more items arrive
                three.abort(gone());
            }));
            await socket.request({ action: "ended", id: "inside" });
            return [await waiting, early, [inside, count]];
        }""",
    )
    assert waiting["name"] == early["name"] == inside[0]["name"] == "AbortError"
    assert inside[1] == 1


# -- uploads ------------------------------------------------------------------------------------------


def test_an_upload_is_answered(page: Page) -> None:
    totals = run(
        page,
        """async () => {
            const socket = await opened();
            async function* parts(most) {
                for (let number = 1; number <= most; number += 1) yield { action: "part", number };
            }
            const sum = async (chunks) => (await socket.upload({ action: "add" }, chunks)).number;
            return await Promise.all([sum(parts(1000)), sum([{ action: "part", number: 7 }]), sum([])]);
        }""",
    )
    assert totals == [500500, 7, 0]


def test_an_upload_ends_when_it_is_answered(page: Page) -> None:
    number, returned = run(
        page,
        """async () => {
            const socket = await opened();
            let end;
            const returned = new Promise((resolve) => { end = resolve; });
            async function* parts() {
                try {
                    for (let number = 1; ; number += 1) {
                        yield { action: "part", number };
                        if (number >= 3) await socket.request({ action: "note" });
                    }
                } finally {
                    end(true);
                }
            }
            const { number } = await socket.upload({ action: "add", most: 3 }, parts());
            return [number, await returned];
        }""",
    )
    assert (number, returned) == (6, True)


@pytest.mark.parametrize("how", ["raise", "abort"])
def test_an_upload_that_fails_is_cancelled(page: Page, how: str) -> None:
    error = run(
        page,
        """async (how) => {
            const socket = await opened();
            const control = new AbortController();
            async function* parts() {
                yield { action: "part", number: 1 };
                await socket.request({ action: "begun", id: how });  // before that, the server would never begin it
                if (how === "raise") throw gone();
                control.abort(gone());
                yield { action: "part", number: 2 };
            }
            const error = await failure(socket.upload({ action: "add", id: how }, parts(), { signal: control.signal }));
            await socket.request({ action: "ended", id: how });
            return error;
        }""",
        how,
    )
    assert error["name"] == "AbortError"


def test_an_upload_waits_for_the_network(page: Page) -> None:
    """What the browser holds stays bounded: a few chunks more than the mark, not the whole upload."""
    total, most = run(
        page,
        """async () => {
            let made, most = 0;
            window.WebSocket = class extends WebSocket {
                constructor(...values) { super(...values); made = this; }
            };
            const socket = await opened();
            async function* parts() {
                const filler = "x".repeat(60_000);
                for (let number = 1; number <= 500; number += 1) {
                    most = Math.max(most, made.bufferedAmount);
                    yield { action: "part", number, filler };
                }
            }
            const { number } = await socket.upload({ action: "add" }, parts());
            return [number, most];
        }""",
    )
    assert total == 500 * 501 // 2
    assert most <= (1 << 20) + 61_000


def test_an_upload_may_be_answered_by_a_stream_and_wait_for_a_connection(page: Page) -> None:
    words = run(
        page,
        """async () => {
            const socket = made({ queue: 1, discriminator: "type" }, "/typed");
            const chunks = ["one", "two"].map((text) => ({ type: "word", text }));
            const words = [];
            for await (const { text } of socket.stream({ type: "count" }, { chunks })) words.push(text);
            return words;
        }""",
    )
    assert words == ["one", "two"]


def test_an_upload_that_is_given_up_does_not_wait_for_the_network(page: Page) -> None:
    ended, error = run(
        page,
        """async () => {
            window.WebSocket = class extends WebSocket {
                get bufferedAmount() { return 1 << 30; }
            };
            const socket = await opened(), control = new AbortController();
            let end;
            const ended = new Promise((resolve) => { end = resolve; });
            async function* parts() {
                try {
                    yield { action: "part", number: 1 };
                } finally {
                    end("ended");
                }
            }
            const upload = failure(socket.upload({ action: "add" }, parts(), { signal: control.signal }));
            control.abort(gone());
            return [await ended, (await upload).name];
        }""",
    )
    assert (ended, error) == ("ended", "AbortError")


# -- what is sent, and what is left -------------------------------------------------------------------


def test_no_more_is_sent_than_is_needed(page: Page) -> None:
    sent = run(
        page,
        """async () => {
            const sent = [];
            window.WebSocket = class extends WebSocket {
                send(text) { sent.push(text); super.send(text); }
            };
            const socket = await opened(), control = new AbortController(), { signal } = control;
            await socket.request({ action: "note" }, { signal, timeout: 10_000 });
            for await (const { text } of socket.stream({ action: "split", text: "a b" }, { signal })) text.trim();
            for await (const { number } of socket.stream({ action: "count" })) if (number === 1) break;
            await socket.upload({ action: "add" }, [{ action: "part", number: 1 }]);
            async function* parts() {
                yield { action: "part", number: 2 };
                await socket.request({ action: "begun", id: "enough" });
                await failure(upload);  // the generator ends after the call
            }
            const upload = socket.upload({ action: "add", id: "enough" }, parts(), { signal });
            await socket.request({ action: "begun", id: "enough" });
            control.abort(gone());
            await failure(upload);
            await socket.request({ action: "ended", id: "enough" });
            return sent.map((text) => JSON.parse(text)).map(({ action, ref }) => `${action} ${ref}`);
        }""",
    )
    begun = ["add 5", "begun 6", "part 5", "begun 7", "cancel 5", "ended 8"]
    assert sorted(sent) == sorted(["note 1", "split 2", "count 3", "cancel 3", "add 4", "part 4", "complete 4", *begun])


def test_what_was_never_sent_is_not_cancelled(page: Page) -> None:
    sent = run(
        page,
        """async () => {
            const sent = [], control = new AbortController();
            window.WebSocket = class extends WebSocket {
                send(text) { sent.push(JSON.parse(text).action); super.send(text); }
            };
            const socket = made({ queue: 2, onopen: () => control.abort(gone()) });
            const given = failure(socket.request({ action: "hold" }, { signal: control.signal }));
            await socket.request({ action: "note" });
            return [(await given).name, ...sent];
        }""",
    )
    assert sent == ["AbortError", "note"]


def test_nothing_is_left_behind(page: Page) -> None:
    left = run(
        page,
        """async () => {
            const left = new Map();
            const count = (what, by) => left.set(what, (left.get(what) ?? 0) + by);
            const counted = (target, name, by) => {
                const real = target[name];
                target[name] = function (kind, ...rest) {
                    if (["abort", "online"].includes(kind)) count(kind, by);
                    return real.call(this, kind, ...rest);
                };
            };
            counted(EventTarget.prototype, "addEventListener", 1);
            counted(EventTarget.prototype, "removeEventListener", -1);
            const { signal } = new AbortController(), options = { signal, timeout: 1_000_000 };
            const socket = await opened();
            await socket.request({ action: "note" }, options);
            await failure(socket.request({ action: "forbidden" }, options));
            for await (const { number } of socket.stream({ action: "count" }, options)) if (number === 1) break;
            const counts = [left.get("abort"), left.get("online"), timers.size];
            socket.close();
            return [counts, [left.get("abort"), left.get("online"), timers.size]];
        }""",
    )
    assert left == [[0, 1, 0], [0, 0, 0]]


# -- questions ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ("({ name }) => ({ action: 'confirmed', yes: name === 'notes' })", "deleted notes"),
        ("async () => ({ action: 'confirmed', yes: false })", "kept"),
        ("() => { throw new ChanxError('busy', 'later') }", "busy: later"),
        ("async () => { throw new Error('not now') }", "declined: not now"),
        ("() => { throw 'never' }", "declined: never"),
        ("() => null", "invalid_message: the message is invalid"),
        ("() => ({ action: 'confirmed' })", "invalid_message: the message is invalid"),
        ("null", "declined: nobody here answers confirm"),
    ],
)
def test_a_question_is_answered_or_declined(page: Page, answer: str, said: str) -> None:
    told = run(
        page,
        """async () => {
            const socket = await opened(), answer = ANSWER;
            if (answer !== null) socket.answer("confirm", answer);
            const [one, two] = await Promise.all([
                socket.request({ action: "delete", name: "notes" }),
                socket.request({ action: "say", text: "meanwhile" }),
            ]);
            return [one.text, two.text];
        }""".replace("ANSWER", answer),
    )
    assert told == [said, "meanwhile"]


def test_a_question_that_is_open_is_told_of_the_end(page: Page) -> None:
    """And an answer that comes too late is not sent: the next connection has questions of its own."""
    aborted, text, pushed = run(
        page,
        """async () => {
            const socket = await opened();
            let late;
            const asked = new Promise((resolve) => {
                socket.answer("confirm", (question, { signal }) => {
                    resolve(signal);
                    return new Promise((answer) => { late = answer; });
                });
            });
            socket.send({ action: "delete", name: "notes" });
            const signal = await asked;
            socket.send({ action: "close", code: 1012 });
            await socket.until("open", 2);
            late({ action: "confirmed", yes: true });
            const { text } = await socket.request({ action: "say", text: "fine" });
            await socket.request({ action: "note" });
            return [signal.aborted, text, socket.log.filter(([kind]) => kind === "push")];
        }""",
    )
    assert (aborted, text, pushed) == (True, "fine", [])


def test_another_discriminator(page: Page) -> None:
    said, wrong = run(
        page,
        """async () => {
            const socket = await opened({ discriminator: "type" }, "/typed");
            const declined = await failure(socket.request({ type: "say", text: "hello" }));
            socket.answer("say", ({ text }) => ({ type: "word", text: `${text}!` }));
            return [(await socket.request({ type: "say", text: "hello" })).text, declined.code];
        }""",
    )
    assert (said, wrong) == ("hello!", "declined")


def test_heartbeats_are_answered(page: Page) -> None:
    """The server asks again only when it had an answer."""
    asked, log = run(
        page,
        """async () => {
            const asked = [];
            const second = new Promise((resolve) => {
                window.WebSocket = class extends WebSocket {
                    constructor(...values) {
                        super(...values);
                        const look = ({ data }) => { if (asked.push(JSON.parse(data)) === 2) resolve(); };
                        this.addEventListener("message", look);
                    }
                };
            });
            const socket = await opened({}, "/beating");
            await second;
            return [asked, socket.log];
        }""",
    )
    assert [(frame["action"], frame["ask"]) for frame in asked] == [("heartbeat", "h1"), ("heartbeat", "h2")]
    assert log == [["status", "open"], ["open", False]]


# -- the end, and coming back -------------------------------------------------------------------------

FINAL = [1000, 1002, 1003, 1007, 1008, 1009, 1010, 3000, 4000, 4008, 4009, 4400, 4401, 4403, 4404, 4422, 4499, 4999]
TEMPORARY = [1001, 1005, 1006, 1011, 1012, 1013, 1014, 4011, 4012, 4013, 4408, 4425, 4429, 4500, 4503, 4599]


def test_codes(page: Page) -> None:
    assert run(page, "codes => codes.filter(isFinal)", FINAL + TEMPORARY) == FINAL


@pytest.mark.parametrize(
    ("code", "final"), [(1000, True), (1008, True), (1009, True), (4008, True), (1011, False), (1012, False)]
)
def test_the_server_closes(page: Page, code: int, final: bool) -> None:
    event, held, cause, status = run(
        page,
        """async ([code, final]) => {
            const socket = await opened();
            const held = socket.request({ action: "hold" });
            const cause = held.catch((error) => error.cause.code);
            socket.send({ action: "close", code, reason: "because" });
            const event = await socket.until("close");
            if (!final) await socket.until("open", 2);
            return [event, await failure(held), await cause, socket.status];
        }""",
        [code, final],
    )
    assert event == [code, "because", not final]
    assert held == closed("because")
    assert cause == code
    assert status == ("closed" if final else "open")


@pytest.mark.parametrize(("status", "final"), [(401, True), (403, True), (429, False), (503, False)])
def test_the_server_refuses(page: Page, status: int, final: bool) -> None:
    event, tried = run(
        page,
        """async ([status, final]) => {
            let tried = 0;
            const url = () => { tried += 1; return `/ws?status=${tried > 2 ? 0 : status}`; };
            const socket = made({ backoff: { busy: 0 } }, url);
            const event = await socket.until("close");
            // Refused sockets open first: the third is one that stays.
            if (!final) await socket.until("open", 3);
            return [event, tried];
        }""",
        [status, final],
    )
    assert event == [4000 + status, "not you", not final]
    assert tried == (1 if final else 3)


def test_which_codes_are_final_may_be_told(page: Page) -> None:
    codes = run(
        page,
        """async () => {
            const socket = await opened({ isFinal: (code) => code === 4002 });
            socket.send({ action: "close", code: 4001 });
            await socket.until("open", 2);
            socket.send({ action: "close", code: 4002 });
            await socket.until("close", 2);
            return socket.log.filter(([kind]) => kind === "close").map(([, code, , again]) => [code, again]);
        }""",
    )
    assert codes == [[4001, True], [4002, False]]


def test_the_page_closes(page: Page) -> None:
    log, held, refused, sent = run(
        page,
        """async () => {
            const socket = await opened({ queue: 5 });
            const held = failure(socket.request({ action: "hold" }));
            socket.close(4321, "enough");
            socket.close();
            socket.retry();
            window.dispatchEvent(new Event("online"));
            const refused = await failure(socket.request({ action: "note" }));
            return [socket.log, await held, refused, socket.send({ action: "note" })];
        }""",
    )
    assert log == [["status", "open"], ["open", False], ["status", "closed"], ["close", 4321, "enough", False]]
    assert held == closed("enough")
    assert refused == closed("there is no connection, and no room to wait for one")
    assert sent is False


def test_nothing_is_heard_after_the_close(page: Page) -> None:
    """What a browser may still tell of a socket that is closing, told at the worst moment."""
    status, more, late = run(
        page,
        """async () => {
            const hooks = {};
            window.WebSocket = class extends WebSocket {
                set onopen(hook) { super.onopen = hooks.open = hook; }
                set onmessage(hook) { super.onmessage = hooks.message = hook; }
                set onclose(hook) { super.onclose = hooks.close = hook; }
            };
            const socket = await opened();
            socket.close();
            const count = socket.log.length;
            hooks.open();
            hooks.message({ data: JSON.stringify({ action: "said", text: "late" }) });
            hooks.close({ code: 1011, reason: "late" });
            return [socket.status, socket.log.slice(count), timers.size];
        }""",
    )
    assert (status, more, late) == ("closed", [], 0)


def test_the_server_is_told_of_the_close(page: Page) -> None:
    run(
        page,
        """async () => {
            const leaving = await opened(), watching = await opened();
            await leaving.stream({ action: "count", id: "close" }).next();
            leaving.close();
            await watching.request({ action: "ended", id: "close" });
        }""",
    )


def test_without_a_connection_messages_are_refused(page: Page) -> None:
    sent, error = run(
        page,
        """async () => {
            const socket = made();
            return [socket.send({ action: "note" }), await failure(socket.request({ action: "note" }))];
        }""",
    )
    assert sent is False
    assert error == closed("there is no connection, and no room to wait for one")


def test_with_a_queue_they_wait_in_order_and_within_its_bound(page: Page) -> None:
    texts, full, aborted = run(
        page,
        """async () => {
            const control = new AbortController();
            const texts = [];
            const socket = made({ queue: 3, onopen: () => socket.send({ action: "push", text: "first" }) });
            const aborted = failure(socket.request({ action: "push", text: "never" }, { signal: control.signal }));
            control.abort(gone());
            socket.send({ action: "push", text: "second" });
            const third = socket.request({ action: "say", text: "third" });
            socket.send({ action: "push", text: "fourth" });
            const full = [socket.send({ action: "note" }), await failure(socket.request({ action: "note" }))];
            texts.push((await third).text);
            await socket.until("push", 3);
            texts.push(...socket.log.filter(([kind]) => kind === "push").map(([, { text }]) => text));
            return [texts, full, await aborted];
        }""",
    )
    assert texts == ["third", "first", "second", "fourth"]
    assert full == [False, closed("there is no connection, and no room to wait for one")]
    assert aborted["name"] == "AbortError"


@pytest.mark.parametrize("how", ["refused", "closed"])
def test_what_waits_is_told_of_the_end(page: Page, how: str) -> None:
    error = run(
        page,
        """async (how) => {
            const url = how === "refused" ? "/ws?status=401" : () => new Promise(() => {});
            const socket = made({ queue: 1 }, url);
            const waits = failure(socket.request({ action: "note" }));
            if (how === "closed") socket.close(1000, "not you");
            return waits;
        }""",
        how,
    )
    assert error == closed("not you")


@pytest.mark.parametrize("settle", ["resolve", "reject"])
def test_an_address_that_is_told_after_the_end_is_of_no_use(page: Page, settle: str) -> None:
    log, made = run(
        page,
        """async (settle) => {
            const ways = {};
            let made = 0;
            window.WebSocket = class extends WebSocket {
                constructor(...values) { super(...values); made += 1; }
            };
            const address = new Promise((resolve, reject) => Object.assign(ways, { resolve, reject }));
            const socket = window.made({}, () => address);
            socket.close();
            ways[settle]("/ws");
            await new Promise((turn) => later(turn));  // all that follows at once has followed
            return [socket.log, made];
        }""",
        settle,
    )
    assert (log, made) == ([["status", "closed"], ["close", 1000, "", False]], 0)


def test_a_hook_may_close(page: Page) -> None:
    log = run(
        page,
        """async () => {
            const socket = await opened({ onstatus: (status) => { if (status === "waiting") socket.close(4000); } });
            socket.send({ action: "close", code: 1011 });
            await socket.until("close", 2);
            return [socket.status, ...socket.log.filter(([kind]) => kind === "close")];
        }""",
    )
    assert log == ["closed", ["close", 4000, "", False], ["close", 1011, "", False]]


def test_survives_a_kill_and_comes_back(mortal: Server, mortal_page: Page) -> None:
    page = mortal_page
    run(
        page,
        """async () => {
            window.socket = await opened({ queue: 1, backoff: { first: 50, max: 50 } });
            window.held = failure(socket.request({ action: "hold" }));
            window.streamed = failure(socket.stream({ action: "hold" }).next());
        }""",
    )
    mortal.kill()
    lost = run(page, "async () => [await socket.until('close'), await held, await streamed]")
    assert lost == [[1006, "", True], closed("closed with 1006"), closed("closed with 1006")]
    run(page, "() => { window.waited = socket.request({ action: 'say', text: 'waited' }); }")
    mortal.start()
    again, text = run(page, "async () => [await socket.until('open', 2), (await waited).text]")
    assert (again, text) == ([True], "waited")


def test_an_attempt_has_its_time(page: Page) -> None:
    """Neither a server that does not answer nor an address that is never told keeps it."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        closes = run(
            page,
            """async (port) => {
                let tried = 0;
                const urls = [`ws://127.0.0.1:${port}/`, new Promise(() => {}), "/ws"];
                const socket = made({ connectTimeout: 50, isFinal: () => tried === 3 }, () => urls[tried++]);
                await socket.until("close", 2);
                socket.close();
                return socket.log.filter(([kind]) => kind === "close").map(([, code, reason]) => [code, reason]);
            }""",
            silent.getsockname()[1],
        )
    assert closes == [[1006, ""], [1006, "ChanxError: no address in time"], [1000, ""]]


def test_a_page_that_is_online_again_does_not_wait(page: Page) -> None:
    opened = run(
        page,
        """async () => {
            const socket = await opened({ random: () => 1, backoff: { first: 3_600_000, max: 3_600_000 } });
            socket.send({ action: "close", code: 1011 });
            await socket.until("close");
            const waiting = socket.status;
            window.dispatchEvent(new Event("online"));
            await socket.until("open", 2);
            socket.send({ action: "close", code: 1011 });
            await socket.until("close", 2);
            socket.retry();
            return [waiting, await socket.until("open", 3), timers.size];
        }""",
    )
    assert opened == ["waiting", [True], 0]


def test_delays_have_full_jitter_within_a_ceiling(page: Page) -> None:
    lowest, highest, spread = run(
        page,
        """() => {
            const all = (random) => [1006, 1012, 1013].map(
                (code) => [0, 1, 2, 5, 50].map((attempt) => delayBefore(attempt, code, undefined, random)),
            );
            return [all(() => 0), all(() => 1), new Set(Array.from({ length: 100 }, () => delayBefore(3, 1006))).size];
        }""",
    )
    assert lowest == [[0] * 5, [0] * 5, [5_000] * 5]
    assert highest == [
        [500, 1_000, 2_000, 16_000, 30_000],
        [3_000, 3_000, 3_000, 16_000, 30_000],
        [5_500, 6_000, 7_000, 21_000, 35_000],
    ]
    assert spread > 50


def test_delays_grow_until_a_connection_was_steady(page: Page) -> None:
    """The delays that it asks the browser for, with a clock that is moved by hand."""
    delays = run(
        page,
        """async () => {
            const delays = [];
            let now = 0;
            Date.now = () => now;
            window.setTimeout = (run, ms) => {
                if (ms === 10_000) return later(run, ms);  // the limit of an attempt
                delays.push(ms);
                return later(run, 0);
            };
            const socket = await opened({ random: () => 1, backoff: { first: 16, max: 100, steady: 1000 } });
            const lose = async (n) => {
                socket.send({ action: "close", code: 1011 });
                await socket.until("open", n);
            };
            for (let n = 2; n <= 6; n += 1) await lose(n);
            now += 999;
            await lose(7);
            now += 1000;
            await lose(8);
            await lose(9);
            return delays;
        }""",
    )
    assert delays == [16, 32, 64, 100, 100, 100, 16, 32]


def test_the_address_may_be_made_anew_for_each_attempt(page: Page, server: Server) -> None:
    urls, error = run(
        page,
        """async () => {
            const urls = [];
            window.WebSocket = class extends WebSocket {
                constructor(url, ...values) { super(url, ...values); urls.push(url); }
            };
            let tried = 0;
            const socket = made({}, async () => {
                tried += 1;
                if (tried === 1) throw new Error("no token");
                return new URL(`/ws?token=${tried}`, location.href);
            });
            await socket.until("open");
            return [urls, await socket.until("close")];
        }""",
    )
    assert urls == [server.running.ws("/ws?token=2")]  # not every browser takes http here
    assert error == [1006, "Error: no token", True]


@pytest.mark.parametrize(
    ("url", "protocols", "says"),
    [
        ("undefined", "[]", "'missing' is not allowed"),
        ("'ftp://127.0.0.1/ws'", "[]", "'ftp' is not allowed"),
        ("'/ws#section'", "[]", "fragment"),
        ("'/ws'", "['two words']", "subprotocol"),
    ],
)
def test_what_can_never_work_is_reported_and_not_tried_again(page: Page, url: str, protocols: str, says: str) -> None:
    log, raised = run(
        page,
        f"""async () => {{
            const log = [], reported = new Promise((resolve) => {{
                window.onerror = (message, source, line, column, error) => {{ resolve(error.message); return true; }};
            }});
            const onclose = ({{ code }}, again) => log.push(code, again), onstatus = (status) => log.push(status);
            new Chanx({url}, {{ protocols: {protocols}, onclose, onstatus }});
            return [log, await reported];
        }}""",
    )
    assert log == ["closed", 1006, False]
    assert says in raised


def test_an_upload_needs_something_to_send(page: Page) -> None:
    error = run(page, "async () => (await opened()).upload({ action: 'note' }).catch(({ message }) => message)")
    assert "iterable" in error


def test_what_a_hook_raises_is_reported_and_stops_nothing(page: Page) -> None:
    raised, text = run(
        page,
        """async () => {
            const raised = [];
            window.onerror = (message, source, line, column, error) => { raised.push(error.message); return true; };
            const broken = (what) => () => { throw new Error(what); };
            const socket = made({ queue: 1, onstatus: broken("status"), onmessage: broken("message") });
            const heard = new Promise((resolve) => socket.on("said", resolve));
            socket.send({ action: "push", text: "hello" });
            return [await heard.then(() => raised), (await socket.request({ action: "say", text: "fine" })).text];
        }""",
    )
    assert raised == ["status", "message"]
    assert text == "fine"

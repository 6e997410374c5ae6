"""topics.js in a real browser, against a real server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from playwright.sync_api import Browser, Page

from tests.browser.conftest import Server
from tests.browser.tools import blank, closed, run

pytestmark = pytest.mark.browser

APP = "tests.browser.topics:app"


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
    yield from blank(tab, server)


@pytest.fixture
def mortal_page(tab: Page, mortal: Server) -> Iterator[Page]:
    yield from blank(tab, mortal)


def refused(code: str, detail: str) -> dict[str, object]:
    return closed(detail, code)


# -- subscribing --------------------------------------------------------------------------------------


def test_a_topic_is_subscribed_and_talks(page: Page) -> None:
    answers, log, states, sent = run(
        page,
        """async () => {
            const sent = [];
            window.WebSocket = class extends WebSocket {
                send(text) { sent.push(JSON.parse(text)); super.send(text); }
            };
            const socket = made(), tea = topic(socket, "room:tea");
            const states = [tea.name, tea.status];
            await tea.ready;
            states.push(tea.status);
            const answers = [await tea.request({ action: "say", text: "one" }), await tea.request({ action: "note" })];
            tea.send({ action: "push", text: "two" });
            await tea.until("push", 2);
            return [answers, tea.log, states, sent];
        }""",
    )
    topic = {"version": 1, "topic": "room:tea"}
    assert answers == [{"action": "said", "text": "one", **topic, "ref": 2}, None]
    assert log == [
        ["status", "connecting"],
        ["status", "open"],
        ["open", False],
        ["push", {"action": "said", "text": "welcome to tea", **topic}],
        ["push", {"action": "said", "text": "two", **topic}],
    ]
    assert states == ["room:tea", "waiting", "open"]
    assert sent == [
        {"action": "subscribe", "topic": "room:tea", "ref": 1},
        {"action": "say", "text": "one", "topic": "room:tea", "ref": 2},
        {"action": "note", "topic": "room:tea", "ref": 3},
        {"action": "push", "text": "two", "topic": "room:tea"},
    ]


@pytest.mark.parametrize(
    ("name", "code", "detail"),
    [
        ("nothing:here", "unknown_topic", "there is no such topic"),
        ("room:private", "unauthorized", "private is not for you"),
        ("", "invalid_message", "the topic is invalid"),
    ],
)
def test_a_refusal_is_told_and_leaves_the_rest_alone(page: Page, name: str, code: str, detail: str) -> None:
    ready, early, later, sent, log, status, hub, again = run(
        page,
        """async (name) => {
            const socket = await opened(), other = topic(socket, "room:tea"), wrong = topic(socket, name);
            const early = failure(wrong.request({ action: "note" }));
            const ready = await failure(wrong.ready);
            const later = [
                await failure(wrong.request({ action: "note" })),
                await failure(wrong.stream({ action: "count" }).next()),
                await failure(wrong.upload({ action: "add" }, [])),
            ];
            const sent = wrong.send({ action: "note" });
            await wrong.unsubscribe();
            const hub = [(await socket.request({ action: "say", text: "hub" })).text];
            hub.push((await other.request({ action: "say", text: "other" })).text, socket.status);
            const again = await failure(topic(socket, name).ready);
            const pushed = socket.log.filter(([kind]) => kind === "push");
            return [ready, await early, later, sent, wrong.log, wrong.status, [...hub, ...pushed], again];
        }""",
        name,
    )
    assert ready == early == again
    assert (ready["code"], ready["detail"]) == (code, detail)
    assert later == [closed("the topic has ended")] * 3
    assert sent is False
    assert log == [["status", "connecting"], ["status", "closed"], ["end", code, detail]]
    assert (status, hub) == ("closed", ["hub", "other", "open"])


def test_what_is_sent_before_the_answer_waits_for_it(page: Page) -> None:
    order = run(
        page,
        """async () => {
            const socket = await opened(), slow = topic(socket, "room:slow 1"), order = [];
            slow.ready.then(() => order.push("ready"));
            slow.on("said", ({ text }) => order.push(text));
            const said = slow.request({ action: "say", text: "said" }).then(({ text }) => order.push(text));
            await socket.request({ action: "say", text: "hub" }).then(({ text }) => order.push(text));
            await socket.request({ action: "begin", id: "slow 1" });
            await said;
            return order;
        }""",
    )
    assert order == ["hub", "ready", "welcome to slow 1", "said"]


def test_one_topic_of_a_name_at_a_time(page: Page) -> None:
    error, again = run(
        page,
        """async () => {
            const socket = await opened(), tea = topic(socket, "room:tea");
            let error;
            try { topic(socket, "room:tea"); } catch ({ message }) { error = message; }
            await tea.ready;
            tea.unsubscribe();
            const again = topic(socket, "room:tea");
            await again.ready;
            return [error, [tea.status, again.status]];
        }""",
    )
    assert error == "share the Topic that room:tea has already"
    assert again == ["closed", "open"]


# -- each for itself ----------------------------------------------------------------------------------


def test_frames_reach_only_their_own(page: Page) -> None:
    heard, logs = run(
        page,
        """async () => {
            const socket = await opened(), tea = topic(socket, "room:tea"), milk = topic(socket, "room:milk");
            const heard = [], parties = { socket, tea, milk };
            await Promise.all([tea.ready, milk.ready]);
            const all = Object.entries(parties);
            for (const [name, one] of all) one.on("said", ({ text }) => heard.push([name, text]));
            for (const [name, one] of all) await one.request({ action: "push", text: `to ${name}` });
            const logs = Object.values(parties).map(({ log }) => log.filter(([kind]) => kind === "push"));
            return [heard, logs.map((log) => log.map(([, { text, topic }]) => [text, topic ?? null]))];
        }""",
    )
    assert [entry for entry in heard if "welcome" not in entry[1]] == [
        ["socket", "to socket"],
        ["tea", "to tea"],
        ["milk", "to milk"],
    ]
    assert logs == [
        [["to socket", None]],
        [["welcome to tea", "room:tea"], ["to tea", "room:tea"]],
        [["welcome to milk", "room:milk"], ["to milk", "room:milk"]],
    ]


def test_two_topics_may_use_one_action(page: Page) -> None:
    answers = run(
        page,
        """async () => {
            const socket = await opened(), tea = topic(socket, "room:tea"), chart = topic(socket, "board:tea");
            const [said, number] = await Promise.all([
                tea.request({ action: "say", text: "hello" }),
                chart.request({ action: "say", number: 21 }),
            ]);
            return [said.text, number.number, await failure(chart.request({ action: "say", text: "no number" }))];
        }""",
    )
    assert answers[:2] == ["hello", 42]
    assert (answers[2]["code"], answers[2]["errors"][0]["loc"]) == ("invalid_message", ["number"])


def test_members_are_told_whichever_way_they_came(page: Page) -> None:
    """A connection to the channel's own route, and a subscription, are in the same group."""
    heard = run(
        page,
        """async () => {
            const alone = await opened({}, "/rooms/shared"), shared = topic(await opened(), "room:shared");
            await Promise.all([alone.until("push"), shared.until("push")]);
            shared.send({ action: "tell", text: "from the topic" });
            await Promise.all([alone.until("push", 2), shared.until("push", 2)]);
            alone.send({ action: "tell", text: "from the route" });
            await Promise.all([alone.until("push", 3), shared.until("push", 3)]);
            return [alone, shared].map(({ log }) => log.filter(([kind]) => kind === "push").map(([, frame]) => frame));
        }""",
    )
    texts = ["welcome to shared", "from the topic", "from the route"]
    assert heard == [
        [{"action": "said", "text": text} for text in texts],
        [{"action": "said", "text": text, "version": 1, "topic": "room:shared"} for text in texts],
    ]


# -- calls and questions in a topic -------------------------------------------------------------------


def test_streams_and_uploads_are_those_of_the_socket(page: Page) -> None:
    seen, error, total, held, refs = run(
        page,
        """async () => {
            const sent = [];
            window.WebSocket = class extends WebSocket {
                send(text) { sent.push(JSON.parse(text)); super.send(text); }
            };
            const socket = await opened(), tea = topic(socket, "room:tea"), seen = [];
            for await (const { number, topic } of tea.stream({ action: "count", id: "in a topic" })) {
                seen.push([number, topic]);
                if (number === 2) break;
            }
            await socket.request({ action: "ended", id: "in a topic" });
            const read = async () => {
                for await (const { number } of tea.stream({ action: "count", fail: 2 })) seen.push([number, "read"]);
            };
            const error = await failure(read());
            async function* parts() {
                for (let number = 1; number <= 100; number += 1) yield { action: "part", number };
            }
            const { number } = await tea.upload({ action: "add" }, parts());
            const control = new AbortController(), { signal } = control;
            const held = tea.request({ action: "hold" }, { signal });
            control.abort(gone());
            const slow = tea.request({ action: "hold" }, { timeout: 1 });
            const names = [(await failure(held)).name, (await failure(slow)).code];
            await tea.request({ action: "note" });
            const kinds = new Set(sent.filter(({ topic }) => topic === "room:tea").map(({ action }) => action));
            return [seen, error, number, names, [...kinds]];
        }""",
    )
    assert seen == [[1, "room:tea"], [2, "room:tea"], [1, "read"]]
    assert (error["code"], error["detail"]) == ("unauthorized", "no further")
    assert total == 5050
    assert held == ["AbortError", "timeout"]
    assert refs == ["subscribe", "count", "cancel", "add", "part", "complete", "hold", "note"]


def test_a_topic_is_asked_for_itself(page: Page) -> None:
    told = run(
        page,
        """async () => {
            const socket = await opened(), tea = topic(socket, "room:tea"), milk = topic(socket, "room:milk");
            socket.answer("confirm", () => { throw new ChanxError("socket", "the socket was asked"); });
            tea.answer("confirm", ({ topic }) => ({ action: "confirmed", yes: topic === "room:tea" }));
            const ask = async (one) => (await one.request({ action: "delete", name: "x" })).text;
            return await Promise.all([ask(socket), ask(tea), ask(milk)]);
        }""",
    )
    assert told == ["socket: the socket was asked", "deleted x", "declined: nobody here answers confirm"]


def test_another_discriminator(page: Page) -> None:
    said, code = run(
        page,
        """async () => {
            const socket = await opened({ discriminator: "type" }, "/typed"), tea = topic(socket, "room:tea");
            tea.answer("say", ({ text }) => ({ type: "word", text: `${text}!` }));
            const { text } = await tea.request({ type: "say", text: "hello" });
            await tea.unsubscribe();
            return [text, (await failure(topic(socket, "room:private").ready)).code];
        }""",
    )
    assert (said, code) == ("hello!", "unauthorized")


# -- the end ------------------------------------------------------------------------------------------


def test_unsubscribing_ends_what_is_under_way(page: Page) -> None:
    seen, errors, signal, log, after = run(
        page,
        """async () => {
            const socket = await opened(), tea = topic(socket, "room:leave");
            let late;
            const asked = new Promise((resolve) => {
                tea.answer("confirm", (question, { signal }) => {
                    resolve(signal);
                    return new Promise((answer) => { late = answer; });
                });
            });
            await tea.until("push");
            const seen = [], errors = [failure(tea.request({ action: "hold" }))];
            const question = failure(tea.request({ action: "delete", name: "x" })), signal = await asked;
            const read = async () => {
                for await (const { number } of tea.stream({ action: "count", id: "leave" })) {
                    seen.push(number);
                    if (number === 3) tea.unsubscribe();
                }
            };
            errors.push(failure(read()), question);
            const all = await Promise.all(errors);
            await Promise.all([tea.unsubscribe(), socket.request({ action: "ended", id: "leave" })]);
            late({ action: "confirmed", yes: true });
            await socket.request({ action: "ended", id: "left leave" }); // its on_disconnect has begun
            const after = (await socket.request({ action: "say", text: "fine" })).text;
            return [seen, all, signal.aborted, [...tea.log, ...socket.log.slice(2)], after];
        }""",
    )
    assert seen == [1, 2, 3]
    assert errors == [closed("the page has unsubscribed")] * 3
    assert signal is True
    assert [entry[0] for entry in log] == ["status", "status", "open", "push", "status"]
    assert (log[-1][1], after) == ("closed", "fine")


def test_what_is_on_its_way_is_not_for_the_next_one(page: Page) -> None:
    heard, first = run(
        page,
        """async () => {
            const socket = await opened(), heard = [];
            const first = topic(socket, "room:flood");
            first.send({ action: "flood", id: "flood" });
            await first.until("push", 10);
            first.unsubscribe();
            const count = first.log.length;
            const brief = topic(socket, "room:flood");
            brief.on("said", () => heard.push("wrong"));
            brief.answer("confirm", () => heard.push("wrong"));
            brief.unsubscribe();
            const second = topic(socket, "room:flood");
            await second.ready;
            await second.request({ action: "push", text: "mine" });
            heard.push(...second.log.filter(([kind]) => kind === "push").map(([, { text }]) => text));
            return [heard, first.log.length - count];
        }""",
    )
    assert heard == ["welcome to flood", "mine"]
    assert first == 0


def test_a_question_on_its_way_is_not_for_the_next_one(page: Page) -> None:
    """With frames that come as if the server had sent them before it was told."""
    answered, heard = run(
        page,
        """async () => {
            const answered = [], heard = [];
            let receive;
            window.WebSocket = class extends WebSocket {
                send(text) { if (JSON.parse(text).ask) answered.push(text); super.send(text); }
                set onmessage(hook) { super.onmessage = receive = hook; }
            };
            const come = (frame) => receive({ data: JSON.stringify({ ...frame, topic: "room:tea" }) });
            const socket = await opened(), first = topic(socket, "room:tea");
            await first.ready;
            const left = first.unsubscribe(), second = topic(socket, "room:tea");
            second.answer("confirm", () => heard.push("a question for the first"));
            second.on("said", ({ text }) => heard.push(text));
            come({ action: "confirm", ask: "q1" });
            come({ action: "said", text: "a push for the first" });
            come({ action: "unsubscribed", payload: { code: 4000, reason: "the end of the first" } });
            const gone = second.unsubscribe();
            await left; // the second is still waited for
            come({ action: "said", text: "a push after the end" });
            await gone;
            const third = topic(socket, "room:tea");
            third.answer("confirm", () => ({ action: "confirmed", yes: true }));
            await third.request({ action: "delete", name: "x" });
            return [answered.map((text) => JSON.parse(text).topic), heard];
        }""",
    )
    assert answered == ["room:tea"]
    assert heard == []


def test_the_server_ends_a_topic(page: Page) -> None:
    held, log, cause, stopped, again = run(
        page,
        """async () => {
            const socket = await opened(), tea = topic(socket, "room:tea"), milk = topic(socket, "room:milk");
            const { onend } = tea, cause = new Promise((resolve) => {
                tea.onend = (error) => { onend(error); resolve(error.cause); };
            });
            await tea.ready;
            const held = failure(tea.request({ action: "hold" }));
            tea.send({ action: "close", code: 4000, reason: "bye" });
            await tea.until("end");
            const stopped = [tea.status, tea.send({ action: "note" }), await failure(tea.request({ action: "note" }))];
            const again = topic(socket, "room:tea");
            await again.ready;
            const texts = [(await again.request({ action: "say", text: "again" })).text, milk.status, socket.status];
            return [await held, tea.log.slice(-2), await cause, stopped, texts];
        }""",
    )
    assert held["code"] == "not_subscribed"  # the server's answer; where there is none, it is `closed`
    assert log == [["status", "closed"], ["end", "closed", "bye"]]
    assert cause == {"code": 4000, "reason": "bye"}
    assert stopped == ["closed", False, closed("the topic has ended")]
    assert again == ["again", "open", "open"]


def test_the_end_of_the_socket_is_that_of_its_topics(page: Page) -> None:
    log, errors, late = run(
        page,
        """async () => {
            const socket = await opened(), tea = topic(socket, "room:tea"), slow = topic(socket, "room:slow 2");
            await tea.ready;
            const errors = [failure(tea.request({ action: "hold" })), failure(slow.ready)];
            socket.close(4321, "enough");
            const late = topic(socket, "room:milk");
            errors.push(failure(late.ready), failure(late.request({ action: "note" })));
            return [[...tea.log.slice(-2), ...slow.log.slice(1)], await Promise.all(errors), late.log];
        }""",
    )
    assert log == [["status", "closed"], ["end", "closed", "enough"]] * 2
    assert errors[:2] == [closed("enough")] * 2
    assert errors[2] == closed("the connection is closed")
    assert errors[3]["code"] == "closed"
    assert late == [["status", "closed"], ["end", "closed", "the connection is closed"]]


def test_nothing_is_left_behind(page: Page) -> None:
    left = run(
        page,
        """async () => {
            let left = 0;
            const counted = (target, name, by) => {
                const real = target[name];
                target[name] = function (kind, ...rest) {
                    if (kind === "abort") left += by;
                    return real.call(this, kind, ...rest);
                };
            };
            counted(EventTarget.prototype, "addEventListener", 1);
            counted(EventTarget.prototype, "removeEventListener", -1);
            const { signal } = new AbortController(), options = { signal, timeout: 1_000_000 };
            const socket = await opened(), tea = topic(socket, "room:tea"), wrong = topic(socket, "room:private");
            await tea.request({ action: "note" }, options);
            await failure(wrong.ready);
            for await (const { number } of tea.stream({ action: "count" }, options)) if (number === 1) break;
            const held = failure(tea.request({ action: "hold" }, options));
            await tea.unsubscribe();
            await held;
            const ended = topic(socket, "room:tea");
            ended.send({ action: "close", code: 4000 });
            await ended.until("end");
            return [left, timers.size, socket._topics.size];
        }""",
    )
    assert left == [0, 0, 0]


def test_what_a_hook_raises_is_reported_and_stops_nothing(page: Page) -> None:
    raised, text = run(
        page,
        """async () => {
            const raised = [];
            window.onerror = (message, source, line, column, error) => { raised.push(error.message); return true; };
            const broken = (what) => () => { throw new Error(what); };
            const socket = await opened(), hooks = Object.fromEntries(
                ["onopen", "onend", "onstatus", "onmessage"].map((hook) => [hook, broken(hook)]),
            );
            const tea = new Topic(socket, "room:tea", hooks);
            const heard = new Promise((resolve) => tea.on("said", resolve));
            await tea.ready;
            const { text } = await heard;
            tea.send({ action: "close", code: 4000 });
            const end = new Promise((resolve) => { tea.onend = () => { resolve(); broken("onend")(); }; });
            await end;
            await socket.request({ action: "note" });
            return [raised, text];
        }""",
    )
    assert raised == ["onstatus", "onstatus", "onopen", "onmessage", "onstatus", "onend"]
    assert text == "welcome to tea"


# -- coming back --------------------------------------------------------------------------------------


def test_topics_come_back_with_the_connection(mortal: Server, mortal_page: Page) -> None:
    page = mortal_page
    run(
        page,
        """async () => {
            window.sent = [];
            window.forbid = "";
            window.WebSocket = class extends WebSocket {
                send(text) { sent.push(JSON.parse(text)); super.send(text); }
            };
            window.socket = await opened({ queue: 5, backoff: { first: 50, max: 50 } }, () => `/ws?forbid=${forbid}`);
            for (const name of ["tea", "milk", "left"]) window[name] = topic(socket, `room:${name}`);
            await Promise.all([tea, milk, left].map(({ ready }) => ready));
            window.held = failure(tea.request({ action: "hold" }));
            window.streamed = failure(milk.stream({ action: "hold" }).next());
            await tea.until("push");
        }""",
    )
    mortal.kill()
    lost, statuses = run(
        page,
        """async () => {
            const lost = [await held, await streamed];
            await socket.until("close");
            const statuses = [tea.status, milk.status];
            forbid = "milk";
            sent.length = 0;
            window.waited = tea.request({ action: "say", text: "waited" });
            window.refused = failure(milk.request({ action: "say", text: "refused" }));
            window.dropped = failure(left.request({ action: "note" }));
            await left.unsubscribe();
            window.fresh = topic(socket, "room:fresh");
            return [lost, statuses];
        }""",
    )
    assert lost == [closed("closed with 1006")] * 2
    assert statuses == ["waiting", "waiting"]
    mortal.start()
    text, told, opens, ends, first = run(
        page,
        """async () => {
            const { text } = await waited;
            await Promise.all([fresh.ready, milk.until("end"), tea.until("push", 2)]);
            const ends = [milk, tea, left].map(({ log }) => log.filter(([kind]) => kind === "end"));
            return [text, [await refused, await dropped], tea.log.filter(([kind]) => kind === "open"), ends, sent];
        }""",
    )
    assert text == "waited"
    assert told == [refused("unauthorized", "milk is not for you"), closed("the page has unsubscribed")]
    assert opens == [["open", False], ["open", True]]
    assert ends == [[["end", "unauthorized", "milk is not for you"]], [], []]
    # Subscribed before what waited is sent.
    assert [(frame["action"], frame["topic"]) for frame in first] == [
        ("subscribe", "room:tea"),
        ("subscribe", "room:milk"),
        ("subscribe", "room:fresh"),
        ("say", "room:tea"),
        ("say", "room:milk"),
    ]


def test_a_connection_that_is_closing_takes_no_more_frames(page: Page) -> None:
    """Subscribing and unsubscribing must not wait in the queue: on the next connection it would be another one's."""
    sent, statuses, log = run(
        page,
        """async () => {
            const sent = [];
            let closing = false;
            window.WebSocket = class extends WebSocket {
                send(text) { sent.push(JSON.parse(text)); super.send(text); }
                get readyState() { return closing ? 2 : super.readyState; }
            };
            const socket = await opened({ queue: 5 });
            const tea = topic(socket, "room:tea"), milk = topic(socket, "room:milk");
            await Promise.all([tea.ready, milk.ready]);
            socket.send({ action: "close", code: 1012 });
            closing = true;
            await tea.unsubscribe();
            const late = topic(socket, "room:late"), again = topic(socket, "room:tea");
            const statuses = [tea.status, late.status, again.status];
            sent.length = 0;
            await socket.until("close");
            closing = false;
            await Promise.all([socket.until("open", 2), late.ready, again.ready, milk.until("open", 2)]);
            await again.request({ action: "note" });
            return [sent, statuses, tea.log.slice(3)];
        }""",
    )
    assert [(frame["action"], frame.get("topic")) for frame in sent] == [
        ("subscribe", "room:milk"),
        ("subscribe", "room:late"),
        ("subscribe", "room:tea"),
        ("note", "room:tea"),
    ]
    assert statuses == ["closed", "waiting", "waiting"]
    assert log[-1] == ["status", "closed"]


def test_a_connection_that_is_lost_before_the_answer_is_no_refusal(page: Page) -> None:
    log, ready = run(
        page,
        """async () => {
            const socket = await opened(), slow = topic(socket, "room:slow 3");
            await socket.request({ action: "note" });
            socket.send({ action: "close", code: 1012 });
            await socket.until("open", 2);
            await socket.request({ action: "begin", id: "slow 3" });
            await slow.ready;
            return [slow.log.filter(([kind]) => kind !== "push"), slow.status];
        }""",
    )
    assert log == [
        ["status", "connecting"],
        ["status", "waiting"],
        ["status", "connecting"],
        ["status", "open"],
        ["open", False],
    ]
    assert ready == "open"


def test_hooks_may_subscribe_and_unsubscribe(page: Page) -> None:
    sent, statuses = run(
        page,
        """async () => {
            const sent = [], topics = [];
            window.WebSocket = class extends WebSocket {
                send(text) { sent.push(JSON.parse(text)); super.send(text); }
            };
            const onstatus = (status) => { if (status === "open") topics.push(topic(socket, "room:early")); };
            const socket = made({ onstatus, onopen: () => topics.push(topic(socket, "room:late")) });
            const leave = (status) => { if (status === "connecting") left.unsubscribe(); };
            const left = topic(socket, "room:left", { onstatus: leave });
            await failure(left.ready);
            for (const one of topics) await one.ready;
            return [sent, [left, ...topics].map(({ status }) => status)];
        }""",
    )
    assert [(frame["action"], frame["topic"]) for frame in sent] == [
        ("subscribe", "room:left"),
        ("unsubscribe", "room:left"),
        ("subscribe", "room:early"),
        ("subscribe", "room:late"),
    ]
    assert statuses == ["closed", "open", "open"]

"""What tests of the scripts share: a blank page with tools, and a way to run a function in it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from playwright.sync_api import Page, WebError

from tests.browser.conftest import PATIENCE, Server

# What each script of a test may use. `made(options)` is a socket, and `opened(options)` one that is open;
# `topic(socket, name)` is a topic of one. Their hooks write to their `log`, and `until(kind, n)` waits for the n-th
# entry of a kind. `failure(promise)` is what a promise is rejected with. `timers` are those under way.
TOOLS = """async () => {
    Object.assign(window, await import("/chanx/chanx.js"), await import("/chanx/topics.js"));
    window.logged = () => {
        const log = [], waiters = new Set();
        const note = (...entry) => { log.push(entry); for (const look of [...waiters]) look(); };
        const hooks = {
            onopen: (again) => note("open", again),
            onclose: (event, again) => note("close", event.code, event.reason, again),
            onend: ({ code, detail }) => note("end", code, detail),
            onstatus: (status) => note("status", status),
            onmessage: (frame) => note("push", frame),
        };
        const until = (kind, n = 1) => new Promise((resolve) => {
            const look = () => {
                const found = log.filter((entry) => entry[0] === kind);
                if (found.length < n) return;
                waiters.delete(look);
                resolve(found[n - 1].slice(1));
            };
            waiters.add(look);
            look();
        });
        return [hooks, { log, until }];
    };
    window.made = (options = {}, url = "/ws") => {
        const [hooks, more] = logged();
        return Object.assign(new Chanx(url, { random: () => 0, ...hooks, ...options }), more);
    };
    window.topic = (socket, name, options = {}) => {
        const [hooks, more] = logged();
        return Object.assign(new Topic(socket, name, { ...hooks, ...options }), more);
    };
    window.opened = async (options, url) => {
        const socket = made(options, url);
        await socket.until("open");
        return socket;
    };
    window.failure = (promise) => promise.then(
        (value) => `no error but ${JSON.stringify(value)}`,
        ({ name, code, detail, errors }) => ({ name, code, detail, errors }),
    );
    window.gone = () => new DOMException("gone", "AbortError");
    window.later = setTimeout;
    window.timers = new Set();  // those under way
    const clear = clearTimeout;
    window.setTimeout = (call, ...rest) => {
        const id = later((...values) => { timers.delete(id); call(...values); }, ...rest);
        timers.add(id);
        return id;
    };
    window.clearTimeout = (id) => { timers.delete(id); clear(id); };
}"""


def blank(tab: Page, server: Server) -> Iterator[Page]:
    errors: list[str] = []

    def note(error: WebError) -> None:
        errors.append(str(error.error))

    tab.context.on("weberror", note)
    tab.goto(server.url)
    tab.evaluate(TOOLS)
    yield tab
    tab.context.remove_listener("weberror", note)
    assert errors == []


def run(page: Page, script: str, value: Any = None) -> Any:
    """What a function of the page's returns; one that waits for ever fails."""
    limit = f"new Promise((_, fail) => later(fail, {PATIENCE}, new Error('it waits for ever')))"
    return page.evaluate(f"async (value) => Promise.race([{limit}, ({script})(value)])", value)


def closed(detail: str, code: str = "closed") -> dict[str, Any]:
    return {"name": "ChanxError", "code": code, "detail": detail, "errors": []}

"""The files that the how-to pages show."""

from __future__ import annotations

import logging
import secrets
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from starlette.types import ASGIApp

from chanx.testing import Client, Closed, Failed, Refused, connect
from docs.snippets.howto import (
    ask,
    authenticated,
    browser,
    browser_topics,
    compose,
    copy_script,
    dependencies,
    drain,
    drain_without_lifespan,
    errors,
    events,
    groups,
    history,
    layer,
    lifespans,
    limits,
    messages,
    middleware,
    mistakes,
    mount_bare,
    mount_fastapi,
    mount_starlette,
    order,
    origins,
    security,
    shared_auth,
    shared_layer,
    slow_clients,
    stream,
    topics,
)
from tests.kernel.wire import serve

pytestmark = pytest.mark.anyio


def web(app: Any) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://testserver")


async def refusal(app: ASGIApp, path: str = "/", headers: Mapping[str, str] = {}) -> Refused:
    with pytest.raises(Refused) as refused:
        async with connect(app, path, headers=headers):
            pass
    return refused.value


async def pings(app: ASGIApp, path: str = "/", headers: Mapping[str, str] = {}) -> None:
    async with connect(app, path, headers=headers) as client:
        assert await client.request(mount_bare.Ping(), mount_bare.Pong) == mount_bare.Pong()


# -- mount --------------------------------------------------------------------------------------------


async def test_mount_bare() -> None:
    await pings(mount_bare.app)
    async with web(mount_bare.app) as http:
        assert (await http.get("/")).status_code == 426


@pytest.mark.parametrize("path", ["/ping", "/under/", "/under/and/further"])
async def test_mount_starlette(path: str) -> None:
    await pings(mount_starlette.app, path)


@pytest.mark.parametrize("path", ["/ping", "/under/", "/under/and/further"])
async def test_mount_fastapi(path: str) -> None:
    await pings(mount_fastapi.app, path)


async def test_lifespans() -> None:
    async with (
        lifespans.app.router.lifespan_context(lifespans.app),
        connect(lifespans.app, "/first"),
        connect(lifespans.app, "/second"),
    ):
        assert lifespans.first.stats().connections == lifespans.second.stats().connections == 1


async def test_origins(caplog: pytest.LogCaptureFixture) -> None:
    await pings(origins.app)
    await pings(origins.app, headers={"origin": "https://example.com"})
    assert (await refusal(origins.app, headers={"origin": "https://evil.example"})).status == 403
    assert "allowed_origins=['https://evil.example']" in caplog.text
    async with connect(origins.app, subprotocols=["v1.example", "v2.example"]) as client:
        assert client.subprotocol == "v2.example"
    # the same rule for a channel that lists nothing: the origin is the host
    await pings(mount_bare.app, headers={"origin": "http://testserver"})
    assert (await refusal(mount_bare.app, headers={"origin": "http://elsewhere"})).status == 403


# -- messages -----------------------------------------------------------------------------------------


async def test_messages() -> None:
    async with connect(messages.app) as client:
        assert await client.request(messages.Start(), messages.Status) == messages.Status(text="on")
        assert await client.request(messages.Stop(), messages.Status) == messages.Status(text="off")
        await client.send(messages.Turn(type="left"))
        assert await client.receive() == {"type": "status", "text": "turning left"}
        assert await client.receive() == {"type": "status", "text": "done"}


# -- compose ------------------------------------------------------------------------------------------


async def test_compose() -> None:
    async with connect(compose.app) as guest:
        await guest.send({"action": "notes.add", "text": "tea"})
        assert await guest.receive(compose.Notes) == compose.Notes(notes=["tea"])
        answer = await guest.request({"action": "admin.close", "connection": "any"})
        assert answer["payload"] == {"code": "unauthorized", "detail": "this is for admins"}
        answer = await guest.request({"action": "add", "text": "tea"})
        assert answer["payload"]["code"] == "unknown_action"
    async with connect(compose.notes) as alone:
        await alone.send(compose.Add(text="milk"))
        assert await alone.receive(compose.Notes) == compose.Notes(notes=["milk"])


async def test_compose_an_admin_closes_a_connection() -> None:
    admin_role = {"x-role": "admin"}
    async with connect(compose.app, headers=admin_role) as admin, connect(compose.app, headers=admin_role) as other:
        opened = await other.request({"action": "admin.who"}, compose.Me)
        await admin.send({"action": "admin.close", "connection": opened.id})
        assert (await other.wait_closed()).code == 4000


# -- dependencies -------------------------------------------------------------------------------------


async def test_dependencies() -> None:
    dependencies.database.log.clear()
    async with connect(
        dependencies.app,
        query={"limit": 3},
        headers={"accept-language": "de", "cookie": "session=s1"},
        scope={"path_params": {"item": "7"}},
    ) as client:
        await client.send(dependencies.Look())
        assert await client.receive(dependencies.Seen) == dependencies.Seen(
            item=7, limit=3, language="de", session="s1", address="testclient", steps=["begin"]
        )
    assert dependencies.database.log == ["begin", "commit"]


async def test_dependencies_are_converted_and_have_defaults() -> None:
    async with connect(dependencies.app, scope={"path_params": {"item": "7"}}) as client:
        seen = await client.request(dependencies.Look(), dependencies.Seen)
        assert (seen.limit, seen.language, seen.session) == (10, "en", None)
    with pytest.raises(Refused) as refused:
        async with connect(dependencies.app, query={"limit": "many"}, scope={"path_params": {"item": "7"}}):
            pass
    assert refused.value.status == 422
    assert refused.value.detail.startswith("query parameter 'limit': ")


async def test_shared_auth() -> None:
    async with web(shared_auth.app) as http:
        assert (await http.get("/me", params={"token": "ada-token"})).json() == "ada"
        assert (await http.get("/me")).status_code == 401
    async with connect(shared_auth.app, "/feed?token=ada-token") as client:
        assert await client.request(shared_auth.WhoAmI(), shared_auth.You) == shared_auth.You(name="ada")
    async with connect(shared_auth.app, "/feed") as client:
        closed = await client.wait_closed()
        assert (closed.code, closed.reason) == (4401, "unknown token")


async def test_security() -> None:
    headers = {"authorization": "Bearer t1"}
    async with web(security.app) as http:
        assert (await http.get("/token", headers=headers)).json() == "t1"
        assert (await http.get("/token")).status_code == 401
    async with connect(security.app, "/tokens", headers=headers) as client:
        assert await client.request(security.Show(), security.Shown) == security.Shown(token="t1")
    refused = await refusal(security.app, "/tokens")
    assert (refused.status, refused.headers["www-authenticate"]) == (401, "Bearer")


async def test_authenticated() -> None:
    refused = await refusal(authenticated.app)
    assert (refused.status, refused.headers["www-authenticate"]) == (401, "Session")
    assert (await refusal(authenticated.app, headers={"x-user": "guest"})).status == 403
    async with connect(authenticated.app, headers={"x-user": "ada"}) as client:
        assert await client.request(authenticated.Secret(), authenticated.Told) == authenticated.Told(user="ada")


# -- groups and events --------------------------------------------------------------------------------


async def test_groups() -> None:
    async with connect(groups.app) as one, connect(groups.app) as other:
        ids = [
            (await client.request(groups.Follow(topics=["tea", "art"]), groups.Following)).id for client in (one, other)
        ]
        # a member of two groups gets it once, its sender not at all
        await one.request(groups.Post(topics=["tea", "art"], text="new tea"))
        assert await other.receive(groups.Posted) == groups.Posted(by=ids[0], text="new tea")
        await one.request(groups.Whisper(to=ids[1], text="psst"))
        assert await other.receive(groups.Posted) == groups.Posted(by=ids[0], text="psst")
        assert other.pending == one.pending == []
        left = await one.request(groups.Unfollow(name="art"), groups.Following)
        assert left.topics == ["tea"]
        await one.close()
        assert await other.receive(groups.Gone) == groups.Gone(id=ids[0])


async def test_events() -> None:
    async with (
        connect(events.app, "/orders") as english,
        connect(events.app, "/orders?lang=de") as german,
        web(events.app) as http,
    ):
        await http.post("/async/1", params={"cents": 250})
        assert (await english.receive(events.Notice)).text == "Paid: 2.50"
        assert (await german.receive(events.Notice)).text == "Bezahlt: 2.50"
        await http.post("/thread/1", params={"cents": 300})
        assert (await english.receive(events.Notice)).text == "Paid: 3.00"
        await http.post("/notice", params={"text": "closing"})
        assert (await english.receive(events.Notice)).text == "closing"
        with pytest.raises(RuntimeError, match=r"write `await channel\.emit"):
            events.orders.emit_sync(events.Paid(order=1, cents=1), group="orders")


async def test_shared_layer() -> None:
    async with connect(shared_layer.readers) as reader, connect(shared_layer.writers) as writer:
        await writer.request(shared_layer.News(text="hello"))
        assert await reader.receive(shared_layer.News) == shared_layer.News(text="hello")


async def test_layer(caplog: pytest.LogCaptureFixture) -> None:
    from chanx import Channel, Context

    app = Channel("logged", groups=layer.layer)

    @app.on_connect
    async def enter(ctx: Context) -> None:
        await ctx.join("all")

    caplog.set_level(logging.INFO)
    async with connect(app) as client:
        await app.broadcast(shared_layer.News(text="hello"), group="all")
        assert await client.receive(shared_layer.News) == shared_layer.News(text="hello")
    assert "to all: 32 characters" in caplog.text


# -- errors and limits --------------------------------------------------------------------------------


async def test_errors() -> None:
    async with connect(errors.app) as client:
        assert await client.request(errors.Withdraw(cents=1), errors.Done) == errors.Done()
        assert (await client.request(errors.Withdraw(cents=101), errors.Problem)).code == "too_little"
        refused = await client.request(errors.Audit())
        assert refused["payload"] == {"code": "unauthorized", "detail": "ask your manager"}
        await client.send(errors.Report())
        for _ in range(3):
            await client.receive(errors.Done)
    assert errors.check() == "fine"


def test_copy_script(tmp_path: Path) -> None:
    copy_script.collect(tmp_path)
    assert "export class Chanx" in (tmp_path / "chanx.js").read_text()
    assert "export class Topic" in (tmp_path / "topics.js").read_text()


async def test_errors_that_nobody_expected(caplog: pytest.LogCaptureFixture) -> None:
    async with connect(errors.app, raise_app_exceptions=False) as client:
        assert (await client.request(errors.Crash()))["payload"]["code"] == "internal_error"
        assert isinstance(client.errors[0], ZeroDivisionError)
    assert "secret" in caplog.text
    async with connect(errors.app, query="how=lookup") as client:
        assert await client.request(errors.Crash()) == {"action": "ack", "ref": "test-1"}


async def test_errors_why_a_connection_ended(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "docs"):
        async with connect(errors.app) as client:
            await client.close(3001, "enough")
        async with connect(errors.app) as client:
            await client.close()
    assert [" ".join(told.split()[1:]) for told in caplog.messages] == [
        "has left: 3001 enough",
        "has left: 1000 without a reason",
    ]


async def test_mistakes() -> None:
    told = mistakes.two_handlers()
    assert told.startswith("the tag 'say' has two handlers: two_handlers.first (")
    assert told.count("mistakes.py:") == 2


async def test_limits() -> None:
    async with connect(limits.app) as client:
        for _ in range(3):
            await bad(client)
        await client.send("not JSON")
        with pytest.raises(Closed) as closed:
            await client.receive()
        assert closed.value.code == 1008
    async with connect(limits.app) as client:
        await client.send(limits.Say(text="x" * 1024))
        assert (await client.wait_closed()).code == 1009
    assert limits.health()["open"] == 0


async def bad(client: Client) -> None:
    await client.send("not JSON")
    assert (await client.receive())["payload"]["code"] == "malformed_json"


async def test_middleware() -> None:
    async with connect(middleware.app) as client:
        for number in (1, 2):
            assert (await client.request(middleware.Count(), middleware.Counted)).messages == number


async def test_ask() -> None:
    async with connect(ask.files) as client:
        await client.send({"action": "delete", "name": "notes.txt", "ref": 1})
        question = await client.receive(ask.Confirm)
        assert question.text == "Delete notes.txt?"
        await client.send({"action": "confirmed", "yes": True, "ask": "q1"})
        assert await client.receive() == {"action": "deleted", "name": "notes.txt", "ref": 1}
        await client.send({"action": "delete", "name": "notes.txt"})
        await client.receive(ask.Confirm)
        await client.send({"action": "error", "payload": {"code": "declined"}, "ask": "q2"})
        assert await client.receive(ask.Kept) == ask.Kept(name="notes.txt", why="declined")


# -- order and streams --------------------------------------------------------------------------------


class Gated(order.Store):
    """Waits for the test instead of a clock."""

    def __init__(self) -> None:
        super().__init__()
        self.running: list[str] = []
        self.gate = anyio.Event()

    async def write(self, document: str, text: str) -> None:
        self.running.append(f"{document}: {text}")
        await self.gate.wait()

    async def titles(self, text: str) -> list[str]:
        self.running.append(text)
        await self.gate.wait()
        return [text]


async def test_order() -> None:
    store = Gated()

    async def the_gated_store() -> Gated:
        return store

    with order.app.override({order.the_store: the_gated_store}):
        async with connect(order.app) as client:
            for document, text in (("a", "1"), ("a", "2"), ("b", "3")):
                await client.send(order.Save(document=document, text=text))
            for page in range(5):
                await client.send(order.Render(page=page))
            first = client.stream(order.Search(text="t"), order.Found)
            await anyio.wait_all_tasks_blocked()
            assert "t" in store.running
            second = client.stream(order.Search(text="te"), order.Found)
            with pytest.raises(Failed) as failed:
                await anext(first)
            assert failed.value.code == "cancelled"
            # a serial one does not wait for them
            assert await client.request(order.Rename(title="x"), order.Renamed) == order.Renamed(title="x")
            await anyio.wait_all_tasks_blocked()
            pages = [f"page {page}: …" for page in range(4)]
            assert sorted(store.running) == ["a: 1", "b: 3", *pages, "t", "te"]
            store.gate.set()
            assert await anext(second) == order.Found(titles=["te"])
            saved = [frame["document"] for frame in await client.drain() if frame["action"] == "saved"]
            assert sorted(saved) == ["a", "a", "b"]
            assert sorted(store.running[8:]) == ["a: 2", "page 4: …"]
            await order.app.emit(order.Renamed(title="y"), connection=client.id)
            assert await client.receive(order.Renamed) == order.Renamed(title="y")
    assert await order.Store().titles("pot") == ["Teapots"]
    async with connect(order.app) as client:
        assert (await client.request(order.Save(document="a", text="1"), order.Saved)).document == "a"


async def test_stream() -> None:
    async with connect(stream.app) as client:
        words = client.stream(stream.Write(words=1000), stream.Word)
        assert await anext(words) == stream.Word(text="word 0")
        assert stream.working == {1000}
        await client.cancel(words.ref)
        with pytest.raises(Failed, match="cancelled by the client"):
            [_ async for _ in words]
        assert stream.working == set()
        parts = [stream.Part(text="tea "), stream.Part(text="time")]
        uploaded = await client.request(stream.Upload(name="tea.txt"), stream.Uploaded, chunks=parts)
        assert (uploaded.size, uploaded.sha256[:8]) == (8, "073fb3a7")
        shouted = client.stream(stream.Shout(), stream.Word, chunks=parts)
        assert [word.text async for word in shouted] == ["TEA ", "TIME"]
        await client.send(stream.Shout())
        refused = (await client.receive())["payload"]
        assert (refused["code"], refused["errors"][0]["loc"]) == ("invalid_message", ["ref"])
        await client.send({"action": "shout", "ref": 9})


# -- browser: its script runs in tests/browser/test_howto.py -----------------------------------------------


async def test_browser() -> None:
    async with web(browser.app) as http:
        for path, kind in (("/", "text/html"), ("/notes.js", "javascript"), ("/chanx/chanx.js", "text/javascript")):
            got = await http.get(path)
            assert got.status_code == 200
            assert kind in got.headers["content-type"]
    browser.lines.clear()
    async with connect(browser.app, "/notes") as client:
        assert (await client.request(browser.Add(text="")))["payload"]["code"] == "unauthorized"
        assert browser.lines == []


async def test_browser_topics() -> None:
    async with web(browser_topics.app) as http:
        for path in ("/", "/discussions.js", "/chanx/chanx.js", "/chanx/topics.js"):
            assert (await http.get(path)).status_code == 200
    async with connect(browser_topics.app, "/ws", query={"name": "bob"}) as client:
        answer = await client.request({"action": "subscribe", "topic": "discussion:5"})
        assert answer["action"] == "subscribed"


# -- deploy and drain ---------------------------------------------------------------------------------


async def test_drain() -> None:
    drain.database.clear()
    async with drain.app.router.lifespan_context(drain.app):
        async with connect(drain.app, "/notes") as client, web(drain.app) as http:
            assert await client.request(drain.Note(text="hello")) == {"action": "ack", "ref": "test-1"}
            response = await http.post("/stop")
            assert response.json() == {"closed": 1, "cut": 0}
            closed = await client.wait_closed()
            assert (closed.code, closed.reason) == (1012, "restarting")
        assert (await refusal(drain.app, "/notes")).status == 503
    assert drain.database == ["open", "hello", "somebody has left", "closed"]


async def test_drain_without_lifespan() -> None:
    before = signal.getsignal(signal.SIGTERM)
    async with drain_without_lifespan.first_use, connect(drain_without_lifespan.app):
        assert signal.getsignal(signal.SIGTERM) != before
    assert signal.getsignal(signal.SIGTERM) == before
    drain_without_lifespan.taken = False


async def test_history() -> None:
    room = secrets.token_hex(4)
    async with connect(history.app, f"/rooms/{room}") as client:
        epoch = (await client.receive())["epoch"]
        await client.request(history.Say(text="hello"))
        assert (await client.receive())["seq"] == 1
    for _ in range(2):
        await history.paid(5, room)
    async with connect(history.app, f"/rooms/{room}") as client:
        found = [await client.receive() for _ in range(3)]
        assert [frame["seq"] for frame in found] == [0, 1, 2]
        await client.send({"action": "recover", "streams": {"room": {"seq": 1, "epoch": epoch}}, "ref": 1})
        assert (await client.receive())["order"] == 5
        answer = {"action": "recovered", "streams": {"room": {"recovered": True, "seq": 2, "epoch": epoch}}, "ref": 1}
        assert await client.receive() == answer
        await client.settled()
        assert client.pending == []
    async with connect(history.app, "/draft?tab=1") as one, connect(history.app, "/draft?tab=2") as two:
        await one.request(history.Say(text="mine"))
        assert [(await one.receive())["action"] for _ in range(2)] == ["joined", "position"]
        assert [(await two.receive())["action"] for _ in range(2)] == ["joined", "said"]


async def test_slow_clients() -> None:
    async with connect(slow_clients.chat) as client, connect(slow_clients.log) as reader:
        await slow_clients.chat.broadcast(slow_clients.Said(text="hi"), group="room")
        assert await client.receive(slow_clients.Said) == slow_clients.Said(text="hi")
        await slow_clients.write("started")
        assert await reader.receive(slow_clients.Line) == slow_clients.Line(text="started")

    async with serve(slow_clients.prices) as slow, serve(slow_clients.log) as behind:
        await slow.until(lambda: slow.listening)
        await behind.until(lambda: behind.listening)
        slow.hold()
        behind.hold()
        replaced = slow_clients.too_slow()["replaced"]
        for price in range(5):
            await slow_clients.set_price("AAPL", price)
            await slow_clients.set_price("MSFT", price)
            await anyio.wait_all_tasks_blocked()
        for number in range(150):
            await slow_clients.write(str(number))
            await anyio.wait_all_tasks_blocked()
        assert slow_clients.too_slow() == {"dropped": 0, "replaced": replaced + 7, "closed": 0}
        slow.release()
        behind.release()
        await slow.reached(frames=3)
        await behind.reached(frames=101)
    assert [(frame["symbol"], frame["price"]) for frame in slow.frames] == [("AAPL", 0), ("MSFT", 4), ("AAPL", 4)]
    assert [frame["text"] for frame in behind.frames] == ["0", *map(str, range(50, 150))]


async def test_topics() -> None:
    async with connect(topics.app, query={"name": "bob"}) as bob, connect(topics.app, "/discussions/5?name=ada") as ada:
        fives, prices = {"topic": "discussion:5"}, {"topic": "market"}
        await bob.send({"action": "subscribe", "ref": "1", **fives})
        assert await bob.receive() == {"action": "subscribed", "payload": None, "version": 1, **fives, "ref": "1"}
        await bob.send({"action": "say", "text": "hello", "ref": "2", **fives})
        assert await bob.receive() == {"action": "said", "who": "bob", "text": "hello", "version": 1, **fives}
        assert await bob.receive() == {"action": "ack", "ref": "2", "version": 1, **fives}
        assert await ada.receive() == {"action": "said", "who": "bob", "text": "hello"}
        await ada.send({"action": "say", "text": "hello bob"})
        assert (await bob.receive())["text"] == "hello bob"
        await bob.send({"action": "subscribe", **prices})
        await bob.send({"action": "say", "value": 7, **prices})
        await bob.send({"action": "ping"})
        answers = {(frame["action"], frame.get("topic")): frame for frame in [await bob.receive() for _ in range(3)]}
        assert set(answers) == {("subscribed", "market"), ("price", "market"), ("pong", None)}
        assert answers["price", "market"]["value"] == 7
        await bob.send({"action": "subscribe", "topic": "discussion:13", "ref": "3"})
        assert (await bob.receive())["payload"]["reason"] == "unauthorized"
        await bob.send({"action": "unsubscribe", "ref": "4", **fives})
        assert await bob.receive() == {"action": "unsubscribed", "payload": None, "version": 1, **fives, "ref": "4"}
        await ada.send({"action": "say", "text": "gone?", "ref": 1})
        assert (await ada.receive())["text"] == "hello bob"
        assert (await ada.receive())["text"] == "gone?"
        await bob.settled()
        assert bob.pending == []

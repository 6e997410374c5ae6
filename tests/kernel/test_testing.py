"""The test client itself: it must fail clearly where an application is wrong."""

from __future__ import annotations

from typing import Any, Literal

import anyio
import msgspec
import pytest
from pydantic import BaseModel, ConfigDict

from chanx import Channel, Context, Reject
from chanx.testing import Captured, Closed, Refused, capture, connect
from tests.kernel.messages import Boom, Hired, Said, Say, Wait


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")
    action: Literal["strict"] = "strict"
    text: str


class Struct(msgspec.Struct, tag_field="action", tag="struct"):
    text: str


class Talk:
    def __init__(self) -> None:
        self.channel = channel = Channel("talk")
        self.gate = anyio.Event()
        self.handled: list[str] = []

        @channel.on_connect
        async def enter(ctx: Context) -> None:
            await ctx.join("room")

        @channel.on(Say)
        async def say(message: Say, ctx: Context) -> Said | list[Said] | None:
            match message.text:
                case "nothing":
                    return None
                case "two":
                    return [Said(text="1"), Said(text="2")]
                case "close":
                    await ctx.close(4000, "enough")
                    return None
                case other:
                    return Said(text=other)

        @channel.on(Wait)
        async def wait(message: Wait) -> None:
            await self.gate.wait()
            self.handled.append("waited")

        @channel.on(Boom)
        async def boom(message: Boom) -> None:
            raise ValueError("boom")

        @channel.on(Strict)
        async def strict(message: Strict) -> Strict:
            return message

        @channel.on(Struct)
        async def struct(message: Struct) -> Struct:
            return message

        @channel.event(Hired)
        async def hired(event: Hired) -> Said:
            return Said(text=event.name)


@pytest.fixture
def talk() -> Talk:
    return Talk()


async def test_a_receive_that_times_out_shows_the_errors_so_far(talk: Talk) -> None:
    async with connect(talk.channel, raise_app_exceptions=False) as client:
        await client.send(Boom())
        await client.receive()
        with pytest.raises(AssertionError, match=r"waited in vain for a frame.*boom"):
            await client.receive(timeout=0.01)


async def test_a_request_that_times_out_shows_the_pending_frames(talk: Talk) -> None:
    async with connect(talk.channel) as client:
        await client.send(Say(text="not the answer"))
        with pytest.raises(AssertionError, match=r"the answer to.*not the answer"):
            await client.request(Wait(), timeout=0.05)
        talk.gate.set()


async def test_the_timeout_of_the_connection_is_that_of_every_wait(talk: Talk) -> None:
    async with connect(talk.channel, timeout=0.5) as client:  # also for connecting, on a loaded machine
        with pytest.raises(AssertionError, match="in vain"):
            await client.receive()


async def test_a_frame_of_another_type_is_shown(talk: Talk) -> None:
    async with connect(talk.channel) as client:
        await client.send(Say(text="one"))
        await client.send(Say(text="two"))
        await client.settled()
        with pytest.raises(AssertionError, match=r"expected Strict, got .*'one'.*after it: .*'1'"):
            await client.receive(Strict)


@pytest.mark.parametrize("message", [Say(text="x"), {"action": "say", "text": "x"}, '{"action": "say", "text": "x"}'])
async def test_sends_models_dicts_and_text(talk: Talk, message: Any) -> None:
    async with connect(talk.channel) as client:
        await client.send(message)
        assert await client.receive(Said) == Said(text="x")


async def test_typed_receive_of_each_family(talk: Talk) -> None:
    async with connect(talk.channel) as client:
        await client.send(Struct(text="x"))
        assert await client.receive(Struct) == Struct(text="x")
        await client.send(Strict(text="x"))
        assert await client.receive(Strict) == Strict(text="x")
        await client.send(Say(text="x"))
        assert await client.receive() == {"action": "said", "text": "x"}


async def test_request_returns_its_own_answer_and_leaves_the_rest(talk: Talk) -> None:
    async with connect(talk.channel) as client:
        await client.send(Say(text="before"))
        assert await client.request(Say(text="asked"), Said) == Said(text="asked")
        answer = await client.request(Say(text="nothing"))
        assert answer["action"] == "ack"
        assert await client.request(Strict(text="x"), Strict) == Strict(text="x")
        assert client.pending == [{"action": "said", "text": "before"}]


async def test_an_exception_of_a_handler_surfaces(talk: Talk) -> None:
    with pytest.raises(ValueError, match="boom"):  # noqa: PT012 - raised by the end of the block
        async with connect(talk.channel) as client:
            await client.send(Boom())
            await client.settled()


async def test_an_exception_of_a_hook_surfaces_when_the_block_ends() -> None:
    channel = Channel()

    @channel.on_disconnect
    async def leave() -> None:
        raise ValueError("leaving")

    with pytest.raises(ValueError, match="leaving"):
        async with connect(channel):
            pass


async def test_the_tests_own_failure_comes_first(talk: Talk) -> None:
    with pytest.raises(KeyError, match="mine"):  # noqa: PT012 - raised by the end of the block
        async with connect(talk.channel) as client:
            await client.send(Boom())
            await client.settled()
            raise KeyError("mine")


async def test_raise_app_exceptions_false_keeps_them(talk: Talk) -> None:
    async with connect(talk.channel, raise_app_exceptions=False) as client:
        await client.send(Boom())
        assert (await client.receive())["payload"]["code"] == "internal_error"
        assert [str(error) for error in client.errors] == ["boom"]


async def test_an_error_that_was_taken_is_not_raised(talk: Talk) -> None:
    async with connect(talk.channel) as client:
        await client.send(Boom())
        await client.settled()
        assert str(client.errors.pop()) == "boom"


async def test_an_application_that_raises_surfaces() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        raise LookupError("no such route")

    with pytest.raises(LookupError, match="no such route"):
        async with connect(app):
            pass


async def test_an_application_that_ends_without_an_answer_is_refused() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()

    with pytest.raises(Refused, match="without an answer"):
        async with connect(app):
            pass


async def test_refused_carries_everything() -> None:
    channel = Channel()

    @channel.on_connect
    async def enter() -> None:
        raise Reject(401, "who are you?", {"WWW-Authenticate": "Basic"})

    with pytest.raises(Refused) as refused:
        async with connect(channel):
            pass
    error = refused.value
    assert (error.status, error.detail, error.code) == (401, "who are you?", None)
    assert error.headers["www-authenticate"] == "Basic"
    with pytest.raises(Refused) as refused:
        async with connect(channel, scope={"extensions": {}}):
            pass
    assert (refused.value.status, refused.value.code, refused.value.detail) == (403, 4401, "who are you?")


async def test_closed_comes_after_the_last_frame(talk: Talk) -> None:
    async with connect(talk.channel) as client:
        await client.send(Say(text="last words"))
        await client.send(Say(text="close"))
        assert await client.wait_closed() is not None
        assert (await client.receive(Said)).text == "last words"
        with pytest.raises(Closed) as closed:
            await client.receive()
        assert (closed.value.code, closed.value.reason) == (4000, "enough")
        with pytest.raises(Closed):
            await client.send(Say(text="x"))


async def test_a_request_that_is_answered_by_a_close(talk: Talk) -> None:
    async with connect(talk.channel) as client:
        with pytest.raises(Closed):
            await client.request(Say(text="close"))


async def test_settled_waits_for_every_connection_and_event(talk: Talk) -> None:
    async with connect(talk.channel) as one, connect(talk.channel) as two:
        for number in range(5):
            await two.send(Say(text=str(number)))
        await talk.channel.emit(Hired(name="Ada"), group="room")
        await one.settled()
        assert [frame["text"] for frame in one.pending] == ["Ada"]
        assert sorted(frame["text"] for frame in two.pending) == ["0", "1", "2", "3", "4", "Ada"]


async def test_settled_does_not_while_a_handler_runs(talk: Talk) -> None:
    async with connect(talk.channel) as client:
        await client.send(Wait())
        with pytest.raises(AssertionError, match="not settled"):
            await client.settled(timeout=0.01)
        assert talk.handled == []
        talk.gate.set()
        await client.settled()
        assert talk.handled == ["waited"]


async def test_settled_after_a_handler_that_was_suspended_for_long(talk: Talk) -> None:
    """Long enough for the background reader, which then has nothing to do."""
    async with connect(talk.channel) as client:
        await client.send(Wait())
        with pytest.raises(AssertionError, match="not settled"):
            await client.settled(timeout=0.2)
        talk.gate.set()
        await client.settled(timeout=1)
        assert talk.handled == ["waited"]


async def test_settled_after_the_application_closed(talk: Talk) -> None:
    async with connect(talk.channel) as client:
        await client.send(Say(text="close"))
        await client.settled()
        assert (await client.wait_closed()).code == 4000


async def test_close_waits_for_the_application(talk: Talk) -> None:
    left: list[int | None] = []

    @talk.channel.on_disconnect
    async def leave(ctx: Context) -> None:
        await anyio.lowlevel.checkpoint()
        left.append(ctx.close_code)

    async with connect(talk.channel) as client:
        await client.close(4007, "bye")
        assert left == [4007]


async def test_the_end_of_the_block_is_a_normal_closure(talk: Talk) -> None:
    left: list[int | None] = []

    @talk.channel.on_disconnect
    async def leave(ctx: Context) -> None:
        left.append(ctx.close_code)

    async with connect(talk.channel):
        pass
    assert left == [1000]


async def test_headers_query_and_scope_reach_the_application() -> None:
    channel = Channel()
    seen: dict[str, Any] = {}

    @channel.on_connect
    async def enter(ctx: Context) -> None:
        http = ctx.connection
        seen.update(query=dict(http.query_params), name=http.headers["x-name"], path=http.path_params, at=http.url.path)

    async with connect(
        channel, "/rooms/7", headers={"X-Name": "Ada"}, query={"a": 1}, scope={"path_params": {"room": "7"}}
    ):
        pass
    assert seen == {"query": {"a": "1"}, "name": "Ada", "path": {"room": "7"}, "at": "/rooms/7"}
    async with connect(channel, "/x?b=2", headers=[("x-name", "Bob")]):
        pass
    assert seen == {"query": {"b": "2"}, "name": "Bob", "path": {}, "at": "/x"}


async def test_capture_shows_what_was_published_and_delivers_it(talk: Talk) -> None:
    async with connect(talk.channel) as client:
        with capture(talk.channel) as sent:
            await talk.channel.broadcast(Said(text="x"), groups=["room", "b"], exclude="me")
            await talk.channel.emit(Hired(name="Ada"), connection="c")
        await talk.channel.broadcast(Said(text="after"), group="room")
        assert sent == [
            Captured("broadcast", Said(text="x"), ("room", "b"), (), frozenset({"me"})),
            Captured("event", Hired(name="Ada"), (), ("c",), frozenset()),
        ]
        assert [(await client.receive(Said)).text for _ in range(2)] == ["x", "after"]


async def test_capture_sees_what_handlers_publish() -> None:
    channel = Channel()

    @channel.on(Say)
    async def say(message: Say, ctx: Context) -> None:
        await ctx.broadcast(Said(text=message.text), group="room", exclude=ctx.id)

    async with connect(channel) as client:
        with capture(channel) as sent:
            await client.request(Say(text="hello"))
    assert [(one.kind, one.message, one.groups) for one in sent] == [("broadcast", Said(text="hello"), ("room",))]


async def test_the_fixture(chanx_connect: Any, talk: Talk) -> None:
    async with chanx_connect(talk.channel) as client:
        await client.send(Say(text="x"))
        assert await client.receive(Said) == Said(text="x")

"""Every order of what a client and a server may do: each `ref` has one final answer, and nothing is left behind."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Annotated, Any, Literal

import anyio
import anyio.lowlevel
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from chanx import AskFailed, Channel, Context, Depends, Limits, _runtime
from tests.full import examples
from tests.kernel.desk import Desk, opened, run
from tests.kernel.messages import Done, Fired, Hired
from tests.kernel.wire import Wire


class Work(BaseModel):
    name: str
    key: str = ""


class Serial(Work):
    action: Literal["serial"] = "serial"


class Beside(Work):
    action: Literal["beside"] = "beside"


class Keyed(Work):
    action: Literal["keyed"] = "keyed"


class Latest(Work):
    action: Literal["latest"] = "latest"


class LatestKeyed(Work):
    action: Literal["latest_keyed"] = "latest_keyed"


class Leaving(Work):
    action: Literal["leaving"] = "leaving"


class Timed(Work):
    action: Literal["timed"] = "timed"


class Fails(Work):
    action: Literal["fails"] = "fails"


class Stream(Work):
    action: Literal["stream"] = "stream"


class StreamBeside(Work):
    action: Literal["stream_beside"] = "stream_beside"


class Upload(Work):
    action: Literal["upload"] = "upload"


class UploadBeside(Work):
    action: Literal["upload_beside"] = "upload_beside"


class Asks(Work):
    action: Literal["asks"] = "asks"


class AsksBeside(Work):
    action: Literal["asks_beside"] = "asks_beside"


class Closes(Work):
    action: Literal["closes"] = "closes"


class Chunk(BaseModel):
    action: Literal["chunk"] = "chunk"


class Item(BaseModel):
    action: Literal["item"] = "item"


class Question(BaseModel):
    action: Literal["question"] = "question"


class Answer(BaseModel):
    action: Literal["answer"] = "answer"
    good: bool


MESSAGES = [
    *("serial", "beside", "keyed", "latest", "latest_keyed", "leaving", "timed", "fails", "stream", "stream_beside"),
    *("upload", "upload_beside", "asks", "asks_beside"),
]

#: What a client may say to a question: right, wrong, or that it will not answer.
ANSWERS: list[dict[str, Any]] = [
    {"action": "answer", "good": True},
    {"action": "answer", "good": False},
    {"action": "error"},
    {},
]


async def resource(ctx: Context[Machine]) -> AsyncGenerator[None, None]:
    """What each handler holds as long as it runs."""
    ctx.state.held += 1
    try:
        await anyio.lowlevel.checkpoint()
        yield
        await anyio.lowlevel.checkpoint()
    finally:
        ctx.state.held -= 1


Held = Annotated[None, Depends(resource)]


class Machine:
    """One connection, what is done to it, and what must hold.

    Attributes:
        uses: how many messages with a ref were sent, by ref.
        held: dependencies that are open.
    """

    def __init__(self) -> None:
        self.desk = Desk()
        self.uses: Counter[str] = Counter()
        self.held = 0
        self.number = 0
        self.over = False
        self.held_up = False
        self.channel = self._channel()
        self.wire: Wire

    # -- the server ---------------------------------------------------------------------------------

    def _channel(self) -> Channel:
        channel = Channel(state=lambda: self, limits=Limits(strikes=10**6, read_ahead=4, handlers=3, ask_timeout=30))
        desk = self.desk

        @channel.on_connect
        async def enter(ctx: Context) -> None:
            await ctx.join("room")

        async def work(message: Work, held: Held) -> Done:
            await desk.work(message.name)
            return Done(name=message.name)

        channel.on(Serial)(work)
        channel.on(Beside, concurrency=2)(work)
        channel.on(Keyed, key="key")(work)
        channel.on(Latest, latest=True)(work)
        channel.on(LatestKeyed, latest=True, key="key")(work)
        channel.on(Leaving, on_leave="cancel")(work)
        channel.on(Timed, timeout=2)(work)

        @channel.on(Fails)
        async def fails(message: Work, held: Held) -> None:
            raise AskFailed("failed", "it fails")

        async def stream(message: Work, held: Held) -> AsyncIterator[Item]:
            yield Item()
            await desk.work(message.name)
            yield Item()

        channel.on(Stream)(stream)
        channel.on(StreamBeside, concurrency=2)(stream)

        async def upload(message: Work, chunks: AsyncIterator[Chunk], held: Held) -> None:
            async for _ in chunks:
                await anyio.lowlevel.checkpoint()

        channel.on(Upload)(upload)
        channel.on(UploadBeside, concurrency=1)(upload)

        async def asks(message: Work, ctx: Context, held: Held) -> list[Item]:
            answer = await ctx.ask(Question(), Answer)
            return [Item()] * answer.good

        channel.on(Asks)(asks)
        channel.on(AsksBeside, concurrency=2)(asks)

        @channel.on(Closes)
        async def closes(message: Closes, ctx: Context, held: Held) -> None:
            await ctx.close(3000)

        @channel.event(Hired)
        async def hired(event: Hired, held: Held) -> Item:
            await desk.work(event.name)
            return Item()

        @channel.event(Fired, serial=True)
        async def fired(event: Fired, held: Held) -> Item:
            await desk.work(event.name)
            return Item()

        return channel

    # -- the rules ----------------------------------------------------------------------------------

    async def step(self, what: str, one: int, other: int) -> None:
        wire, ref = self.wire, f"r{other % 5}"
        self.number += 1
        name = f"n{self.number}"
        if what == "message":
            tag = MESSAGES[one % len(MESSAGES)]
            self.uses[ref] += 1
            wire.say({"action": tag, "name": name, "key": "ab"[one % 2], "ref": ref})
        elif what == "closes":
            wire.say({"action": "closes", "name": name})
            self.over = True
        elif what in ("chunk", "complete", "cancel"):
            wire.say({"action": what, "ref": ref})
        elif what == "bad":
            wire.say({"action": "chunk", "ref": ref, "ask": "q0"})
        elif what == "let" and self.desk.running:
            self.desk.let(self.desk.running[one % len(self.desk.running)])
        elif what == "answer" and (asked := self.asked()):
            wire.say({**ANSWERS[other % 4], "ask": asked[one % len(asked)]})
        elif what == "event":
            await self.channel.emit(Hired(name=name) if one % 2 else Fired(name=name), group="room")
        elif what == "time":
            await anyio.sleep((0.05, 0.1, 1, 3)[one % 4])
        elif what == "hold" and not self.held_up:
            self.held_up = True
            wire.hold()
        elif what == "release":
            self.held_up = False
            wire.release()
        elif what == "leave":
            wire.leave()
            self.over = True
        if other % 3:
            await anyio.wait_all_tasks_blocked()
        self.check()

    def asked(self) -> list[str]:
        """The questions, open or not."""
        return [frame["ask"] for frame in self.wire.frames if frame["action"] == "question"]

    # -- what holds ---------------------------------------------------------------------------------

    def finals(self) -> Counter[str]:
        """The final answers by ref: all frames but items."""
        found: Counter[str] = Counter()
        for frame in self.wire.frames:
            if "ref" in frame:
                ref = frame["ref"]
                assert found[ref] < self.uses[ref], f"{frame} answers nothing"
                found[ref] += frame["action"] != "item"
        return found

    def check(self) -> None:
        self.finals()
        kinds = self.wire.kinds
        assert "close" not in kinds[:-1], "something was sent after the close"

    async def finish(self) -> None:
        """Let everything come to its end; while the connection can send, each ref is answered."""
        wire = self.wire
        wire.release()
        self.desk.let_all()
        for _ in range(40):
            await anyio.wait_all_tasks_blocked()
            if self.over or (self.finals() == self.uses and not self.desk.running and not wire.waiting):
                break
            for ask in self.asked():
                wire.say({"action": "answer", "good": False, "ask": ask})
            for ref in self.uses:
                wire.say({"action": "complete", "ref": ref})
            await anyio.sleep(0.2)
        else:
            raise AssertionError(f"unanswered: {self.uses - self.finals()}; sent: {wire.sent}")


STEPS = st.lists(
    st.tuples(
        st.sampled_from(
            [
                *["message"] * 8,
                *["chunk", "chunk", "complete", "cancel", "cancel", "bad", "let", "let", "let", "answer", "answer"],
                *["event", "event", "time", "hold", "release"],
            ]
        ),
        st.integers(0, 83),
        st.integers(0, 59),
    ),
    min_size=5,
    max_size=40,
)
ENDS = st.sampled_from(["", "leave", "closes"])


async def _every_order(steps: list[tuple[str, int, int]], end: str, cut: int) -> None:
    machine = Machine()
    runtime = _runtime.current()
    async with opened(machine.channel) as wire:
        machine.wire = wire
        (connection,) = runtime.connections
        for number, step in enumerate(steps):
            if number == cut and end:
                await machine.step(end, 0, 0)
            await machine.step(*step)
        await machine.finish()
        wire.leave()
        await wire.end()
        machine.check()
    assert machine.held == 0
    assert machine.desk.running == []
    assert runtime.connections == set()
    assert machine.channel.layers()[0].members.groups() == []
    assert connection.runs is None or (
        connection.runs.idle and not connection.runs.refs and not connection.runs.active and not connection.runs.hungry
    )
    assert connection.asks is None or not connection.asks.questions.open
    await anyio.wait_all_tasks_blocked()


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@settings(max_examples=examples(80), deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
@given(steps=STEPS, end=ENDS, cut=st.integers(3, 20))
def test_every_order(backend: str, steps: list[tuple[str, int, int]], end: str, cut: int) -> None:
    run(backend, _every_order, steps, end, cut)

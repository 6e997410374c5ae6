"""Generated clients of groups with history: they come back, and hear what they missed."""

from __future__ import annotations

import asyncio
import importlib
import json
import random
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import pytest
from websockets.asyncio.server import ServerConnection
from websockets.asyncio.server import serve as websockets_serve

from chanx import Channel, Context, History
from chanx.asyncapi import document
from chanx.clients import Client, Place, generate, write
from chanx.clients.resume import Heard, Streams
from chanx.testing import Client as InProcess
from chanx.testing import connect
from tests.asyncapi import corpus
from tests.clients.app import Number
from tests.clients.history import app
from tests.full import FULL
from tests.servers import Server, serve

HERE = Path(__file__).parent


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"  # websockets knows no other


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with the package `history_client` in it, importable."""
    folder = tmp_path_factory.mktemp("clients_history")
    write(document(app, title="Rooms", version="1"), folder / "history_client")
    shutil.copy(HERE / "follow.py.txt", folder / "clients_follow.py")
    sys.path.insert(0, str(folder))
    importlib.invalidate_caches()
    yield folder
    sys.path.remove(str(folder))


@pytest.fixture
def use(folder: Path) -> ModuleType:
    return importlib.import_module("clients_follow")


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with serve("uvicorn", "tests.clients.history:app") as running:
        yield running


class Talk:
    """A server, and what is said in one group of it."""

    def __init__(self, server: Server, group: str) -> None:
        self.server = server
        self.group = group

    async def say(self, *texts: str) -> None:
        async with httpx.AsyncClient() as http:
            address = self.server.http(f"/say/{self.group}")
            assert (await http.post(address, content=" ".join(texts))).status_code == 204


async def following(client: Any, most: int, *said: str, talk: Talk) -> list[str]:
    """What a client hears that is connected when something is said."""
    task = asyncio.create_task(client.follow(most))
    async with asyncio.timeout(20):
        while client._socket is None or not client.places():  # it is told where the stream stands
            await asyncio.wait([task], timeout=0.01)
        await talk.say(*said)
        return await task  # type: ignore[no-any-return]


@pytest.mark.hosts
@pytest.mark.anyio
async def test_a_client_that_comes_back_hears_what_it_missed(use: ModuleType, server: Server) -> None:
    talk = Talk(server, "room:back")
    client = use.Follower(server.http(), "back")
    assert await following(client, 2, "a", "b", talk=talk) == ["room 1 a", "room 2 b"]
    await talk.say("c", "d", "e")
    heard = await asyncio.wait_for(client.follow(3), 20)
    assert heard == ["room 3 c", "room 4 d", "room 5 e"]
    assert await asyncio.wait_for(client.follow(0), 20) == ["me joined"]  # a message with the tag of a control frame
    assert client.lost == []
    # another process goes on from there
    await talk.say("f")
    (place,) = client.places()
    kept = Place.model_validate_json(place.model_dump_json())
    again = use.Follower(server.http(), "back", places=[kept])
    assert await asyncio.wait_for(again.follow(1), 20) == ["room 6 f"]
    assert (place.seq, again.places()[0].seq) == (5, 6)


@pytest.mark.hosts
@pytest.mark.anyio
async def test_a_client_is_told_what_is_lost(use: ModuleType, server: Server, caplog: pytest.LogCaptureFixture) -> None:
    talk = Talk(server, "room:lost")
    client = use.Follower(server.http(), "lost")
    assert await following(client, 1, "a", talk=talk) == ["room 1 a"]
    await talk.say(*"bcdefghijk")
    task = asyncio.create_task(client.follow(1))
    async with asyncio.timeout(20):
        while not client.lost:
            await asyncio.wait([task], timeout=0.01)
        await talk.say("new")
        assert await task == ["room 12 new"]
    assert client.lost == [("room", None)]
    assert "no known message" not in caplog.text


@pytest.mark.hosts
@pytest.mark.anyio
async def test_a_topic_is_resumed_when_it_is_subscribed_again(use: ModuleType, server: Server) -> None:
    talk = Talk(server, "thread:5")
    client = use.Follower(server.http(), "topics", thread="thread:5")
    task = asyncio.create_task(client.follow(1))
    async with asyncio.timeout(20):
        while not any(one.topic for one in client.places()):
            await asyncio.wait([task], timeout=0.01)
        await talk.say("a")
        assert await task == ["thread:5 thread 1 a"]
        await talk.say("b", "c")
        assert await client.follow(2) == ["thread:5 thread 2 b", "thread:5 thread 3 c"]
    assert client.lost == []


@pytest.mark.anyio
async def test_a_gap_is_told(use: ModuleType, caplog: pytest.LogCaptureFixture) -> None:
    async def talk(socket: ServerConnection) -> None:
        await socket.send('{"action": "gap"}')
        await socket.send('{"action":"gap","version":1,"topic":"thread:5"}')
        await socket.send('{"action":"position","stream":"room","seq":5,"epoch":"a","recovered":false}')

    async with asyncio.timeout(20), websockets_serve(talk, "127.0.0.1", 0) as running:
        port = next(iter(running.sockets)).getsockname()[1]
        async with use.RoomsClient(f"ws://127.0.0.1:{port}", room="7") as client:
            assert [message async for message in client] == []
    told = [record.getMessage().partition(": ")[2] for record in caplog.records if record.name == "chanx.clients"]
    assert told == [
        "something may have been lost",
        "something may have been lost of the topic 'thread:5'",
        "something was lost in the stream 'room'",
    ]


def test_a_client_without_the_envelope_takes_all_frames_for_messages() -> None:
    assert Client.discriminator is None
    files = generate(document(corpus.bare()["/bare"], title="Bare", version="1"))
    assert "discriminator" not in files["bare.py"]


def test_what_the_client_does_by_itself_is_not_generated() -> None:
    text = "".join(generate(document(app, title="Rooms", version="1")).values())
    assert "async def on_joined(self, message: Joined)" in text
    assert not any(word in text for word in ("recover", "on_position", "on_gap"))


# -- the rules, frame by frame ----------------------------------------------------------------------------


def joined(seq: int, epoch: str = "a", **more: Any) -> dict[str, Any]:
    return {"action": "joined", "stream": "room", "seq": seq, "epoch": epoch, **more}


def position(seq: int, epoch: str = "a", **more: Any) -> dict[str, Any]:
    return {**joined(seq, epoch, **more), "action": "position"}


def pushed(seq: int, stream: str = "room") -> dict[str, Any]:
    return {"action": "said", "stream": stream, "seq": seq}


def answer(ref: str, **told: Any) -> dict[str, Any]:
    return {"action": "recovered", "streams": {"room": told}, "ref": ref}


NOT_HEARD, PASSES, LOST = Heard(), Heard(passes=True), Heard(lost=("room",))


@pytest.fixture
def streams() -> Streams:
    streams = Streams("action")
    assert streams.hear(joined(4)) == NOT_HEARD
    assert streams.hear(pushed(5)) == PASSES
    return streams


def asked(heard: Heard) -> str:
    """The ref of what a client asks for."""
    assert heard.asks is not None
    assert heard.passes is False
    return str(heard.asks["ref"])


def test_pushes_are_heard_once_and_in_order(streams: Streams) -> None:
    assert streams.hear(pushed(5)) == streams.hear(pushed(4)) == NOT_HEARD
    heard = streams.hear(pushed(7))
    assert heard.asks == {"action": "recover", "streams": {"room": {"seq": 5, "epoch": "a"}}, "ref": "chanx-resume-1"}
    assert streams.hear(pushed(8)) == NOT_HEARD  # comes again
    assert [streams.hear(pushed(seq)).passes for seq in (6, 7, 8)] == [True] * 3
    assert streams.hear(answer("chanx-resume-1", recovered=True, seq=8, epoch="a")) == NOT_HEARD
    assert streams.hear(pushed(9)) == PASSES
    assert streams.hear({"action": "said"}) == PASSES  # belongs to no stream


def test_a_position_counts_as_a_push(streams: Streams) -> None:
    assert streams.hear(position(6)) == NOT_HEARD
    assert streams.hear(pushed(7)) == PASSES
    assert streams.hear(position(9)).asks is not None


def test_a_count_may_go_on_under_another_epoch(streams: Streams) -> None:
    assert streams.hear(position(5, "b")) == NOT_HEARD
    assert streams.hear(pushed(6)) == PASSES
    heard = streams.hear(pushed(8))
    assert heard.asks is not None
    assert heard.asks["streams"] == {"room": {"seq": 6, "epoch": "b"}}
    assert [streams.hear(pushed(seq)).passes for seq in (7, 8)] == [True] * 2
    assert streams.hear(answer("chanx-resume-1", recovered=True, seq=8, epoch="c")) == NOT_HEARD
    assert streams.hear(joined(8, "c")) == NOT_HEARD


def test_what_is_lost_is_told_once(streams: Streams) -> None:
    assert streams.hear(position(9, recovered=False)) == LOST
    assert streams.hear(position(8, recovered=False)) == NOT_HEARD
    assert streams.hear(pushed(10)) == PASSES
    ref = asked(streams.hear(joined(3, "b")))
    assert streams.hear(position(3, "b", recovered=False)) == NOT_HEARD  # the answer tells
    assert streams.hear(answer(ref, recovered=False, seq=3, epoch="b")) == LOST
    assert streams.hear(pushed(4)) == PASSES
    assert streams.places["room"].epoch == "b"


def test_a_stream_that_is_not_joined_any_more_is_lost(streams: Streams) -> None:
    ref = asked(streams.hear(pushed(9)))
    assert streams.hear(answer(ref, recovered=False)) == LOST
    assert streams.places == {}
    assert streams.hear(pushed(12)) == PASSES  # joined before anybody looked


@pytest.mark.parametrize("code", ["overloaded", "duplicate_ref"])
def test_a_refusal_is_a_loss(streams: Streams, code: str) -> None:
    ref = asked(streams.hear(pushed(9)))
    assert streams.hear({"action": "error", "payload": {"code": code, "detail": ""}, "ref": ref}) == LOST


def test_one_thing_at_a_time_is_asked_for(streams: Streams) -> None:
    assert streams.hear({**joined(1), "stream": "other"}) == NOT_HEARD
    ref = asked(streams.hear(pushed(9)))
    assert streams.hear(pushed(9, "other")) == NOT_HEARD
    heard = streams.hear(answer(ref, recovered=True, seq=9, epoch="a"))
    assert heard.asks == {"action": "recover", "streams": {"other": {"seq": 1, "epoch": "a"}}, "ref": "chanx-resume-2"}


def test_an_answer_that_never_comes_is_not_waited_for(streams: Streams) -> None:
    ref = asked(streams.hear(pushed(9)))
    streams.begin()  # the connection is another one
    assert streams.hear(joined(5)) == NOT_HEARD
    assert streams.hear(pushed(6)) == PASSES
    assert streams.hear({"action": "said", "ref": ref}) == PASSES


def test_a_topic_that_ends_meanwhile_is_asked_for_again_when_it_is_joined() -> None:
    streams = Streams("action", "thread:5")
    streams.hear(joined(5))
    unsubscribed: dict[str, Any] = {"action": "unsubscribed", "payload": None}
    for ended in (unsubscribed, None):
        ref = asked(streams.hear(pushed(9)))
        if ended is None:
            ended = {"action": "error", "payload": {"code": "not_subscribed", "detail": ""}, "ref": ref}
        assert streams.hear(ended).lost == ()
        heard = streams.hear(joined(9))
        assert heard.asks is not None
        assert json.loads(json.dumps(heard.asks))["topic"] == "thread:5"
        streams.hear(answer(asked(heard), recovered=True, seq=5, epoch="a"))


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["trio"])  # where to wait until nothing happens takes no time
@pytest.mark.parametrize("seed", range(1000 if FULL else 100))
async def test_whatever_happens_each_push_is_heard_once_or_is_told_to_be_lost(seed: int) -> None:
    chance = random.Random(seed)
    channel = Channel("numbers", history={"numbers": History(size=chance.choice((3, 6, 50)))})
    streams, heard, number = Streams("action"), list[int | None](), 0

    @channel.on_connect
    async def enter(ctx: Context) -> None:
        await ctx.join("numbers", stream="numbers", last=chance.choice((0, 2)))

    async def push(most: int) -> None:
        nonlocal number
        for _ in range(chance.randrange(most)):
            number += 1
            await channel.broadcast(Number(number=number), group="numbers")

    async def hear(client: InProcess) -> None:
        while frames := await client.drain():
            for frame in frames:
                told = streams.hear(frame)
                if told.passes:
                    heard.append(frame["number"])
                heard.extend(None for _ in told.lost)
                if told.asks is not None and (
                    last or chance.random() < 0.8
                ):  # else the connection ends before it is sent
                    await client.send(dict(told.asks))
                if chance.random() < 0.3 and not last:
                    await push(3)

    await push(3)
    for connection in range(8):
        last = connection == 7
        streams.begin()
        async with connect(channel) as client:
            if not last and chance.random() < 0.2:
                continue  # it is cut before anything is read
            await hear(client)
            await push(6)
            await hear(client)
        await push(6)
    # the positions are the numbers: nothing is heard twice, and where one is missing, that was told
    before = heard[0]
    for one in heard[1:]:
        assert one is None or before is None or one == before + 1, heard
        before = one
    numbers = [one for one in heard if one is not None]
    assert numbers == sorted(set(numbers))
    place = streams.places["numbers"].seq
    assert place == numbers[-1] or heard[-1] is None

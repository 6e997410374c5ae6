"""Topics and threads: plain functions run in them, and publish from them."""

from __future__ import annotations

import threading

import anyio.to_thread

from chanx import Channel, Context
from chanx.testing import connect
from tests.kernel.messages import Said, Say
from tests.kernel.topical import House, Number


async def test_plain_functions() -> None:
    hub, room = Channel("hub"), Channel("room")
    loop = threading.current_thread()

    def enter(ctx: Context, pk: Number) -> None:
        assert threading.current_thread() is not loop
        assert ctx.topic == f"room:{pk}"

    @room.on(Say)
    def say(message: Say, ctx: Context) -> Said:
        assert threading.current_thread() is not loop
        room.broadcast_sync(Said(text="from a thread"), connection=ctx.id)
        return Said(text=f"{message.text} {ctx.topic}")

    room.on_connect(enter)
    room.on_disconnect(enter)
    hub.include(room, topic="room:{pk}")
    async with connect(hub) as client:
        topic = await client.subscribe("room:5")
        assert (await topic.request(Say(text="x"), Said)).text == "x room:5"
        assert (await topic.receive(Said)).text == "from a thread"
        await topic.unsubscribe()
        await client.settled()
    assert hub.stats().handler_errors == 0


async def test_a_thread_publishes_in_order() -> None:
    house = House()
    async with connect(house.hub) as client, connect(house.hub) as other:
        five, six = await client.subscribe("room:5"), await client.subscribe("room:6")
        its = await other.subscribe("room:5")

        def publish() -> None:
            for number in range(50):
                house.room.broadcast_sync(Said(text=str(number)), group="room:5")

        await anyio.to_thread.run_sync(publish)
        for topic in (five, its):
            assert [(await topic.receive(Said)).text for _ in range(50)] == [str(number) for number in range(50)]
        await client.settled()
        assert five.pending == six.pending == its.pending == client.pending == []

import pytest

from chanx.testing import Closed, Failed, Topic, connect
from docs.snippets.howto.discussions import Post, Posted, hub

pytestmark = pytest.mark.anyio


# --8<-- [start:talk]
async def test_discussions_hear_their_own_frames() -> None:
    async with connect(hub) as ada, connect(hub) as bob:
        five: Topic = await ada.subscribe("discussion:5")
        six = await ada.subscribe("discussion:6")
        his = await bob.subscribe("discussion:5")

        await five.send(Post(text="hello"))

        assert (await his.receive(Posted)).text == "hello"
        await ada.settled()
        assert five.pending == six.pending == ada.pending == []


# --8<-- [end:talk]


# --8<-- [start:refused]
async def test_some_discussions_are_private() -> None:
    async with connect(hub) as client:
        with pytest.raises(Failed) as failed:
            await client.subscribe("discussion:13")
        assert failed.value.code == "unauthorized"


# --8<-- [end:refused]


# --8<-- [start:ended]
async def test_a_moderator_ends_a_discussion() -> None:
    async with connect(hub) as client:
        topic = await client.subscribe("discussion:5")
        await topic.send(Post(text="enough"))
        assert (await topic.wait_closed()).code == 4000
        with pytest.raises(Closed):
            await topic.send(Post(text="one more thing"))


async def test_a_client_unsubscribes() -> None:
    async with connect(hub) as client:
        topic = await client.subscribe("discussion:5")
        await topic.unsubscribe()
        answer = await client.request({"action": "post", "text": "hello?", "topic": "discussion:5"})
        assert answer["payload"]["code"] == "not_subscribed"


# --8<-- [end:ended]

import secrets

import pytest

from chanx.testing import connect
from docs.snippets.howto.history import Said, Say, app, chat

pytestmark = pytest.mark.anyio


# --8<-- [start:recover]
async def test_who_comes_back_gets_what_was_missed() -> None:
    room = secrets.token_hex(4)  # its history is that of this test alone
    async with connect(app, f"/rooms/{room}") as client:
        joined = await client.receive()
        await client.request(Say(text="hello"))
        push = await client.receive()
        assert (push["text"], push["stream"], push["seq"]) == ("hello", "room", joined["seq"] + 1)

    await chat.broadcast(Said(text="anybody?"), group=f"room:{room}")

    async with connect(app, f"/rooms/{room}") as client:
        await client.drain()  # `joined`, and the last 20
        place = {"seq": push["seq"], "epoch": joined["epoch"]}
        answer = await client.request({"action": "recover", "streams": {"room": place}})
        assert answer["streams"]["room"]["recovered"]
        assert await client.receive(Said) == Said(text="anybody?")


# --8<-- [end:recover]


# --8<-- [start:lost]
async def test_who_is_too_late_is_told() -> None:
    async with connect(app, "/rooms/tea") as client:
        await client.drain()
        place = {"seq": 1, "epoch": "of another life"}
        answer = await client.request({"action": "recover", "streams": {"room": place}})
        assert not answer["streams"]["room"]["recovered"]


# --8<-- [end:lost]

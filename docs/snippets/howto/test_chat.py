from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import pytest

from chanx.testing import Captured, Client, Closed, Refused, capture, connect
from docs.snippets.chat import Hired, Said, Say, app, chat, current_user, hired

pytestmark = pytest.mark.anyio


# --8<-- [start:talk]
async def test_two_clients_hear_each_other() -> None:
    room = {"path_params": {"room": "7"}}  # what a route would put there
    async with (
        connect(chat, query={"name": "Ada"}, scope=room) as ada,
        connect(chat, query={"name": "Bob"}, scope=room) as bob,
    ):
        await ada.send(Say(text="hello"))
        assert await bob.receive(Said) == Said(who="Ada", text="hello")
        assert await ada.receive() == {"action": "said", "who": "Ada", "text": "hello"}


# --8<-- [end:talk]


# --8<-- [start:through]
async def test_through_the_whole_application() -> None:
    async with connect(app, "/rooms/7?name=Ada", headers={"origin": "http://testserver"}) as ada:
        await ada.send(Say(text="hello"))
        await hears(ada, "hello")


async def hears(client: Client, text: str) -> None:
    assert (await client.receive(Said)).text == text


# --8<-- [end:through]


# --8<-- [start:refused]
async def test_a_name_is_needed() -> None:
    with pytest.raises(Refused) as refused:
        async with connect(chat, scope={"path_params": {"room": "7"}}):
            pass
    assert (refused.value.status, refused.value.detail) == (401, "a name is needed")


# --8<-- [end:refused]


# --8<-- [start:errors]
async def test_a_wrong_message_is_answered() -> None:
    async with connect(chat, query={"name": "Ada"}, scope={"path_params": {"room": "7"}}) as ada:
        answer = await ada.request({"action": "say"})
        assert answer["payload"]["code"] == "invalid_message"
        assert answer["payload"]["errors"][0]["loc"] == ["text"]
        await ada.send("x" * (chat.limits.max_size + 1))
        with pytest.raises(Closed) as closed:
            await ada.receive()
        assert closed.value.code == 1009


# --8<-- [end:errors]


# --8<-- [start:settled]
async def test_nobody_else_hears() -> None:
    async with (
        connect(chat, query={"name": "Ada"}, scope={"path_params": {"room": "7"}}) as ada,
        connect(chat, query={"name": "Eve"}, scope={"path_params": {"room": "8"}}) as eve,
    ):
        await ada.request(Say(text="hello"))
        await eve.settled()
        assert eve.pending == []


# --8<-- [end:settled]


# --8<-- [start:capture]
async def test_what_was_emitted() -> None:
    with capture(chat) as published:
        async with connect(chat, query={"name": "Ada"}, scope={"path_params": {"room": "7"}}) as ada:
            await chat.emit(Hired(name="Eve"), group="room:7")
            assert await ada.receive(Said) == Said(who="office", text="welcome Eve")
    assert published == [Captured("event", Hired(name="Eve"), ("room:7",), (), frozenset())]


# --8<-- [end:capture]


# --8<-- [start:override]
async def test_as_somebody_else() -> None:
    async def somebody() -> str:
        return "somebody"

    with chat.override({current_user: somebody}):
        async with connect(chat, scope={"path_params": {"room": "7"}}) as client:
            await client.send(Say(text="hello"))
            assert (await client.receive(Said)).who == "somebody"


# --8<-- [end:override]


# --8<-- [start:fixture]
Connect = Callable[..., AbstractAsyncContextManager[Client]]


async def test_with_the_fixture(chanx_connect: Connect) -> None:
    async with chanx_connect(chat, query={"name": "Ada"}, scope={"path_params": {"room": "7"}}) as ada:
        await ada.request(Say(text="hello"))


# --8<-- [end:fixture]


# --8<-- [start:function]
async def test_the_handler_alone() -> None:
    assert await hired(Hired(name="Eve")) == Said(who="office", text="welcome Eve")


# --8<-- [end:function]

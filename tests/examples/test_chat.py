from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from typing import Any

import httpx
import pytest

from chanx.testing import Client, Closed, connect
from examples.chat import app
from examples.chat.channel import rooms
from examples.chat.messages import IsTyping, Present, Said, Say, Typing, Welcome
from examples.chat.rooms import REMEMBERED, Room

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
async def empty_rooms() -> AsyncIterator[None]:
    """Whatever a test did, nobody and nothing of it is left in a room."""
    yield
    assert len(rooms) == 0


def tab(name: str, room: str = "lobby") -> AbstractAsyncContextManager[Client]:
    return connect(app, f"/rooms/{room}", query={"name": name})


async def come_in(client: Client) -> Welcome:
    """Read what a newcomer is sent: the welcome, and its own arrival."""
    welcome = await client.receive(Welcome)
    assert (await client.receive(Present)).people == welcome.people
    return welcome


async def arrived(client: Client) -> list[Any]:
    """Everything that has come by the time nothing is left to do."""
    await client.settled()
    return [await client.receive() for _ in client.pending]


# --- presence ----------------------------------------------------------------------------------------


async def test_everybody_sees_who_comes_and_goes() -> None:
    async with tab("Ada") as ada:
        assert (await come_in(ada)).people == ["Ada"]
        async with tab("bob") as bob:
            assert (await come_in(bob)).people == ["Ada", "bob"]
            assert await ada.receive(Present) == Present(people=["Ada", "bob"])
        assert await ada.receive(Present) == Present(people=["Ada"])


async def test_a_person_is_present_while_any_tab_is() -> None:
    async with tab("Ada") as ada:
        await come_in(ada)
        async with tab("Bob") as first:
            await come_in(first)
            assert await ada.receive(Present) == Present(people=["Ada", "Bob"])
            async with tab("Bob") as second:
                assert (await come_in(second)).people == ["Ada", "Bob"]
                assert await ada.receive(Present) == Present(people=["Ada", "Bob"])
            assert await ada.receive(Present) == Present(people=["Ada", "Bob"])
        assert await ada.receive(Present) == Present(people=["Ada"])


async def test_a_reload_whose_old_tab_is_noticed_late_leaves_the_person_present() -> None:
    async with tab("Ada") as ada:
        await come_in(ada)
        async with tab("Bob") as old, tab("Bob") as new:
            await come_in(old)
            await old.close()
            await old.settled()
            await new.settled()
            assert rooms["lobby"].people == ["Ada", "Bob"]
            assert len(rooms["lobby"].tabs("Bob")) == 1


async def test_the_last_to_leave_takes_the_room_along() -> None:
    async with tab("Ada") as ada:
        await come_in(ada)
        await ada.request(Say(id="1", text="hello"))
    assert len(rooms) == 0
    async with tab("Ada") as ada:
        assert (await come_in(ada)).recent == []


# --- talking -----------------------------------------------------------------------------------------


async def test_what_is_said_reaches_everybody_in_the_room_and_nobody_else() -> None:
    async with tab("Ada") as ada, tab("Bob") as bob, tab("Eve", "help") as eve:
        for client in (ada, bob, eve):
            await arrived(client)
        await ada.send({**Say(id="1", text=" hello ").model_dump(), "ref": 5})
        said = await bob.receive(Said)
        assert (said.id, said.who, said.text) == ("1", "Ada", "hello")
        assert await ada.receive(Said) == said
        assert await ada.receive() == {"action": "ack", "ref": 5}
        assert await arrived(eve) == []


async def test_what_is_sent_again_is_said_once_and_acknowledged_twice() -> None:
    async with tab("Ada") as ada, tab("Bob") as bob:
        await ada.request(Say(id="1", text="hello"))
        await ada.request(Say(id="1", text="hello"))
        assert [frame["action"] for frame in await arrived(bob)].count("said") == 1


async def test_a_newcomer_is_shown_what_was_said() -> None:
    async with tab("Ada") as ada, tab("Bob"):
        await ada.request(Say(id="1", text="hello"))
        await ada.request(Say(id="2", text="anybody?"))
        async with tab("Eve") as eve:
            assert [said.text for said in (await eve.receive(Welcome)).recent] == ["hello", "anybody?"]


async def test_typing_is_shown_to_others_only() -> None:
    async with tab("Ada") as ada, tab("Ada") as again, tab("Bob") as bob:
        for client in (ada, again, bob):
            await arrived(client)
        await ada.send(Typing(active=True))
        assert await bob.receive(IsTyping) == IsTyping(who="Ada", active=True)
        await ada.send(Typing(active=False))
        assert await bob.receive(IsTyping) == IsTyping(who="Ada", active=False)
        for client in (ada, again):
            assert await arrived(client) == []


# --- what is wrong -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "room", "code", "reason"),
    [
        ({}, "lobby", 4401, "Please enter a name."),
        ({"name": "  "}, "lobby", 4401, "Please enter a name."),
        ({"name": "x" * 31}, "lobby", 4400, "A name has at most 30 characters."),
        ({"name": "Ada"}, "No", 4404, "A room is named in small letters, digits and hyphens, 30 at most."),
    ],
)
async def test_a_refusal_tells_the_page_its_reason(query: dict[str, str], room: str, code: int, reason: str) -> None:
    async with connect(app, f"/rooms/{room}", query=query) as client:
        with pytest.raises(Closed) as closed:
            await client.receive()
    assert (closed.value.code, closed.value.reason) == (code, reason)


@pytest.mark.parametrize(
    "frame",
    [
        {"action": "say", "id": "1", "text": "   "},
        {"action": "say", "id": "1", "text": "x" * 2001},
        {"action": "say", "id": "", "text": "hello"},
        {"action": "typing"},
    ],
)
async def test_an_invalid_message_is_answered_and_not_said(frame: dict[str, object]) -> None:
    async with tab("Ada") as ada, tab("Bob") as bob:
        await come_in(bob)
        await arrived(ada)
        await ada.send({**frame, "ref": 1})
        answer = await ada.receive()
        assert (answer["action"], answer["payload"]["code"], answer["ref"]) == ("error", "invalid_message", 1)
        assert await arrived(bob) == []


@pytest.mark.parametrize("message", [Said(id="1", who="Eve", text="forged", at=0), Present(people=["Eve"])])
async def test_what_the_server_says_is_not_taken_from_a_page(message: Said | Present) -> None:
    async with tab("Ada") as ada:
        await come_in(ada)
        await ada.send(message)
        assert (await ada.receive())["payload"]["code"] == "unknown_action"


# --- the rest ----------------------------------------------------------------------------------------


async def test_the_page_and_its_parts_are_served() -> None:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://testserver") as http:
        page = await http.get("/")
        assert page.status_code == 200
        for part in ("/static/chat.js", "/static/chat.css", "/chanx/chanx.js"):
            assert (await http.get(part)).status_code == 200


async def test_a_room_remembers_the_last_messages() -> None:
    room = Room()
    for number in range(REMEMBERED + 1):
        assert room.remember(Said(id=str(number), who="Ada", text="hello", at=number))
    assert len(room.recent) == REMEMBERED
    assert room.recent[0].id == "1"
    assert not room.remember(Said(id="1", who="Ada", text="hello", at=99))
    assert room.remember(Said(id="1", who="Bob", text="hello", at=99))

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import httpx
import pytest
from fastapi import FastAPI

from chanx.constants import EVENT_ACTION_COMPLETE, GROUP_ACTION_COMPLETE
from chanx.core.testing import capture_broadcast_events
from chanx.messages.base import BaseMessage
from chanx.messages.incoming import PingMessage
from chanx.messages.outgoing import PongMessage
from examples.fastapi_rooms.rooms import (
    Announced,
    AnnouncedPayload,
    History,
    IsTyping,
    Joined,
    Left,
    RoomConsumer,
    Said,
    SaidPayload,
    Say,
    SayPayload,
    Typing,
    WhoPayload,
    group_of,
)
from examples.fastapi_rooms.tests.client import PATIENCE, Client

pytestmark = pytest.mark.anyio


def tab(app: FastAPI, room: str, user: str) -> Client:
    return Client(app, f"/ws/rooms/{room}?token={user}-token", consumer=RoomConsumer)


def said(who: str, text: str) -> Said:
    return Said(payload=SaidPayload(who=who, text=text))


def say(text: str) -> Say:
    return Say(payload=SayPayload(text=text))


async def come_in(client: Client) -> list[SaidPayload]:
    """What a newcomer is shown."""
    frame = await client.receive_json_from()
    return History.model_validate(frame).payload.recent


async def heard(client: Client, last: str = GROUP_ACTION_COMPLETE) -> list[BaseMessage]:
    """What comes up to the end of a group message, or of an event."""
    return await client.receive_all_messages(last)


@asynccontextmanager
async def both(app: FastAPI, room: str) -> AsyncGenerator[tuple[Client, Client]]:
    """Ada and Bob in one room."""
    async with tab(app, room, "ada") as ada:
        await come_in(ada)
        await ada.send_message(say("first"))  # Bob would hear of her arrival, were it still on its way through Redis
        assert await heard(ada) == [said("ada", "first")]
        async with tab(app, room, "bob") as bob:
            await come_in(bob)
            assert await heard(ada) == [Joined(payload=WhoPayload(who="bob"))]
            yield ada, bob


async def test_a_ping_is_answered(app: FastAPI, room: str) -> None:
    async with tab(app, room, "ada") as ada:
        await come_in(ada)
        await ada.send_message(PingMessage())
        assert await ada.receive_all_messages() == [PongMessage()]


async def test_all_in_a_room_hear_what_is_said_and_nobody_else(app: FastAPI, room: str) -> None:
    async with tab(app, f"{room[:20]}-x", "eve") as eve:
        await come_in(eve)
        async with both(app, room) as (ada, bob):
            await bob.send_message(say("  hello "))
            assert await heard(ada) == [said("bob", "hello")]
            assert await heard(bob) == [said("bob", "hello")]
            await bob.disconnect()
            assert await heard(ada) == [Left(payload=WhoPayload(who="bob"))]
        await eve.send_message(PingMessage())
        assert await eve.receive_all_messages() == [PongMessage()]


async def test_a_frame_tells_whose_message_it_is(app: FastAPI, room: str) -> None:
    async with both(app, room) as (ada, bob):
        await bob.send_message(say("hello"))
        for client, own in ((ada, False), (bob, True)):
            frames = [
                one
                for one in await client.receive_until_action("said", PATIENCE, inclusive=True)
                if one["action"] == "said"
            ]
            assert [one["is_current"] for one in frames] == [own]


async def test_who_writes_is_not_told_so(app: FastAPI, room: str) -> None:
    async with both(app, room) as (ada, bob):
        await bob.send_message(Typing())
        assert await heard(ada) == [IsTyping(payload=WhoPayload(who="bob"))]
        await ada.send_message(say("go on"))
        frames = await bob.receive_until_action("said", PATIENCE, inclusive=True)
        assert [one["action"] for one in frames] == ["complete", "said"]


async def test_a_newcomer_is_shown_what_was_said(app: FastAPI, room: str) -> None:
    async with tab(app, room, "ada") as ada:
        await come_in(ada)
        for text in ("hello", "anybody?"):
            await ada.send_message(say(text))
            await heard(ada)
        async with tab(app, room, "bob") as bob:
            assert [one.text for one in await come_in(bob)] == ["hello", "anybody?"]


async def test_an_announcement_reaches_those_it_is_for(app: FastAPI, room: str, http: httpx.AsyncClient) -> None:
    secret, public = AnnouncedPayload(text="budget", for_staff=True), AnnouncedPayload(text="lunch")
    async with both(app, room) as (ada, bob):
        with capture_broadcast_events(RoomConsumer) as captured:
            for one in (secret, public):
                answer = await http.post(f"/api/rooms/{room}/announcements", json=one.model_dump())
                assert answer.status_code == 202
        assert [(one.event, one.groups) for one in captured] == [
            (Announced(payload=secret), [group_of(room)]),
            (Announced(payload=public), [group_of(room)]),
        ]
        told = [await heard(client, EVENT_ACTION_COMPLETE) for client in (ada, ada, bob, bob)]
        assert told == [[Announced(payload=secret)], [Announced(payload=public)], [], [Announced(payload=public)]]


@pytest.mark.parametrize(("token", "status"), [("bob-token", 403), ("nobody", 401)])
async def test_only_staff_announces(room: str, http: httpx.AsyncClient, token: str, status: int) -> None:
    headers = {"authorization": f"Bearer {token}"}
    answer = await http.post(f"/api/rooms/{room}/announcements", json={"text": "me"}, headers=headers)
    assert answer.status_code == status


@pytest.mark.parametrize(("path", "code"), [("lobby", 4401), ("lobby?token=x", 4401), ("No?token=ada-token", 4404)])
async def test_a_refusal_has_its_code(app: FastAPI, path: str, code: int) -> None:
    client = Client(app, f"/ws/rooms/{path}", consumer=RoomConsumer)
    assert await client.connect() == (True, None)
    assert (await client.receive_output(PATIENCE))["code"] == code


async def test_nobody_hears_of_those_who_were_refused(app: FastAPI, room: str) -> None:
    async with tab(app, room, "ada") as ada:
        await come_in(ada)
        stranger = tab(app, room, "nobody")
        await stranger.connect()
        await stranger.assert_closed()
        await stranger.disconnect()
        await ada.send_message(say("alone"))
        assert await heard(ada) == [said("ada", "alone")]


@pytest.mark.parametrize("payload", [None, {"text": "  "}, {"text": "x" * 2001}])
async def test_what_cannot_be_said_is_answered_with_an_error(app: FastAPI, room: str, payload: object) -> None:
    async with tab(app, room, "ada") as ada:
        await come_in(ada)
        await ada.send_json_to({"action": "say", "payload": payload})
        (frame,) = await ada.receive_until_action("complete", PATIENCE)
        assert (frame["action"], frame["payload"][0]["loc"][:2]) == ("error", ["say", "payload"])
    async with tab(app, room, "ada") as ada:
        assert await come_in(ada) == []

"""Topics of chanx 2.x, and what tests are written with, as type checkers see them: an error on each marked line."""

from typing import Any, Literal, assert_type

from chanx.channels.testing import WebsocketCommunicator, WebsocketTestCase
from chanx.channels.websocket import AsyncJsonWebsocketConsumer
from chanx.core.decorators import event_handler, ws_handler
from chanx.core.testing import CapturedBroadcastEvent, capture_broadcast_events, capture_topic_broadcasts
from chanx.core.topic import Topic
from chanx.fast_channels.testing import WebsocketCommunicator as FastCommunicator
from chanx.messages.base import BaseMessage
from chanx.messages.incoming import PingMessage
from chanx.messages.outgoing import PongMessage


class Step(BaseMessage):
    action: Literal["step"] = "step"
    payload: int


class Run(Topic):
    pattern = "run:{id}"
    passthrough_events = [Step]
    emits = [PongMessage]

    async def authorize(self, id: str) -> bool:
        assert_type(self.params, dict[str, str])
        return id != "0"

    async def on_subscribe(self) -> None:
        await self.send_message(Step(payload=1))
        await self.send_message("step")  # error

    async def on_unsubscribe(self, **params: str) -> None: ...

    @ws_handler
    async def handle_ping(self, message: PingMessage) -> PongMessage:
        await self.broadcast(self.topic, Step(payload=2), seq=1)
        return PongMessage()

    @event_handler
    async def stepped(self, event: Step) -> Step:
        return event


class Lobby(Topic):
    pattern = "lobby"

    async def authorize(self, **params: str) -> bool:
        return True


class Hub(AsyncJsonWebsocketConsumer[Step]):
    topics = [Run, Lobby]
    default_topic = Lobby
    max_topics = 5


class RunConsumer(Run.as_consumer()):  # type: ignore[misc]  # pyright: ignore[reportUntypedBaseClass,reportGeneralTypeIssues]
    send_completion = True


async def broadcast() -> None:
    await Run.broadcast("run:1", Step(payload=1))
    await Run.broadcast("run:1", Step(payload=1), seq="x")  # error
    await Run.broadcast(Step(payload=1))  # error
    Run.broadcast_sync("run:1", Step(payload=1), seq=1)
    assert_type(Run.group_name("run:1"), str)
    Run.as_consumer(send_completion=True).as_asgi()


async def talk(application: Any) -> None:
    async with WebsocketCommunicator(application, "/", consumer=Hub) as client:
        assert_type(client, WebsocketCommunicator)
        await client.send_message(PingMessage())
        await client.send_message("ping")  # error
        assert_type(await client.receive_all_json(), list[dict[str, Any]])
        await client.receive_all_messages("group_complete", timeout=2)
    FastCommunicator(Hub.as_asgi(), "/", [(b"cookie", b"x")], ["json"], consumer=Hub)
    with capture_broadcast_events(Hub) as events, capture_topic_broadcasts() as broadcasts:
        assert_type(events, list[CapturedBroadcastEvent])
        assert_type(broadcasts[0].seq, int | None)


class Case(WebsocketTestCase):
    ws_path = "/"
    consumer = Hub

    async def test_ping(self) -> None:
        await self.auth_communicator.connect()
        assert_type(self.create_communicator(ws_path="/x"), WebsocketCommunicator)

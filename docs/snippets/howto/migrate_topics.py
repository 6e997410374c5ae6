from typing import Literal

from starlette.applications import Starlette
from starlette.routing import WebSocketRoute

from chanx.channels.layers import InMemoryChannelLayer, register_channel_layer
from chanx.core.decorators import event_handler, ws_handler
from chanx.core.topic import Topic
from chanx.fast_channels.websocket import AsyncJsonWebsocketConsumer
from chanx.messages.base import BaseMessage
from chanx.messages.incoming import PingMessage
from chanx.messages.outgoing import PongMessage


class Stop(BaseMessage):
    action: Literal["stop"] = "stop"
    payload: None = None


class Status(BaseMessage):
    action: Literal["status"] = "status"
    payload: str


class Progress(BaseMessage):
    action: Literal["progress"] = "progress"
    payload: int


class Finished(BaseMessage):
    action: Literal["finished"] = "finished"
    payload: bool


# --8<-- [start:topic]
class RunTopic(Topic):
    """The progress of a run."""

    pattern = "run:{number}"
    passthrough_events = [Progress]

    async def authorize(self, number: str) -> bool:
        return number != "secret"

    async def on_subscribe(self) -> None:
        await self.send_message(Status(payload=f"run {self.params['number']} is under way"))

    async def on_unsubscribe(self) -> None: ...

    @ws_handler
    async def stop(self, message: Stop) -> Status:
        return Status(payload="stopping")

    @event_handler
    async def finished(self, event: Finished) -> Status:
        return Status(payload="done" if event.payload else "failed")


# --8<-- [end:topic]
# --8<-- [start:consumer]
class PageConsumer(AsyncJsonWebsocketConsumer):
    topics = [RunTopic]

    @ws_handler
    async def handle_ping(self, message: PingMessage) -> PongMessage:
        return PongMessage()


# --8<-- [end:consumer]
register_channel_layer("default", InMemoryChannelLayer())
# --8<-- [start:app]
app = Starlette(
    routes=[
        WebSocketRoute("/page", PageConsumer.as_asgi()),
        WebSocketRoute("/runs/{number}", RunTopic.as_consumer().as_asgi()),
    ]
)
# --8<-- [end:app]


# --8<-- [start:send]
async def work() -> None:
    await RunTopic.broadcast("run:7", Progress(payload=40), seq=1)
    await RunTopic.broadcast("run:7", Finished(payload=True), seq=2)


def work_in_a_thread() -> None:
    RunTopic.broadcast_sync("run:7", Progress(payload=40), seq=1)


# --8<-- [end:send]

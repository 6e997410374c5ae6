"""Class-based consumers: those of `chanx.channels`, and as a peer those of Django Channels where that is installed.

Both are made from one source: the same class body on another base.
"""

import functools
import operator
from importlib.util import find_spec
from typing import Any

from benchmarks.messages import execute, family
from benchmarks.wire import App
from chanx.channels.generic.websocket import AsyncJsonWebsocketConsumer
from chanx.channels.layers import InMemoryChannelLayer, register_channel_layer
from chanx.channels.websocket import AsyncJsonWebsocketConsumer as StructuredConsumer
from chanx.compat.authenticators import AuthenticationResult
from chanx.core.decorators import ws_handler
from chanx.generic.websocket import AsyncJsonWebsocketConsumer as OldConsumer

#: Is Django Channels there to be compared with?
CHANNELS = find_spec("channels") is not None and find_spec("django") is not None

#: The alias of the channel layers that the consumers use; without one they have none.
LAYER = "benchmarks"

CONSUMER = """
class Consumer(Base):
    channel_layer_alias = {alias!r}

    async def receive_json(self, content):
        match content:
{cases}            case _:
                await self.send_json({{"action": "error", "payload": {{"code": "invalid_message"}}}})
"""

CASE = """            case {{"action": "say{n}", "text": str(text), "count": int()}}:
                await self.send_json({{"action": "said", "text": text}})
"""

DECORATED = """
class Consumer(Base):
    channel_layer_alias = {alias!r}
    log_websocket_message = send_completion = False
{handlers}"""

HANDLER = """
    @ws_handler
    async def handle_say{n}(self, message: Say{n}) -> Said:
        return Said(text=message.text)
"""

OLD = """
class Consumer(Base[Incoming]):
    channel_layer_alias = {alias!r}
    authenticator_class = Everybody
    log_received_message = log_sent_message = send_completion = send_authentication_message = False

    async def receive_message(self, message, **kwargs):
        match message:
{cases}"""

OLD_CASE = """            case Say{n}(text=text):
                await self.send_message(Said(text=text))
"""

MEMBER = """
class Consumer(Base):
    channel_layer_alias = {alias!r}
    groups = [{group!r}]

    async def chat_message(self, event):
        await self.send_json({{"action": "said", "text": event["text"]}})
"""


@functools.cache
def layer() -> Any:
    """The channel layer of chanx under the alias."""
    made = InMemoryChannelLayer()
    register_channel_layer(LAYER, made)
    return made


@functools.cache
def channels_layer() -> Any:
    """That of Channels, under the same alias."""
    from channels.layers import InMemoryChannelLayer as Peer
    from channels.layers import channel_layers
    from django.conf import settings

    if not settings.configured:
        settings.configure()
    made = Peer()
    channel_layers.set(LAYER, made)
    return made


def _base(*, channels: bool) -> Any:
    if not channels:
        layer()
        return AsyncJsonWebsocketConsumer
    from channels.generic.websocket import AsyncJsonWebsocketConsumer as Peer

    channels_layer()
    return Peer


def _made(source: str, *, channels: bool) -> App:
    made: App = execute(source, {"Base": _base(channels=channels)})["Consumer"].as_asgi()
    return made


def consumer(size: int, *, layered: bool = True, channels: bool = False) -> App:
    """`receive_json` with a `match` that has a case for each action, `send_json` of a dict.

    Args:
        size: how many actions.
        layered: is there a channel layer?
        channels: Django Channels' own class, not ours.
    """
    cases = "".join(CASE.format(n=n) for n in range(size))
    return _made(CONSUMER.format(alias=LAYER if layered else "none", cases=cases), channels=channels)


def decorated(size: int) -> App:
    """A consumer of chanx 2.x, with a handler for each action that returns its reply.

    Args:
        size: how many actions.
    """
    layer()
    messages = family("pydantic", size)
    names: dict[str, Any] = {kind.__name__: kind for kind in (*messages.types, messages.reply)}
    names |= {"Base": StructuredConsumer, "ws_handler": ws_handler}
    source = DECORATED.format(alias=LAYER, handlers="".join(HANDLER.format(n=n) for n in range(size)))
    made: App = execute(source, names)["Consumer"].as_asgi()
    return made


class Everybody:
    """Lets everybody in, where Django is configured for a peer, too."""

    async def authenticate(self) -> AuthenticationResult:
        return AuthenticationResult(True, 200, "OK")


def old(size: int, *, immediately: bool) -> App:
    """A consumer of chanx 0.12, with a case for each action that sends a reply.

    Args:
        size: how many actions.
        immediately: let other tasks run after each reply, which is the default.
    """
    layer()
    messages = family("pydantic", size)
    names: dict[str, Any] = {kind.__name__: kind for kind in (*messages.types, messages.reply)}
    names |= {"Base": OldConsumer, "Everybody": Everybody, "Incoming": functools.reduce(operator.or_, messages.types)}
    source = OLD.format(alias=LAYER, cases="".join(OLD_CASE.format(n=n) for n in range(size)))
    source += f"    send_message_immediately = {immediately}\n"
    made: App = execute(source, names)["Consumer"].as_asgi()
    return made


def decorated_member(group: str) -> App:
    """A consumer of chanx 2.x in a group, which sends its client what is broadcast there."""
    layer()
    source = DECORATED.format(alias=LAYER, handlers=f"    groups = [{group!r}]\n")
    made: App = execute(source, {"Base": StructuredConsumer})["Consumer"].as_asgi()
    return made


def old_member(group: str) -> App:
    """A consumer of chanx 0.12 in a group, which sends its client what is sent there."""
    layer()
    source = OLD.format(alias=LAYER, cases="            case _: ...\n") + f"    groups = [{group!r}]\n"
    names = {"Base": OldConsumer, "Everybody": Everybody, "Incoming": family("pydantic", 1).types[0]}
    made: App = execute(source, names)["Consumer"].as_asgi()
    return made


def member(group: str, *, channels: bool = False) -> App:
    """A consumer in a group, which sends its client a frame for each message to the group."""
    return _made(MEMBER.format(alias=LAYER, group=group), channels=channels)

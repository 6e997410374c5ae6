"""What the page about consumers documents works where neither Django nor Channels is installed."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

PROGRAM = '''
import asyncio
import sys

from importlib.machinery import PathFinder

class Without:
    """Finds what is installed, but for some packages."""

    @staticmethod
    def find_spec(name, path=None, target=None):
        missing = name.split(".")[0] in ("django", "channels", "daphne", "fast_channels")
        return None if missing else PathFinder.find_spec(name, path, target)

sys.meta_path[:] = [Without if one is PathFinder else one for one in sys.meta_path]

from starlette.routing import WebSocketRoute
from chanx.channels import exceptions
from chanx.channels.consumer import AsyncConsumer, SyncConsumer
from chanx.channels.generic.http import AsyncHttpConsumer
from chanx.channels.generic.websocket import AsyncJsonWebsocketConsumer, WebsocketConsumer
from chanx.channels.layers import InMemoryChannelLayer, get_channel_layer, register_channel_layer
from chanx.channels.routing import ChannelNameRouter, ProtocolTypeRouter, URLRouter
from chanx.channels.testing import HttpCommunicator, WebsocketCommunicator

class Async(AsyncJsonWebsocketConsumer):
    groups = ["all"]

    async def receive_json(self, content):
        await self.channel_layer.group_send("all", {"type": "tell", "content": content})

    async def tell(self, event):
        await self.send_json(event["content"])

class Sync(WebsocketConsumer):
    def connect(self):
        raise exceptions.DenyConnection

class Http(AsyncHttpConsumer):
    async def handle(self, body):
        await self.send_response(200, body)

application = ProtocolTypeRouter({
    "http": Http.as_asgi(),
    "websocket": URLRouter([WebSocketRoute("/a/{x}", Async.as_asgi()), WebSocketRoute("/s", Sync.as_asgi())]),
})

async def main():
    assert get_channel_layer() is None
    register_channel_layer("default", InMemoryChannelLayer())
    client = WebsocketCommunicator(application, "/a/7")
    assert await client.connect() == (True, None)
    await client.send_json_to({"a": 1})
    assert await client.receive_json_from() == {"a": 1}
    await client.disconnect()
    refused = WebsocketCommunicator(application, "/s")
    assert await refused.connect() == (False, 1000)
    await refused.disconnect()
    assert (await HttpCommunicator(application, "POST", "/", b"body").get_response())["body"] == b"body"
    assert not {"django", "channels", "daphne"} & set(sys.modules)

asyncio.run(main())
for module in ("auth", "sessions", "security.websocket", "db"):
    try:
        __import__(f"chanx.channels.{module}", fromlist=["x"]).anything
    except ImportError as error:
        assert "chanx[django]" in str(error), error
    else:
        raise AssertionError(module)
print("all of it works")
'''


def test_consumers_work_without_django_and_what_needs_it_says_so() -> None:
    root = Path(__file__).parent.parent.parent
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=root, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout.strip() == "all of it works", done.stderr


def test_the_extras_of_chanx_2_are_there() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    assert {"channels", "fast_channels"} <= extras.keys()
    assert "chanx[django]" in extras["channels"]

"""Our layer as BACKEND in CHANNEL_LAYERS, for our consumers and for those of Channels."""

from __future__ import annotations

import os
import sys
from typing import Any

import channels.layers
from asgiref.sync import async_to_sync
from channels.generic.websocket import AsyncJsonWebsocketConsumer as TheirAsync
from channels.generic.websocket import JsonWebsocketConsumer as TheirSync
from django.conf import settings
from django.test import SimpleTestCase, override_settings

from chanx.channels.exceptions import ChannelFull, InvalidChannelLayerError
from chanx.channels.generic.websocket import AsyncJsonWebsocketConsumer, JsonWebsocketConsumer
from chanx.channels.layers import InMemoryChannelLayer, channel_layers, get_channel_layer, register_channel_layer
from chanx.channels.testing import WebsocketCommunicator

BACKEND = "chanx.channels.layers.InMemoryChannelLayer"


class _Chat:
    async def connect(self: Any) -> None:
        await self.channel_layer.group_add("room", self.channel_name)
        await self.accept()

    async def disconnect(self: Any, code: int) -> None:
        await self.channel_layer.group_discard("room", self.channel_name)

    async def receive_json(self: Any, content: Any, **kwargs: Any) -> None:
        await self.channel_layer.group_send("room", {"type": "chat.message", "text": content})

    async def chat_message(self: Any, event: dict[str, Any]) -> None:
        await self.send_json(event["text"])


class _SyncChat:
    groups: Any = ["room"]

    def receive_json(self: Any, content: Any, **kwargs: Any) -> None:
        async_to_sync(self.channel_layer.group_send)("room", {"type": "chat.message", "text": content})

    def chat_message(self: Any, event: dict[str, Any]) -> None:
        self.send_json(event["text"])


class OurChat(_Chat, AsyncJsonWebsocketConsumer): ...


class TheirChat(_Chat, TheirAsync): ...


class OurSyncChat(_SyncChat, JsonWebsocketConsumer): ...


class TheirSyncChat(_SyncChat, TheirSync): ...


class Layers(SimpleTestCase):
    def test_both_import_paths_mean_the_same_layer(self) -> None:
        layer = get_channel_layer()
        self.assertIsInstance(layer, InMemoryChannelLayer)
        self.assertIs(layer, channels.layers.get_channel_layer())
        self.assertIs(layer, get_channel_layer("default"))
        self.assertIs(layer, channel_layers["default"])
        small = get_channel_layer("small")
        self.assertIsNot(small, layer)
        self.assertEqual((small.capacity, small.expiry), (1, 5))
        self.assertIsNone(get_channel_layer("none"))
        self.assertNotIn("none", channel_layers)
        with self.assertRaises(InvalidChannelLayerError):
            channel_layers["none"]

    def test_an_overridden_setting_counts_at_once_and_as_long_as_it_lasts(self) -> None:
        before = get_channel_layer()
        with override_settings(CHANNEL_LAYERS={"default": {"BACKEND": BACKEND, "CONFIG": {"capacity": 7}}}):
            inside = get_channel_layer()
            self.assertEqual(inside.capacity, 7)
            self.assertIs(inside, get_channel_layer())
            self.assertIs(inside, channels.layers.get_channel_layer())
        after = get_channel_layer()
        self.assertEqual(after.capacity, 100)
        self.assertIsNot(after, inside)
        self.assertIsNot(after, before)  # as Channels does it: each test begins with empty layers
        with override_settings(CHANNEL_LAYERS={}):
            self.assertIsNone(get_channel_layer())

    def test_wrong_settings_are_told(self) -> None:
        several: list[dict[str, dict[str, str]]] = [{"default": {}}, {"default": {"BACKEND": "no.such.Layer"}}]
        for wrong in several:
            with override_settings(CHANNEL_LAYERS=wrong), self.assertRaises(InvalidChannelLayerError):
                get_channel_layer()

    def test_a_registered_layer_goes_before_settings(self) -> None:
        mine = InMemoryChannelLayer()
        settings_layer = get_channel_layer()
        self.assertIs(channel_layers.set("default", mine), settings_layer)
        self.assertIs(get_channel_layer(), mine)
        self.assertIs(channel_layers.set("default", None), mine)
        self.assertIs(get_channel_layer(), settings_layer)
        register_channel_layer("mine", mine)
        self.assertIs(get_channel_layer("mine"), mine)
        channel_layers.unregister("mine")

    def test_a_layer_of_the_settings_that_is_put_back_follows_them_again(self) -> None:
        before = channel_layers.set("default", InMemoryChannelLayer())
        channel_layers.set("default", before)
        with override_settings(CHANNEL_LAYERS={"default": {"BACKEND": BACKEND, "CONFIG": {"capacity": 7}}}):
            self.assertEqual(get_channel_layer().capacity, 7)
        with override_settings(CHANNEL_LAYERS={"default": {"BACKEND": "no.such.Layer"}}):
            channel_layers.set("default", mine := InMemoryChannelLayer())
            self.assertIs(get_channel_layer(), mine)
            self.assertIs(channel_layers.set("default", None), mine)

    def test_a_view_sends(self) -> None:
        async_to_sync(get_channel_layer("small").send)("a", {"type": "x"})
        with self.assertRaises(ChannelFull):
            async_to_sync(get_channel_layer("small").send)("a", {"type": "x"})
        self.assertEqual(async_to_sync(get_channel_layer("small").receive)("a"), {"type": "x"})

    async def test_consumers_of_both_share_groups(self) -> None:
        kinds: list[Any] = [OurChat, TheirChat, OurSyncChat, TheirSyncChat]
        clients = [WebsocketCommunicator(kind.as_asgi(), "/") for kind in kinds]
        for client in clients:
            self.assertEqual(await client.connect(5), (True, None))
        for number, client in enumerate(clients):
            await client.send_json_to(number)
            for other in clients:
                self.assertEqual(await other.receive_json_from(5), number)
        for client in clients:
            await client.disconnect(timeout=5)
        self.assertEqual(get_channel_layer().group_layer.members.groups(), [])

    async def test_a_safe_string_arrives_as_a_string(self) -> None:
        from django.db.models import TextChoices
        from django.utils.safestring import mark_safe

        class Status(TextChoices):
            PAID = "paid"

        layer = get_channel_layer()
        await layer.send("a", {"html": mark_safe("<b>"), "status": Status.PAID})
        self.assertEqual(repr(await layer.receive("a")), "{'html': '<b>', 'status': 'paid'}")


@override_settings(CHANNEL_LAYERS={"default": {"BACKEND": BACKEND}})
class WithoutChannels(SimpleTestCase):
    """Settings name the layer also where Channels is not there to make it."""

    def setUp(self) -> None:
        import chanx.compat.layers as module

        theirs = module._channels
        module._channels = lambda: None
        self.addCleanup(setattr, module, "_channels", theirs)

    def test_it_is_made_once_for_the_same_settings(self) -> None:
        layer = get_channel_layer()
        self.assertIsInstance(layer, InMemoryChannelLayer)
        self.assertIs(layer, get_channel_layer())
        with override_settings(CHANNEL_LAYERS={"default": {"BACKEND": BACKEND, "CONFIG": {"capacity": 3}}}):
            self.assertEqual(get_channel_layer().capacity, 3)
        self.assertIsNot(layer, get_channel_layer())
        self.assertIsNone(get_channel_layer("none"))

    def test_wrong_settings_are_told(self) -> None:
        several: list[dict[str, str]] = [
            {},
            {"BACKEND": "no.such.Layer"},
            {"BACKEND": "chanx.channels.layers.Nothing"},
            {"BACKEND": "x"},
        ]
        for wrong in several:
            refused = self.assertRaisesRegex(InvalidChannelLayerError, "BACKEND")
            with override_settings(CHANNEL_LAYERS={"default": wrong}), refused:
                get_channel_layer()


class Process(SimpleTestCase):
    def test_these_settings_are_in_use(self) -> None:
        self.assertEqual(settings.SETTINGS_MODULE, os.environ["DJANGO_SETTINGS_MODULE"])
        self.assertIn("channels.layers", sys.modules)

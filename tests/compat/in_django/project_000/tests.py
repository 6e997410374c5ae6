"""What document 000 says of each of its blocks, with the test case and the communicator of chanx 0.12."""

from __future__ import annotations

import inspect
import re
from typing import Any, get_args

from asgiref.sync import sync_to_async
from django.apps import apps
from django.contrib.auth import get_user_model
from django.test import Client, override_settings

from chanx.channels.routing import URLRouter
from chanx.generic.websocket import AsyncJsonWebsocketConsumer
from chanx.messages.incoming import PingMessage
from chanx.routing import path
from chanx.testing import WebsocketCommunicator, WebsocketTestCase
from tests.compat.in_django.project_000 import consumers
from tests.compat.in_django.project_000.consumers import AROUND, NotifyEvent

User: Any = get_user_model()
ChatMessage: Any = apps.get_model("chat", "ChatMessage")
GroupChat: Any = apps.get_model("chat", "GroupChat")
Room: Any = apps.get_model("chat", "Room")
PONG = {"action": "pong", "payload": None}


def authentication(status: int, phrase: str, detail: str) -> dict[str, Any]:
    payload = {"status_code": status, "status_text": phrase, "data": {"detail": detail}}
    return {"action": "authentication", "payload": payload}


class Case(WebsocketTestCase):
    """Ada and Bob write in a chat; Cleo is in none."""

    def setUp(self) -> None:
        super().setUp()
        self.users = {name: User.objects.create_user(name, password="secret") for name in ("ada", "bob", "cleo")}
        self.room = Room.objects.create(name="attic")
        self.chat = GroupChat.objects.create(title="attic")
        for name in ("ada", "bob"):
            self.chat.members.create(user=self.users[name])
        self.cookies = {name: self.cookie(name) for name in self.users}

    def cookie(self, name: str) -> bytes:
        client = Client()
        client.force_login(self.users[name])
        return f"sessionid={client.cookies['sessionid'].value}".encode()

    def headers(self, name: str) -> list[tuple[bytes, bytes]]:
        return [(b"host", b"testserver"), (b"cookie", self.cookies[name])]

    def get_ws_headers(self) -> list[tuple[bytes, bytes]]:
        return self.headers("ada")

    async def entered(self, ws_path: str, name: str | None = "ada", router: Any = None) -> WebsocketCommunicator:
        headers = [(b"host", b"testserver")] if name is None else self.headers(name)
        communicator = self.create_communicator(ws_path=ws_path, headers=headers, router=router)
        self.assertEqual(await communicator.connect(5), (True, None))
        await communicator.assert_authenticated_status_ok(5)
        return communicator

    async def refused(self, ws_path: str, name: str | None = "ada") -> Any:
        headers = [(b"host", b"testserver")] if name is None else self.headers(name)
        communicator = self.create_communicator(ws_path=ws_path, headers=headers)
        self.assertEqual(await communicator.connect(5), (True, None))
        told = await communicator.wait_for_auth(max_auth_time=5)
        assert told is not None
        await communicator.assert_closed()
        return told.model_dump()

    async def ask(self, communicator: WebsocketCommunicator, content: Any) -> Any:
        await communicator.send_json_to(content)
        return await communicator.receive_all_json()

    def routed(self, consumer: Any) -> Any:
        return URLRouter([path("", consumer.as_asgi())])


class Basics(Case):
    ws_path = "/ws/minimal/"

    async def test_the_minimal_consumer_answers_a_ping(self) -> None:
        communicator = self.auth_communicator
        self.assertEqual(await communicator.connect(), (True, None))
        await communicator.assert_authenticated_status_ok()
        await communicator.send_message(PingMessage())
        self.assertEqual(await communicator.receive_all_json(), [PONG])
        self.assertIs(self.auth_communicator, communicator)

    async def test_a_message_that_is_not_valid_gets_an_error_and_a_completion(self) -> None:
        client = await self.entered("/ws/minimal/", None)
        [error] = await self.ask(client, {"action": "nope"})
        self.assertEqual(error["payload"][0]["type"], "union_tag_invalid")
        self.assertEqual(await self.ask(client, {"action": "ping"}), [PONG])

    def test_the_parameters_have_the_documented_names(self) -> None:
        full: Any = consumers.FullConsumer
        base: Any = AsyncJsonWebsocketConsumer
        self.assertEqual([one.__name__ for one in base.__parameters__], ["IC", "Event", "OG", "M"])
        simple: Any = consumers.SimpleConsumer
        self.assertEqual(get_args(simple.__orig_bases__[0])[0], PingMessage)
        self.assertEqual(len(get_args(full.__orig_bases__[0])), 4)
        self.assertTrue(inspect.isabstract(full))

    async def test_each_message_goes_to_what_its_case_calls(self) -> None:
        client = await self.entered("/", router=self.routed(consumers.HandlingConsumer))
        self.assertEqual(
            await self.ask(client, {"action": "chat", "payload": {"content": "hi"}}),
            [{"action": "success", "payload": "hi"}],
        )
        self.assertEqual(
            await self.ask(client, {"action": "notification", "payload": {"type": "x", "text": "y"}}),
            [{"action": "notification", "payload": {"type": "info", "text": "Update received"}}],
        )
        self.assertEqual(await self.ask(client, {"action": "ping"}), [PONG])

    async def test_errors_of_ones_own_are_told_and_others_without_a_detail(self) -> None:
        client = await self.entered("/", router=self.routed(consumers.ErrorsConsumer))
        for content, told in (
            ("right", {"action": "success", "payload": "right"}),
            ("wrong", {"action": "error", "payload": {"detail": "no such thing"}}),
        ):
            self.assertEqual(await self.ask(client, {"action": "chat", "payload": {"content": content}}), [told])
        with self.assertLogs("chanx", "ERROR") as logs:
            got = await self.ask(client, {"action": "chat", "payload": {"content": "broken"}})
        self.assertEqual(got, [{"action": "error", "payload": {"detail": "Failed to process message"}}])
        self.assertIn("a secret", logs.output[0])


class Authentication(Case):
    async def test_only_users_who_are_logged_in_enter(self) -> None:
        url = f"/ws/secure/{self.room.pk}/"
        client = await self.entered(url)
        self.assertEqual(await self.ask(client, {"action": "ping"}), [])
        missing = authentication(403, "Forbidden", "Authentication credentials were not provided.")
        self.assertEqual(await self.refused(url, None), missing)

    async def test_an_object_that_is_not_there(self) -> None:
        got = await self.refused("/ws/secure/0/")
        self.assertEqual(got, authentication(404, "Not Found", "No Room matches the given query."))

    async def test_permissions_for_the_object(self) -> None:
        url = f"/ws/chats/{self.chat.pk}/"
        got = await self.refused(url, "cleo")
        self.assertEqual(got, authentication(403, "Forbidden", "You do not have permission to perform this action."))
        with self.assertRaisesRegex(AssertionError, "may not stay"):
            await self.entered(url, "cleo")

    async def test_what_a_consumer_knows_of_its_connection(self) -> None:
        url = f"/ws/context/{self.chat.pk}/"
        client = await self.entered(f"{url}?a=1&a=2&b=3")
        self.assertEqual(
            await self.ask(client, {"action": "ping"}),
            [
                {
                    "user": "ada",
                    "request": [url, True],
                    "obj": ["GroupChat", "attic"],
                    "scope": "websocket",
                    "url_params": {"pk": self.chat.pk},
                    "query_params": {"a": ["1", "2"], "b": ["3"]},
                    "state": ["online", True, True],
                }
            ],
        )


class Groups(Case):
    def test_a_group_message_is_the_documented_frame(self) -> None:
        message = AROUND["ChatGroupMessage"](payload={"username": "Alice", "content": "Hello everyone!"})
        self.assertEqual(
            message.model_dump(),
            {
                "action": "chat_group",
                "payload": {"username": "Alice", "content": "Hello everyone!"},
                "is_mine": False,
                "is_current": False,
            },
        )

    async def test_the_members_of_a_room_are_told_whose_a_message_is(self) -> None:
        clients = [await self.entered("/ws/rooms/7/", name) for name in ("ada", "ada", "bob", None)]
        elsewhere = await self.entered("/ws/rooms/8/", "ada")
        default = await self.entered("/ws/rooms/", "ada")
        await clients[0].send_json_to({"action": "chat", "payload": {"content": "hi"}})
        told = {"action": "chat_group", "payload": {"username": "ada", "content": "hi"}}
        for client, mine, current in zip(clients, (True, True, False, False), (True, False, False, False), strict=True):
            got = await client.receive_all_json(wait_group=True)
            self.assertEqual(got, [{**told, "is_mine": mine, "is_current": current}])
        for client in (elsewhere, default):
            self.assertTrue(await client.receive_nothing())

    async def test_of_somebody_who_is_not_known_nothing_is_mine(self) -> None:
        one, other = await self.entered("/ws/rooms/7/", None), await self.entered("/ws/rooms/7/", None)
        await one.send_json_to({"action": "chat", "payload": {"content": "hi"}})
        [got] = await one.receive_all_json(wait_group=True)
        self.assertEqual((got["is_mine"], got["is_current"]), (False, True))
        [got] = await other.receive_until_action("group_complete")
        self.assertEqual((got["is_mine"], got["is_current"]), (False, False))

    async def test_the_chat_of_a_group(self) -> None:
        url = f"/ws/chats/{self.chat.pk}/"
        ada, bob = await self.entered(url, "ada"), await self.entered(url, "bob")
        self.assertEqual(await self.ask(ada, {"action": "ping"}), [PONG])
        await ada.send_json_to({"action": "new_chat_message", "payload": {"content": "hi"}})
        message = await self.told(ada, bob)
        self.assertEqual(message, {"id": (await ChatMessage.objects.aget()).pk, "content": "hi", "sender": "ada"})

    async def told(self, ada: WebsocketCommunicator, bob: WebsocketCommunicator) -> Any:
        mine = await ada.receive_all_json(wait_group=True)
        his = await bob.receive_all_json(wait_group=True)
        payload = mine[0]["payload"]
        self.assertEqual(mine, [{"action": "member_message", "payload": payload, "is_mine": True, "is_current": True}])
        self.assertEqual(his, [{"action": "member_message", "payload": payload, "is_mine": False, "is_current": False}])
        return payload

    async def test_a_group_that_is_joined_later(self) -> None:
        url = f"/ws/chats/{self.chat.pk}/"
        ada, bob = await self.entered(url, "ada"), await self.entered(url, "bob")
        for client in (ada, bob):
            self.assertEqual(await self.ask(client, {"action": "join_group", "payload": {"group_name": "annex"}}), [])
        await ada.send_json_to({"action": "new_chat_message", "payload": {"content": "hi", "groups": ["annex"]}})
        self.assertEqual((await self.told(ada, bob))["content"], "hi")


class Events(Case):
    def test_an_event_is_validated(self) -> None:
        event = NotifyEvent(payload=NotifyEvent.Payload(content="x"))
        self.assertEqual(event.model_dump(), {"handler": "notify", "payload": {"content": "x", "level": "info"}})

    async def test_events_from_a_view_and_from_asynchronous_code(self) -> None:
        client = await self.entered("/ws/events/", None)
        told = {"action": "message", "payload": {"text": "WARNING: Important system notice"}}
        await consumers.async_send_notification()
        self.assertEqual(await client.receive_all_json(), [told])
        response = await self.async_client.get("/notify/")  # a view that is no coroutine function
        self.assertEqual(response.json(), {"status": "sent"})
        self.assertEqual(await client.receive_all_json(), [told])
        await sync_to_async(consumers.send_notification)(None)
        self.assertEqual(await client.receive_all_json(), [told])
        with self.assertRaisesRegex(RuntimeError, r"await EventConsumer\.asend_channel_event"):
            consumers.send_notification(None)


class Configuration(Case):
    async def test_the_flags_of_a_consumer(self) -> None:
        with self.assertLogs("chanx", "INFO") as logs:
            client = await self.entered(f"/ws/configured/{self.room.pk}/")
            self.assertEqual(await self.ask(client, {"action": "ping"}), [PONG])
            self.assertEqual(await self.ask(client, {"action": "chat", "payload": {"content": "x"}}), [PONG])
        said = [re.findall(r"(received|sent) (\w+)", one) for one in logs.output]
        self.assertEqual([one[0] for one in said if one], [("sent", "authentication"), ("received", "chat")])

    async def test_settings_count_when_they_are_overridden(self) -> None:
        with override_settings(CHANX={"SEND_COMPLETION": False, "CAMELIZE": True}):
            client = await self.entered("/ws/rooms/7/")
            await client.send_json_to({"action": "chat", "payload": {"content": "hi"}})
            got = await client.receive_json_from()
        self.assertEqual((got["isMine"], got["isCurrent"]), (True, True))
        self.assertTrue(await client.receive_nothing())

    async def test_without_the_authentication_message(self) -> None:
        with override_settings(CHANX={"SEND_AUTHENTICATION_MESSAGE": False, "SEND_COMPLETION": True}):
            client = self.create_communicator(ws_path="/ws/minimal/")
            await client.connect()
            self.assertIsNone(await client.wait_for_auth(max_auth_time=0.01))
            self.assertEqual(await self.ask(client, {"action": "ping"}), [PONG])
            with self.assertRaisesRegex(AssertionError, "SEND_AUTHENTICATION_MESSAGE is off"):
                await client.assert_authenticated_status_ok(0.01)


class Playground(Case):
    def test_the_consumers_are_told_with_examples(self) -> None:
        got = {one["friendly_url"]: one for one in self.client.get("/playground/websocket-info/").json()}
        minimal = got["/ws/minimal/"]
        self.assertEqual(minimal["name"], "MyConsumer")
        self.assertEqual(minimal["url"], "ws://testserver/ws/minimal/")
        self.assertEqual(minimal["description"], "Basic WebSocket consumer.")
        self.assertEqual(minimal["path_params"], [])
        self.assertEqual([one["example"] for one in minimal["message_examples"]], [{"action": "ping", "payload": None}])
        rooms = got["/ws/rooms/{room_id}/"]
        self.assertEqual([one["name"] for one in rooms["path_params"]], ["room_id"])
        examples = {one["name"]: one["example"] for one in rooms["message_examples"]}
        self.assertEqual(examples["ChatMessage"], {"action": "chat", "payload": {"content": "string"}})
        with override_settings(CHANX={"WEBSOCKET_BASE_URL": "wss://chat.example"}):
            got = self.client.get("/playground/websocket-info/").json()
        self.assertTrue(all(one["url"].startswith("wss://chat.example/ws/") for one in got))
        self.assertEqual(self.client.post("/playground/websocket-info/").status_code, 405)


class Cases(Case):
    """The test case itself."""

    async def test_what_is_left_open_is_closed_at_the_end(self) -> None:
        left = self.__dict__["_testMethodName"]
        self.assertEqual(left, "test_what_is_left_open_is_closed_at_the_end")
        clients = [await self.entered("/ws/minimal/") for _ in range(2)]
        await self._close_all()
        self.assertTrue(all(client.future.done() for client in clients))
        await clients[0].disconnect()  # once more does nothing

    async def test_all_that_came_is_told_after_the_time(self) -> None:
        client = await self.entered("/ws/minimal/")
        self.assertEqual(await client.receive_all_json(0.01), [])
        await client.send_message(PingMessage())
        got = await client.receive_until_action("complete", inclusive=True)
        self.assertEqual([one["action"] for one in got], ["pong", "complete"])

    def test_a_path_is_needed(self) -> None:
        with self.assertRaisesRegex(AttributeError, "Cases has no ws_path"):
            self.create_communicator()

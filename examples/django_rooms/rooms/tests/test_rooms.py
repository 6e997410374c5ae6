"""Rooms and notices: the consumers of chanx 2.x."""

from asgiref.sync import sync_to_async
from config.asgi import application
from django.test import override_settings

from chanx.channels.testing import WebsocketCommunicator
from chanx.constants import GROUP_ACTION_COMPLETE
from chanx.messages.incoming import PingMessage
from rooms.consumers import NoticeConsumer
from rooms.messages import Announcement, AnnouncementPayload, Page, ReadHistory, Say, SayPayload, Typing
from rooms.models import Message

from .base import RoomsTestCase


def say(text: str) -> Say:
    return Say(payload=SayPayload(text=text))


class WhoMayEnter(RoomsTestCase):
    async def test_members_by_session(self) -> None:
        client = await self.enter(self.bob)
        await client.send_message(PingMessage())
        self.assertEqual(await client.receive_json_from(5), {"action": "pong", "payload": None})

    async def test_members_by_token(self) -> None:
        token = await sync_to_async(self.token)(self.bob)
        client = self.create_communicator(headers=self.headers(token=token))
        await client.connect(5)
        await client.assert_authenticated_status_ok(5)

    async def test_not_who_is_not_in_the_room(self) -> None:
        told, code = await self.refused(self.ws_path, self.headers(self.eve))
        self.assertEqual(told["status_code"], 403)
        self.assertEqual(told["data"], {"detail": "You are not in this room."})
        self.assertEqual(code, 4403)

    async def test_not_who_has_not_logged_in(self) -> None:
        told, code = await self.refused(self.ws_path, self.headers())
        self.assertEqual((told["status_code"], code), (401, 4401))
        told, code = await self.refused(self.ws_path, self.headers(token="made-up"))
        self.assertEqual((told["data"], code), ({"detail": "Invalid token."}, 4401))
        # Sessions alone have no word for `WWW-Authenticate`, as in views.
        told, code = await self.refused("/ws/notices/", self.headers())
        self.assertEqual((told["status_code"], code), (403, 4403))

    async def test_nobody_a_room_that_there_is_not(self) -> None:
        _, code = await self.refused("/ws/rooms/999999/", self.headers(self.ada))
        self.assertEqual(code, 4404)

    async def test_no_pages_of_other_hosts(self) -> None:
        for origins, may in (([b"http://localhost"], True), ([b"http://example.org"], False), ([], False)):
            with self.subTest(origins):
                headers = [*self.headers(self.ada), *((b"origin", origin) for origin in origins)]
                client = WebsocketCommunicator(application, self.ws_path, headers)
                self.assertEqual((await client.connect(5))[0], may)
                if may:
                    await client.disconnect()


class Talk(RoomsTestCase):
    async def test_what_is_said_is_heard_by_all_and_kept(self) -> None:
        ada, bob = await self.enter(self.ada), await self.enter(self.bob)
        await ada.send_message(say("  hello "))
        for client, is_current in ((ada, True), (bob, False)):
            heard = await client.receive_json_from(5)
            self.assertEqual((heard["action"], heard["is_current"]), ("said", is_current))
            self.assertEqual((heard["payload"]["author"], heard["payload"]["text"]), ("ada", "hello"))
        kept = await Message.objects.select_related("author").aget()
        self.assertEqual(str(kept), "ada: hello")

    @override_settings(CHANX={"SEND_COMPLETION": True})
    async def test_history_in_pages(self) -> None:
        for number in range(5):
            await Message.objects.acreate(room=self.room, author=self.bob, text=f"line {number}")
        ada = await self.let_in(self.ada)
        await ada.send_message(ReadHistory(payload=Page(limit=2)))
        [history] = await ada.receive_all_messages(timeout=5)
        self.assertEqual([line.text for line in history.payload.lines], ["line 3", "line 4"])
        self.assertTrue(history.payload.more)
        await ada.send_message(ReadHistory(payload=Page(before=history.payload.lines[0].id, limit=3)))
        [history] = await ada.receive_all_messages(timeout=5)
        self.assertEqual([line.text for line in history.payload.lines], ["line 0", "line 1", "line 2"])
        self.assertFalse(history.payload.more)

    async def test_only_the_others_see_who_is_writing(self) -> None:
        ada, bob = await self.enter(self.ada), await self.enter(self.bob)
        await ada.send_message(Typing())
        self.assertEqual(await self.frame(bob, "is_typing"), {"member": "ada"})
        await ada.send_message(PingMessage())
        await self.frame(ada, "pong")

    async def test_what_nobody_can_handle_is_answered(self) -> None:
        ada = await self.enter(self.ada)
        await ada.send_json_to({"action": "say", "payload": {"text": " "}})
        [finding] = await self.frame(ada, "error")
        self.assertEqual((finding["type"], finding["loc"]), ("string_too_short", ["say", "payload", "text"]))
        await ada.send_json_to({"action": "shout", "payload": None})
        [finding] = await self.frame(ada, "error")
        self.assertEqual(finding["type"], "union_tag_invalid")
        await ada.send_to(text_data="not JSON")
        await self.frame(ada, "error")

    async def test_answers_carry_the_reference_of_what_they_answer(self) -> None:
        ada = await self.enter(self.ada)
        await ada.send_json_to({"action": "read_history", "ref": "h1"})
        self.assertEqual((await ada.receive_json_from(5))["ref"], "h1")

    @override_settings(CHANX={"SEND_COMPLETION": True})
    async def test_completions_tell_that_all_was_sent(self) -> None:
        async with self.auth_communicator as ada:
            await ada.assert_authenticated_status_ok(5)
            await ada.send_message(say("hello"))
            [said] = await ada.receive_all_messages(GROUP_ACTION_COMPLETE, timeout=5)
            self.assertEqual((said.action, said.payload.text), ("said", "hello"))


class Notices(RoomsTestCase):
    async def test_announcements_reach_everybody(self) -> None:
        clients = [await self.enter(user, "/ws/notices/") for user in (self.ada, self.eve)]
        await NoticeConsumer.broadcast_event(Announcement(payload=AnnouncementPayload(text="We close at eight.")))
        for client in clients:
            self.assertEqual(await self.frame(client, "announcement"), {"text": "We close at eight."})

"""Two clients talk, through all that stands in `asgi.py`."""

from config.asgi import application
from django.test import SimpleTestCase

from chanx.channels.layers import get_channel_layer
from chanx.channels.testing import WebsocketCommunicator


def tab(room):
    return WebsocketCommunicator(application, f"/ws/chat/{room}/")


class ChatTests(SimpleTestCase):
    def test_pages(self):
        self.assertContains(self.client.get("/"), "Which room")
        self.assertContains(self.client.get("/chat/lobby/"), "lobby")
        self.assertEqual(self.client.get("/chat/caf%C3%A9/").status_code, 404)

    async def test_both_tabs_see_what_is_said(self):
        one, two = tab("lobby"), tab("lobby")
        for each in (one, two):
            self.assertEqual(await each.connect(), (True, None))
        await one.send_json_to({"message": "hello"})
        for each in (one, two):
            self.assertEqual(await each.receive_json_from(), {"message": "hello"})
            await each.disconnect()

    async def test_rooms_are_apart(self):
        here, there = tab("here"), tab("there")
        for each in (here, there):
            await each.connect()
        await here.send_json_to({"message": "to those who are here"})
        await there.send_json_to({"message": "to those who are there"})
        self.assertEqual(await there.receive_json_from(), {"message": "to those who are there"})
        for each in (here, there):
            await each.disconnect()

    async def test_a_view_or_a_worker_may_send_to_a_room(self):
        one = tab("lobby")
        await one.connect()
        await get_channel_layer().group_send("chat_lobby", {"type": "chat.message", "message": "from elsewhere"})
        self.assertEqual(await one.receive_json_from(), {"message": "from elsewhere"})
        await one.disconnect()

    async def test_who_has_left_is_told_nothing(self):
        one, two = tab("lobby"), tab("lobby")
        for each in (one, two):
            await each.connect()
        await two.disconnect()
        await one.send_json_to({"message": "still here?"})
        self.assertEqual(await one.receive_json_from(), {"message": "still here?"})
        self.assertTrue(two.output_queue.empty())
        await one.disconnect()

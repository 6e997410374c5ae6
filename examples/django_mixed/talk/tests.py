"""A consumer's client, a channel's client and a view, on one layer, with Django's users."""

from django.conf import settings
from django.contrib.auth import get_user_model
from django.test import AsyncClient, Client, TransactionTestCase
from project.asgi import application

from chanx.channels.testing import HttpCommunicator, WebsocketCommunicator

HEADERS = [(b"host", b"localhost"), (b"origin", b"http://localhost")]


class TalkTests(TransactionTestCase):
    def signed_in(self, name):
        client = Client()
        client.force_login(get_user_model().objects.create_user(name))
        return client.cookies[settings.SESSION_COOKIE_NAME].value

    def tab(self, kind, session="", headers=HEADERS):
        cookie = (b"cookie", f"{settings.SESSION_COOKIE_NAME}={session}".encode())
        return WebsocketCommunicator(application, f"/ws/{kind}/lobby/", [*headers, cookie])

    def setUp(self):
        self.ada, self.bob = self.signed_in("ada"), self.signed_in("bob")

    async def test_both_kinds_talk_with_each_other(self):
        ada, bob = self.tab("consumer", self.ada), self.tab("channel", self.bob)
        for each in (ada, bob):
            self.assertTrue((await each.connect())[0])
        await ada.send_json_to({"text": "from the class"})
        self.assertEqual(await ada.receive_json_from(), {"who": "ada", "text": "from the class"})
        self.assertEqual(await bob.receive_json_from(), {"action": "said", "who": "ada", "text": "from the class"})
        await bob.send_json_to({"action": "say", "text": "from the channel"})
        self.assertEqual(await ada.receive_json_from(), {"who": "bob", "text": "from the channel"})
        self.assertEqual(await bob.receive_json_from(), {"action": "said", "who": "bob", "text": "from the channel"})
        for each in (ada, bob):
            await each.disconnect()

    async def test_a_view_is_heard_by_both(self):
        ada, bob = self.tab("consumer", self.ada), self.tab("channel", self.bob)
        for each in (ada, bob):
            await each.connect()
        client = AsyncClient()
        client.cookies[settings.SESSION_COOKIE_NAME] = self.ada
        self.assertEqual((await client.post("/announce/lobby/")).status_code, 204)
        for each in (ada, bob):
            self.assertEqual((await each.receive_json_from())["text"], "ada rings the bell")
            await each.disconnect()

    async def test_strangers_are_refused(self):
        consumer, channel = self.tab("consumer"), self.tab("channel")
        self.assertEqual(await consumer.connect(), (False, 1000))
        self.assertTrue((await channel.connect())[0])
        closed = await channel.receive_output()
        self.assertEqual((closed["code"], closed["reason"]), (4401, "Please sign in."))

    async def test_pages_of_other_hosts_are_refused(self):
        for kind in ("consumer", "channel"):
            with self.subTest(kind):
                stranger = self.tab(kind, self.ada, [HEADERS[0], (b"origin", b"http://example.org")])
                self.assertFalse((await stranger.connect())[0])

    def test_pages(self):
        self.assertContains(self.client.get("/"), "Your name")
        self.assertRedirects(self.client.get("/consumer/lobby/"), "/?next=/consumer/lobby/")
        self.assertRedirects(self.client.post("/", {"name": " Eve  Adams "}), "/")
        self.assertContains(self.client.get("/"), "Eve Adams")
        for kind, what in (("consumer", "class-based consumer"), ("channel", "native channel")):
            self.assertContains(self.client.get(f"/{kind}/lobby/"), what)
        self.assertEqual(self.client.get("/other/lobby/").status_code, 404)
        self.assertRedirects(self.client.post("/leave/"), "/")
        self.assertContains(self.client.get("/"), "Your name")

    async def test_the_application_serves_pages_and_the_script(self):
        for path, kind in (("/", b"text/html"), ("/chanx/chanx.js", b"text/javascript")):
            response = await HttpCommunicator(application, "GET", path, headers=HEADERS).get_response()
            self.assertEqual(response["status"], 200)
            headers = {name.lower(): value for name, value in response["headers"]}
            self.assertIn(kind, headers[b"content-type"])

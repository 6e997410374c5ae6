"""The REST API, whose views reach WebSockets."""

from chanx.core.testing import capture_broadcast_events
from rooms.consumers import RoomConsumer
from rooms.messages import MessagePosted
from rooms.models import Message

from .base import RoomsTestCase, quick_passwords

JSON = "application/json"


@quick_passwords
class Rest(RoomsTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.url = f"/api/rooms/{self.room.pk}/"

    async def test_rooms_are_those_that_one_is_in(self) -> None:
        self.assertEqual([one["slug"] for one in (await self.api(self.bob).get("/api/rooms/")).json()], ["library"])
        self.assertEqual((await self.api(self.eve).get("/api/rooms/")).json(), [])
        made = await self.api(self.eve).post("/api/rooms/", {"name": "Attic", "slug": "attic"})
        self.assertEqual((made.status_code, made.json()["owner"]), (201, "eve"))
        await self.enter(self.eve, f"/ws/rooms/{made.json()['id']}/")

    async def test_the_same_permissions_as_for_websockets(self) -> None:
        refused = await self.api(self.eve).get(self.url + "messages/")
        self.assertEqual((refused.status_code, refused.json()["detail"]), (403, "You are not in this room."))
        self.assertEqual((await self.async_client.get(self.url)).status_code, 401)
        self.assertEqual((await self.api(self.bob).delete(self.url + "hands/")).status_code, 403)

    async def test_a_message_that_is_posted_is_heard(self) -> None:
        ada, bob = await self.enter(self.ada), await self.enter(self.bob)
        posted = await self.api(self.bob).post(self.url + "messages/", {"text": "from the API"})
        self.assertEqual(posted.status_code, 201)
        for client in (ada, bob):
            heard = await self.frame(client, "said")
            self.assertEqual((heard["author"], heard["text"]), ("bob", "from the API"))
            self.assertEqual(heard["id"], posted.json()["id"])
        read = await self.api(self.ada).get(self.url + "messages/")
        self.assertEqual([one["text"] for one in read.json()], ["from the API"])

    async def test_nothing_is_heard_of_a_message_that_is_refused(self) -> None:
        with capture_broadcast_events() as told:
            self.assertEqual((await self.api(self.ada).post(self.url + "messages/", {"text": ""})).status_code, 400)
        self.assertEqual(told, [])
        self.assertFalse(await Message.objects.aexists())

    async def test_who_is_let_in_is_told_and_so_are_the_others(self) -> None:
        ada, eve = await self.enter(self.ada), await self.enter(self.eve, "/ws/notices/")
        answer = await self.api(self.ada).post(self.url + "members/", {"member": "eve"})
        self.assertEqual(answer.status_code, 201)
        self.assertEqual(await self.frame(ada, "member_joined"), {"member": "eve"})
        self.assertEqual(await self.frame(eve, "let_in"), {"id": self.room.pk, "name": "Library"})
        await self.enter(self.eve)

    async def test_who_is_sent_out_is_disconnected(self) -> None:
        ada, bob = await self.enter(self.ada), await self.enter(self.bob)
        self.assertEqual((await self.api(self.ada).delete(self.url + "members/bob/")).status_code, 204)
        self.assertEqual(await self.frame(ada, "member_removed"), {"member": "bob"})
        self.assertEqual(await bob.receive_output(5), {"type": "websocket.close", "code": 4403})
        _, code = await self.refused(self.ws_path, self.headers(self.bob))
        self.assertEqual(code, 4403)

    async def test_a_token_by_password(self) -> None:
        self.bob.set_password("secret")
        await self.bob.asave()
        answer = await self.async_client.post("/api/token/", {"username": "bob", "password": "secret"}, JSON)
        client = self.create_communicator(headers=self.headers(token=answer.json()["token"]))
        await client.connect(5)
        await client.assert_authenticated_status_ok(5)

    def test_a_view_without_an_event_loop(self) -> None:
        """`broadcast_event_sync` where nothing is asynchronous."""
        self.client.force_login(self.ada)
        with capture_broadcast_events(RoomConsumer) as told:
            self.assertEqual(self.client.post(self.url + "messages/", {"text": "nobody is here"}).status_code, 201)
        [one] = told
        assert isinstance(one.event, MessagePosted)
        self.assertEqual((one.event.payload.text, one.groups), ("nobody is here", [self.room.group]))

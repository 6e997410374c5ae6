"""Raised hands: the consumer of chanx 0.12."""

from typing import Any

from django.test import override_settings

from chanx.messages.incoming import PingMessage
from chanx.testing import WebsocketCommunicator, WebsocketTestCase
from rooms.hands import LowerHand, RaiseHand
from rooms.models import Membership

from .base import Members


class Hands(Members, WebsocketTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.ws_path = "/ws/hands/library/"

    async def come(self, user: Any, raised: list[str]) -> WebsocketCommunicator:
        """A client that was told whose hands are up."""
        client: WebsocketCommunicator = await self.let_in(user)
        self.assertEqual(await self.frame(client, "hands"), raised)
        return client

    async def test_hands_are_seen_by_all(self) -> None:
        ada, bob = await self.come(self.ada, []), await self.come(self.bob, [])
        await ada.send_message(RaiseHand())
        for client, mine in ((ada, True), (bob, False)):
            moved = {"action": "hand_moved", "payload": {"member": "ada", "up": True}}
            self.assertEqual(await client.receive_json_from(5), {**moved, "is_mine": mine, "is_current": mine})
        again = await self.come(self.ada, ["ada"])
        await again.send_message(LowerHand())
        moved = await ada.receive_json_from(5)
        self.assertEqual((moved["is_mine"], moved["is_current"]), (True, False))

    async def test_the_owner_lowers_all(self) -> None:
        bob = await self.come(self.bob, [])
        await bob.send_message(RaiseHand())
        await self.frame(bob, "hand_moved")
        self.assertEqual((await self.api(self.ada).delete(f"/api/rooms/{self.room.pk}/hands/")).status_code, 204)
        self.assertEqual(await self.frame(bob, "hands"), [])
        self.assertFalse(await Membership.objects.filter(hand_up=True).aexists())

    async def test_who_is_sent_out_is_disconnected_and_the_hand_is_down(self) -> None:
        ada, bob = await self.come(self.ada, []), await self.come(self.bob, [])
        await bob.send_message(RaiseHand())
        for client in (ada, bob):
            await self.frame(client, "hand_moved")
        answer = await self.api(self.ada).delete(f"/api/rooms/{self.room.pk}/members/bob/")
        self.assertEqual(answer.status_code, 204)
        await bob.assert_closed(5)
        self.assertEqual(await self.frame(ada, "hands"), [])

    async def test_strangers_are_told_and_closed_without_a_code(self) -> None:
        told, code = await self.refused(self.ws_path, self.headers(self.eve))
        self.assertEqual((told["status_code"], code), (403, None))
        self.assertEqual(told["data"], {"detail": "You are not in this room."})

    @override_settings(CHANX={"SEND_COMPLETION": True})
    async def test_completions_tell_that_all_was_sent(self) -> None:
        client = self.auth_communicator
        await client.connect(5)
        await client.assert_authenticated_status_ok(5)
        await self.frame(client, "hands")
        await client.send_message(PingMessage())
        self.assertEqual(await client.receive_all_json(), [{"action": "pong", "payload": None}])
        await client.send_message(RaiseHand())
        frames = await client.receive_all_json(wait_group=True)
        self.assertEqual([one["action"] for one in frames], ["hand_moved"])

"""Raised hands: the consumer of chanx 0.12."""

from django.test import override_settings

from chanx.messages.incoming import PingMessage
from rooms.hands import LowerHand, RaiseHand
from rooms.models import Membership

from .base import RoomsTestCase

HANDS = "/ws/hands/library/"


class Hands(RoomsTestCase):
    async def test_hands_are_seen_by_all(self) -> None:
        ada, bob = await self.enter(self.ada, HANDS), await self.enter(self.bob, HANDS)
        for client in (ada, bob):
            self.assertEqual(await self.frame(client, "hands"), [])
        await ada.send_message(RaiseHand())
        for client, mine in ((ada, True), (bob, False)):
            moved = {"action": "hand_moved", "payload": {"member": "ada", "up": True}}
            self.assertEqual(await client.receive_json_from(), {**moved, "is_mine": mine, "is_current": mine})
        again = await self.enter(self.ada, HANDS)
        self.assertEqual(await self.frame(again, "hands"), ["ada"])
        await again.send_message(LowerHand())
        moved = await ada.receive_json_from()
        self.assertEqual((moved["is_mine"], moved["is_current"]), (True, False))

    async def test_the_owner_lowers_all(self) -> None:
        bob = await self.enter(self.bob, HANDS)
        await self.frame(bob, "hands")
        await bob.send_message(RaiseHand())
        await self.frame(bob, "hand_moved")
        self.assertEqual((await self.api(self.ada).delete(f"/api/rooms/{self.room.pk}/hands/")).status_code, 204)
        self.assertEqual(await self.frame(bob, "hands"), [])
        self.assertFalse(await Membership.objects.filter(hand_up=True).aexists())

    async def test_strangers_are_told_and_closed_without_a_code(self) -> None:
        told, code = await self.refused(HANDS, self.headers(self.eve))
        self.assertEqual((told["status_code"], code), (403, None))
        self.assertEqual(told["data"], {"detail": "You are not in this room."})

    @override_settings(CHANX={"SEND_COMPLETION": True})
    async def test_completions(self) -> None:
        await self.auth_communicator_of(HANDS)

    async def auth_communicator_of(self, path: str) -> None:
        self.ws_path = path
        await self.auth_communicator.connect()
        await self.auth_communicator.assert_authenticated_status_ok()
        self.assertEqual(await self.frame(self.auth_communicator, "hands"), [])
        await self.auth_communicator.send_message(PingMessage())
        self.assertEqual(await self.auth_communicator.receive_all_json(), [{"action": "pong", "payload": None}])
        await self.auth_communicator.send_message(RaiseHand())
        frames = await self.auth_communicator.receive_all_json(wait_group=True)
        self.assertEqual([one["action"] for one in frames], ["hand_moved"])

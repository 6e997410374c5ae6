import pytest

from chanx.testing import connect
from examples.msgspec_messages import Move, Moved, Rename, app

pytestmark = pytest.mark.anyio


async def test_structs_and_models_share_a_channel() -> None:
    async with connect(app) as client:
        await client.send(Move(dx=3, dy=4))
        assert await client.receive(Moved) == Moved("somebody", 3, 4)
        await client.send(Rename(name=" Ada "))
        assert await client.receive(Moved) == Moved("Ada", 3, 4)
        await client.send(Move(dx=-3))
        assert await client.receive(Moved) == Moved("Ada", 0, 4)


async def test_each_connection_has_a_player_of_its_own() -> None:
    async with connect(app) as first, connect(app) as second:
        await first.send(Move(dx=1))
        await second.send(Move(dx=2))
        assert (await first.receive(Moved)).x == 1
        assert (await second.receive(Moved)).x == 2


async def test_a_struct_that_forbids_unknown_fields_takes_a_ref() -> None:
    async with connect(app) as client:
        await client.send({"action": "move", "dx": 1, "ref": "a"})
        assert await client.receive() == {"action": "moved", "name": "somebody", "x": 1.0, "y": 0.0, "ref": "a"}


@pytest.mark.parametrize(
    "frame",
    [
        {"action": "move", "dx": 11},
        {"action": "move"},
        {"action": "move", "dx": 1, "speed": 9},
        {"action": "rename", "name": "   "},
    ],
)
async def test_both_families_answer_an_invalid_message_alike(frame: dict[str, object]) -> None:
    async with connect(app) as client:
        await client.send({**frame, "ref": "a"})
        answer = await client.receive()
        assert answer["action"] == "error"
        assert answer["payload"]["code"] == "invalid_message"
        assert answer["ref"] == "a"
        await client.send(Move(dx=0))
        assert await client.receive(Moved) == Moved("somebody", 0, 0)

import pytest

from chanx.testing import Refused, connect
from examples.composition import AddMember, AddNote, Notes, Problem, Staff, app, notes, staff

pytestmark = pytest.mark.anyio


async def test_a_prefix_is_part_of_the_action() -> None:
    async with connect(app, query={"name": "ada"}) as client:
        await client.send({"action": "notes.add", "text": "buy milk"})
        assert await client.receive(Notes) == Notes(notes={1: "buy milk"})
        await client.send({"action": "notes.remove", "number": 1})
        assert await client.receive(Notes) == Notes(notes={})


async def test_without_its_prefix_an_action_is_unknown() -> None:
    async with connect(app, query={"name": "ada"}) as client:
        await client.send(AddNote(text="buy milk"))
        assert (await client.receive())["payload"]["code"] == "unknown_action"


async def test_the_parents_error_handler_answers_for_an_included_channel() -> None:
    async with connect(app, query={"name": "ada"}) as client:
        await client.send({"action": "notes.remove", "number": 7, "ref": 1})
        assert await client.receive() == {"action": "problem", "detail": "there is no note 7", "ref": 1}
        await client.send({"action": "notes.remove", "number": 8})
        assert await client.receive(Problem) == Problem(detail="there is no note 8")


async def test_the_guard_of_an_included_channel_refuses_messages_only() -> None:
    async with connect(app, query={"name": "ada"}) as client:
        for _ in range(2):
            await client.send({"action": "staff.add", "name": "bob", "ref": 1})
            answer = await client.receive()
            assert answer["payload"]["code"] == "unauthorized"
            assert answer["ref"] == 1
        await client.send({"action": "notes.add", "text": "still here"})
        assert await client.receive(Notes) == Notes(notes={1: "still here"})


async def test_the_guard_lets_staff_through() -> None:
    async with connect(app, query={"name": "grace"}) as client:
        await client.send({"action": "staff.add", "name": "bob"})
        assert await client.receive(Staff) == Staff(names=["bob", "grace"], added_by="grace")


async def test_what_the_parent_depends_on_is_asked_before_the_accept() -> None:
    with pytest.raises(Refused) as refusal:
        async with connect(app):
            pass
    assert refusal.value.status == 401
    assert refusal.value.detail == "a name is needed"


@pytest.mark.parametrize(
    "frame", [{"action": "notes.add"}, {"action": "notes.remove", "number": "x"}, {"action": "staff.add", "name": 1}]
)
async def test_an_invalid_message_is_answered(frame: dict[str, object]) -> None:
    async with connect(app, query={"name": "grace"}) as client:
        await client.send(frame)
        assert (await client.receive())["payload"]["code"] == "invalid_message"


async def test_each_part_works_alone() -> None:
    async with connect(notes) as client:
        await client.send(AddNote(text="buy milk"))
        assert await client.receive(Notes) == Notes(notes={1: "buy milk"})
    async with connect(staff, query={"name": "ada"}) as client:
        await client.send(AddMember(name="bob"))
        assert await client.receive(Staff) == Staff(names=["bob", "grace"], added_by="ada")

import pytest

from chanx.testing import Refused, connect
from docs.snippets.tutorial.step4 import Present, Problem, Rename, Said, Say, chat
from docs.snippets.tutorial.step5 import Hired, app

pytestmark = pytest.mark.anyio


async def test_two_people_talk() -> None:
    async with connect(app, "/rooms/lobby", query={"name": "Ada"}) as ada:
        assert await ada.receive(Present) == Present(people=["Ada"])
        async with connect(app, "/rooms/lobby", query={"name": "Bob"}) as bob:
            assert await bob.receive(Present) == Present(people=["Ada", "Bob"])
            await bob.send(Say(text="hello"))
            assert await bob.receive(Said) == Said(number=1, who="Bob", text="hello")
        assert await ada.receive(Present) == Present(people=["Ada", "Bob"])
        assert await ada.receive(Said) == Said(number=1, who="Bob", text="hello")
        assert await ada.receive(Present) == Present(people=["Ada"])


async def test_a_name_is_needed() -> None:
    with pytest.raises(Refused) as refused:
        async with connect(app, "/rooms/lobby"):
            pass
    assert refused.value.status == 401


async def test_a_name_is_given_once() -> None:
    async with (
        connect(app, "/rooms/lobby", query={"name": "Ada"}) as ada,
        connect(app, "/rooms/lobby", query={"name": "Bob"}),
    ):
        assert await ada.request(Rename(name="Bob"), Problem) == Problem(detail="Bob is taken")


async def test_the_office_reaches_everybody_in_the_lobby() -> None:
    async with connect(app, "/rooms/lobby", query={"name": "Ada"}) as ada:
        await ada.receive(Present)
        await chat.emit(Hired(name="Eve"), group="room:lobby")
        assert await ada.receive(Said) == Said(number=1, who="office", text="Ada, meet Eve")

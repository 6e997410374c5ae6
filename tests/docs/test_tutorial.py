"""The page of code of the README, and the steps of the tutorial."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from chanx.testing import Client, Refused, connect
from docs.snippets import chat
from docs.snippets.tutorial import step1, step2, step3, step4, step5
from docs.snippets.tutorial.test_step5 import (
    test_a_name_is_given_once as test_step5_a_name_is_given_once,
)
from docs.snippets.tutorial.test_step5 import (
    test_a_name_is_needed as test_step5_a_name_is_needed,
)
from docs.snippets.tutorial.test_step5 import (
    test_the_office_reaches_everybody_in_the_lobby as test_step5_the_office_reaches_everybody,
)
from docs.snippets.tutorial.test_step5 import test_two_people_talk as test_step5_two_people_talk

pytestmark = pytest.mark.anyio

__all__ = [
    "test_step5_a_name_is_given_once",
    "test_step5_a_name_is_needed",
    "test_step5_the_office_reaches_everybody",
    "test_step5_two_people_talk",
]


def browser(app: Any) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://testserver")


async def nothing_came(client: Client) -> None:
    await client.settled()
    assert client.pending == []


async def test_chat() -> None:
    async with (
        connect(chat.app, "/rooms/lobby?name=Ada") as ada,
        connect(chat.app, "/rooms/lobby?name=Bob") as bob,
        connect(chat.app, "/rooms/attic?name=Eve") as eve,
    ):
        await ada.send(chat.Say(text="hello"))
        for client in (ada, bob):
            assert await client.receive(chat.Said) == chat.Said(who="Ada", text="hello")
        async with browser(chat.app) as http:
            assert (await http.post("/hire/Grace")).status_code == 204
        for client in (ada, bob):
            assert await client.receive(chat.Said) == chat.Said(who="office", text="welcome Grace")
        await nothing_came(eve)


async def test_chat_needs_a_name() -> None:
    with pytest.raises(Refused) as refused:
        async with connect(chat.app, "/rooms/lobby"):
            pass
    assert (refused.value.status, refused.value.detail) == (401, "a name is needed")


async def test_step1() -> None:
    async with connect(step1.app) as client:
        await client.send({"action": "say", "text": "hello"})
        assert await client.receive() == {"action": "said", "text": "hello"}
        # what the page shows
        await client.send({"action": "say"})
        assert await client.receive() == {
            "action": "error",
            "payload": {
                "code": "invalid_message",
                "detail": "the message is invalid",
                "errors": [{"loc": ["text"], "type": "missing", "msg": "Field required"}],
            },
        }


async def test_step2() -> None:
    async with connect(step2.app) as one, connect(step2.app) as other:
        await one.send(step2.Say(text="hello"))
        for client in (one, other):
            assert await client.receive(step2.Said) == step2.Said(text="hello")


async def test_step3() -> None:
    async with (
        connect(step3.app, "/rooms/lobby?name=Ada") as ada,
        connect(step3.app, "/rooms/attic?name=Eve") as eve,
    ):
        await ada.send(step3.Say(text="hello"))
        assert await ada.receive(step3.Said) == step3.Said(who="Ada", text="hello")
        await nothing_came(eve)
    with pytest.raises(Refused):
        async with connect(step3.app, "/rooms/lobby"):
            pass


async def test_step4() -> None:
    async with connect(step4.app, "/rooms/lobby?name=Ada") as ada:
        assert await ada.receive(step4.Present) == step4.Present(people=["Ada"])
        await ada.send(step4.Rename(name="Grace"))
        assert await ada.receive(step4.Present) == step4.Present(people=["Grace"])
        await ada.send({"action": "say", "text": ""})
        assert (await ada.receive())["payload"]["errors"][0]["loc"] == ["text"]
        await ada.send(step4.Rename(name="Grace"))
        assert await ada.receive(step4.Problem) == step4.Problem(detail="Grace is taken")
        await ada.send(step4.Say(text="hello"))
        assert await ada.receive(step4.Said) == step4.Said(number=1, who="Grace", text="hello")
    assert step4.people == {}


async def test_step5() -> None:
    async with connect(step5.app, "/rooms/lobby?name=Ada") as ada, browser(step5.app) as http:
        await ada.receive(step4.Present)
        assert (await http.post("/hire/Eve")).status_code == 204
        assert await ada.receive(step4.Said) == step4.Said(number=1, who="office", text="Ada, meet Eve")

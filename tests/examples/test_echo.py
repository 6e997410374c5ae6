from typing import Any

import pytest

from chanx.testing import connect
from examples.echo import Echo, app

pytestmark = pytest.mark.anyio


async def test_says_it_again() -> None:
    async with connect(app) as client:
        await client.send(Echo(text="hello"))
        assert await client.receive(Echo) == Echo(text="hello")


async def test_answers_with_the_ref_of_the_question() -> None:
    async with connect(app) as client:
        await client.send({"action": "echo", "text": "hello", "ref": 7})
        assert await client.receive() == {"action": "echo", "text": "hello", "ref": 7}


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        ("not json", "malformed_json"),
        ({"action": "echo"}, "invalid_message"),
        ({"action": "shout", "text": "hello"}, "unknown_action"),
        (b"\x00", "unsupported_frame"),
    ],
)
async def test_answers_what_is_wrong_and_goes_on(frame: Any, code: str) -> None:
    async with connect(app) as client:
        await client.send(frame)
        answer = await client.receive()
        assert (answer["action"], answer["payload"]["code"]) == ("error", code)
        await client.send(Echo(text="still here"))
        assert await client.receive(Echo) == Echo(text="still here")

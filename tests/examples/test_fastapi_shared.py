import httpx
import pytest

from chanx.testing import Refused, connect
from examples.fastapi_shared import Notice, app, current_user, feed

pytestmark = pytest.mark.anyio


def http() -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://testserver")


async def test_an_http_request_reaches_the_sockets_of_its_user() -> None:
    async with (
        http() as client,
        connect(app, "/feed", query={"token": "ada-token"}) as laptop,
        connect(app, "/feed", query={"token": "ada-token"}) as phone,
        connect(app, "/feed", query={"token": "bob-token"}) as other,
    ):
        answer = await client.post("/orders?token=ada-token", json={"item": "tea"})
        assert answer.status_code == 201
        number = answer.json()["number"]
        for socket in (laptop, phone):
            assert await socket.receive(Notice) == Notice(text=f"ada, your order {number} was placed: tea")
        await other.settled()
        assert other.pending == []


@pytest.mark.parametrize("query", [{}, {"token": "wrong"}])
async def test_one_dependency_refuses_both(query: dict[str, str]) -> None:
    async with http() as client:
        answer = await client.post("/orders", params=query, json={"item": "tea"})
    assert (answer.status_code, answer.json()["detail"]) == (401, "unknown token")
    with pytest.raises(Refused) as refusal:
        async with connect(app, "/feed", query=query):
            pass
    assert (refusal.value.status, refusal.value.detail) == (401, "unknown token")


async def test_an_event_is_not_accepted_from_a_client() -> None:
    async with connect(app, "/feed", query={"token": "ada-token"}) as client:
        await client.send({"action": "order_placed", "number": 1, "item": "forged"})
        assert (await client.receive())["payload"]["code"] == "unknown_action"


async def test_the_sockets_are_documented_beside_the_routes() -> None:
    async with http() as client:
        routes, sockets = (await client.get("/openapi.json")).json(), (await client.get("/asyncapi.json")).json()
    assert (list(routes["paths"]), sockets["info"]["title"]) == (["/orders"], "Orders")
    (told,) = sockets["channels"].values()
    assert (told["address"], told["title"]) == ("/feed", "News of your orders")
    assert list(told["bindings"]["ws"]["query"]["properties"]) == ["token"]


async def test_the_channel_takes_another_user_for_a_test() -> None:
    async def tester() -> str:
        return "tester"

    with feed.override({current_user: tester}):
        async with connect(feed):
            assert feed.stats().connections == 1

from datetime import UTC, datetime

import httpx
import pytest

from chanx.testing import Refused, connect
from examples.starlette_mount import Add, Now, Time, Total, app, lifespan, totals

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def from_zero() -> None:
    totals.clear()


async def test_a_path_parameter_chooses_the_counter() -> None:
    async with (
        connect(app, "/counters/3") as one,
        connect(app, "/counters/3") as two,
        connect(app, "/counters/4") as other,
    ):
        await one.send(Add(amount=2))
        for client in (one, two):
            assert await client.receive(Total) == Total(counter=3, value=2)
        await other.settled()
        assert other.pending == []


async def test_a_mounted_channel() -> None:
    async with connect(app, "/clock/") as client:
        await client.send(Now())
        assert (await client.receive(Time)).time <= datetime.now(UTC)


async def test_an_http_route_beside_them_counts_connections() -> None:
    http = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://testserver")
    async with http, connect(app, "/counters/3"), connect(app, "/counters/4"):
        assert (await http.get("/")).json() == {"counters": 2, "clock": 0}
        assert (await http.get("/clock/")).status_code == 426


async def test_works_with_the_lifespan_too() -> None:
    async with lifespan(app), connect(app, "/counters/3") as client:
        await client.send(Add(amount=1))
        assert await client.receive(Total) == Total(counter=3, value=1)


async def test_a_wrong_path_parameter_is_refused() -> None:
    with pytest.raises(Refused) as refusal:
        async with connect(app, "/counters/three"):
            pass
    assert 400 <= refusal.value.status < 500
    assert "number" in str(refusal.value.detail)


async def test_an_invalid_message_is_answered() -> None:
    async with connect(app, "/counters/3") as client:
        await client.send({"action": "add", "amount": "many", "ref": 1})
        answer = await client.receive()
        assert answer["payload"]["code"] == "invalid_message"
        assert answer["ref"] == 1
        assert totals == {}

import random
import sys
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager

import anyio
import httpx
import pytest

from chanx.testing import Client, Closed, Failed, Topic, connect
from examples.dashboard import app
from examples.dashboard.fleet import KEPT_LINES, KEPT_READINGS, Service, fleet
from examples.dashboard.hub import measure
from examples.dashboard.incidents import here, incidents
from examples.dashboard.messages import (
    Confirm,
    Confirmed,
    Follow,
    Incidents,
    IncidentSummary,
    Line,
    Present,
    Reading,
    Readings,
    Report,
    Reported,
    Resolve,
    Restart,
    Restarted,
    Said,
    Say,
    Story,
    Welcome,
)

pytestmark = pytest.mark.anyio

FIRST = IncidentSummary(pk=1, title="Search answers slowly")


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    """Whatever a test did, nobody is left anywhere."""
    incidents.begin()
    fleet.begin()
    yield
    assert here.names == []


def page(name: str, *, on_call: bool = False) -> AbstractAsyncContextManager[Client]:
    return connect(app, "/dashboard", query={"name": name, "on_call": str(on_call).lower()})


def alone(name: str, pk: int = 1, *, on_call: bool = False) -> AbstractAsyncContextManager[Client]:
    return connect(app, f"/incidents/{pk}", query={"name": name, "on_call": str(on_call).lower()})


async def come_in(client: Client) -> Welcome:
    """Read what a newcomer is sent: the welcome, and its own arrival."""
    welcome = await client.receive(Welcome)
    assert welcome.you in (await client.receive(Present)).people
    return welcome


async def follow(client: Client, topic: str = "incident:1") -> Topic:
    followed = await client.subscribe(topic)
    await followed.receive(Story)
    await followed.receive(Present)
    return followed


async def silent(one: Client | Topic) -> bool:
    await one.settled()
    return one.pending == []


# --- the hub -----------------------------------------------------------------------------------------


async def test_everybody_is_told_what_there_is_and_who_is_here() -> None:
    async with page("Ada", on_call=True) as ada:
        assert await come_in(ada) == Welcome(
            you="Ada", on_call=True, services=["web", "search", "payments"], incidents=[FIRST]
        )
        async with page(" bob ") as bob:
            assert (await come_in(bob)).on_call is False
            assert await ada.receive(Present) == Present(people=["Ada", "bob"])
        assert await ada.receive(Present) == Present(people=["Ada"])


@pytest.mark.parametrize(
    ("name", "code", "reason"),
    [("", 4401, "Please enter a name."), ("x" * 31, 4400, "A name has at most 30 characters.")],
)
async def test_a_refusal_tells_the_page_its_reason(name: str, code: int, reason: str) -> None:
    for one in (page(name), alone(name)):
        async with one as client:
            with pytest.raises(Closed) as closed:
                await client.receive()
        assert (closed.value.code, closed.value.reason) == (code, reason)


@pytest.mark.parametrize("topic", ["service:nothing", "incident:2", "incident:one", "weather", "service:web:1"])
async def test_there_are_no_other_topics(topic: str) -> None:
    async with page("Ada", on_call=True) as ada:
        with pytest.raises(Failed) as failed:
            await ada.subscribe(topic)
        assert failed.value.code == "unknown_topic"
        await come_in(ada)
        assert await silent(ada)


# --- services ----------------------------------------------------------------------------------------


async def test_measurements_are_pushed_to_those_who_watch() -> None:
    async with page("Ada") as ada, page("Bob") as bob:
        web, search = await ada.subscribe("service:web"), await ada.subscribe("service:search")
        known = (await web.receive(Readings)).readings
        assert [one.number for one in known] == list(range(1, KEPT_READINGS + 1))
        await search.receive(Readings)
        await measure()
        reading = await web.receive(Reading)
        assert reading == fleet.services["web"].readings[-1]
        assert reading.number == KEPT_READINGS + 1
        assert await search.receive(Reading) == fleet.services["search"].readings[-1]
        await web.unsubscribe()
        await measure()
        assert (await search.receive(Reading)).number == KEPT_READINGS + 2
        assert web.pending == []
        await come_in(bob)
        assert await silent(bob)


@pytest.mark.parametrize("yes", [True, False])
async def test_a_restart_is_confirmed_first(yes: bool) -> None:
    async with page("Ada", on_call=True) as ada:
        web = await ada.subscribe("service:web")
        await web.receive(Readings)
        async with anyio.create_task_group() as tasks:

            async def restart() -> None:
                assert await web.request(Restart(), Restarted) == Restarted(yes=yes)

            tasks.start_soon(restart)
            question = await web.receive(Confirm)
            assert question.text == "Restart web?"
            # Meanwhile the rest goes on.
            await ada.request(Report(title="Why?"))
            await web.answer(question, Confirmed(yes=yes))
        ups = []
        for _ in range(3):
            await measure()
            ups.append((await web.receive(Reading)).up)
        assert ups == ([False, False, True] if yes else [True] * 3)
        assert fleet.services["search"].readings[-1].up


async def test_only_those_on_call_restart() -> None:
    async with page("Bob") as bob:
        web = await bob.subscribe("service:web")
        answer = await web.request(Restart())
        assert answer["payload"]["code"] == "unauthorized"
        assert answer["payload"]["detail"] == "This is for those who are on call."


# --- logs --------------------------------------------------------------------------------------------


async def test_logs_are_for_those_on_call() -> None:
    async with page("Bob") as bob:
        with pytest.raises(Failed) as failed:
            await bob.subscribe("logs:web")
        assert (failed.value.code, failed.value.detail) == ("unauthorized", "This is for those who are on call.")
        web = await bob.subscribe("service:web")
        await web.receive(Readings)


async def test_a_log_is_followed_until_it_is_cancelled() -> None:
    log = fleet.services["web"].log
    async with page("Ada", on_call=True) as ada:
        web = await ada.subscribe("logs:web")
        lines = web.stream(Follow(level="info"), Line)
        assert (await anext(lines)).text == "started"
        log.write("debug", "not this one")
        log.write("error", "but this one")
        line = await anext(lines)
        assert (line.level, line.text) == ("error", "but this one")
        await web.cancel(lines.ref)
        with pytest.raises(Failed) as failed:
            await anext(lines)
        assert failed.value.code == "cancelled"
        log.write("error", "nobody follows")
        assert await silent(web)


async def test_a_reader_misses_what_is_not_kept_any_more() -> None:
    service = Service("test", random.Random(1))
    lines = service.log.follow("debug")
    assert (await anext(lines)).text == "started"
    for number in range(KEPT_LINES + 5):
        service.log.write("debug", str(number))
    seen = [(await anext(lines)).text for _ in range(KEPT_LINES)]
    assert seen == [str(number) for number in range(5, KEPT_LINES + 5)]
    await lines.aclose()


def test_a_service_under_load_writes_errors() -> None:
    service = Service("test", random.Random(1))
    readings = [service.tick() for _ in range(1000)]
    assert all(5 <= reading.load <= 100 for reading in readings)
    assert len(service.readings) == KEPT_READINGS
    assert any(reading.load > 80 for reading in readings)


# --- incidents ---------------------------------------------------------------------------------------


async def test_a_topic_and_a_route_share_the_incident() -> None:
    async with page("Ada") as ada, alone("Bob") as bob:
        assert await bob.receive(Story) == Story(title=FIRST.title, said=[])
        assert (await bob.receive(Present)).people == ["Bob"]
        topic = await ada.subscribe("incident:1")
        assert await topic.receive(Story) == Story(title=FIRST.title, said=[])
        for one in (topic, bob):
            assert (await one.receive(Present)).people == ["Ada", "Bob"]
        await topic.request(Say(text=" from the topic "))
        await bob.request(Say(text="from the route"))
        for one in (topic, bob):
            heard = [await one.receive(Said) for _ in range(2)]
            assert [(said.who, said.text) for said in heard] == [("Ada", "from the topic"), ("Bob", "from the route")]
        await topic.unsubscribe()
        assert (await bob.receive(Present)).people == ["Bob"]
        again = await ada.subscribe("incident:1")
        assert [said.text for said in (await again.receive(Story)).said] == ["from the topic", "from the route"]
        await bob.receive(Present)
        await ada.close()
        assert (await bob.receive(Present)).people == ["Bob"]


async def test_incidents_are_apart() -> None:
    async with page("Ada") as ada:
        assert await ada.request(Report(title="No payments"), Reported) == Reported(pk=2)
        one, two = await follow(ada, "incident:1"), await follow(ada, "incident:2")
        await two.request(Say(text="hello"))
        assert (await two.receive(Said)).text == "hello"
        assert await silent(one)


async def test_an_incident_that_is_resolved_ends_for_all() -> None:
    async with page("Ada", on_call=True) as ada, page("Bob") as bob, alone("Eve") as eve:
        ours, theirs = await follow(ada), await follow(bob)
        await come_in(ada)
        refused = await theirs.request(Resolve())
        assert refused["payload"]["code"] == "unauthorized"
        await ours.send(Resolve())
        for one in (ours, theirs, eve):
            closed = await one.wait_closed()
            assert (closed.code, closed.reason) == (4000, "Resolved by Ada.")
        await ada.settled()
        assert ada.pending[-1] == {"action": "incidents", "incidents": []}
        with pytest.raises(Failed) as failed:
            await bob.subscribe("incident:1")
        assert (failed.value.code, failed.value.detail) == ("unknown_topic", "There is no incident 1.")
        assert await bob.request(Report(title="Again"), Reported) == Reported(pk=2)
        await ada.settled()
        assert Incidents.model_validate(ada.pending[-1]).incidents == [IncidentSummary(pk=2, title="Again")]


# --- the rest ----------------------------------------------------------------------------------------


async def test_the_services_run_while_the_application_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules["examples.dashboard.hub"], "PAUSE", 0.01)
    async with app.router.lifespan_context(app), page("Ada") as ada:
        web = await ada.subscribe("service:web")
        known = (await web.receive(Readings)).readings
        numbers = [(await web.receive(Reading)).number for _ in range(3)]
        assert numbers == list(range(known[-1].number + 1, known[-1].number + 4))
    stopped = fleet.services["web"].readings[-1].number
    await anyio.wait_all_tasks_blocked()
    assert fleet.services["web"].readings[-1].number == stopped


async def test_the_page_and_its_parts_are_served() -> None:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://testserver") as http:
        for part in ("/", "/static/dashboard.js", "/static/dashboard.css", "/chanx/chanx.js", "/chanx/topics.js"):
            assert (await http.get(part)).status_code == 200

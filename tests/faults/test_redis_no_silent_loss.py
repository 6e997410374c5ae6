"""Whatever happens to the link: who missed something is told afterwards, nothing comes twice, and the order is kept."""

from __future__ import annotations

import random
from collections.abc import Callable

import anyio
import anyio.to_thread
import pytest

from chanx import LayerUnavailable, Publication, _runtime
from chanx.groups.redis import RedisLayer
from tests.brokers import Broker
from tests.faults.conftest import SEEDS, impatient
from tests.faults.proxy import Proxy

pytestmark = [pytest.mark.faults, pytest.mark.redis]

GAP = -1
PATIENCE = 60.0


class Listener:
    """Writes down what comes, and that something did not."""

    def __init__(self, layer: RedisLayer, name: str) -> None:
        self.id = name
        self.home = _runtime.current()
        self.heard: list[int] = []
        layer.members.add(self)
        layer.members.join("room", self)

    def push(self, publication: Publication) -> None:
        self.heard.append(int(publication.body))

    def missed(self) -> None:
        self.heard.append(GAP)

    def accounted(self, published: list[int]) -> None:
        """Each that did not come is followed by a word of a gap; none came twice; the order was kept."""
        came = [number for number in self.heard if number != GAP]
        assert came == sorted(set(came))
        assert came
        lost = {number for number in published if number > came[0]} - set(came)
        for number in lost:
            before = max(at for at, heard in enumerate(self.heard) if heard != GAP and heard < number)
            assert GAP in self.heard[before:], f"{number} was lost, and nobody was told: {self.heard}"


async def until(condition: Callable[[], bool]) -> None:
    with anyio.fail_after(PATIENCE):
        while not condition():  # noqa: ASYNC110 - there is nobody to set an event
            await anyio.sleep(0.01)


@pytest.mark.parametrize("seed", SEEDS)
async def test_no_loss_is_silent(broker: Broker, proxy: Proxy, layer: RedisLayer, seed: int) -> None:
    chance = random.Random(seed)
    listeners = [Listener(layer, str(number)) for number in range(3)]
    await layer.subscribe("room")
    publisher = impatient(broker.url)  # on a link that nothing happens to, but when the server itself ends
    published: list[int] = []
    over = anyio.Event()

    async def publish() -> None:
        number = 0
        while not over.is_set():
            number += 1
            try:
                await publisher.publish(Publication(str(number), groups=("room",)))
            except LayerUnavailable:  # the server ended before it answered
                continue
            published.append(number)
            await anyio.sleep(0.002)

    def disturb() -> None:
        kind = chance.choice(["cut", "halt", "deaf", "kill", "restart"])
        if kind == "cut":
            proxy.cut()
        elif kind == "kill":
            broker.command("CLIENT", "KILL", "TYPE", "pubsub")
        elif kind == "restart":
            broker.kill()
            broker.start()
        else:
            proxy.halt(forth=kind == "halt")

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(publish)
        for _ in range(4):
            await anyio.to_thread.run_sync(disturb)
            await anyio.sleep(chance.choice([0.0, 0.1, 0.5, 1.5]))
            proxy.go_on()
            if chance.random() < 0.5:
                await until(layer.healthy)
        await until(layer.healthy)
        await until(publisher.healthy)
        mark = len(published) + 20
        await until(lambda: len(published) > mark)
        over.set()
    await until(lambda: all(published[-1] in one.heard for one in listeners) and layer.healthy())
    await layer.echo()
    for one in listeners:
        one.accounted(published)
    assert listeners[0].heard == listeners[1].heard == listeners[2].heard
    await publisher.aclose()

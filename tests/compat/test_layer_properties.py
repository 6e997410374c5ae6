"""The channel layer against a plain model of it: lists of messages, and who is in which group since when.

Time stands still but where a step moves it, so what expires does so at an exact moment.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from chanx.channels.exceptions import ChannelFull
from chanx.channels.layers import InMemoryChannelLayer
from tests.compat.clock import Clock
from tests.full import examples

CAPACITY, SMALL, EXPIRY, GROUP_EXPIRY = 3, 1, 10.0, 25.0

CHANNELS = st.sampled_from(["a", "p!x", "small.1"])
GROUPS = st.sampled_from(["g", "h"])


class LayerAndModel(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.patch = pytest.MonkeyPatch()
        self.clock = Clock()
        self.clock.install(self.patch)
        self.runner = asyncio.Runner()
        self.layer = InMemoryChannelLayer(EXPIRY, GROUP_EXPIRY, CAPACITY, {"small.*": SMALL})
        self.waiting: list[tuple[str, asyncio.Task[dict[str, Any]]]] = []
        self.queues: dict[str, list[tuple[float, int]]] = {}
        self.joined: dict[tuple[str, str], float] = {}
        self.number = 0

    def teardown(self) -> None:
        for _, task in self.waiting:
            task.cancel()
        self.run(asyncio.sleep(0))
        self.runner.close()
        self.patch.undo()

    def run(self, what: Coroutine[Any, Any, Any]) -> Any:
        async def to_the_end() -> Any:
            result = await what
            for _ in range(3):  # whoever was woken goes on
                await asyncio.sleep(0)
            return result

        return self.runner.run(to_the_end())

    def queue(self, channel: str) -> list[tuple[float, int]]:
        fresh = [(at, number) for at, number in self.queues.get(channel, []) if self.clock.now - at <= EXPIRY]
        self.queues[channel] = fresh
        return fresh

    def put(self, channel: str, number: int) -> bool:
        """In the model: to whoever waits longest, else into the queue."""
        for one in self.waiting:
            if one[0] == channel:
                assert one[1].result() == {"number": number}
                self.waiting.remove(one)
                return True
        queue = self.queue(channel)
        if len(queue) >= (SMALL if channel.startswith("small.") else CAPACITY):
            return False
        queue.append((self.clock.now, number))
        return True

    @rule(channel=CHANNELS)
    def send(self, channel: str) -> None:
        self.number += 1
        try:
            self.run(self.layer.send(channel, {"number": self.number}))
            sent = True
        except ChannelFull:
            sent = False
        assert self.put(channel, self.number) is sent

    @rule(group=GROUPS)
    def group_send(self, group: str) -> None:
        self.number += 1
        self.run(self.layer.group_send(group, {"number": self.number}))
        for (name, channel), since in self.joined.items():
            if name == group and self.clock.now - since < GROUP_EXPIRY:
                self.put(channel, self.number)

    @rule(channel=CHANNELS)
    def receive(self, channel: str) -> None:
        async def start() -> asyncio.Task[dict[str, Any]]:
            return asyncio.create_task(self.layer.receive(channel))

        task = self.run(start())
        queue = self.queue(channel)
        if queue:
            assert task.result() == {"number": queue.pop(0)[1]}
        else:
            assert not task.done()
            self.waiting.append((channel, task))

    @rule(which=st.integers(0, 9))
    def cancel(self, which: int) -> None:
        if self.waiting:
            _, task = self.waiting.pop(which % len(self.waiting))
            task.cancel()
            self.run(asyncio.sleep(0))
            assert task.cancelled()

    @rule(group=GROUPS, channel=CHANNELS)
    def group_add(self, group: str, channel: str) -> None:
        self.run(self.layer.group_add(group, channel))
        self.joined[group, channel] = self.clock.now

    @rule(group=GROUPS, channel=CHANNELS)
    def group_discard(self, group: str, channel: str) -> None:
        self.run(self.layer.group_discard(group, channel))
        self.joined.pop((group, channel), None)

    @rule(seconds=st.sampled_from([3.0, 8.0, 25.5]))
    def wait(self, seconds: float) -> None:
        """Time passes. A channel in which a message expired, and nobody receives, may lose its memberships, and here it
        does not as long as no other channel is made; so the model need not know.
        """
        self.clock.now += seconds
        self.layer._look_at = (1000, self.clock.now + 1000)

    @rule()
    def flush(self) -> None:
        self.run(self.layer.flush())
        self.queues.clear()
        self.joined.clear()

    @rule()
    def tidy(self) -> None:
        """What is dropped for nobody to miss: messages that have expired, and memberships of those channels."""
        self.layer._tidy()
        receiving = {channel for channel, _ in self.waiting}
        for channel, queue in list(self.queues.items()):
            if len(self.queue(channel)) < len(queue) and channel not in receiving:
                for pair in [pair for pair in self.joined if pair[1] == channel]:
                    del self.joined[pair]

    @invariant()
    def nothing_is_left_behind(self) -> None:
        known = {channel for channel, queue in self.queues.items() if queue}
        known |= {channel for _, channel in self.joined} | {channel for channel, _ in self.waiting}
        assert set(self.layer._mailboxes) <= known
        assert set(self.layer._unheard) == set(self.layer._mailboxes)
        assert set(self.layer.group_layer.members.groups()) <= {group for group, _ in self.joined}
        assert {member.id for member in self.layer.group_layer.members.everyone()} == set(self.layer._mailboxes)


TestLayerAndModel = LayerAndModel.TestCase
TestLayerAndModel.settings = settings(max_examples=examples(100), stateful_step_count=50, deadline=None)

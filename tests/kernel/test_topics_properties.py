"""Any order of what clients and a server may do with topics: what `World` accounts for is what happens."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable
from typing import Any

import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test

from tests.full import examples
from tests.kernel.topics_world import GROUPS, TOPICS, Visit, World

WHICH = st.integers(0, 7)
TOPIC = st.sampled_from(["room:1", "room:1", "room:2", "news"])
WHERE = st.sampled_from(["enter", "leave", "work"])
WAITS = st.sampled_from([True, True, False])
MOST = 4


class Machine(RuleBasedStateMachine):
    """The world lives on an event loop of its own, in a thread; each rule is a call into it."""

    backend = "asyncio"

    def __init__(self) -> None:
        super().__init__()
        self.stack = contextlib.ExitStack()
        self.portal: BlockingPortal = self.stack.enter_context(start_blocking_portal(self.backend))
        self.world: World = self.portal.call(self._made)
        for which in (0, 1):
            self.come(routed=False)
            visit = self.one(which)
            self.call(self.world.subscribe, visit, "room:1")
        self.call(self.world.settle)

    async def _made(self) -> World:
        return World()

    def call(self, function: Callable[..., Any], *args: Any) -> Any:
        return self.portal.call(function, *args)

    def come(self, routed: bool) -> None:
        visit = self.call(self.world.connect, routed)
        self.portal.start_task_soon(visit.wire.run)
        self.call(self.world.accepted, visit)

    def after(self, waits: bool) -> None:
        if waits:
            self.call(self.world.settle)

    def one(self, which: int) -> Visit:
        live = self.world.live()
        return live[which % len(live)]

    def somebody(self) -> bool:
        return bool(self.world.live())

    # -- connections --------------------------------------------------------------------------------

    @precondition(lambda self: len(self.world.live()) < MOST)
    @rule(routed=st.sampled_from([False, False, True]), waits=WAITS)
    def connect(self, routed: bool, waits: bool) -> None:
        self.come(routed)
        self.after(waits)

    @precondition(somebody)
    @rule(which=WHICH, how=st.sampled_from(["leave", "leave", "bye", "fails", "cancel"]), waits=WAITS)
    def end(self, which: int, how: str, waits: bool) -> None:
        self.call(self.world.end, self.one(which), how)
        self.after(waits)

    @precondition(somebody)
    @rule(which=WHICH)
    def stop_reading(self, which: int) -> None:
        self.call(self.one(which).stop_reading)

    @precondition(somebody)
    @rule(which=WHICH, waits=WAITS)
    def read_on(self, which: int, waits: bool) -> None:
        self.call(self.one(which).read_on)
        self.after(waits)

    # -- topics -------------------------------------------------------------------------------------

    def topic_of(self, visit: Visit, topic: str) -> str | None:
        return None if None in visit.seats else topic

    @precondition(somebody)
    @rule(which=WHICH, topic=TOPIC, waits=WAITS)
    def subscribe(self, which: int, topic: str, waits: bool) -> None:
        visit = self.one(which)
        if self.topic_of(visit, topic) is not None:
            self.call(self.world.subscribe, visit, topic)
        self.after(waits)

    @precondition(somebody)
    @rule(which=WHICH, topic=TOPIC, waits=WAITS)
    def unsubscribe(self, which: int, topic: str, waits: bool) -> None:
        visit = self.one(which)
        if self.topic_of(visit, topic) is not None:
            self.call(self.world.unsubscribe, visit, topic)
        self.after(waits)

    @precondition(somebody)
    @rule(
        which=WHICH,
        topic=TOPIC,
        action=st.sampled_from(["say", "say", "wait", "boom", "bye"]),
        waits=WAITS,
    )
    def message(self, which: int, topic: str, action: str, waits: bool) -> None:
        visit = self.one(which)
        place = self.topic_of(visit, topic)
        if place is not None or action in ("say", "wait"):
            fields = {"say": {"text": "x"}, "wait": {"name": "x"}}.get(action, {})
            self.call(lambda: self.world.message(visit, place, action, **fields))
        self.after(waits)

    @precondition(somebody)
    @rule(
        which=WHICH,
        topic=TOPIC,
        steps=st.lists(st.sampled_from(["subscribe", "unsubscribe", "say", "wait", "bye"]), min_size=2, max_size=5),
        held=st.sampled_from([None, "enter", "leave", "work"]),
        waits=WAITS,
    )
    def several(self, which: int, topic: str, steps: list[str], held: Any, waits: bool) -> None:
        """Things that are sent at once, perhaps while hooks or handlers take their time."""
        if held is not None:
            self.hold(held)
        for step in steps:
            if step in ("subscribe", "unsubscribe"):
                getattr(self, step)(which, topic, False)
            else:
                self.message(which, topic, step, False)
        self.after(waits)

    @precondition(somebody)
    @rule(which=WHICH, topic=TOPIC, group=st.sampled_from(["1", "2", "news", "all"]), others=st.booleans(), waits=WAITS)
    def shout(self, which: int, topic: str, group: str, others: bool, waits: bool) -> None:
        visit = self.one(which)
        place = self.topic_of(visit, topic)
        self.call(lambda: self.world.message(visit, place, "shout", group=group, others=others))
        self.after(waits)

    @rule(topic=TOPIC)
    def refuse(self, topic: str) -> None:
        if not self.world.gates:
            self.call(self.world.settle)
            if all(visit.reads for visit in self.world.visits):
                self.world.refused ^= {topic}

    # -- the server ---------------------------------------------------------------------------------

    @rule(groups=st.sampled_from(GROUPS), times=st.integers(1, 4), waits=WAITS)
    def broadcast(self, groups: list[str], times: int, waits: bool) -> None:
        for _ in range(times):
            self.call(self.world.broadcast, groups)
        self.after(waits)

    @rule(groups=st.sampled_from(GROUPS), times=st.integers(1, 4), waits=WAITS)
    def broadcast_too(self, groups: list[str], times: int, waits: bool) -> None:
        self.broadcast(groups, times, waits)

    @precondition(somebody)
    @rule(which=WHICH, topic=TOPIC, waits=WAITS)
    def whisper(self, which: int, topic: str, waits: bool) -> None:
        visit = self.one(which)
        self.call(self.world.whisper, visit, self.topic_of(visit, topic))
        self.after(waits)

    @rule(where=WHERE)
    def hold(self, where: Any) -> None:
        self.call(self.world.hold, where)

    @rule(where=WHERE, waits=WAITS)
    def let(self, where: Any, waits: bool) -> None:
        self.call(self.world.let, where)
        self.after(waits)

    @rule()
    def let_all(self) -> None:
        for where in ("enter", "leave", "work"):
            self.call(self.world.let, where)
        for visit in self.world.visits:
            self.call(visit.read_on)
        self.call(self.world.settle)

    def teardown(self) -> None:
        self.stack.callback(logging.getLogger("chanx").removeHandler, self.world)
        with self.stack:
            self.call(self.world.finish)


class OnTrio(Machine):
    backend = "trio"


@pytest.mark.parametrize("machine", [Machine, OnTrio], ids=["asyncio", "trio"])
def test_any_order(machine: type[Machine]) -> None:
    assert None in TOPICS
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples(25),
            stateful_step_count=40,
            deadline=None,
            derandomize=True,
            suppress_health_check=[HealthCheck.too_slow],
        ),
    )

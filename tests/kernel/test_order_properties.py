"""Every sequence of messages and cancels does what a small model of a lane says; one order is kept."""

from __future__ import annotations

from typing import Any

import anyio
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chanx import Channel, Context, Limits
from tests.full import examples
from tests.kernel.desk import Desk, anyio_backend, cancel, job, jobs, opened, run, settled, told
from tests.kernel.messages import Hired, Say

__all__ = ["anyio_backend"]


class Model:
    """What a lane should do."""

    def __init__(self, bound: int, keyed: bool, latest: bool) -> None:
        self.bound, self.keyed, self.latest = bound, keyed, latest
        self.running: list[tuple[str, str]] = []
        self.waiting: list[tuple[str, str]] = []
        self.answers: list[str] = []
        self.begun: list[str] = []

    def send(self, name: str, key: str) -> None:
        if self.latest:
            for one in [one for one in self.waiting if self.same(one[1], key)]:
                self.waiting.remove(one)
                self.answers.append(f"{one[0]} cancelled")
            for one in [one for one in self.running if self.same(one[1], key)]:
                self.running.remove(one)
                self.answers.append(f"{one[0]} cancelled")
        self.waiting.append((name, key))
        self.start()

    def finish(self, index: int) -> str | None:
        if not self.running:
            return None
        name, _ = one = self.running[index % len(self.running)]
        self.running.remove(one)
        self.answers.append(f"{name} done")
        self.start()
        return name

    def cancel(self, index: int) -> str | None:
        names = [*self.waiting, *self.running]
        if not names:
            return None
        one = names[index % len(names)]
        if one in self.waiting:
            self.waiting.remove(one)
        elif self.latest:
            self.running.remove(one)
        else:
            return one[0]  # has no effect
        self.answers.append(f"{one[0]} cancelled")
        self.start()
        return one[0]

    def same(self, one: str, other: str) -> bool:
        return not self.keyed or one == other

    def start(self) -> None:
        for one in tuple(self.waiting):
            blocked = (self.keyed or self.latest) and any(self.same(key, one[1]) for _, key in self.running)
            if len(self.running) < self.bound and not blocked:
                self.waiting.remove(one)
                self.running.append(one)
                self.begun.append(f"+{one[0]}")


OPTIONS: list[dict[str, Any]] = [
    {"concurrency": 1},
    {"concurrency": 3},
    {"key": "key"},
    {"key": "key", "concurrency": 2},
    {"latest": True},
    {"latest": True, "key": "key"},
    {"latest": True, "key": "key", "concurrency": 2},
]
STEPS = st.lists(
    st.tuples(st.sampled_from(["send", "send", "finish", "cancel"]), st.sampled_from("xyz"), st.integers(0, 9)),
    min_size=3,
    max_size=25,
)


async def _like_the_model(options: dict[str, Any], steps: list[tuple[str, str, int]]) -> None:
    desk = Desk()
    handlers = 4
    model = Model(options.get("concurrency", handlers), "key" in options, options.get("latest", False))
    async with opened(jobs(desk, Limits(handlers=handlers), **options)) as wire:
        for number, (what, key, index) in enumerate(steps):
            if what == "send":
                name = f"{key}{number}"
                model.send(name, key)
                wire.say(job(name, key))
            elif what == "finish":
                if (name := model.finish(index) or "") != "":
                    desk.let(name)
            elif (name := model.cancel(index) or "") != "":
                wire.say(cancel(name))
            await settled(wire)
            assert sorted(desk.running) == sorted(name for name, _ in model.running)
            assert sorted(told(wire)) == sorted(model.answers)
        assert [one for one in desk.log if one[0] == "+"] == model.begun
        while model.running:
            desk.let(model.finish(0) or "")
        await settled(wire)
        assert sorted(told(wire)) == sorted(model.answers)
        assert desk.running == []


@pytest.mark.parametrize("options", OPTIONS, ids=lambda options: "-".join(f"{key}" for key in options))
@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@settings(max_examples=examples(15), deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
@given(steps=STEPS)
def test_every_sequence_is_like_the_model(
    backend: str, options: dict[str, Any], steps: list[tuple[str, str, int]]
) -> None:
    run(backend, _like_the_model, options, steps)


async def _in_order(steps: list[int]) -> None:
    """Serial messages and serial events, from one place each, keep their order; all at their own pace."""
    channel = Channel()
    handled: list[int] = []
    all_handled = anyio.Event()

    def note(number: int) -> None:
        handled.append(number)
        if len(handled) == len(steps):
            all_handled.set()

    @channel.on_connect
    async def enter(ctx: Context) -> None:
        await ctx.join("room")

    @channel.on(Say)
    async def say(message: Say) -> None:
        number, pace = map(int, message.text.split())
        await anyio.sleep((0, 0.001, 0.05, 0.2)[pace])
        note(number)

    @channel.event(Hired, serial=True)
    async def hired(event: Hired) -> None:
        number, pace = map(int, event.name.split())
        await anyio.sleep((0, 0.001, 0.05, 0.2)[pace])
        note(number)

    async with opened(channel) as wire:
        for number, step in enumerate(steps):
            body = f"{number} {step % 4}"
            if step & 4:
                await channel.emit(Hired(name=body), group="room")
            else:
                wire.say({"action": "say", "text": body})
                await wire.until(lambda: wire.listening)  # it is in the queue
            if step & 8:
                await anyio.sleep(0.1)
        await all_handled.wait()
    assert handled == sorted(handled)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@settings(max_examples=examples(30), deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
@given(steps=st.lists(st.integers(0, 15), min_size=2, max_size=20))
def test_serial_events_and_messages_keep_one_order(backend: str, steps: list[int]) -> None:
    run(backend, _in_order, steps)

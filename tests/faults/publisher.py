"""The process that publishes: `python -m tests.faults.publisher`, and the handle that a test has of it.

It is told what to publish in lines of JSON, one for each run, and answers each line with one. Numbers begin with 1 in
each run, and rise by 1 with every message that may have been published.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from typing import Any, Self

from tests.servers import ROOT


@dataclass
class Sent:
    """What was published in one room.

    Attributes:
        at: when, by number; of all that Redis has confirmed.
        unsure: what Redis may have had or not, since the link broke before it answered.
    """

    at: dict[int, float] = field(default_factory=dict)
    unsure: set[int] = field(default_factory=set)


class Publisher:
    """A process that publishes.

    Args:
        redis: the URL of the broker.
    """

    def __init__(self, redis: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.publisher"],
            cwd=ROOT,
            env={**os.environ, "CHANX_TEST_REDIS": redis},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Kill it."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()

    def begin(self, rooms: list[str], *, most: int, every: float = 0.0, size: int = 0, **options: bool) -> None:
        """Publish the same numbers to each of these rooms, in the background, until told to end.

        Args:
            rooms: names of groups.
            most: so many in each, until more are allowed.
            every: seconds between two numbers.
            size: characters in each.
            options: `sync`: by `broadcast_sync`; `once`: with an idempotency key in rooms that keep a history, and
                again where it is unsure whether it was published.
        """
        self._ask(do="begin", rooms=rooms, most=most, every=every, size=size, **options)

    def allow(self, most: int) -> None:
        """Publish so many."""
        self._ask(do="allow", most=most)

    def reached(self) -> int:
        """The last number that all rooms have had."""
        number: int = self._ask(do="reached")
        return number

    def end(self, *, at_once: bool = True) -> dict[str, Sent]:
        """What was published, by room; `at_once`, or when all that was to be published has been."""
        told = self._ask(do="end", at_once=at_once)
        return {room: Sent(dict(one["at"]), set(one["unsure"])) for room, one in told.items()}

    def _ask(self, **words: Any) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(words) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, "the publisher has ended"
        return json.loads(line)


class Run:
    """One run, in a thread of its own."""

    def __init__(self, *, rooms: list[str], most: int, every: float, size: int, sync: bool, once: bool) -> None:
        self._rooms = rooms
        self._most, self._every, self._text = most, every, "x" * size
        self._sync, self._once = sync, once
        self._over = False
        self._changed = threading.Condition()
        self.reached = 0
        self.sent = {room: Sent() for room in rooms}
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def allow(self, most: int) -> None:
        with self._changed:
            self._most = most
            self._changed.notify()

    def end(self, at_once: bool) -> dict[str, Any]:
        with self._changed:
            self._most = min(self._most, self.reached) if at_once else self._most
            self._over = True
            self._changed.notify()
        self._thread.join()
        return {room: {"at": list(one.at.items()), "unsure": list(one.unsure)} for room, one in self.sent.items()}

    def _run(self) -> None:
        from tests.faults.app import channels, layer

        channel = channels["chat"]
        if self._sync:
            self._numbers(channel.broadcast_sync)
            return

        async def publish() -> None:
            loop = asyncio.get_running_loop()

            def wait(message: Any, **to: Any) -> None:
                asyncio.run_coroutine_threadsafe(channel.broadcast(message, **to), loop).result()

            await asyncio.to_thread(self._numbers, wait)
            await layer.aclose()

        asyncio.run(publish())

    def _numbers(self, publish: Any) -> None:
        for number in itertools.count(1):
            with self._changed:
                while number > self._most:
                    if self._over:
                        return
                    self._changed.wait()
            for room in self._rooms:
                self._one(publish, room, number)
            self.reached = number
            if self._every:
                time.sleep(self._every)

    def _one(self, publish: Any, room: str, number: int) -> None:
        from chanx import LayerUnavailable
        from tests.faults.app import Said

        to: dict[str, Any] = {"group": room}
        if self._once and not room.startswith("plain"):
            to["idempotency_key"] = str(number)
        at = time.monotonic()
        while True:
            try:
                publish(Said(number=number, at=at, text=self._text), **to)
            except LayerUnavailable as error:
                if error.sent and "idempotency_key" not in to:
                    self.sent[room].unsure.add(number)
                    return
            else:
                self.sent[room].at[number] = at
                return


def main() -> None:
    run: Run | None = None
    for line in sys.stdin:
        words = json.loads(line)
        what = words.pop("do")
        answer: Any = None
        if what == "begin":
            assert run is None
            run = Run(**{"sync": False, "once": False, **words})
        elif run is not None:
            answer = run.end(words["at_once"]) if what == "end" else run.reached
            if what == "allow":
                run.allow(words["most"])
            run = None if what == "end" else run
        else:
            answer = {}
        print(json.dumps(answer), flush=True)  # noqa: T201 - this is what it is for


if __name__ == "__main__":
    main()

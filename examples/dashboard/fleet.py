"""The services, their measurements and their logs. Made up, from one random number to the next, but they run."""

import random
import time
from collections import deque
from collections.abc import AsyncGenerator

import anyio

from examples.dashboard.messages import Level, Line, Reading

LEVELS: tuple[Level, ...] = ("debug", "info", "error")
KEPT_READINGS = 60
KEPT_LINES = 100
RESTART_TAKES = 3
"""In ticks."""


class Log:
    """The last lines that a service has written."""

    def __init__(self) -> None:
        self._lines: deque[tuple[int, Line]] = deque(maxlen=KEPT_LINES)
        self._count = 0
        self._more: anyio.Event | None = None

    def write(self, level: Level, text: str) -> None:
        self._lines.append((self._count, Line(at=time.time_ns() // 1_000_000, level=level, text=text)))
        self._count += 1
        if self._more is not None:
            self._more.set()
            self._more = None

    async def follow(self, level: Level) -> AsyncGenerator[Line, None]:
        """The lines from this level up: those that are kept, then each new one.

        No queue for each reader: one that is slow misses the lines that are not kept any more.
        """
        wanted = LEVELS[LEVELS.index(level) :]
        number = 0
        while True:
            for count, line in [one for one in self._lines if one[0] >= number]:
                number = count + 1
                if line.level in wanted:
                    yield line
            if number == self._count:  # else more was written meanwhile
                self._more = self._more or anyio.Event()
                await self._more.wait()


class Service:
    """One of them.

    Args:
        chance: where its numbers come from.
    """

    def __init__(self, name: str, chance: random.Random) -> None:
        self.name = name
        self.group = f"service:{name}"
        self.log = Log()
        self.readings: deque[Reading] = deque(maxlen=KEPT_READINGS)
        self._chance = chance
        self._load = chance.uniform(20, 60)
        self._down = 0
        for _ in range(KEPT_READINGS):
            self._measure()
        self.log.write("info", "started")

    def tick(self) -> Reading:
        """Live for one moment more."""
        if self._down > 0:
            self._down -= 1
            if self._down == 0:
                self._load = 15.0
                self.log.write("info", "started")
        reading = self._measure()
        if reading.up:
            self._write(reading)
        return reading

    def restart(self, by: str) -> None:
        self._down = RESTART_TAKES
        self.log.write("info", f"stopped by {by}, to be started again")

    def _measure(self) -> Reading:
        chance = self._chance
        self._load = min(100.0, max(5.0, self._load + chance.gauss(0, 6)))
        up = self._down == 0
        reading = Reading(
            number=self.readings[-1].number + 1 if self.readings else 1,
            up=up,
            load=round(self._load) if up else 0,
            requests=round(self._load * 4 + chance.uniform(0, 40)) if up else 0,
            latency=round(8 + self._load**2 / 40 + chance.uniform(0, 10)) if up else 0,
        )
        self.readings.append(reading)
        return reading

    def _write(self, reading: Reading) -> None:
        page = self._chance.choice(("/", "/cart", "/search", "/account"))
        self.log.write("debug", f"GET {page} took {reading.latency} ms")
        if reading.number % 5 == 0:
            self.log.write("info", f"{reading.requests} requests a second")
        if reading.load > 80:
            self.log.write("error", f"GET {page} was given up: the load is {reading.load} %")


class Fleet:
    """All services, by name."""

    def __init__(self, *names: str) -> None:
        self._names = names
        self.begin()

    def begin(self) -> None:
        """As the application finds them when it starts."""
        chance = random.Random(1)
        self.services = {name: Service(name, chance) for name in self._names}

    def tick(self) -> list[tuple[Service, Reading]]:
        """Let all of them live for one moment more."""
        return [(service, service.tick()) for service in self.services.values()]


fleet = Fleet("web", "search", "payments")

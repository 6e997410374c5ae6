"""Who runs against whom: heats of contestants that are compared with one another.

A heat is run as a whole, its contestants taking turns, so that what else the machine does falls on all of them alike.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks import messages
from benchmarks.backend import BACKENDS
from benchmarks.consumers import CHANNELS, consumer, decorated, old
from benchmarks.frameworks import fastapi_route, starlette_endpoint
from benchmarks.limits import msgspec_limit, pydantic_limit
from benchmarks.messages import Family, FamilyName, Handler, family, frames, handlers
from benchmarks.routers import CONTEXT, FIVE, ONE, THREE, USER, channel, router
from benchmarks.wire import App, Pause

SIZES = (1, 10, 100, 500)
LETTER: dict[FamilyName, str] = {"msgspec": "(a)", "pydantic": "(b)"}
LIMITS: dict[FamilyName, Callable[[Family, dict[type[Any], Handler]], App]] = {
    "msgspec": msgspec_limit,
    "pydantic": pydantic_limit,
}
TARGET_SIZE = 10  # at the other sizes the point is that the ratio stays where it is
TARGETS: dict[FamilyName, float] = {"msgspec": 1.2, "pydantic": 1.15}
INVALID_TARGET = 1.4
CONSUMER_TARGET = 1.5
STRUCTURED_TARGET = 2.0
INVALID = {
    "wrong shape": messages.WRONG_SHAPE,
    "unknown action": messages.UNKNOWN_ACTION,
    "not JSON": messages.NOT_JSON,
}


@dataclass(frozen=True, slots=True)
class Contestant:
    """An application and the frames it gets.

    `limit` names the contestant of the same heat that it is divided by; a limit has none. `added_to` names the one
    that it is compared with by difference, in units of the limit, and then `target` is for that difference.
    """

    name: str
    build: Callable[[], App]
    frames: Sequence[str]
    limit: str | None = None
    target: float | None = None
    added_to: str | None = None
    pause: Pause | None = None


@dataclass(frozen=True, slots=True)
class Heat:
    """Contestants that take turns."""

    name: str
    contestants: tuple[Contestant, ...]


def types(size: int) -> str:
    return f"{size} type{'s' * (size > 1)}"


def _limit(name: FamilyName, size: int) -> Callable[[], App]:
    def build() -> App:
        return LIMITS[name](family(name, size), handlers(family(name, size)))

    return build


def _router(name: FamilyName, size: int, parameters: str = "") -> Callable[[], App]:
    return lambda: router(family(name, size), parameters)


def _fastapi() -> App:
    messages = family("pydantic", 10)
    return fastapi_route(messages, handlers(messages))


def _size(size: int) -> Iterator[Contestant]:
    """The two limits, one against itself, and chanx, for a union of `size`."""
    names: tuple[FamilyName, ...] = ("msgspec", "pydantic")
    for name in names:
        limit = f"{LETTER[name]}, {types(size)}"
        yield Contestant(limit, _limit(name, size), frames(size))
        if name == "msgspec":
            yield Contestant(f"{limit}, once more", _limit(name, size), frames(size), limit)
        chanx = f"chanx, {name}, {types(size)}"
        yield Contestant(
            chanx, _router(name, size), frames(size), limit, TARGETS[name] if size == TARGET_SIZE else None
        )


def _ten() -> Iterator[Contestant]:
    """What else is compared at ten types: injection and frameworks."""
    chanx, limit, texts = "chanx, msgspec, 10 types", "(a), 10 types", frames(10)

    def with_parameters(name: str, parameters: str, target: float | None) -> Contestant:
        return Contestant(name, _router("msgspec", 10, parameters), texts, limit, target, chanx)

    yield with_parameters("chanx, msgspec, with the context", CONTEXT, 0.1)
    yield with_parameters("chanx, msgspec, with a dependency of the connection", USER, 0.1)
    yield with_parameters("chanx, msgspec, with one dependency of the message", ONE, None)
    yield with_parameters("chanx, msgspec, with three dependencies of the message", THREE, 0.5)
    yield with_parameters("chanx, msgspec, with five dependencies of the message", FIVE, None)
    yield Contestant("Starlette endpoint, match", lambda: starlette_endpoint(10), texts, limit)
    yield Contestant("FastAPI route, pydantic", _fastapi, texts, "(b), 10 types")


def _suspended(turn: Pause) -> Iterator[Contestant]:
    """Frames that do not come, or are not answered, in one go."""
    limit, texts = "(a), a turn before each frame", frames(10)
    yield Contestant(limit, _limit("msgspec", 10), texts, pause=turn)
    yield Contestant("chanx, msgspec, a turn before each frame", _router("msgspec", 10), texts, limit, pause=turn)

    limit, name = "(a), handlers that suspend", "chanx, msgspec, handlers that suspend"
    yield Contestant(limit, lambda: msgspec_limit(*_suspending("msgspec", turn)), texts)
    yield Contestant(name, lambda: channel(_suspending("msgspec", turn)[1]), texts, limit)


def _suspending(name: FamilyName, turn: Pause) -> tuple[Family, dict[type[Any], Handler]]:
    messages = family(name, 10)
    return messages, handlers(messages, names={"turn": turn}, body="await turn()")


def _invalid(name: FamilyName) -> Iterator[Contestant]:
    for kind, texts in INVALID.items():
        limit = f"{LETTER[name]}, {kind}"
        yield Contestant(limit, _limit(name, 10), texts)
        yield Contestant(f"chanx, {name}, {kind}", _router(name, 10), texts, limit, INVALID_TARGET)


def _consumers(*, peers: bool) -> Iterator[Contestant]:
    """Class-based consumers, and those of Channels as their peers, beside what one writes by hand."""
    limit, texts = "Starlette endpoint by hand", frames(10)

    def of(name: str, target: float | None = None, **options: bool) -> Contestant:
        return Contestant(name, lambda: consumer(10, **options), texts, limit, target)

    yield Contestant(limit, lambda: starlette_endpoint(10), texts)
    yield Contestant(f"{limit}, once more", lambda: starlette_endpoint(10), texts, limit)
    yield of("JSON consumer, no layer", CONSUMER_TARGET, layered=False)
    yield of("JSON consumer, channel layer", CONSUMER_TARGET)
    if peers:
        yield of("Channels' JSON consumer, no layer", layered=False, channels=True)
        yield of("Channels' JSON consumer, channel layer", channels=True)


def _structured(turn: Pause) -> Iterator[Contestant]:
    """Consumers of chanx 2.x and 0.12, logging and completions off, beside the limits of their messages."""
    limit, texts = "(b), beside consumers", frames(10)
    yield Contestant(limit, _limit("pydantic", 10), texts)
    yield Contestant(f"{limit}, once more", _limit("pydantic", 10), texts, limit)
    yield Contestant("chanx 2.x consumer, 10 types", lambda: decorated(10), texts, limit, STRUCTURED_TARGET)
    name = "chanx 0.12 consumer, 10 types"
    yield Contestant(name, lambda: old(10, immediately=False), texts, limit, STRUCTURED_TARGET)
    limit = "(b), with a turn after each reply"
    yield Contestant(limit, lambda: pydantic_limit(*_suspending("pydantic", turn)), texts)
    yield Contestant(f"{name}, likewise", lambda: old(10, immediately=True), texts, limit, STRUCTURED_TARGET)


def heats(turn: Pause) -> tuple[Heat, ...]:
    """Every heat, nothing built yet. `turn` suspends once, and comes back in the event loop's next round."""
    return (
        *(Heat(types(size), (*_size(size), *(_ten() if size == 10 else ()))) for size in SIZES),
        Heat("suspension", tuple(_suspended(turn))),
        Heat("invalid frames, msgspec", tuple(_invalid("msgspec"))),
        Heat("invalid frames, pydantic", tuple(_invalid("pydantic"))),
        *((Heat("structured consumers", tuple(_structured(turn))),) if turn is BACKENDS["asyncio"] else ()),
        Heat("consumers", tuple(_consumers(peers=CHANNELS and turn is BACKENDS["asyncio"]))),
    )

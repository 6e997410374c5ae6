"""CPU time of a streamed answer: an async generator as a handler, beside a hand-written loop over the same generator.

Measured as `dispatch` measures messages: whole streams take the place of answers, and a stream's cost is divided by
the number of its items.
"""

import gc
from argparse import ArgumentParser, Namespace
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any

import msgspec
from pydantic import BaseModel, Field, TypeAdapter

from benchmarks import backend
from benchmarks.dispatch import environment, order
from benchmarks.limits import union
from benchmarks.messages import Family, FamilyName, execute, family
from benchmarks.routers import channel
from benchmarks.table import Row, lines, rows
from benchmarks.wire import App, Event, Pause, Receive, Send, timed

TYPES = 10
LENGTHS = (1, 100)
Stream = Callable[[Any], AsyncIterator[Any]]

HANDLER = """
from collections.abc import AsyncIterator

async def say{n}(message: Say{n}) -> AsyncIterator[Said]:
    for _ in range({items}):
        yield Said(text=message.text)
"""


@dataclass(frozen=True, slots=True)
class Streamer:
    """An application that answers each frame with so many items."""

    name: str
    build: Callable[[], App]
    items: int
    limit: str | None = None
    target: float | None = None
    added_to: str | None = None


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--backend", choices=tuple(backend.BACKENDS), default="asyncio")
    parser.add_argument("--rounds", type=int, default=41, help="rounds; the median of them is printed")
    parser.add_argument("--items", type=int, default=2000, help="items of each contestant in each round")
    parser.add_argument("--quick", action="store_true", help="every row, from too few items to mean anything")


def run(arguments: Namespace) -> int:
    rounds, items = (2, 100) if arguments.quick else (arguments.rounds, arguments.items)
    loop: backend.BackendName = arguments.backend
    print(environment(loop))
    print(f"CPU time per item of a stream, median of {rounds} rounds of {items} items")
    table: list[Row] = backend.run(loop, partial(race_all, rounds, items, backend.BACKENDS[loop]))
    print("\n".join(lines(table, "µs", 2)))
    return 0


def streams(messages: Family, items: int) -> dict[type[Any], Stream]:
    """One generator for each class of message."""
    known: dict[str, object] = {kind.__name__: kind for kind in messages.types}
    known["Said"] = messages.reply
    made = execute("".join(HANDLER.format(n=n, items=items) for n in range(messages.size)), known)
    return {kind: made[f"say{n}"] for n, kind in enumerate(messages.types)}


def hand_written(messages: Family, handlers: Mapping[type[Any], Stream]) -> App:
    """The limit: validate, look the generator up, and encode and send each item."""
    decode: Callable[[str], Any]
    encode: Callable[[Any], bytes]
    if messages.name == "msgspec":
        decode, encode = msgspec.json.Decoder(union(messages)).decode, msgspec.json.Encoder().encode
    else:
        kind: Any = Annotated[union(messages), Field(discriminator="action")]
        decode = TypeAdapter[BaseModel](kind).validator.validate_json
        encode = messages.reply.__pydantic_serializer__.to_json

    async def app(_scope: Event, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        while True:
            event = await receive()
            if event["type"] != "websocket.receive":
                return
            message = decode(event["text"])
            async for item in handlers[message.__class__](message):
                await send({"type": "websocket.send", "text": encode(item).decode()})

    return app


def streamers() -> Iterator[tuple[Streamer, ...]]:
    """What is compared with one another, for each length of a stream."""
    names: tuple[FamilyName, ...] = ("msgspec", "pydantic")
    for items in LENGTHS:
        of = f"{items} item{'s' * (items > 1)}"
        made: list[Streamer] = []
        for name in names:
            limit = f"loop, {name}, {of}"
            made.append(Streamer(limit, partial(_limit, name, items), items))
            if name == "msgspec":
                made.append(Streamer(f"{limit}, once more", partial(_limit, name, items), items, limit))
            made.append(Streamer(f"chanx, {name}, {of}", partial(_chanx, name, items), items, limit))
        yield tuple(made)


def frame(number: int) -> str:
    """One of many frames that are all different objects, as those from a socket are."""
    return f'{{"action":"say{number % TYPES}","text":"hello there","count":{number}}}'


async def race_all(rounds: int, items: int, turn: Pause) -> list[Row]:
    """The rows of the table."""
    table: list[Row] = []
    for heat in streamers():
        apps = {one.name: one.build() for one in heat}
        costs: dict[str, list[float]] = {name: [] for name in apps}
        gc.collect()
        gc.freeze()
        for number in range(-2, rounds):  # the first two warm up the interpreter's specialised code
            for one in order(heat, number):
                gc.collect()
                amount = max(1, items // one.items)
                warmup = max(1, amount // 5)
                texts = [frame(number) for number in range(warmup + amount)]
                cost = await timed(apps[one.name], texts, warmup, amount, answers=one.items, stay=turn)
                if number >= 0:
                    costs[one.name].append(cost / one.items * 1e6)
                for _ in range(3):  # what it left to do in the background is not for the next one to pay
                    await turn()
        gc.unfreeze()
        table += rows(heat, {name: tuple(values) for name, values in costs.items()})
    return table


def _limit(name: FamilyName, items: int) -> App:
    messages = family(name, TYPES)
    return hand_written(messages, streams(messages, items))


def _chanx(name: FamilyName, items: int) -> App:
    return channel(streams(family(name, TYPES), items))

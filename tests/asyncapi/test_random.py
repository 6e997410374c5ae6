"""Documents of channels that are put together at random: what holds for all of them."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import jsonschema
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chanx import Channel, ConfigurationError
from chanx._plan import Plan
from chanx.asyncapi import document
from tests.asyncapi import corpus
from tests.asyncapi.clash import left, right
from tests.asyncapi.test_corpus import nodes
from tests.full import examples

RECEIVED = [corpus.Say, corpus.Ping, corpus.Tree, corpus.Box[int], corpus.Box[str], corpus.Person, left.Say, right.Say]
SENT = [corpus.Said, corpus.Pong, corpus.Tree, corpus.Crate[int], corpus.Person, left.Mark, right.Mark, corpus.Say]
PREFIXES = ["", "a.", "b/", "ünï "]
TOPICS = ["t:{pk}", "t:{pk}:{other}", "lobby"]


def one(message: Any) -> None: ...


def handler(kind: str, cls: Any, answer: Any) -> Callable[[Any], Any]:
    """A function with the annotations that are asked for."""

    async def plain(message: Any) -> Any: ...

    async def stream(message: Any) -> Any:
        yield

    async def upload(message: Any, chunks: Any) -> Any: ...

    made: Any = {"plain": plain, "list": plain, "stream": stream, "upload": upload}[kind]
    told = {"plain": answer, "list": list[answer], "stream": AsyncIterator[answer], "upload": answer | None}[kind]
    made.__annotations__ = {"message": cls, "chunks": AsyncIterator[corpus.Part], "return": told}
    return made  # type: ignore[no-any-return]


@st.composite
def channels(draw: st.DrawFn, depth: int = 2) -> Channel:
    """A channel with handlers, events, and other channels in it; it may be wrong."""
    envelope = draw(st.integers(0, 9)) > 0
    channel = Channel(draw(st.sampled_from(["chat", "notes", "channel"])), envelope=envelope)
    for cls in draw(st.lists(st.sampled_from(RECEIVED), max_size=3, unique=True)):
        kind = draw(st.sampled_from(["plain", "plain", "list", "stream", "upload"]))
        channel.on(cls)(handler(kind, cls, draw(st.sampled_from(SENT))))
    for cls in draw(st.lists(st.sampled_from(SENT), max_size=2, unique=True)):
        channel.event(cls, output=draw(st.lists(st.sampled_from(SENT), max_size=2)))(one)
    if draw(st.booleans()):
        channel.on_error(ValueError)(handler("plain", ValueError, draw(st.sampled_from(SENT))))
    for _ in range(draw(st.integers(0, 2)) if depth else 0):
        inner = draw(channels(depth - 1))
        with contextlib.suppress(ConfigurationError):
            if draw(st.booleans()):
                channel.include(inner, topic=draw(st.sampled_from(TOPICS)))
            else:
                channel.include(inner, prefix=draw(st.sampled_from(PREFIXES)))
    return channel


@st.composite
def applications(draw: st.DrawFn) -> dict[str, Channel]:
    """Those of one to three channels that are right, by address."""
    found: dict[str, Channel] = {}
    for number, channel in enumerate(draw(st.lists(channels(), min_size=1, max_size=3))):
        with contextlib.suppress(ConfigurationError):
            channel.compile()
            found[f"/{number}/{{room}}"] = channel
    return found


def plans(app: dict[str, Channel]) -> list[Plan]:
    """The plans behind the channels of a document, in their order."""
    found: list[Plan] = []
    for channel in app.values():
        plan = channel._compiled("test").plan
        found += [plan, *(topic.plan for topic in plan.topics)]
    return found


def tags(told: dict[str, Any], channel: str, action: str, part: str) -> set[str]:
    """The tags of the messages of a channel's operations; those of the envelope aside."""
    found: set[str] = set()
    for operation in told.get("operations", {}).values():
        if operation["action"] != action or operation["channel"]["$ref"] != f"#/channels/{channel}":
            continue
        holder = operation if part == "messages" else operation.get(part, {})
        for message in holder.get("messages", ()):
            schema = told["components"]["schemas"][message["$ref"].rpartition("/")[2]]
            tag = schema["properties"][told["channels"][channel]["x-discriminator"]]
            found |= {tag["const"]} if "const" in tag else set(tag["enum"])
    return found - {"subscribe", "unsubscribe", "subscribed", "unsubscribed", "error", "complete"}


SLOW = settings(
    max_examples=examples(100), deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True
)


@SLOW
@given(applications())
def test_a_document_tells_of_all_that_is_received_and_of_nothing_else(app: dict[str, Channel]) -> None:
    if not app:
        return
    told = document(app, title="T", version="1")
    for name, plan in zip(told["channels"], plans(app), strict=True):
        assert tags(told, name, "receive", "messages") == set(plan.known | plan.chunk_tags)
        named = {tag for one in plan.operations for cls in (*one.returns, *one.outputs) for tag in tag_of(plan, cls)}
        assert tags(told, name, "receive", "reply") | tags(told, name, "send", "messages") == named


def tag_of(plan: Plan, cls: Any) -> tuple[str, ...]:
    return next(codec for codec in plan.codecs if codec.owns(cls)).tags(cls, plan.discriminator)


@SLOW
@given(applications())
def test_a_document_is_whole(app: dict[str, Channel]) -> None:
    if not app:
        return
    told = document(app, title="T", version="1")
    components = told["components"]
    for schema in components["schemas"].values():
        jsonschema.Draft7Validator.check_schema(schema)
    used = {node["$ref"] for node in nodes(told) if "$ref" in node}
    there = {f"#/components/{kind}/{name}" for kind in ("schemas", "messages") for name in components[kind]}
    there |= {f"#/channels/{name}" for name in told["channels"]}
    there |= {
        f"#/channels/{key}/messages/{one}" for key, channel in told["channels"].items() for one in channel["messages"]
    }
    assert used <= there
    assert {one for one in there if one.startswith("#/components")} <= used


@SLOW
@given(applications())
def test_schemas_do_not_depend_on_the_order_of_channels(app: dict[str, Channel]) -> None:
    if not app:
        return
    first = document(app, title="T", version="1")
    second = document(dict(reversed(app.items())), title="T", version="1")
    assert first["components"]["schemas"] == second["components"]["schemas"]

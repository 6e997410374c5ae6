"""The hand-written limits: the least that a correct server loop can do for a message.

Each checks the event's type, validates the frame's text against a tagged union, looks the handler up by the class of
what came out, awaits it, encodes what it returned and awaits `send`. An invalid frame is answered with an error frame
of the content that chanx gives it. Nothing else: no size limit, no correlation, no queue, no dependency, no state.
Everything the loop needs is bound to a local name before it starts.
"""

from collections.abc import Mapping
from functools import reduce
from operator import or_
from typing import Annotated, Any

import msgspec
from pydantic import BaseModel, Field, TypeAdapter, ValidationError
from pydantic_core import to_json

from benchmarks.messages import Family, Handler
from benchmarks.wire import App, Event, Receive, Send


def union(messages: Family) -> Any:
    """The union of a family's classes, as an annotation."""
    return reduce(or_, messages.types)


def msgspec_limit(messages: Family, handlers: Mapping[type[Any], Handler]) -> App:
    """Limit (a): msgspec's decoder of a tagged union, a dict, msgspec's encoder."""
    decode = msgspec.json.Decoder(union(messages)).decode
    encode = msgspec.json.Encoder().encode

    async def app(_scope: Event, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        while True:
            event = await receive()
            if event["type"] != "websocket.receive":
                return
            try:
                message = decode(event["text"])
            except msgspec.DecodeError as exc:
                await send({"type": "websocket.send", "text": encode(msgspec_error(exc)).decode()})
                continue
            reply = await handlers[message.__class__](message)
            await send({"type": "websocket.send", "text": encode(reply).decode()})

    return app


def pydantic_limit(messages: Family, handlers: Mapping[type[Any], Handler]) -> App:
    """Limit (b): the adapter's core validator, a dict, the reply class's core serializer."""
    tagged = len(messages.types) > 1
    kind: Any = Annotated[union(messages), Field(discriminator="action")] if tagged else messages.types[0]
    validate = TypeAdapter[BaseModel](kind).validator.validate_json
    encode = {messages.reply: messages.reply.__pydantic_serializer__.to_json}

    async def app(_scope: Event, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        while True:
            event = await receive()
            if event["type"] != "websocket.receive":
                return
            try:
                message = validate(event["text"])
            except ValidationError as exc:
                await send({"type": "websocket.send", "text": to_json(pydantic_error(exc, tagged)).decode()})
                continue
            reply = await handlers[message.__class__](message)
            await send({"type": "websocket.send", "text": encode[reply.__class__](reply).decode()})

    return app


def error(code: str, detail: str, errors: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    """An error frame as chanx sends it."""
    payload: dict[str, Any] = {"code": code, "detail": detail}
    if errors is not None:
        payload["errors"] = errors
    return {"action": "error", "payload": payload}


def unknown(tag: str) -> dict[str, Any]:
    """The error frame for a tag that no class has."""
    problem = {"loc": ["action"], "type": "unknown_action", "msg": f"nothing here answers to {tag}"}
    return error("unknown_action", "the action is unknown", [problem])


def msgspec_error(exc: msgspec.DecodeError) -> dict[str, Any]:
    """The error frame for what msgspec refused. Its exceptions have no parts: all is in the text."""
    text = str(exc)
    if not isinstance(exc, msgspec.ValidationError):
        return error("malformed_json", text)
    msg, _, path = text.partition(" - at `$.")
    loc = path[:-1].split(".")
    if loc == ["action"]:
        return unknown(msg.removeprefix("Invalid value "))
    return error("invalid_message", "the message is invalid", [{"loc": loc, "type": "invalid", "msg": msg}])


def pydantic_error(exc: ValidationError, tagged: bool) -> dict[str, Any]:
    """The error frame for what pydantic refused; a tagged union puts the tag in front of each location."""
    found = exc.errors(include_url=False, include_context=False, include_input=False)
    kind, msg = found[0]["type"], found[0]["msg"]
    if kind == "json_invalid":
        return error("malformed_json", msg)
    if kind == "union_tag_invalid":
        return unknown(msg.removeprefix("Input tag ").partition(" found using ")[0])
    errors = [{"loc": item["loc"][tagged:], "type": item["type"], "msg": item["msg"]} for item in found]
    return error("invalid_message", "the message is invalid", errors)

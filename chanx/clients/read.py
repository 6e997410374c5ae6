"""What a document says of its channels, as clients need it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from chanx.clients.load import SchemaError
from chanx.clients.types import Models, camel, snake, unique


class Message(NamedTuple):
    """One message: the name of its methods, and its class."""

    name: str
    cls: str


class Operation(NamedTuple):
    """What a client may send: the name of the method, the classes of the messages, and what it is for."""

    name: str
    classes: tuple[str, ...]
    text: str


class Parameter(NamedTuple):
    """A parameter of the address: as it is written there, in Python, and its annotation."""

    key: str
    name: str
    annotation: str
    path: bool


class Channel(NamedTuple):
    """One client.

    Attributes:
        module: the name of its file.
        incoming: what the server sends.
        outgoing: the classes of all that the client may send.
        echoed: what the server sends to get it back.
        discriminator: the field that tells messages apart; None without the envelope of native channels.
    """

    module: str
    cls: str
    text: str
    address: str
    parameters: tuple[Parameter, ...]
    operations: tuple[Operation, ...]
    incoming: tuple[Message, ...]
    outgoing: tuple[str, ...]
    echoed: tuple[str, ...]
    discriminator: str | None


def server_of(document: Mapping[str, Any]) -> str | None:
    """The URL of the first server."""
    for one in document.get("servers", {}).values():
        host, protocol = one.get("host"), one.get("protocol")
        if host and protocol in ("ws", "wss", "http", "https"):
            return f"{protocol}://{host}{one.get('pathname', '')}"
    return None


class Reader:
    """Reads a document that `load` has checked.

    Raises:
        SchemaError: something that it refers to is not there.
    """

    def __init__(self, document: Mapping[str, Any]) -> None:
        self.document = document
        self.models = Models(document.get("components", {}).get("schemas", {}))
        self._modules = {"messages"}
        self._classes: set[str] = set()
        self._payloads: dict[str, str] = {}

    def channels(self) -> list[Channel]:
        """The clients: one for each channel; topics are on the connections of the channel at their address."""
        channels: Mapping[str, Any] = self.document["channels"]
        hubs = {key: [key] for key, one in channels.items() if "x-topic" not in one}
        for key, one in channels.items():
            if "x-topic" in one:
                hub = next((hub for hub in hubs if _place(channels[hub]) == _place(one) and key.startswith(hub)), None)
                hubs.setdefault(hub or key, [hub or key] if hub else []).append(key)
        return [self._channel(key, keys) for key, keys in hubs.items()]

    def _channel(self, key: str, keys: list[str]) -> Channel:
        told: Mapping[str, Any] = self.document["channels"][key]
        field = told.get("x-discriminator")
        discriminator = field if isinstance(field, str) and "x-reserved-actions" in told else None
        methods: set[str] = set()
        operations: list[Operation] = []
        sent: dict[str, str] = {}
        outgoing: dict[str, None] = {}
        echoed: dict[str, None] = {}
        for one, operation in self.document.get("operations", {}).items():
            own = _last(operation["channel"]["$ref"])
            if own not in keys:
                continue
            listed = [ref for ref in operation.get("messages", ()) if not self._follows(own, ref, discriminator)]
            if not listed and operation.get("messages"):
                continue  # the client does that by itself
            classes = {self._class(own, ref): _last(ref["$ref"]) for ref in listed}
            if operation.get("action") == "receive":
                text = str(operation.get("summary") or operation.get("description") or one)
                operations.append(Operation(unique(f"send_{snake(one)}", methods), tuple(classes), text))
                outgoing.update(dict.fromkeys(classes))
            else:
                sent.update(classes)
            for ref in operation.get("reply", {}).get("messages", ()):
                sent.setdefault(self._class(own, ref), _last(ref["$ref"]))
        for own in keys:  # frames that belong to no operation: the server sends them, but for those that clients may
            for message in self.document["channels"][own].get("messages", {}):
                ref = {"$ref": f"#/channels/{own}/messages/{message}"}
                if self._follows(own, ref, discriminator):
                    continue
                cls, name = self._class(own, ref), self._message(own, ref).get("name")
                if cls in outgoing or cls in sent:
                    continue
                if name == "heartbeat":
                    echoed[cls] = None
                elif name != "cancel":
                    sent[cls] = message
                # Consumers send a message for a completion, which is not called like the frame of native channels.
                if message.rpartition(".")[2] in ("cancel", "complete"):
                    outgoing[cls] = None
        handlers: set[str] = set()
        return Channel(
            module=unique(snake(key), self._modules),
            cls=unique(f"{camel(key)}Client", self._classes),
            text=str(told.get("title") or key),
            address=str(told.get("address") or "/"),
            parameters=tuple(self._parameters(told)),
            operations=tuple(operations),
            incoming=tuple(Message(unique(f"on_{snake(name)}", handlers), cls) for cls, name in sent.items()),
            outgoing=tuple(outgoing),
            echoed=tuple(echoed),
            discriminator=discriminator,
        )

    def _follows(self, channel: str, ref: Mapping[str, str], discriminator: str | None) -> bool:
        """Is it a frame that the client itself understands: of streams, or of a gap?"""
        if discriminator is None:
            return False
        schema = self._message(channel, ref).get("payload", {})
        if isinstance(schema.get("$ref"), str):
            schema = self.models.schemas.get(schema["$ref"].removeprefix("#/components/schemas/"), {})
        fields: Mapping[str, Any] = schema.get("properties", {})
        tag = fields.get(discriminator, {}).get("const")
        # the first three are reserved, and so is `epoch`
        return tag in ("gap", "recover", "recovered") or (tag in ("joined", "position") and "epoch" in fields)

    def _message(self, channel: str, ref: Mapping[str, str]) -> Mapping[str, Any]:
        try:
            return self._resolved(self.document["channels"][channel]["messages"][_last(ref["$ref"])])
        except (KeyError, TypeError) as error:
            raise SchemaError(f"the message {ref.get('$ref')} is not in the document") from error

    def _class(self, channel: str, ref: Mapping[str, str]) -> str:
        key, payload = _last(ref["$ref"]), self._message(channel, ref).get("payload", {})
        if isinstance(payload.get("$ref"), str):
            name = payload["$ref"].removeprefix("#/components/schemas/")
            if name not in self.models.schemas:
                raise SchemaError(f"the schema {payload['$ref']} is not in the document")
            found = self.models.named(name)
        else:
            whole = f"{channel}.{key}"
            if whole not in self._payloads:
                self._payloads[whole] = self.models.annotation(payload, camel(key))
            found = self._payloads[whole]
        if found not in self.models.classes:
            raise SchemaError(f"the message {ref['$ref']} is no object with properties; clients send and get objects")
        return found

    def _resolved(self, one: Mapping[str, Any]) -> Mapping[str, Any]:
        for _ in range(8):  # a reference to a reference
            if not isinstance(one.get("$ref"), str):
                return one
            found: Any = self.document
            for part in one["$ref"].removeprefix("#/").split("/"):
                found = found[part]
            one = found
        raise KeyError(one["$ref"])

    def _parameters(self, told: Mapping[str, Any]) -> Iterable[Parameter]:
        taken = {"self", "base_url", "query", "headers", "subprotocols", "options"}
        for key, one in told.get("parameters", {}).items():
            schema = one.get("x-schema", {})
            annotation = self.models.annotation(schema, camel(key))
            path = "slashes" in str(schema.get("description", ""))
            yield Parameter(key, unique(snake(key), taken), annotation, path)


def _last(reference: str) -> str:
    return reference.rpartition("/")[2]


def _place(channel: Mapping[str, Any]) -> tuple[Any, Any]:
    return channel.get("address"), channel.get("x-host")

"""Makes the document: sections, then schemas and names for all of them together, then the objects of AsyncAPI 3.0."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Unpack, cast

import msgspec

from chanx.asyncapi import handshake
from chanx.asyncapi.consumers import consumer_of, leaf_of, served_at
from chanx.asyncapi.draft7 import Schema, fitting, references, rename, settle
from chanx.asyncapi.frames import REF, Frame, ref_definition
from chanx.asyncapi.naming import choose, legal, names, reachable, slug
from chanx.asyncapi.options import DocumentOptions, check
from chanx.asyncapi.schemas import Schemas
from chanx.asyncapi.sections import Action, Section, sections
from chanx.asyncapi.served import Served, split
from chanx.asyncapi.servers import secured, servers_of
from chanx.asyncapi.walk import served_by
from chanx.exceptions import ConfigurationError
from chanx.router import Channel
from chanx.types import CONTROL_ACTIONS, RESERVED_KEYS

#: What a document can be made of; anything else is taken for an application, which is walked.
Documented = Channel | Mapping[str, Channel] | Iterable[Channel | Served]


def document(
    app_or_channels: Documented | Any,
    *,
    title: str,
    version: str,
    **options: Unpack[DocumentOptions],
) -> dict[str, Any]:
    """An AsyncAPI 3.0 document of what an application serves, as a dictionary of JSON values.

    It is made from the compiled channels, so none of them takes registrations from then on. It is the same on every
    run. The specification: <https://www.asyncapi.com/docs/reference/specification/v3.0.0>.

    Args:
        app_or_channels: one channel; channels by address (`{"/rooms/{room}": chat}`); a list of channels, whose
            addresses are then unknown; or an application, in which the served channels are looked for.
        title: the name of the application.
        version: its version, not that of AsyncAPI.
        **options: see `DocumentOptions`.

    Raises:
        ConfigurationError: there is no channel; a mistake of the channels' set-up; a wrong option.
        TypeError: there is no such option.
    """
    check(title, version, options)
    served = _served(app_or_channels)
    security = secured(options.get("security"), options.get("security_schemes"))
    servers = servers_of(options.get("servers"), security)
    return _Builder(sections(served), servers, [] if servers else security).document(title, version, options)


def _served(given: Any) -> list[Served]:
    if isinstance(given, Channel):
        return [Served("/", given)]
    if isinstance(given, Mapping):
        named: Mapping[Any, Any] = given  # pyright: ignore[reportUnknownVariableType]
        found: list[Any] = [_at(address, one) for address, one in named.items()]
    elif isinstance(given, (list, tuple)) and any(map(_is_told, cast("Iterable[Any]", given))):
        found = [one if isinstance(one, Served) else _at("", one) for one in cast("Iterable[Any]", given)]
    elif (consumer := consumer_of(given)) is not None:
        return [served_at("/", consumer)]
    else:
        return served_by(given)
    if not found:
        raise ConfigurationError('no channel is given; give them by address, as in document({"/chat": chat}, …)')
    for one in found:
        if not isinstance(one.channel, Channel):
            raise ConfigurationError(f"{one.channel!r} is no Channel")
        if not isinstance(one.address, str):
            raise ConfigurationError(f'{one.address!r} is no address; give a path such as "/rooms/{{room}}"')
    return found


def _at(address: Any, given: Any) -> Served:
    leaf = leaf_of(given)
    return Served(address, given) if leaf is None else served_at(address, leaf)


def _is_told(one: Any) -> bool:
    return isinstance(one, Served) or leaf_of(one) is not None


class _Builder:
    """Everything that has a name, while the document is written."""

    def __init__(self, found: dict[str, Section], servers: dict[str, Any], security: list[dict[str, str]]) -> None:
        self.sections = found
        self.servers = servers
        self.security = security
        frames = list(dict.fromkeys(frame for section in found.values() for frame in section.frames()))
        self.schemas = Schemas(
            [(frame.cls, frame.mode) for frame in frames if not isinstance(frame.cls, str)],
            {value: value.annotation for section in found.values() for value in section.values},
        )
        self.ids: dict[Frame, str] = {frame: f"frame:{index}" for index, frame in enumerate(frames)}
        definitions = self.schemas.definitions
        definitions[REF] = ref_definition()
        made = {frame: frame.definition(self.schemas) for frame in frames}
        # where a message is a part of others too, it has another schema there: without the envelope
        whole = {(frame.base_of(self.schemas), framed.module) for frame, framed in made.items()}
        for key, definition in definitions.items():
            marks = ("Nested",) if (definition.base, definition.module) in whole else ()
            schema = fitting(definition.schema, self.schemas.resolve)
            definitions[key] = msgspec.structs.replace(definition, schema=schema, marks=marks)
        for frame, one in self.ids.items():
            schema = settle(made[frame].schema, self.schemas.resolve)
            definitions[one] = msgspec.structs.replace(made[frame], schema=schema)
        self.examples = {
            one: frame.examples(definitions[one].schema, self.schemas.resolve) for frame, one in self.ids.items()
        }
        for one in self.ids.values():  # they are the message's now
            schema = {key: value for key, value in definitions[one].schema.items() if key != "examples"}
            definitions[one] = msgspec.structs.replace(definitions[one], schema=schema)
        roots = [*self.ids.values(), *self._asked()]
        self.names = names({one: definitions[one] for one in reachable(roots, definitions)})

    def _asked(self) -> Iterable[str]:
        """What the schemas of the handshake refer to."""
        for section in self.sections.values():
            for value in section.values:
                yield from references(self.schemas.roots[value])

    def document(self, title: str, version: str, options: DocumentOptions) -> dict[str, Any]:
        info = {
            "title": title,
            "version": version,
            "description": options.get("description"),
            "termsOfService": options.get("terms_of_service"),
            "contact": options.get("contact"),
            "license": options.get("license"),
            "tags": [{"name": tag} if isinstance(tag, str) else dict(tag) for tag in options.get("tags", ())],
            "externalDocs": options.get("external_docs"),
        }
        schemes = options.get("security_schemes")
        components = {
            "schemas": self.components(),
            "messages": self.messages(),
            "securitySchemes": {name: dict(one) for name, one in schemes.items()} if schemes else None,
        }
        made = {
            "asyncapi": "3.0.0",
            "id": options.get("id"),
            "info": _told(info),
            "defaultContentType": "application/json",
            "servers": self.servers,
            "channels": {key: self.channel(section) for key, section in self.sections.items()},
            "operations": self.operations(),
            "components": _told(components),
        }
        return _told(made)

    def components(self) -> dict[str, Schema]:
        found = {name: self.named(self.schemas.definitions[one].schema) for one, name in self.names.items()}
        return dict(sorted(found.items()))

    def named(self, schema: Any) -> Any:
        """A schema as the document holds it."""
        return rename(schema, lambda target: f"#/components/schemas/{self.names[target]}")

    def messages(self) -> dict[str, Any]:
        made: dict[str, Any] = {}
        for frame, one in self.ids.items():
            name, schema = self.names[one], self.schemas.definitions[one].schema
            if name not in made:  # equal ones are one message
                made[name] = self.message(frame, name, schema, self.examples[one])
        return dict(sorted(made.items()))

    def message(self, frame: Frame, name: str, schema: Schema, examples: list[Any]) -> dict[str, Any]:
        correlation = {"location": "$message.payload#/ref"} if frame.ref != "never" else None
        return _told(
            {
                "name": frame.tag or name,
                "title": schema.get("title") or name,
                "summary": str(schema.get("description", "")).partition("\n")[0],
                "contentType": "application/json",
                "correlationId": correlation,
                "payload": {"$ref": f"#/components/schemas/{name}"},
                "examples": [{"payload": example} for example in examples],
            }
        )

    def channel(self, section: Section) -> dict[str, Any]:
        address, _ = split(section.served.address)
        topic = section.topic
        envelope = section.plan.envelope and section.topic is None
        messages = {self.names[self.ids[frame]]: None for frame in section.frames()}
        host = section.served.host
        on = [name for name, server in self.servers.items() if host and server["host"].partition(":")[0] == host]
        binding = handshake.binding(section, self.schemas)
        told = {
            "title": section.title,
            "description": section.description,
            "tags": [{"name": tag} for tag in section.consumer.tags] if section.consumer and topic is None else None,
            "servers": [{"$ref": f"#/servers/{name}"} for name in on],
            "parameters": {
                name: {**one, "x-schema": self.named(one["x-schema"])}
                for name, one in handshake.parameters(section, self.schemas).items()
            },
            "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in messages},
            "bindings": {"ws": {name: self.named(one) for name, one in binding.items()}} if binding else None,
            "x-host": host if not on else None,
            "x-topic": {
                "pattern": topic.pattern,
                "parameters": {
                    name: {**one, "x-schema": self.named(one["x-schema"])}
                    for name, one in handshake.topic_parameters(section, self.schemas).items()
                },
            }
            if topic
            else None,
            "x-subprotocols": list(section.service.subprotocols) if topic is None else None,
            "x-discriminator": section.plan.discriminator,
            "x-reserved-keys": sorted(RESERVED_KEYS) if envelope else None,
            "x-reserved-actions": sorted(CONTROL_ACTIONS) if envelope else None,
            "x-close-codes": handshake.close_codes(section) if topic is None else None,
        }
        return {"address": address or None, **_told(told)}

    def operations(self) -> dict[str, Any]:
        found: list[tuple[str, Section, Action]] = [
            (key, section, action) for key, section in self.sections.items() for action in section.actions
        ]
        ladders: dict[int, list[str]] = {}
        for index, (key, _, action) in enumerate(found):
            name = legal(action.name)
            name = f"{slug(action.prefix)}.{name}" if action.prefix else name
            ladders[index] = [name, f"{key}_{name}"]
        chosen = choose(ladders, set())
        return {chosen[index]: self.operation(key, action) for index, (key, _, action) in enumerate(found)}

    def operation(self, key: str, action: Action) -> dict[str, Any]:
        channel = {"$ref": f"#/channels/{key}"}
        told = action.told

        def refer(frames: Iterable[Frame]) -> list[dict[str, str]]:
            listed = dict.fromkeys(self.names[self.ids[frame]] for frame in frames)
            return [{"$ref": f"#/channels/{key}/messages/{name}"} for name in listed]

        exchange = {
            "final": list(action.final),
            "stream": (told is not None and told.streams) or None,
            "chunks": list(dict.fromkeys(tag for frame in action.chunks for tag in frame.tags)),
            "cancel": (told is not None and told.cancellable and action.action == "receive") or None,
        }
        return _told(
            {
                "action": action.action,
                "channel": channel,
                "summary": told.summary if told else None,
                "description": _description(action),
                "tags": [{"name": tag} for tag in told.tags] if told else None,
                "security": self.security,
                "messages": refer((*action.messages, *action.chunks)),
                "reply": {"channel": channel, "messages": refer(action.reply)} if action.reply else None,
                "x-exchange": _told(exchange),
            }
        )


def _description(action: Action) -> str:
    """What the function's author says, and how its messages follow each other."""
    told = action.told
    parts: list[str] = []
    if told is not None:  # both come from the docstring, where nothing else was given
        rest = told.description.removeprefix(told.summary)
        parts.append((told.description if rest[:1].strip() else rest).strip())
    if action.chunks:
        parts.append("The client streams to it: the first message, then others with its `ref`, then `complete`.")
    if told is not None and told.streams and action.action == "receive":
        parts.append("The answer is a stream: messages with the `ref` of the request, then `complete`.")
    elif told is not None and told.several and action.final:
        parts.append("The answer may be several messages with the `ref` of the request, then `complete`.")
    return "\n\n".join(filter(None, parts))


def _told(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields that say something."""
    return {key: value for key, value in fields.items() if value not in (None, "", [], {}, ())}

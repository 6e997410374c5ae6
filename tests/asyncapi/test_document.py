"""What stands in a document, part by part."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Any, Literal

import fastapi
import msgspec
import pytest
from pydantic import BaseModel, ConfigDict, Field
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute

from chanx import Channel, ConfigurationError, Depends, Path
from chanx.asyncapi import Served, document, to_json, to_yaml
from tests.asyncapi import corpus
from tests.asyncapi.conftest import Valid


class Say(BaseModel):
    action: Literal["say"] = "say"
    text: str


class Said(BaseModel):
    action: Literal["said"] = "said"
    text: str


def told(channels: Any, **options: Any) -> dict[str, Any]:
    return document(channels, title="T", version="1", **options)


def messages(operation: dict[str, Any]) -> tuple[list[str], list[str]]:
    """The names of what an operation takes, and of its replies."""
    reply = operation.get("reply", {}).get("messages", ())
    return [_last(one) for one in operation["messages"]], [_last(one) for one in reply]


def _last(reference: dict[str, str]) -> str:
    return reference["$ref"].rpartition("/")[2]


def test_one_channel(valid: Valid) -> None:
    chat = Channel("chat", title="Chat", description="Talk.")

    @chat.on(Say)
    async def say(message: Say) -> Said:
        """Say something."""
        return Said(text=message.text)

    made = document(chat, title="Office", version="1.2")
    assert valid(made) == []
    assert made["info"] == {"title": "Office", "version": "1.2"}
    channel = made["channels"]["chat"]
    assert (channel["address"], channel["title"], channel["description"]) == ("/", "Chat", "Talk.")
    assert made["operations"]["say"] == {
        "action": "receive",
        "channel": {"$ref": "#/channels/chat"},
        "summary": "Say something.",
        "messages": [{"$ref": "#/channels/chat/messages/Say"}],
        "reply": {
            "channel": {"$ref": "#/channels/chat"},
            "messages": [{"$ref": "#/channels/chat/messages/Said"}],
        },
        "x-exchange": {"final": ["said", "error"]},
    }
    assert made["components"]["messages"]["Say"] == {
        "name": "say",
        "title": "Say",
        "contentType": "application/json",
        "correlationId": {"location": "$message.payload#/ref"},
        "payload": {"$ref": "#/components/schemas/Say"},
    }
    assert made["components"]["schemas"]["Say"] == {
        "title": "Say",
        "type": "object",
        "properties": {
            "action": {"type": "string", "const": "say"},
            "text": {"type": "string"},
            "ref": {"$ref": "#/components/schemas/ref"},
        },
        "required": ["action", "text"],
    }


# -- operations -------------------------------------------------------------------------------------


def test_on_receives_and_event_sends() -> None:
    operations = told(corpus.outputs())["operations"]
    assert {name: (one["action"], *messages(one)) for name, one in operations.items()} == {
        "say": ("receive", ["Say"], ["Said"]),
        "ping": ("receive", ["Ping"], ["Pong"]),
        "both": ("receive", ["Upload", "Part"], ["Said", "Hired", "Pong", "complete"]),
        "hired": ("send", ["Said"], []),
        "told": ("send", ["Pong", "Said"], []),
        "sorry": ("send", ["Said"], []),
    }  # `unseen` sends nothing that anybody told of


def test_the_final_answers() -> None:
    operations = told(corpus.outputs())["operations"]
    # the error function may answer in the place of each
    assert operations["say"]["x-exchange"] == {"final": ["ack", "said", "error"]}
    assert operations["ping"]["x-exchange"] == {"final": ["pong", "ack", "said", "error"]}
    assert operations["both"]["x-exchange"] == {"final": ["hired", "complete", "said", "ack", "error"]}


def test_a_handler_that_sends_nothing_has_no_reply() -> None:
    chat = Channel("chat")

    @chat.on(Say)
    async def say(message: Say) -> None: ...

    made = told(chat)
    assert "reply" not in made["operations"]["say"]
    assert list(made["channels"]["chat"]["messages"]) == ["Say", "error", "ack"]


def test_summary_description_and_tags() -> None:
    operations = told({**corpus.prefixes(), "/": corpus.plain(), "/o": corpus.outputs()["/chat"]})["operations"]
    say = operations["chat_root_say"]
    assert (say["summary"], say["description"]) == ("Say something.", "All hear it.")
    assert say["tags"] == [{"name": "talk"}]
    other = operations["chat_o_say"]
    assert (other["summary"], other["description"]) == ("Say it to all", "Nothing comes back.")
    assert [one["name"] for one in operations["admin.say"]["tags"]] == ["admin"]


def test_streams() -> None:
    made = told(corpus.streams())
    upload, spell = made["operations"]["upload"], made["operations"]["spell"]
    assert messages(upload) == (["Upload", "Part"], ["Said"])
    assert upload["x-exchange"] == {"final": ["said", "error"], "chunks": ["part"], "cancel": True}
    assert "others with its `ref`, then `complete`" in upload["description"]
    assert messages(spell) == (["Say"], ["Said", "complete"])
    assert spell["x-exchange"] == {"final": ["complete", "error"], "stream": True, "cancel": True}
    assert "The answer is a stream" in spell["description"]
    schemas = made["components"]["schemas"]
    assert [name for name in ("Upload", "Part", "Say") if "ref" in schemas[name]["required"]] == ["Upload", "Part"]
    extra = [name for name in made["channels"]["streams"]["messages"] if name.islower()]
    assert extra == ["complete", "error", "ack", "cancel", "heartbeat"]


def test_included_handlers_have_the_tags_of_their_prefixes() -> None:
    made = told(corpus.prefixes())
    assert [name for name in made["operations"] if name.endswith("say")] == [
        *("admin.say", "user_notes.say"),
        *("office_say", "notes_say"),
    ]
    schemas = made["components"]["schemas"]
    assert {name: one["properties"]["action"]["const"] for name, one in schemas.items() if name.endswith("Say")} == {
        "Say": "say",
        "admin.Say": "admin.say",
        "user_notes.Say": "user notes/say",
    }
    assert schemas["Said"]["properties"]["action"]["const"] == "said"
    examples = [one["payload"] for one in made["components"]["messages"]["admin.Tree"]["examples"]]
    assert examples == [{"action": "admin.tree", "children": [{"action": "tree"}]}, {"action": "admin.tree"}]


# -- messages and schemas ---------------------------------------------------------------------------


def test_only_what_may_answer_carries_a_ref() -> None:
    schemas = told(corpus.outputs())["components"]["schemas"]
    assert "ref" in schemas["Said"]["properties"]
    made = told(corpus.nested_and_sent())["components"]
    assert "ref" not in made["schemas"]["Outer"]["properties"]
    assert "correlationId" not in made["messages"]["Outer"]


def test_without_the_envelope() -> None:
    made = told(corpus.bare())
    channel, schemas = made["channels"]["bare"], made["components"]["schemas"]
    assert list(channel["messages"]) == ["Free", "Answer", "error-kind"]
    assert channel["x-discriminator"] == "kind"
    assert "x-reserved-keys" not in channel
    assert "x-exchange" not in made["operations"]["free"]
    assert schemas["Free"]["properties"]["ref"] == {"type": "string"}
    assert list(schemas["error-kind"]["properties"]) == ["kind", "payload"]
    assert list(schemas["error"]["properties"]) == ["action", "payload", "ref"]


def test_received_and_sent_forms_are_two_only_where_they_differ() -> None:
    schemas = told(corpus.aliases())["components"]["schemas"]
    assert [name for name in schemas if name[0].isupper()] == ["Badge", "Person-Input", "Person-Output"]
    assert list(schemas["Person-Input"]["properties"]) == ["action", "firstName", "nick", "born", "homeTown", "ref"]
    assert list(schemas["Person-Output"]["properties"]) == [
        *("action", "firstName", "nickName", "born", "homeTown", "fullName", "ref")
    ]
    assert list(schemas["Badge"]["properties"]) == ["action", "firstName", "since", "code", "ref"]


def test_names_of_generic_and_recursive_classes() -> None:
    schemas = told({**corpus.generic(), **corpus.recursive(), **corpus.unions()})["components"]["schemas"]
    assert [name for name in schemas if name[0].isupper()] == [
        *("Box_int", "Box_int-Nested", "Box_str", "Cat", "Circle", "Colour", "Crate_int", "Dog", "Draw", "Level"),
        *("Node", "Node-Nested", "Page_dict_str_int", "Page_dict_str_int-Nested", "Square", "Texts"),
        *("Tree", "Tree-Nested", "Zoo"),
    ]
    assert schemas["Tree"]["properties"]["children"]["items"] == {"$ref": "#/components/schemas/Tree-Nested"}
    assert "ref" not in schemas["Tree-Nested"]["properties"]
    assert schemas["Colour"]["enum"] == ["red", "blue", "amber"]


def test_names_are_long_only_where_short_ones_clash() -> None:
    schemas = told(corpus.clashes())["components"]["schemas"]
    here = "tests__asyncapi__clash"
    assert [name for name in schemas if not name.islower() or "clash" in name] == [
        *("Both", "Colour", "Other", "Same", "Shared"),
        *(f"{here}__{side}__{name}" for side in ("left", "right") for name in ("Detail", "Mark", "Say", "Spot")),
    ]
    assert schemas[f"{here}__left__Say"]["properties"]["detail"] == {
        "$ref": f"#/components/schemas/{here}__left__Detail"
    }


def test_names_do_not_depend_on_the_order_of_channels() -> None:
    channels = {**corpus.clashes(), **corpus.aliases(), **corpus.outputs(), **corpus.streams(), **corpus.bare()}
    turned = dict(reversed(channels.items()))
    first, second = told(channels), told(turned)
    for kind in ("schemas", "messages"):
        assert first["components"][kind].keys() == second["components"][kind].keys()
    assert first["components"]["schemas"] == second["components"]["schemas"]


def test_examples() -> None:
    class Order(msgspec.Struct, tag_field="action", tag="order"):
        what: Annotated[str, msgspec.Meta(examples=["tea", "cake"])]
        count: Annotated[int, msgspec.Meta(examples=[2])] = 1
        note: str = ""

    class Ask(BaseModel):
        action: Literal["ask"] = "ask"
        what: str = Field(examples=["why"])
        count: int = Field(1, examples=["many"])  # no number
        who: str  # has none, so no example can be put together

    shop = Channel("shop")

    @shop.on(Order, Ask)
    async def order(message: Order | Ask) -> None: ...

    made = told({"/shop": shop, "/trees": corpus.recursive()["/trees"]})
    found = made["components"]["messages"]
    assert found["Order"]["examples"] == [{"payload": {"action": "order", "what": "tea", "count": 2}}]
    assert "examples" not in found["Ask"]
    assert made["components"]["schemas"]["Ask"]["properties"]["count"] == {"type": "integer", "default": 1}
    assert found["Tree"]["examples"] == [  # the third one of the class is wrong
        {"payload": {"action": "tree", "children": [{"action": "tree"}]}},
        {"payload": {"action": "tree"}},
    ]


def test_what_json_has_not_is_no_default() -> None:
    schemas = told(corpus.types())["components"]["schemas"]
    fields = schemas["Awkward-Input"]["properties"]
    assert "default" not in fields["huge"]
    assert "default" not in fields["wrong"]  # None, where only a number is valid
    assert fields["names"]["default"] == ["a", "b", "c"]
    assert fields["nested"]["default"] == {"z": ["amber", "blue", "red"]}
    assert schemas["Strange"]["properties"]["names"]["default"] == ["a", "b", "c"]


def test_a_class_without_a_schema_is_told_of_and_the_rest_documented(
    caplog: pytest.LogCaptureFixture, valid: Valid
) -> None:
    class Odd(BaseModel):
        model_config = ConfigDict(json_schema_extra={"x-set": {"a", "b"}})  # type: ignore[dict-item]
        action: Literal["odd"] = "odd"

    class Raw(msgspec.Struct, tag_field="action", tag="raw"):
        raw: msgspec.Raw = msgspec.Raw(b"1")

    chat = Channel("chat")

    @chat.on(Odd, Raw)
    async def odd(message: Odd | Raw) -> Said:
        return Said(text="")

    made = told(chat)
    assert valid(made) == []
    assert [record.levelname for record in caplog.records] == ["WARNING", "WARNING"]
    assert "cannot say what is in test_a_class_without" in caplog.text
    schemas = made["components"]["schemas"]
    assert list(schemas["Raw"]["properties"]) == list(schemas["Odd"]["properties"]) == ["action", "ref"]
    assert list(schemas["Said"]["properties"]) == ["action", "text", "ref"]


# -- the channel ------------------------------------------------------------------------------------


def test_parameters_of_the_address() -> None:
    channels = told(corpus.handshake())["channels"]
    assert [one["address"] for one in channels.values()] == [
        "/rooms/{room}/{colour}",
        "/a/{room}/{colour}/{rest}/{key}/{share}",
    ]
    first, second = (one["parameters"] for one in channels.values())
    assert first["room"] == {
        "description": "Its number.",
        "examples": ["7"],
        "x-schema": {"type": "integer", "minimum": 1, "maximum": 99, "description": "Its number.", "examples": [7]},
    }
    assert first["colour"] == {
        "enum": ["red", "blue", "amber"],
        "x-schema": {"$ref": "#/components/schemas/Colour"},
    }
    assert second["rest"]["description"].startswith("The rest of the path")
    assert second["key"]["x-schema"] == {"type": "string", "format": "uuid"}


def test_convertors_that_were_walked_to() -> None:
    chat = Channel("chat")
    made = told([Served("/{a}/{b}/{c}", chat, {"a": "int", "b": None, "c": "odd"})])
    schemas = {name: one["x-schema"] for name, one in made["channels"]["chat"]["parameters"].items()}
    assert schemas == {"a": {"type": "integer", "minimum": 0}, "b": {"type": "string"}, "c": {"type": "string"}}


def test_what_the_handshake_wants() -> None:
    channel = next(iter(told(corpus.handshake())["channels"].values()))
    binding = channel["bindings"]["ws"]
    assert binding["query"]["properties"]["p"] == {
        "type": "integer",
        "minimum": 1,
        "description": "Which page.",
        "default": 1,
    }
    assert list(binding["query"]["properties"]) == ["p", "tags", "colours", "late"]
    assert "required" not in binding["query"]  # a list may be empty, and `late` is read when a message comes
    assert binding["headers"]["required"] == ["authorization"]
    assert list(binding["x-cookies"]["properties"]) == ["sid"]
    assert channel["x-subprotocols"] == ["v2", "v1"]
    assert [code for code in channel["x-close-codes"] if code > "4"] == ["4401", "4403", "4422", "4500", "4503"]
    assert "bindings" not in told(corpus.plain())["channels"]["chat"]
    assert all(code < "4" for code in told(corpus.plain())["channels"]["chat"]["x-close-codes"])


def test_markers_of_fastapi() -> None:
    async def asked(
        token: Annotated[str, fastapi.Query(alias="t", min_length=3, description="Who asks.")],
        x_mark: Annotated[str | None, fastapi.Header(convert_underscores=False)] = None,
        page: int = fastapi.Query(5, ge=3),
        room: int = fastapi.Path(ge=1, description="Its number."),
    ) -> None: ...

    chat = Channel("chat", dependencies=[Depends(asked, scope="connection")])
    channel = told({"/{room}": chat})["channels"]["chat"]
    assert channel["bindings"]["ws"] == {
        "query": {
            "type": "object",
            "properties": {
                "t": {"type": "string", "minLength": 3, "description": "Who asks."},
                "page": {"type": "integer", "minimum": 3, "default": 5},
            },
            "required": ["t"],
        },
        "headers": {
            "type": "object",
            "properties": {"x_mark": {"anyOf": [{"type": "string"}, {"type": "null"}], "default": None}},
        },
        "bindingVersion": "0.1.0",
    }
    assert channel["parameters"]["room"]["description"] == "Its number."


def test_topics() -> None:
    made = told(corpus.topics())
    hub, topic = made["channels"]["hub"], made["channels"]["hub.discussion_pk"]
    assert (topic["address"], topic["title"], topic["description"]) == (
        *("/hub/{room}", "Discussion"),
        "What people say.",
    )
    assert topic["parameters"] == hub["parameters"]
    assert topic["x-topic"] == {
        "pattern": "discussion:{pk}",
        "parameters": {"pk": {"x-schema": {"type": "integer"}}},
    }
    assert "x-topic" not in hub
    schemas = made["components"]["schemas"]
    said = schemas["discussion_pk.Said"]
    assert said["properties"]["topic"] == {"type": "string", "pattern": "^discussion:[^:]+$"}
    assert {"topic", "version"} <= set(said["required"])
    assert schemas["discussion_pk.Say"]["required"] == ["action", "text", "topic"]  # clients may leave version out
    assert schemas["lobby.Say"]["properties"]["topic"] == {"type": "string", "const": "lobby"}
    operations = made["operations"]
    assert messages(operations["hub.discussion_pk_say"]) == (["discussion_pk.Say"], ["discussion_pk.Said"])
    assert [one["name"] for one in operations["hub.discussion_pk_say"]["tags"]] == ["threads", "talk"]
    assert messages(operations["discussion_say"]) == (["Say"], ["Said"])
    assert messages(operations["hub.lobby_subscribe"]) == (["lobby.subscribe"], ["lobby.subscribed", "lobby.error"])


def test_error_functions_around_a_topic() -> None:
    hub, topic = Channel("hub"), Channel("topic")

    @hub.on_error(ValueError)
    async def sorry(error: ValueError) -> Said:
        return Said(text="")

    @topic.on(Say)
    async def say(message: Say) -> None: ...

    hub.include(topic, topic="t")
    operations = told(hub)["operations"]
    assert messages(operations["hub.t_sorry"]) == (["t.Said"], [])
    assert operations["say"]["x-exchange"]["final"] == ["ack", "said", "error"]


# -- the application --------------------------------------------------------------------------------


def test_servers_and_security(valid: Valid) -> None:
    schemes = {"token": {"type": "http", "scheme": "bearer"}}
    made = told(
        corpus.plain(),
        servers=["wss://example.com/live", {"url": "ws://localhost:8000", "description": "Here."}, "ws://example.com"],
        security_schemes=schemes,
        security=["token"],
    )
    assert valid(made) == []
    security = [{"$ref": "#/components/securitySchemes/token"}]
    assert made["servers"] == {
        "example.com": {"host": "example.com", "protocol": "wss", "pathname": "/live", "security": security},
        "localhost_8000": {
            "host": "localhost:8000",
            "protocol": "ws",
            "description": "Here.",
            "security": security,
        },
        "example.com-2": {"host": "example.com", "protocol": "ws", "security": security},
    }
    assert made["components"]["securitySchemes"] == schemes
    alone = told(corpus.plain(), security_schemes=schemes, security=["token"])
    assert valid(alone) == []
    assert alone["operations"]["say"]["security"] == security
    named = told(corpus.plain(), servers={"live": {"host": "example.com", "protocol": "wss"}})
    assert named["servers"] == {"live": {"host": "example.com", "protocol": "wss"}}


def test_a_channel_of_one_host_is_on_its_server(valid: Valid) -> None:
    served = [Served("/", corpus.plain(), host="example.com"), Served("/x", corpus.nothing(), host="other.com")]
    made = told(served, servers={"live": "wss://example.com:8443", "test": "ws://localhost"})
    assert valid(made) == []
    assert made["channels"]["chat"]["servers"] == [{"$ref": "#/servers/live"}]
    assert made["channels"]["idle"]["x-host"] == "other.com"


def test_information(valid: Valid) -> None:
    made = told(
        corpus.plain(),
        description="Talk.",
        id="urn:example:chat",
        terms_of_service="https://example.com/terms",
        contact={"name": "Ada", "email": "ada@example.com"},
        license={"name": "MIT"},
        tags=["chat", {"name": "talk", "description": "Talking."}],
        external_docs={"url": "https://example.com"},
    )
    assert valid(made) == []
    assert made["id"] == "urn:example:chat"
    assert made["info"] == {
        "title": "T",
        "version": "1",
        "description": "Talk.",
        "termsOfService": "https://example.com/terms",
        "contact": {"name": "Ada", "email": "ada@example.com"},
        "license": {"name": "MIT"},
        "tags": [{"name": "chat"}, {"name": "talk", "description": "Talking."}],
        "externalDocs": {"url": "https://example.com"},
    }


def test_an_application_is_walked() -> None:
    app = Starlette(routes=[WebSocketRoute("/rooms/{room:int}", corpus.plain())])
    channel = told(app)["channels"]["chat"]
    assert channel["address"] == "/rooms/{room}"
    assert channel["parameters"]["room"]["x-schema"] == {"type": "integer", "minimum": 0}


def test_two_applications_have_two_documents() -> None:
    first, second = corpus.plain(), corpus.outputs()
    alone = to_json(told(first))
    told(second)
    assert to_json(told(first)) == alone
    assert list(told(first)["channels"]["chat"]["messages"]) == ["Say", "Said", "error"]


def test_a_documented_channel_is_compiled() -> None:
    chat = corpus.plain()
    told(chat)
    with pytest.raises(ConfigurationError, match="was compiled by its AsyncAPI document"):
        chat.on(Said)(lambda message: None)


@pytest.mark.parametrize(
    ("given", "options", "says"),
    [
        ({}, {}, "no channel is given"),
        ([], {}, "no channel was found in"),
        (Starlette(), {}, "no channel was found in"),
        ({"/": 5}, {}, "5 is no Channel"),
        ([Channel(), 5], {}, "5 is no Channel"),
        ({5: Channel()}, {}, "5 is no address"),
        (Channel(), {"servers": "wss://example.com"}, "give a list"),
        (Channel(), {"servers": ["example.com"]}, "a server is a URL such as"),
        (Channel(), {"servers": {"live": {"protocol": "wss"}}}, '"host" and "protocol"'),
        (Channel(), {"security": "token"}, "give a list"),
        (Channel(), {"security": ["token"]}, "security_schemes= has none"),
        (Channel(), {"security": ["token"], "security_schemes": {"other": {}}}, "has 'other'"),
    ],
    ids=lambda one: one if isinstance(one, str) else "",
)
def test_mistakes(given: Any, options: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigurationError, match=says):
        told(given, **options)


def test_a_mistake_of_the_channel_is_told() -> None:
    chat = Channel()

    @chat.on(Say)
    async def say(message: Say, room: Annotated[AsyncIterator[int], Path()]) -> None: ...

    with pytest.raises(ConfigurationError, match="'room'"):
        told(chat)


def test_yaml_needs_a_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "yaml", None)
    with pytest.raises(ConfigurationError, match=r"install chanx\[asyncapi\]"):
        to_yaml({})


def test_yaml_writes_what_stands_twice_twice() -> None:
    shared = {"a": ["no", "1", "ü"]}
    assert to_yaml({"x": shared, "y": shared}) == (
        "x:\n  a:\n  - 'no'\n  - '1'\n  - ü\ny:\n  a:\n  - 'no'\n  - '1'\n  - ü\n"
    )


def _of(made: dict[str, Any], channel: str) -> set[str]:
    """The messages of a channel."""
    return set(made["channels"][channel]["messages"])


def test_histories(valid: Valid) -> None:
    made = told(corpus.histories())
    assert valid(made) == []
    hub, plain = _of(made, "hub"), _of(made, "plain")
    assert hub - plain >= {"joined", "position", "recover", "recovered"}
    assert not any("recover" in name or "position" in name for name in plain | _of(made, "around.plain"))
    assert {"room_pk.joined", "room_pk.recovered"} <= _of(made, "around.room_pk")
    assert messages(made["operations"]["hub_recover"]) == (["recover"], ["recovered", "error"])
    assert made["operations"]["hub_recover"]["x-exchange"] == {"final": ["recovered", "error"]}
    schemas = made["components"]["schemas"]
    place = {"action", "stream", "seq", "epoch"}
    assert set(schemas["joined"]["properties"]) == set(schemas["joined"]["required"]) == place
    assert set(schemas["position"]["required"]) == place
    assert {"topic", "version", "ref"} <= set(schemas["room_pk.recovered"]["required"])
    # what is sent may carry its place; what is received, and what the plain channel sends, does not
    pushed = {
        name
        for name, one in schemas.items()
        if {"stream", "seq"} <= set(one.get("properties", ())) and "epoch" not in one["properties"]
    }
    assert pushed == {"Said-Streamed", "Strict-Streamed", "room_pk.Pong"}
    assert pushed.isdisjoint(plain)
    assert not {"stream", "seq"} & {key for name in pushed for key in schemas[name]["required"]}


def test_gaps_are_told_of_where_a_broker_is_between() -> None:
    def made(**options: Any) -> set[str]:
        channel = Channel("chat", **options)
        topic = Channel("topic")
        channel.on(Say)(_quiet)
        if options.get("envelope", True):
            topic.on(Say)(_quiet)
            channel.include(topic, topic="a")
        document = told(channel)
        return {name for key in document["channels"] for name in _of(document, key) if "gap" in name}

    url = "redis://127.0.0.1:1"  # nothing connects
    assert made() == set()
    assert made(groups=url) == {"gap", "a.gap"}
    assert made(groups=url, on_gap="close") == set()
    assert made(groups=url, envelope=False) == set()


async def _quiet(message: Say) -> None: ...

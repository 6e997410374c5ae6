"""Documents of consumers of the class API: the mapping that document 001 tells of, and where consumers are found."""

from __future__ import annotations

from typing import Any, Literal

import tests.django_project  # noqa: F401 - what follows wants its settings

# isort: split

import jsonschema
import pytest
from channels.routing import URLRouter as ChannelsURLRouter
from channels.security.websocket import AllowedHostsOriginValidator
from fastapi import FastAPI
from pydantic import BaseModel
from starlette.applications import Starlette
from starlette.routing import Mount, WebSocketRoute

from chanx import ConfigurationError
from chanx.asyncapi import document, walk
from chanx.asyncapi.generator import AsyncAPIGenerator
from chanx.channels.generic.websocket import AsyncJsonWebsocketConsumer as ChannelsConsumer
from chanx.channels.layers import InMemoryChannelLayer, channel_layers, register_channel_layer
from chanx.channels.routing import ProtocolTypeRouter, URLRouter, include, path, re_path
from chanx.channels.testing import WebsocketCommunicator
from chanx.channels.websocket import AsyncJsonWebsocketConsumer
from chanx.core.authenticator import BaseAuthenticator
from chanx.core.decorators import channel, event_handler, ws_handler
from chanx.core.topic import Topic
from chanx.generic.websocket import AsyncJsonWebsocketConsumer as OldConsumer
from chanx.messages.base import BaseChannelEvent, BaseGroupMessage, BaseMessage
from chanx.messages.incoming import PingMessage
from chanx.messages.outgoing import PongMessage
from chanx.routing import RouteDiscovery, RouteInfo, traverse_middleware_stack
from tests.asyncapi.conftest import Valid
from tests.asyncapi.reach import named


class Payload(BaseModel):
    full_name: str
    more: dict[str, int] = {}


class ChatMessage(BaseMessage):
    action: Literal["chat"] = "chat"
    payload: Payload


class LogMessage(BaseMessage):
    action: Literal["log"] = "log"
    payload: str


class ChatNotification(BaseMessage):
    """Somebody said something."""

    action: Literal["chat_notification"] = "chat_notification"
    payload: Payload


class JobResult(BaseMessage):
    action: Literal["job_result"] = "job_result"
    payload: str


class SystemNotifyEvent(BaseMessage):
    action: Literal["system_notify"] = "system_notify"
    payload: str


class SystemNotification(BaseMessage):
    action: Literal["system_notification"] = "system_notification"
    payload: str


class UserJoined(BaseMessage):
    action: Literal["user_joined"] = "user_joined"
    payload: str


class Internal(BaseMessage):
    action: Literal["internal"] = "internal"
    payload: None = None


class Typing(BaseMessage):
    action: Literal["typing"] = "typing"
    payload: None = None


@channel(name="chat", description="Real-time chat", tags=["chat", "real-time"])
class ChatConsumer(AsyncJsonWebsocketConsumer):
    """Not this."""

    passthrough_events = [UserJoined]
    emits = [Typing]

    @ws_handler
    async def handle_ping(self, message: PingMessage) -> PongMessage:
        """Answer a ping.

        At once.
        """
        return PongMessage()

    @ws_handler(
        action="chat",
        summary="Handle chat messages",
        description="Handle chat messages, and broadcast them",
        output_type=ChatNotification,
        tags=["messaging"],
    )
    async def handle_chat(self, message: ChatMessage) -> None:
        await self.send_message(ChatNotification(payload=message.payload))

    @ws_handler
    async def handle_log(self, message: LogMessage) -> None: ...

    @event_handler
    async def handle_job_result(self, event: JobResult) -> JobResult:
        return event

    @event_handler(output_type=SystemNotification, summary="A notification")
    async def handle_system_notify(self, event: SystemNotifyEvent) -> None: ...

    @event_handler
    async def handle_internal(self, event: Internal) -> None: ...


class Plain(ChannelsConsumer):
    """A consumer of Channels: what it receives nobody knows."""


def told(consumer: Any, **options: Any) -> dict[str, Any]:
    return document({"/ws": consumer}, title="Test", version="1", **options)


def operations(made: dict[str, Any]) -> dict[str, tuple[Any, ...]]:
    """What stands there of each operation: its action, the actions of its messages, and those of its reply."""

    def actions(references: Any) -> list[str]:
        names = [one["$ref"].rpartition("/")[2] for one in references]
        return [made["components"]["messages"][name]["name"] for name in names]

    return {
        name: (one["action"], actions(one["messages"]), actions(one["reply"]["messages"]) if "reply" in one else None)
        for name, one in made["operations"].items()
    }


def test_the_mapping(valid: Valid) -> None:
    made = told(ChatConsumer)
    assert operations(made) == {
        "handle_ping": ("receive", ["ping"], ["pong"]),
        "chat": ("receive", ["chat"], ["chat_notification"]),
        "handle_log": ("receive", ["log"], None),
        "handle_job_result": ("send", ["job_result"], None),
        "handle_system_notify": ("send", ["system_notification"], None),
        "handle_passthrough_user_joined": ("send", ["user_joined"], None),
        "typing": ("send", ["typing"], None),
    }
    assert not {"SystemNotifyEvent", "Internal"} & made["components"]["messages"].keys()  # they come from inside
    assert valid(made) == []


def test_what_decorators_say() -> None:
    made = told(ChatConsumer)
    ((key, one),) = made["channels"].items()
    assert (key, one["description"], one["address"]) == ("chat", "Real-time chat", "/ws")
    assert one["tags"] == [{"name": "chat"}, {"name": "real-time"}]
    found = made["operations"]
    assert (found["handle_ping"]["summary"], found["handle_ping"]["description"]) == ("Answer a ping.", "At once.")
    assert found["chat"]["summary"] == "Handle chat messages"
    assert found["chat"]["description"] == "Handle chat messages, and broadcast them"
    assert found["chat"]["tags"] == [{"name": "messaging"}]
    assert found["handle_system_notify"]["summary"] == "A notification"
    for name in ("typing", "handle_passthrough_user_joined"):  # what BaseMessage says is nothing of their own
        assert not {"summary", "description"} & found[name].keys()
    assert made["components"]["messages"]["ChatNotification"]["summary"] == "Somebody said something."


def test_a_class_without_decorator_is_called_by_its_name() -> None:
    class RoomConsumer(AsyncJsonWebsocketConsumer):
        """Rooms."""

        @ws_handler
        async def handle_ping(self, message: PingMessage) -> PongMessage:
            raise NotImplementedError

    class Silent(RoomConsumer): ...

    ((key, one),) = told(RoomConsumer)["channels"].items()
    assert (key, one["description"]) == ("RoomConsumer", "Rooms.")
    assert "tags" not in one
    ((key, one),) = told(Silent)["channels"].items()
    assert (key, one.get("description")) == ("Silent", None)


def test_several_outputs(valid: Valid) -> None:
    class Several(AsyncJsonWebsocketConsumer):
        @ws_handler(output_type=[ChatNotification, JobResult])
        async def a_list(self, message: ChatMessage) -> None: ...

        @ws_handler(output_type=ChatNotification | JobResult)
        async def a_union(self, message: LogMessage) -> PongMessage | None:
            raise NotImplementedError

        @event_handler(output_type=(ChatNotification, JobResult))
        async def a_tuple(self, event: UserJoined) -> None: ...

        @ws_handler(input_type=PingMessage)
        async def by_type(self, message: Any) -> SystemNotification | JobResult:
            raise NotImplementedError

    made = told(Several)
    assert operations(made) == {
        "a_list": ("receive", ["chat"], ["chat_notification", "job_result"]),
        "a_union": ("receive", ["log"], ["pong", "chat_notification", "job_result"]),
        "by_type": ("receive", ["ping"], ["system_notification", "job_result"]),
        "a_tuple": ("send", ["chat_notification", "job_result"], None),
    }
    assert valid(made) == []


class Mixin(AsyncJsonWebsocketConsumer):
    passthrough_events = [UserJoined, JobResult]

    @ws_handler
    async def handle_ping(self, message: PingMessage) -> PongMessage:
        raise NotImplementedError


def test_mixins_and_passed_through_events() -> None:
    class Forwarding(Mixin):
        passthrough_events = [SystemNotification]
        passthrough_method_prefix = "forward_"

        @event_handler
        async def own(self, event: JobResult) -> JobResult:
            return event

    found = operations(told(Forwarding))
    assert {(one[0], *one[1]) for one in found.values()} == {
        ("receive", "ping"),
        ("send", "job_result"),
        ("send", "user_joined"),
        ("send", "system_notification"),
    }
    assert "own" in found
    assert "forward_system_notification" in found


class Nobody(BaseAuthenticator):
    async def authenticate(self, scope: Any) -> bool:
        return False


def messages(made: dict[str, Any]) -> set[str]:
    (one,) = made["channels"].values()
    return {made["components"]["messages"][name]["name"] for name in one["messages"]}


def test_frames_that_a_consumer_sends_by_itself() -> None:
    class Quiet(AsyncJsonWebsocketConsumer):
        @ws_handler
        async def handle_ping(self, message: PingMessage) -> PongMessage:
            raise NotImplementedError

    class Talkative(Quiet):
        send_completion = True
        authenticator_class = Nobody

    class WithEvents(Talkative):
        passthrough_events = [JobResult]

    made = told(Quiet)
    assert messages(made) == {"ping", "pong", "error"}
    assert "x-close-codes" not in made["channels"]["Quiet"]
    own = {"complete", "group_complete", "authentication"}
    made = told(Talkative)
    assert messages(made) == {"ping", "pong", "error", *own}
    assert list(made["channels"]["Talkative"]["x-close-codes"]) == ["4401", "4403", "4404", "4500"]
    assert messages(told(WithEvents)) == {"ping", "pong", "error", "job_result", "event_complete", *own}


def test_camel_case(valid: Valid) -> None:
    class Camel(AsyncJsonWebsocketConsumer):
        camelize = True

        @ws_handler(output_type=ChatNotification)
        async def handle_chat(self, message: ChatMessage) -> None: ...

    class Snake(AsyncJsonWebsocketConsumer):
        @ws_handler(output_type=ChatNotification)
        async def handle_chat(self, message: ChatMessage) -> None: ...

    schemas = told(Camel)["components"]["schemas"]
    assert {*schemas["Payload"]["properties"]} == {"fullName", "more"}
    assert schemas["Payload"]["required"] == ["fullName"]
    both = document({"/camel": Camel, "/snake": Snake}, title="Both", version="1")
    assert valid(both) == []
    found = [one for name, one in both["components"]["schemas"].items() if name.startswith("Payload")]
    assert {tuple(one["required"]) for one in found} == {("fullName",), ("full_name",)}


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.parametrize("camel", [False, True])
async def test_what_travels_fits_the_document(camel: bool) -> None:
    class Wire(ChatConsumer):
        camelize = camel
        send_completion = True

    made = told(Wire)
    schemas, described = made["components"]["schemas"], made["components"]["messages"]

    def fits(frame: dict[str, Any]) -> bool:
        name = next(name for name, one in described.items() if one["name"] == frame["action"])
        whole = {"$ref": f"#/components/schemas/{name}", "components": {"schemas": schemas}}
        jsonschema.Draft7Validator(whole).validate(frame)
        return True

    client = WebsocketCommunicator(Wire.as_asgi(), "/ws")
    assert (await client.connect())[0]
    name = "fullName" if camel else "full_name"
    for frame in ({"action": "chat", "payload": {name: "Ada"}}, {"action": "ping"}, {"action": "ping", "ref": "1"}):
        assert fits(frame)
        await client.send_json_to(frame)
        assert fits(await client.receive_json_from())
        assert fits(await client.receive_json_from())
    with pytest.raises(jsonschema.ValidationError):
        fits({"action": "chat", "payload": {}})
    await client.send_json_to({"action": "chat", "payload": {}})
    assert fits(await client.receive_json_from())
    await client.disconnect()


# -- where they are found


class OneConsumer(Mixin): ...


class TwoConsumer(Mixin): ...


def found(app: Any) -> list[tuple[str, str, dict[str, Any]]]:
    return [(one.address, (one.consumer or one.channel).name, dict(one.parameters)) for one in walk(app)]


router = URLRouter([path("<slug:room>/", OneConsumer.as_asgi())])


@pytest.mark.parametrize("make", [URLRouter, ChannelsURLRouter])
def test_in_django(make: Any) -> None:
    rooms = make(
        [path("rooms/<int:room>/", OneConsumer.as_asgi()), re_path(r"^two/(?P<x>\w+)$", TwoConsumer.as_asgi())]
    )
    whole = make(
        [path("ws/", rooms), path("in/", include(__name__)), path("native", named("n")), path("p", Plain.as_asgi())]
    )
    app = ProtocolTypeRouter({"http": Plain.as_asgi(), "websocket": AllowedHostsOriginValidator(whole)})
    assert found(app) == [
        ("/ws/rooms/{room}/", "OneConsumer", {"room": "int"}),
        ("/ws/two/{x}", "TwoConsumer", {"x": "str"}),
        ("/in/{room}/", "OneConsumer", {"room": "slug"}),
        ("/native", "n", {}),
    ]
    made = document(app, title="All", version="1")
    assert list(made["channels"]) == ["OneConsumer_ws_rooms_room", "TwoConsumer", "OneConsumer_in_room", "n"]


class Around:
    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self.app(scope, receive, send)


def test_in_starlette_and_fastapi() -> None:
    ws = Starlette(routes=[WebSocketRoute("/one/{n:int}", OneConsumer.as_asgi())])
    api = FastAPI()
    api.router.routes.append(WebSocketRoute("/two", TwoConsumer.as_asgi()))
    api.mount("/ws", Around(ws))
    api.mount("/alone", TwoConsumer.as_asgi())
    assert found(Around(Around(api))) == [
        ("/two", "TwoConsumer", {}),
        ("/ws/one/{n}", "OneConsumer", {"n": "int"}),
        ("/alone/", "TwoConsumer", {}),
    ]
    assert found(Starlette(routes=[Mount("/a", Plain.as_asgi())])) == []


def test_what_a_document_takes(valid: Valid) -> None:
    for given in (OneConsumer, OneConsumer.as_asgi(), {"/": OneConsumer}, {"/": OneConsumer.as_asgi()}):
        assert [one["address"] for one in document(given, title="x", version="1")["channels"].values()] == ["/"]
    made = document([OneConsumer, named("n")], title="x", version="1")
    assert [one["address"] for one in made["channels"].values()] == [None, None]
    assert valid(made) == []
    with pytest.raises(ConfigurationError, match="is no Channel"):
        document({"/": Plain}, title="x", version="1")
    with pytest.raises(ConfigurationError, match="no channel was found"):
        document(Plain.as_asgi(), title="x", version="1")


def test_discovery() -> None:
    app = Around(
        Starlette(routes=[WebSocketRoute("/one/{n:int}", OneConsumer.as_asgi()), WebSocketRoute("/n", named("n"))])
    )
    (one,) = RouteDiscovery(app).discover_routes()
    assert one == RouteInfo("/one/{n}", OneConsumer, "ws://localhost:8000", OneConsumer, {"n": "int"})
    assert one.full_url == "ws://localhost:8000/one/{n}"
    (one,) = RouteDiscovery(Around(TwoConsumer.as_asgi())).discover_routes("wss://example.com/")
    assert (one.full_url, one.path_params) == ("wss://example.com/", None)
    inner = OneConsumer.as_asgi()
    outer = Around(Around(inner))
    assert list(traverse_middleware_stack(outer)) == [outer, outer.app, inner]
    outer.app = outer
    assert list(traverse_middleware_stack(outer)) == [outer]


def test_the_generator(valid: Valid) -> None:
    routes = RouteDiscovery(Starlette(routes=[WebSocketRoute("/one/{n:int}", OneConsumer.as_asgi())])).discover_routes()
    made = AsyncAPIGenerator(routes).generate()
    assert made["info"] == {"title": "AsyncAPI Documentation", "version": "1.0.0"}
    assert list(made["servers"].values()) == [{"host": "localhost:8000", "protocol": "ws"}]
    assert valid(made) == []
    made = AsyncAPIGenerator(
        [RouteInfo("rooms/<uuid:room>/", None, "", TwoConsumer), *routes],
        title="Chat",
        version="2",
        description="All of it.",
        server_url="example.com/live",
        server_protocol="wss",
        security_schemes={"token": {"type": "httpApiKey", "name": "token", "in": "query"}},
        security=["token"],
    ).generate()
    assert made["info"] == {"title": "Chat", "version": "2", "description": "All of it."}
    (server,) = made["servers"].values()
    assert (server["host"], server["protocol"], server["pathname"]) == ("example.com", "wss", "/live")
    assert [one["address"] for one in made["channels"].values()] == ["/rooms/{room}/", "/one/{n}"]
    assert made["channels"]["TwoConsumer"]["parameters"]["room"]["x-schema"]["format"] == "uuid"
    assert valid(made) == []
    made = AsyncAPIGenerator(routes, server_url="wss://a.example", servers={"b": "ws://b.example"}).generate()
    assert list(made["servers"]) == ["b"]
    with pytest.raises(ConfigurationError, match="there is no route to document"):
        AsyncAPIGenerator([]).generate()
    with pytest.raises(ConfigurationError, match=r"'/p' leads to Plain .*, which is neither a channel nor a consumer"):
        AsyncAPIGenerator([RouteInfo("/p", None, "", Plain)]).generate()


# -- chanx 0.12


class RoomMessage(BaseGroupMessage):
    action: Literal["room_message"] = "room_message"
    payload: Payload


class Hired(BaseChannelEvent):
    handler: Literal["hired"] = "hired"
    payload: str


class OldConsumerOfRooms(OldConsumer[ChatMessage | PingMessage, Hired, RoomMessage]):
    """Rooms."""

    async def receive_message(self, message: ChatMessage | PingMessage, **kwargs: Any) -> None: ...
    async def receive_event(self, event: Hired) -> None: ...


def test_consumers_of_the_older_generation(valid: Valid) -> None:
    made = document(URLRouter([path("old/<int:pk>/", OldConsumerOfRooms.as_asgi())]), title="Old", version="1")
    ((key, one),) = made["channels"].items()
    assert (key, one["address"], one["description"]) == ("OldConsumerOfRooms", "/old/{pk}/", "Rooms.")
    found = operations(made)
    assert {(way, *names) for way, names, _ in found.values()} == {
        ("receive", "chat"),
        ("receive", "ping"),
        ("send", "room_message"),
    }
    assert {"receive_chat_message", "receive_ping_message"} <= found.keys()
    assert "Hired" not in made["components"]["schemas"]  # it comes from inside
    assert {"AuthenticationMessage", "ErrorMessage"} <= one["messages"].keys()
    assert "x-close-codes" not in one
    assert not {"summary", "description"} & made["operations"]["receive_chat_message"].keys()
    assert valid(made) == []


def test_what_the_older_generation_sends_by_itself() -> None:
    class Quiet(OldConsumerOfRooms):
        send_authentication_message = False

    class Talkative(OldConsumerOfRooms):
        send_completion = True

    def sent(consumer: Any) -> set[str]:
        made = document(URLRouter([path("", consumer.as_asgi())]), title="Old", version="1")
        return set(next(iter(made["channels"].values()))["messages"]) - {"ChatMessage", "PingMessage", "RoomMessage"}

    assert sent(Quiet) == {"ErrorMessage"}
    assert sent(Talkative) == {"ErrorMessage", "AuthenticationMessage", "CompleteMessage", "GroupCompleteMessage"}


# -- topics


class Run(Topic):
    """One run."""

    pattern = "run:{pk}"
    passthrough_events = [JobResult]

    @ws_handler
    async def handle_log(self, message: LogMessage) -> SystemNotification:
        return SystemNotification(payload=message.payload)

    async def authorize(self, pk: str) -> bool:
        return pk == "1"


class Watching(AsyncJsonWebsocketConsumer):
    topics = [Run]

    @ws_handler
    async def handle_ping(self, message: PingMessage) -> PongMessage:
        return PongMessage()


def test_topics_of_consumers(valid: Valid) -> None:
    made = told(Watching)
    assert list(made["channels"]) == ["Watching", "Watching.run_pk"]
    one = made["channels"]["Watching.run_pk"]
    assert (one["x-topic"]["pattern"], list(one["x-topic"]["parameters"])) == ("run:{pk}", ["pk"])
    assert (one["address"], one["description"]) == ("/ws", "One run.")
    found = operations(made)
    assert found["handle_log"] == ("receive", ["log"], ["system_notification"])
    assert found["handle_passthrough_job_result"] == ("send", ["job_result"], None)
    assert found["subscribe"] == ("receive", ["subscribe"], ["subscribed", "error"])
    assert found["unsubscribe"] == ("receive", ["unsubscribe"], ["unsubscribed", "error"])
    assert valid(made) == []


def test_what_tells_of_completions_on_topics() -> None:
    class Completing(Watching):
        send_completion = True
        authenticator_class = Nobody

    class Silent(Topic):
        pattern = "silent"

    class Both(Completing):
        topics = [Run, Silent]

    made = told(Both)["channels"]
    assert {"AuthenticationMessage", "CompleteMessage", "GroupCompleteMessage"} <= made["Both"]["messages"].keys()

    def sent(key: str) -> set[str]:
        return {name.rpartition(".")[2] for name in made[key]["messages"] if name.endswith("Message")}

    assert sent("Both.silent") == {"ErrorMessage", "CompleteMessage"}
    assert sent("Both.run_pk") >= {"ErrorMessage", "CompleteMessage", "EventCompleteMessage"}
    assert not sent("Both.run_pk") & {"AuthenticationMessage", "GroupCompleteMessage"}


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_what_travels_on_topics_fits_the_document(monkeypatch: pytest.MonkeyPatch) -> None:
    made = told(Watching)
    schemas, described = made["components"]["schemas"], made["components"]["messages"]
    topic_messages = {described[name]["name"]: name for name in made["channels"]["Watching.run_pk"]["messages"]}

    def fits(frame: dict[str, Any]) -> str:
        name = topic_messages[frame["action"]]
        whole = {"$ref": f"#/components/schemas/{name}", "components": {"schemas": schemas}}
        jsonschema.Draft7Validator(whole).validate(frame)
        return str(frame["action"])

    monkeypatch.setattr(channel_layers, "_registered", {})
    register_channel_layer("default", InMemoryChannelLayer())
    client = WebsocketCommunicator(Watching.as_asgi(), "/ws")
    assert (await client.connect())[0]

    async def asked(**frame: Any) -> str:
        fits(frame)
        await client.send_json_to(frame)
        return fits(await client.receive_json_from())

    assert await asked(action="subscribe", topic="run:1", ref="1") == "subscribed"
    assert await asked(action="subscribe", topic="run:2", ref="2") == "error"
    assert await asked(action="log", topic="run:1", payload="x") == "system_notification"
    await Run.broadcast("run:1", JobResult(payload="done"), seq=3)
    assert fits(await client.receive_json_from()) == "job_result"
    assert await asked(action="unsubscribe", topic="run:1", version=1) == "unsubscribed"
    await client.disconnect()

"""Authenticators that need no Django, and what a consumer does with their verdicts."""

from __future__ import annotations

import asyncio
import gc
import inspect
import json
import logging
import subprocess
import sys
import weakref
from collections.abc import Callable, Iterator, MutableMapping
from pathlib import Path
from typing import Any

import pytest

from chanx.channels.exceptions import StopConsumer
from chanx.channels.generic.websocket import AsyncJsonWebsocketConsumer
from chanx.channels.testing import WebsocketCommunicator
from chanx.compat.authenticators import AuthenticationResult, authenticated, authenticated_by_result, internal_error
from chanx.core.authenticator import BaseAuthenticator
from chanx.fast_channels import websocket as structured
from chanx.messages.base import BaseMessage
from chanx.messages.outgoing import AuthenticationMessage
from tests.compat.documents import printed

ROOT = Path(__file__).parent.parent.parent


class Consumer(AsyncJsonWebsocketConsumer):
    """A consumer of chanx 2.x, as far as authentication goes; who may stay is greeted."""

    authenticator_class: Any = None
    authenticator: Any = None

    async def connect(self) -> None:
        if await authenticated(self):
            await self.send_json("welcome")

    async def send_message(self, message: BaseMessage) -> None:
        await self.send_json(message.model_dump(mode="json"))

    async def disconnect(self, code: int) -> None:
        self.gone = code


class OldConsumer(Consumer):
    """A consumer of chanx 0.12."""

    make: Any = None
    tell = True
    user: Any = None
    obj: Any = None
    request: Any = None

    async def connect(self) -> None:
        if await authenticated_by_result(self, type(self).make, tell=self.tell):
            await self.send_json(f"welcome {self.user} to {self.obj} by {self.request}")


@pytest.fixture
def no_collector() -> Iterator[None]:
    """What is free is free at once, or not at all."""
    gc.disable()
    yield
    gc.enable()


async def told(consumer: type[Consumer], path: str = "/") -> list[Any]:
    """What a client gets: the content of frames up to the greeting, or to the code that it is closed with."""
    client = WebsocketCommunicator(consumer.as_asgi(), path)
    assert await client.connect() == (True, None)
    got: list[Any] = []
    while not got or not str(got[-1]).startswith(("welcome", "closed")):
        event = await client.receive_output(5)
        closed = event["type"] == "websocket.close"
        got.append(f"closed {event.get('code')}" if closed else json.loads(event["text"]))
    await client.disconnect(timeout=5)
    return got


def guarded(authenticator: Any, **attributes: Any) -> type[Consumer]:
    return type("Guarded", (Consumer,), {"authenticator_class": authenticator, **attributes})


class ByScope(BaseAuthenticator):
    async def authenticate(self, scope: MutableMapping[str, Any]) -> bool:
        return scope is self.scope and bool(scope["query_string"] == b"token=good")


class ByParameter(BaseAuthenticator):
    async def authenticate(self) -> bool:
        return self.get_query_param("token") == "good"


class Inherits(ByParameter):
    """Has no method of its own."""


class Widens(ByParameter):
    """Takes the scope, which its base does not."""

    async def authenticate(self, scope: MutableMapping[str, Any] | None = None) -> bool:
        return scope is self.scope and await super().authenticate()


class Narrows(ByScope):
    async def authenticate(self) -> bool:  # type: ignore[override]
        return await super().authenticate(self.scope)


class NoBase:
    """Whatever has the method will do."""

    def __init__(self, send_message: Any) -> None: ...

    async def authenticate(self, scope: Any) -> bool:
        return bool(scope["query_string"] == b"token=good")


async def test_without_an_authenticator_everybody_may_stay() -> None:
    assert await told(Consumer) == ["welcome"]


@pytest.mark.parametrize("authenticator", [ByScope, ByParameter, Inherits, Widens, Narrows, NoBase])
async def test_both_signatures_are_called_as_they_are_written(authenticator: Any) -> None:
    consumer = guarded(authenticator)
    assert await told(consumer, "/?token=good") == ["welcome"]
    assert await told(consumer, "/?token=bad") == ["closed 4401"]
    assert await told(consumer, "/?token=good") == ["welcome"]


async def test_a_signature_is_read_once_for_each_class(monkeypatch: pytest.MonkeyPatch) -> None:
    class Once(ByParameter): ...

    assert await told(guarded(Once), "/?token=good") == ["welcome"]
    monkeypatch.setattr(inspect, "signature", None)
    assert await told(guarded(Once), "/?token=good") == ["welcome"]


async def test_a_class_that_has_been_asked_can_go() -> None:
    class Short(ByParameter): ...

    await told(guarded(Short))
    gone = weakref.ref(Short)
    del Short
    gc.collect()
    assert gone() is None


def test_an_authenticator_without_the_method_cannot_be_made() -> None:
    class Nothing(BaseAuthenticator): ...

    with pytest.raises(TypeError, match="authenticate"):
        Nothing(None)  # type: ignore[abstract, arg-type]


@pytest.mark.parametrize(
    ("query", "value"),
    [
        (b"", None),
        (b"other=1", None),
        (b"token=a", "a"),
        (b"token=", ""),
        (b"token", ""),
        (b"token=a&token=b", "b"),
        (b"token=a%20b+c", "a b c"),
        (b"token=%C3%A9", "é"),
        ("token=é".encode(), "é"),
        (b"token=\xff%ff", "\N{REPLACEMENT CHARACTER}" * 2),
        ("token=text", "text"),
    ],
)
def test_parameters_of_the_query_string(query: bytes | str, value: str | None) -> None:
    authenticator = ByParameter(None)  # type: ignore[arg-type]
    authenticator.scope = {"query_string": query}
    assert authenticator.get_query_param("token") == value
    assert authenticator.get_query_param("absent", "default") == "default"


@pytest.mark.parametrize(
    ("status_code", "close_code", "closed"),
    [
        (None, None, 4401),
        (401, None, 4401),
        (403, None, 4403),
        (404, None, 4404),
        (500, None, 4500),
        (200, None, 4401),  # an override that says no after its base has said yes
        (None, 3000, 3000),
        (403, 1008, 1008),
    ],
)
async def test_close_codes(status_code: int | None, close_code: int | None, closed: int) -> None:
    class Refuses(BaseAuthenticator):
        async def authenticate(self, scope: Any) -> bool:
            self.status_code, self.close_code = status_code, close_code
            return False

    assert await told(guarded(Refuses)) == [f"closed {closed}"]


async def test_an_authenticator_tells_the_client_before_its_verdict() -> None:
    class Tells(BaseAuthenticator):
        async def authenticate(self) -> bool:
            payload: Any = {"status_code": 403, "status_text": "Forbidden", "data": {"detail": "by hand"}}
            await self.send_message(AuthenticationMessage(payload=payload))
            return False

    assert await told(guarded(Tells)) == [
        {
            "action": "authentication",
            "payload": {"status_code": 403, "status_text": "Forbidden", "data": {"detail": "by hand"}},
        },
        "closed 4401",
    ]


def _fails_in_init(self: Any, send_message: Any) -> None:
    raise LookupError("at once")


async def _fails(self: Any, scope: Any) -> bool:
    raise LookupError("secret")


async def _cannot_reach(self: Any, scope: Any) -> bool:
    raise ConnectionRefusedError("secret")


async def _forgets_to_wait(self: Any, scope: Any) -> Any:
    return _fails(self, scope)


def _is_no_coroutine(self: Any, scope: Any) -> bool:
    return True


@pytest.mark.parametrize(
    ("attributes", "logged"),
    [
        ({"__init__": _fails_in_init, "authenticate": _fails}, "at once"),
        ({"authenticate": _fails}, "secret"),
        ({"authenticate": _cannot_reach}, "secret"),
        ({"authenticate": _forgets_to_wait}, "return await"),
        ({"authenticate": _is_no_coroutine}, "await"),
        ({}, "abstract"),
    ],
)
async def test_an_error_is_logged_and_closes_with_4500(
    attributes: dict[str, Any], logged: str, caplog: pytest.LogCaptureFixture
) -> None:
    broken = type("Broken", (BaseAuthenticator,), attributes)
    assert await told(guarded(broken)) == ["closed 4500"]
    [record] = caplog.records
    assert (record.name, record.levelno) == ("chanx", logging.ERROR)
    assert "Broken failed" in record.getMessage()
    assert logged in caplog.text


async def test_what_is_returned_counts_as_true_or_false() -> None:
    class Returns(BaseAuthenticator):
        value: Any

        async def authenticate(self) -> Any:
            return self.value

    for value, staying in (("ada", True), (None, False), ("", False), (AuthenticationResult(False, 403, ""), False)):
        got = await told(guarded(type("Case", (Returns,), {"value": value})))
        assert got == ["welcome" if staying else "closed 4401"], value


async def test_the_authenticator_is_the_consumers_while_it_is_asked() -> None:
    seen: list[bool] = []

    class Looks(BaseAuthenticator):
        async def authenticate(self) -> bool:
            seen.append(consumers[0].authenticator is self)
            return True

    consumers: list[Any] = []

    class Shows(Consumer):
        authenticator_class = Looks

        async def connect(self) -> None:
            consumers.append(self)
            await super().connect()

    assert await told(Shows) == ["welcome"]
    assert seen == [True]


async def test_a_consumer_goes_with_its_connection(no_collector: None) -> None:
    kept: list[BaseAuthenticator] = []
    consumers: list[weakref.ref[Any]] = []

    class Kept(BaseAuthenticator):
        async def authenticate(self) -> bool:
            kept.append(self)
            return True

    class Short(Consumer):
        authenticator_class = Kept

        async def connect(self) -> None:
            consumers.append(weakref.ref(self))
            await super().connect()

    assert await told(Short) == ["welcome"]
    [consumer], [authenticator] = consumers, kept
    assert consumer() is None
    await authenticator.send_message(internal_error().message())  # there is nobody to send it to


async def test_a_client_that_leaves_meanwhile_is_nobodys_mistake(caplog: pytest.LogCaptureFixture) -> None:
    """The server tells by its `send`, as ASGI 2.4 has it; the consumer is disconnected, and nothing is logged."""
    asked, go_on, events = asyncio.Event(), asyncio.Event(), asyncio.Queue[Any]()
    codes: list[int] = []

    class Waits(BaseAuthenticator):
        async def authenticate(self, scope: Any) -> bool:
            asked.set()
            await go_on.wait()
            await self.send_message(internal_error().message())
            raise AssertionError("the client had left")

    async def disconnect(self: Any, code: int) -> None:
        codes.append(code)

    async def send(event: Any) -> None:
        if go_on.is_set():
            raise OSError("the client has left")

    consumer = guarded(Waits, disconnect=disconnect)
    events.put_nowait({"type": "websocket.connect"})
    served = asyncio.ensure_future(consumer.as_asgi()({"type": "websocket"}, events.get, send))
    await asyncio.wait_for(asked.wait(), 5)
    events.put_nowait({"type": "websocket.disconnect", "code": 1001})
    go_on.set()
    await asyncio.wait_for(served, 5)
    assert codes == [1001]
    assert caplog.records == []


@pytest.mark.parametrize("generation", ["2.x", "0.12"])
async def test_a_consumer_may_be_stopped_by_its_authenticator(
    generation: str, caplog: pytest.LogCaptureFixture
) -> None:
    class Stops(BaseAuthenticator):
        async def authenticate(self) -> bool:
            raise StopConsumer

    def stops() -> Any:
        raise StopConsumer

    client = WebsocketCommunicator((guarded(Stops) if generation == "2.x" else old(stops)).as_asgi(), "/")
    assert await client.connect() == (True, None)
    await client.wait(5)
    assert caplog.records == []


async def test_a_cancelled_consumer_cancels_its_authenticator() -> None:
    asked, cancelled = asyncio.Event(), asyncio.Event()

    class Waits(BaseAuthenticator):
        async def authenticate(self, scope: Any) -> bool:
            asked.set()
            try:
                await asyncio.Event().wait()
            finally:
                cancelled.set()
            return True

    client = WebsocketCommunicator(guarded(Waits).as_asgi(), "/")
    await client.connect()
    await asyncio.wait_for(asked.wait(), 5)
    client.stop(exceptions=False)
    await asyncio.wait_for(cancelled.wait(), 5)


# chanx 0.12


class Old:
    """An authenticator of chanx 0.12 that does without Django."""

    request = "request"

    def __init__(self, result: AuthenticationResult | Exception) -> None:
        self.result = result

    async def authenticate(self, scope: Any) -> AuthenticationResult:
        if isinstance(self.result, Exception):
            raise self.result
        return self.result


def old(make: Callable[[], Any], **attributes: Any) -> type[Consumer]:
    return type("Guarded", (OldConsumer,), {"make": staticmethod(make), **attributes})


ALLOWED = AuthenticationResult(True, 200, "OK", {"detail": "OK"}, "ada", "room")
DENIED = AuthenticationResult(False, 403, "Forbidden", {"detail": "not yours"}, "ada")
INTERNAL = {
    "action": "authentication",
    "payload": {
        "status_code": 500,
        "status_text": "Internal Server Error",
        "data": {"detail": "Internal server error"},
    },
}


async def test_a_consumer_of_012_is_told_who_the_client_is() -> None:
    assert await told(old(lambda: Old(ALLOWED))) == [
        {"action": "authentication", "payload": {"status_code": 200, "status_text": "OK", "data": {"detail": "OK"}}},
        "welcome ada to room by request",
    ]
    assert await told(old(lambda: Old(ALLOWED), tell=False)) == ["welcome ada to room by request"]


async def test_a_consumer_of_012_is_closed_without_a_code() -> None:
    assert await told(old(lambda: Old(DENIED))) == [
        {
            "action": "authentication",
            "payload": {"status_code": 403, "status_text": "Forbidden", "data": {"detail": "not yours"}},
        },
        "closed None",
    ]
    assert await told(old(lambda: Old(DENIED), tell=False)) == ["closed None"]


def _cannot_be_made() -> Any:
    raise LookupError("secret")


@pytest.mark.parametrize("make", [_cannot_be_made, lambda: Old(LookupError("secret")), lambda: object()])
async def test_an_error_of_a_consumer_of_012_is_internal(make: Any, caplog: pytest.LogCaptureFixture) -> None:
    assert await told(old(make)) == [INTERNAL, "closed None"]
    [record] = caplog.records
    assert "the authenticator of Guarded failed" in record.getMessage()
    assert record.exc_info is not None


# The page about the consumers of chanx 2.x


CUSTOM_EXAMPLE = """
    from chanx.core.authenticator import BaseAuthenticator

    class TokenAuthenticator(BaseAuthenticator):
        async def authenticate(self) -> bool:
            token = self.get_query_param("token")
            if not token:
                return False

            # Validate token logic here
            self.user = await get_user_by_token(token)
            return self.user is not None

    class MyConsumer(AsyncJsonWebsocketConsumer):
        authenticator_class = TokenAuthenticator
"""


async def test_the_example_without_django() -> None:
    async def get_user_by_token(token: str) -> str | None:
        return {"sesame": "ada"}.get(token)

    surroundings = {
        "get_user_by_token": get_user_by_token,
        "AsyncJsonWebsocketConsumer": structured.AsyncJsonWebsocketConsumer,
    }

    async def post_authentication(self: Any) -> None:
        await self.send_json(f"welcome {self.user}")

    consumer = printed(CUSTOM_EXAMPLE, **surroundings)["MyConsumer"]
    consumer.post_authentication = post_authentication
    assert await told(consumer, "/?token=sesame") == ["welcome ada"]
    assert await told(consumer, "/?token=other") == ["closed 4401"]
    assert await told(consumer, "/?token=") == ["closed 4401"]
    assert await told(consumer) == ["closed 4401"]


# Import paths


WITHOUT = """
import sys
from importlib.machinery import PathFinder

class Without:
    @staticmethod
    def find_spec(name, path=None, target=None):
        return None if name.split(".")[0] in {missing!r} else PathFinder.find_spec(name, path, target)

sys.meta_path[:] = [Without if one is PathFinder else one for one in sys.meta_path]
import chanx.core.authenticator
for module in ("chanx.channels.authenticator", "chanx.generic.authenticator"):
    try:
        __import__(module)
    except ImportError as error:
        print(error)
print([name for name in sys.modules if name.split(".")[0] in ("django", "rest_framework")])
"""


@pytest.mark.parametrize("missing", [("django",), ("rest_framework",)])
def test_what_needs_django_says_so(missing: tuple[str, ...]) -> None:
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT.format(missing=missing)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    one, other, loaded = done.stdout.splitlines()
    for line in (one, other):
        assert "needs Django and Django REST Framework" in line
        assert line.endswith("pip install 'chanx[django]' djangorestframework")
    if missing == ("django",):
        assert loaded == "[]"


def test_the_base_loads_nothing_of_django() -> None:
    code = "import sys, chanx.core.authenticator; print({'django', 'rest_framework'} & set(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.strip() == "set()"

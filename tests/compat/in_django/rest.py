"""Classes of Django REST Framework decide who stays connected."""

from __future__ import annotations

import asyncio
import base64
import functools
import json
import threading
import uuid
from collections.abc import Sequence
from typing import Any
from unittest import mock

from django.contrib.auth import get_user_model
from django.core.exceptions import PermissionDenied
from django.db import connection
from django.http import Http404, HttpRequest
from django.test import Client, TestCase, TransactionTestCase, override_settings
from django.urls import path, re_path
from django.utils.translation import gettext_lazy
from rest_framework import exceptions
from rest_framework.authentication import (
    BaseAuthentication,
    BasicAuthentication,
    SessionAuthentication,
    TokenAuthentication,
)
from rest_framework.authtoken import models as tokens
from rest_framework.permissions import (
    AllowAny,
    BasePermission,
    DjangoModelPermissions,
    IsAuthenticated,
    IsAuthenticatedOrReadOnly,
)
from rest_framework.response import Response
from rest_framework.throttling import BaseThrottle

from chanx.channels.auth import AuthMiddlewareStack
from chanx.channels.authenticator import BaseAuthenticator, DjangoAuthenticator
from chanx.channels.generic.websocket import AsyncJsonWebsocketConsumer
from chanx.channels.routing import URLRouter
from chanx.channels.sessions import SessionMiddlewareStack
from chanx.channels.testing import WebsocketCommunicator
from chanx.compat.authenticators import authenticated, authenticated_by_result
from chanx.compat.drf import authenticator_for
from chanx.generic.authenticator import AuthenticationResult, ChanxAuthView, ChanxWebsocketAuthenticator
from chanx.messages.base import BaseMessage
from tests.compat.in_django.rooms.models import Room

User: Any = get_user_model()
Token: Any = tokens.Token
Headers = Sequence[tuple[bytes, bytes]]


class Consumer(AsyncJsonWebsocketConsumer):
    """A consumer of chanx 2.x, as far as authentication goes; who may stay is told what is known."""

    authenticator_class: Any = None
    authenticator: Any = None

    async def connect(self) -> None:
        if await authenticated(self):
            found = self.authenticator
            await self.send_json([found.user.username, found.obj and found.obj.name])

    async def send_message(self, message: BaseMessage) -> None:
        await self.send_json(message.model_dump(mode="json"))


class OldConsumer(Consumer):
    """The same of chanx 0.12."""

    authentication_classes: Any = None
    permission_classes: Any = None
    queryset: Any = True
    auth_method = "get"
    lookup_field = "pk"
    lookup_url_kwarg: Any = None
    user: Any = None
    obj: Any = None
    request: Any = None

    async def connect(self) -> None:
        if await authenticated_by_result(self, functools.partial(authenticator_for, self), tell=True):
            await self.send_json([self.user.username, self.obj and self.obj.name])


def new(**attributes: Any) -> type[Consumer]:
    authenticator = type("Guard", (DjangoAuthenticator,), attributes)
    return type("New", (Consumer,), {"authenticator_class": authenticator})


def old(**attributes: Any) -> type[Consumer]:
    return type("Old", (OldConsumer,), attributes)


def routed(consumer: Any) -> Any:
    """By two routes, and by one without parameters."""
    served = consumer.as_asgi()
    return URLRouter([path("rooms/<str:pk>/", served), path("<slug:name>/<slug:room>/", served), re_path("", served)])


async def told(application: Any, url: str = "/", headers: Headers = ()) -> list[Any]:
    """What a client gets: the content of frames up to the greeting, or to the code that it is closed with."""
    if isinstance(application, type):
        application = routed(application)
    client = WebsocketCommunicator(application, url, [(b"host", b"testserver"), *headers])
    assert await client.connect(5) == (True, None)
    got: list[Any] = []
    while not got or isinstance(got[-1], dict):
        event = await client.receive_output(5)
        got.append(event.get("code") if event["type"] == "websocket.close" else json.loads(event["text"]))
    await client.disconnect(timeout=5)
    return got


PHRASES = {200: "OK", 400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found"}
PHRASES |= {500: "Internal Server Error", 503: "Service Unavailable"}


def message(status: int, data: Any) -> dict[str, Any]:
    data = data if isinstance(data, dict) else {"detail": data}
    payload = {"status_code": status, "status_text": PHRASES[status], "data": data}
    return {"action": "authentication", "payload": payload}


def allowed(user: str, room: str | None = None) -> list[Any]:
    return [message(200, "OK"), [user, room]]


def denied(status: int, data: Any) -> list[Any]:
    return [message(status, data), 4000 + status]


def token(key: str) -> Headers:
    return [(b"authorization", f"Token {key}".encode())]


def basic(name: str, password: str) -> Headers:
    return [(b"authorization", b"Basic " + base64.b64encode(f"{name}:{password}".encode()))]


NOT_GIVEN = "Authentication credentials were not provided."
NOT_ALLOWED = "You do not have permission to perform this action."


class IsMember(BasePermission):
    """Asks the database."""

    message = "You are not in this room."

    def has_object_permission(self, request: Any, view: Any, obj: Room) -> Any:
        return bool(obj.members.filter(pk=request.user.pk).exists())


class Raises(BasePermission):
    error: Any

    def has_permission(self, request: Any, view: Any) -> Any:
        raise self.error


def raising(error: Exception) -> Any:
    return type("Raising", (Raises,), {"error": error})


class ByQuery(BaseAuthentication):
    """A class of one's own."""

    def authenticate(self, request: Any) -> Any:
        if (name := request.query_params.get("name")) is None:
            return None
        try:
            return User.objects.get(username=name), "by name"
        except User.DoesNotExist:
            raise exceptions.AuthenticationFailed({"detail": f"Nobody is called {name}.", "retry": False}) from None

    def authenticate_header(self, request: Any) -> Any:
        return "Name"


class ByCookie(ByQuery):
    def authenticate(self, request: Any) -> Any:
        return User.objects.filter(username=request.COOKIES.get("name")).first(), None


class Never(BaseThrottle):
    def allow_request(self, request: Any, view: Any) -> bool:
        return False


class Data(TestCase):
    """Ada owns a room that Bob is in, too; Cleo may not log in any more."""

    @classmethod
    def setUpTestData(cls) -> None:
        cls.ada = User.objects.create_user("ada", password="secret")
        cls.bob = User.objects.create_user("bob")
        cls.cleo = User.objects.create_user("cleo", password="secret", is_active=False)
        cls.room = Room.objects.create(name="attic", owner=cls.ada)
        cls.room.members.set([cls.ada, cls.bob])
        cls.keys = {user.username: Token.objects.create(user=user).key for user in (cls.ada, cls.bob, cls.cleo)}

    def bearer(self, name: str) -> Headers:
        return token(self.keys[name])


class Classes(Data):
    """Authentication classes; a `TestCase`, so that each of them sees the transaction of the test."""

    async def test_nobody_is_asked_for_anything_where_nothing_says_so(self) -> None:
        self.assertEqual(await told(new()), allowed(""))
        self.assertEqual(await told(new(), "/rooms/7/"), allowed(""))  # a parameter, and no queryset

    async def test_tokens(self) -> None:
        consumer = new(authentication_classes=[TokenAuthentication], permission_classes=[IsAuthenticated])
        self.assertEqual(await told(consumer, "/", self.bearer("ada")), allowed("ada"))
        self.assertEqual(await told(consumer), denied(401, NOT_GIVEN))
        self.assertEqual(await told(consumer, "/", token("wrong")), denied(401, "Invalid token."))
        self.assertEqual(await told(consumer, "/", self.bearer("cleo")), denied(401, "User inactive or deleted."))
        spaces = "Invalid token header. Token string should not contain spaces."
        self.assertEqual(await told(consumer, "/", token("a b")), denied(401, spaces))
        await Token.objects.filter(user=self.ada).adelete()
        self.assertEqual(await told(consumer, "/", self.bearer("ada")), denied(401, "Invalid token."))

    async def test_a_wrong_token_is_refused_also_where_everybody_may_stay(self) -> None:
        consumer = new(authentication_classes=[TokenAuthentication], permission_classes=[AllowAny])
        self.assertEqual(await told(consumer), allowed(""))
        self.assertEqual(await told(consumer, "/", token("wrong")), denied(401, "Invalid token."))

    async def test_passwords(self) -> None:
        consumer = new(authentication_classes=[BasicAuthentication], permission_classes=[IsAuthenticated])
        self.assertEqual(await told(consumer, "/", basic("ada", "secret")), allowed("ada"))
        for name, password in (("ada", "wrong"), ("cleo", "secret"), ("nobody", "")):
            got = await told(consumer, "/", basic(name, password))
            self.assertEqual(got, denied(401, "Invalid username/password."))

    async def test_classes_of_ones_own(self) -> None:
        consumer = new(authentication_classes=[ByQuery], permission_classes=[IsAuthenticated])
        self.assertEqual(await told(consumer, "/?name=ada"), allowed("ada"))
        self.assertEqual(
            await told(consumer, "/?name=x"), denied(401, {"detail": "Nobody is called x.", "retry": "False"})
        )
        by_cookie = new(authentication_classes=[ByCookie], permission_classes=[IsAuthenticated])
        self.assertEqual(await told(by_cookie, "/", [(b"cookie", b"a=b; name=bob")]), allowed("bob"))

    async def test_the_first_class_that_knows_the_client_counts(self) -> None:
        consumer = new(authentication_classes=[TokenAuthentication, ByQuery], permission_classes=[IsAuthenticated])
        self.assertEqual(await told(consumer, "/?name=ada"), allowed("ada"))
        self.assertEqual(await told(consumer, "/?name=ada", self.bearer("bob")), allowed("bob"))
        self.assertEqual(await told(consumer, "/?name=ada", token("wrong")), denied(401, "Invalid token."))

    async def test_without_a_class_nobody_is_known(self) -> None:
        consumer = new(authentication_classes=[], permission_classes=[IsAuthenticated])
        self.assertEqual(await told(consumer, "/", self.bearer("ada")), denied(403, NOT_ALLOWED))

    async def test_settings_of_the_framework_count_when_they_are_overridden(self) -> None:
        everywhere = {
            "DEFAULT_AUTHENTICATION_CLASSES": ["rest_framework.authentication.TokenAuthentication"],
            "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
        }
        with override_settings(REST_FRAMEWORK=everywhere):
            self.assertEqual(await told(new()), denied(401, NOT_GIVEN))
            self.assertEqual(await told(new(), "/", self.bearer("ada")), allowed("ada"))
            self.assertEqual(await told(new(permission_classes=[])), allowed(""))
        self.assertEqual(await told(new()), allowed(""))

    async def test_throttles_do_not_apply(self) -> None:
        with mock.patch("rest_framework.views.APIView.throttle_classes", [Never]):
            self.assertEqual(await told(new()), allowed(""))

    async def test_what_the_handshake_accepts_does_not_matter(self) -> None:
        self.assertEqual(await told(new(), "/?format=html", [(b"accept", b"text/html")]), allowed(""))


class Objects(Data):
    async def test_an_object_is_looked_up_and_its_permissions_are_checked(self) -> None:
        consumer = new(
            authentication_classes=[TokenAuthentication],
            permission_classes=[IsAuthenticated & IsMember],
            queryset=Room.objects.all(),
        )
        url = f"/rooms/{self.room.pk}/"
        self.assertEqual(await told(consumer, url, self.bearer("bob")), allowed("bob", "attic"))
        await self.room.members.aremove(self.bob)
        self.assertEqual(await told(consumer, url, self.bearer("bob")), denied(403, NOT_ALLOWED))
        self.assertEqual(await told(consumer, url), denied(401, NOT_GIVEN))

    async def test_the_message_of_a_permission_is_told(self) -> None:
        consumer = new(permission_classes=[IsMember], queryset=Room.objects.all(), authentication_classes=[ByQuery])
        await User.objects.acreate(username="dan")
        got = await told(consumer, f"/rooms/{self.room.pk}/?name=dan")
        self.assertEqual(got, denied(403, "You are not in this room."))

    async def test_objects_that_are_not_there(self) -> None:
        consumer = new(queryset=Room.objects.all())
        missing = "No Room matches the given query."
        self.assertEqual(await told(consumer, "/rooms/0/"), denied(404, missing))
        self.assertEqual(await told(consumer, "/rooms/attic/"), denied(404, "Not found."))
        nothing = new(queryset=Room.objects.exclude(name="attic"))
        self.assertEqual(await told(nothing, f"/rooms/{self.room.pk}/"), denied(404, missing))

    async def test_a_queryset_is_asked_anew_by_each_connection(self) -> None:
        seen: list[int] = []

        class Counts(BasePermission):
            def has_permission(self, request: Any, view: Any) -> Any:
                seen.append(len(view.get_queryset()))
                return True

        consumer = new(queryset=Room.objects.all(), permission_classes=[Counts])
        self.assertEqual((await told(consumer, f"/rooms/{self.room.pk}/"))[1], ["", "attic"])
        later = await Room.objects.acreate(name="cellar", owner=self.ada)
        self.assertEqual((await told(consumer, f"/rooms/{later.pk}/"))[1], ["", "cellar"])
        self.assertEqual(seen, [1, 2])

    async def test_a_manager_is_a_queryset_too(self) -> None:
        self.assertEqual(await told(new(queryset=Room.objects), f"/rooms/{self.room.pk}/"), allowed("", "attic"))

    async def test_other_fields_and_parameters(self) -> None:
        named = new(queryset=Room.objects.all(), lookup_field="name")
        self.assertEqual(await told(named, "/attic/x/"), allowed("", "attic"))
        by_parameter = new(queryset=Room.objects.all(), lookup_field="name", lookup_url_kwarg="room")
        self.assertEqual(await told(by_parameter, "/x/attic/"), allowed("", "attic"))

    async def test_the_parameters_of_a_route_of_starlettes(self) -> None:
        consumer = new(queryset=Room.objects.all())

        async def application(scope: Any, receive: Any, send: Any) -> None:
            await consumer.as_asgi()({**scope, "path_params": {"pk": str(self.room.pk)}}, receive, send)

        self.assertEqual(await told(application), allowed("", "attic"))

    async def test_a_queryset_without_a_parameter_is_a_mistake_that_is_told(self) -> None:
        with self.assertLogs("chanx", "ERROR") as logs:
            self.assertEqual(
                await told(new(queryset=Room.objects.all()), "/x/y/"), denied(500, "Internal server error")
            )
        self.assertIn("Guard has a queryset, so the URL must have the parameter 'pk'", logs.output[0])
        self.assertIn("'name', 'room'", logs.output[0])


class Permissions(Data):
    async def test_the_method_that_permissions_see(self) -> None:
        reads = {"authentication_classes": [ByQuery], "permission_classes": [IsAuthenticatedOrReadOnly]}
        self.assertEqual(await told(new(**reads)), allowed(""))
        for method in ("post", "PUT", "patch", "delete"):
            consumer = new(**reads, auth_method=method)
            self.assertEqual(await told(consumer), denied(401, NOT_GIVEN), method)
            self.assertEqual(await told(consumer, "/?name=ada"), allowed("ada"), method)
        for method in ("options", "head"):
            self.assertEqual(await told(new(**reads, auth_method=method)), allowed(""), method)

    async def test_an_object_is_looked_up_whatever_the_method(self) -> None:
        for method in ("get", "post", "put", "patch", "delete", "options", "head"):
            consumer = new(queryset=Room.objects.all(), auth_method=method)
            self.assertEqual(await told(consumer, f"/rooms/{self.room.pk}/"), allowed("", "attic"), method)
            self.assertEqual((await told(consumer, "/rooms/0/"))[-1], 4404, method)

    async def test_permissions_of_models(self) -> None:
        consumer = new(
            authentication_classes=[ByQuery],
            permission_classes=[DjangoModelPermissions],
            queryset=Room.objects.all(),
            auth_method="delete",
        )
        url = f"/rooms/{self.room.pk}/?name=ada"
        self.assertEqual(await told(consumer, url), denied(403, NOT_ALLOWED))
        await User.objects.filter(username="ada").aupdate(is_superuser=True)
        self.assertEqual(await told(consumer, url), allowed("ada", "attic"))

    async def test_what_is_raised_and_not_meant_for_clients_is_logged(self) -> None:
        for error in (LookupError("secret"), OSError("secret"), AttributeError("secret"), AssertionError("secret")):
            with self.assertLogs("chanx", "ERROR") as logs:
                got = await told(new(permission_classes=[raising(error)]))
            self.assertEqual(got, denied(500, "Internal server error"))
            self.assertIn("Guard failed", logs.output[0])
            self.assertIn("secret", logs.output[0])
            self.assertEqual(len(logs.output), 1)

    @override_settings(DEBUG=True)
    async def test_nor_is_it_told_in_debug_mode(self) -> None:
        with self.assertLogs("chanx", "ERROR"):
            got = await told(new(permission_classes=[raising(LookupError("secret"))]))
        self.assertEqual(got, denied(500, "Internal server error"))

    async def test_what_is_raised_for_clients_is_told(self) -> None:
        class Closed(exceptions.APIException):
            status_code = 503
            default_detail = "Closed at night."

        for error, got in (
            (Closed(), denied(503, "Closed at night.")),
            (PermissionDenied("Not you."), denied(403, "Not you.")),
            (Http404("No such thing."), denied(404, "No such thing.")),
            (exceptions.ValidationError(["a", "b"]), denied(400, {"detail": ["a", "b"]})),
        ):
            self.assertEqual(await told(new(permission_classes=[raising(error)])), got)

    async def test_an_exception_handler_of_ones_own(self) -> None:
        one = uuid.uuid4()

        def handler(error: Exception, context: Any) -> Response:
            self.assertIsInstance(context["view"], ChanxAuthView)
            return Response({"id": one, "why": gettext_lazy("because")}, status=403)

        def nothing(error: Exception, context: Any) -> Response:
            return Response(status=403)

        consumer = new(permission_classes=[raising(LookupError("secret"))])
        with override_settings(REST_FRAMEWORK={"EXCEPTION_HANDLER": handler}):
            self.assertEqual(await told(consumer), denied(403, {"id": str(one), "why": "because"}))
        with override_settings(REST_FRAMEWORK={"EXCEPTION_HANDLER": nothing}):
            self.assertEqual(await told(consumer), denied(403, {}))

    async def test_a_handshake_that_django_suspects_is_a_bad_request(self) -> None:
        class Hosts(BasePermission):
            def has_permission(self, request: Any, view: Any) -> Any:
                return bool(request.get_host())

        consumer = new(permission_classes=[Hosts])
        self.assertEqual(await told(consumer), allowed(""))
        application = routed(consumer)

        async def elsewhere(scope: Any, receive: Any, send: Any) -> None:
            await application({**scope, "headers": [(b"host", b"elsewhere")]}, receive, send)

        with self.assertLogs("chanx", "WARNING") as logs:
            self.assertEqual(await told(elsewhere), denied(400, "Bad request"))
        self.assertEqual([record.levelname for record in logs.records], ["WARNING"])

    async def test_mistakes_in_attributes_are_told(self) -> None:
        for attributes, said in (
            ({"auth_method": "fetch"}, "auth_method of Guard is 'fetch'"),
            ({"queryset": Room}, "write a queryset such as Model.objects.all()"),
            ({"queryset": False}, "write a queryset such as Model.objects.all()"),
        ):
            with self.assertLogs("chanx", "ERROR") as logs:
                self.assertEqual((await told(new(**attributes)))[-1], 4500)
            self.assertIn(said, logs.output[0])


class Sent:
    """What an authenticator has sent."""

    def __init__(self) -> None:
        self.messages: list[Any] = []

    async def send(self, message: BaseMessage) -> None:
        self.messages.append(message.model_dump())


class Requests(Data):
    async def seen(self, url: str = "/", headers: Headers = (), **scope: Any) -> Any:
        """The request that an authenticator keeps."""
        authenticator = DjangoAuthenticator(Sent().send)
        whole = {**WebsocketCommunicator(None, url, list(headers)).scope, **scope}
        self.assertTrue(await authenticator.authenticate(whole))
        return authenticator.request

    async def test_it_is_djangos(self) -> None:
        request = await self.seen("/a/?b=c", [(b"x-one", b"1"), (b"host", b"testserver"), (b"cookie", b"d=e")])
        self.assertIsInstance(request, HttpRequest)
        self.assertEqual((request.method, request.path, request.GET.dict()), ("GET", "/a/", {"b": "c"}))
        self.assertEqual((request.headers["X-One"], request.COOKIES), ("1", {"d": "e"}))
        self.assertEqual(request.build_absolute_uri(), "http://testserver/a/?b=c")
        self.assertFalse(request.user.is_authenticated)
        self.assertIsNone(request.auth)

    async def test_it_is_secure_where_the_websocket_is(self) -> None:
        self.assertTrue((await self.seen(scheme="wss")).is_secure())
        self.assertFalse((await self.seen(scheme="ws")).is_secure())

    async def test_it_has_no_body_whatever_the_client_says(self) -> None:
        class Reads(BasePermission):
            def has_permission(self, request: Any, view: Any) -> Any:
                return not request.data

        body = [(b"content-length", b"5"), (b"content-type", b"application/json")]
        self.assertEqual(await told(new(permission_classes=[Reads], auth_method="post"), "/", body), allowed(""))

    async def test_a_query_string_that_is_no_text(self) -> None:
        request = await self.seen(query_string=b"a=\xff&b=%FF&c=\xc3\xa9")
        self.assertEqual(request.GET.dict(), {"a": "\ufffd", "b": "\ufffd", "c": "é"})
        self.assertEqual((await self.seen(query_string="a=b")).GET.dict(), {"a": "b"})

    async def test_what_a_class_has_found_is_kept(self) -> None:
        class Guard(DjangoAuthenticator):
            authentication_classes = [ByQuery]
            queryset = Room.objects.select_related("owner")
            obj: Room

        sent = Sent()
        guard = Guard(sent.send)
        scope = {**WebsocketCommunicator(None, "/?name=bob").scope, "path_params": {"pk": self.room.pk}}
        self.assertTrue(await guard.authenticate(scope))
        self.assertEqual((guard.user, guard.obj, guard.obj.owner), (self.bob, self.room, self.ada))
        self.assertEqual((guard.request.user, guard.request.auth, guard.status_code), (self.bob, "by name", 200))
        self.assertEqual(sent.messages, [message(200, "OK")])

        guard = Guard(sent.send)
        self.assertFalse(await guard.authenticate({**scope, "path_params": {"pk": 0}}))
        self.assertEqual((guard.user, guard.obj, guard.status_code), (self.bob, None, 404))


class Messages(Data):
    async def test_the_setting_and_the_attribute(self) -> None:
        with override_settings(CHANX={"SEND_AUTHENTICATION_MESSAGE": False}):
            self.assertEqual(await told(new()), [["", None]])
            self.assertEqual(await told(new(permission_classes=[IsAuthenticated])), [4403])
            self.assertEqual(await told(new(send_authentication_message=True)), allowed(""))
        self.assertEqual(await told(new(send_authentication_message=False)), [["", None]])

    async def test_an_override_may_say_no_after_its_base_has_said_yes(self) -> None:
        class Banned(DjangoAuthenticator):
            async def authenticate(self, scope: Any) -> bool:
                return await super().authenticate(scope) and not self.user.is_anonymous

        consumer = type("New", (Consumer,), {"authenticator_class": Banned})
        self.assertEqual(await told(consumer), [message(200, "OK"), 4401])

    async def test_it_is_an_authenticator(self) -> None:
        self.assertTrue(issubclass(DjangoAuthenticator, BaseAuthenticator))


class Old(Data):
    async def test_a_consumer_of_012_is_configured_itself(self) -> None:
        consumer = old(
            authentication_classes=[TokenAuthentication], permission_classes=[IsMember], queryset=Room.objects.all()
        )
        url = f"/rooms/{self.room.pk}/"
        self.assertEqual(await told(consumer, url, self.bearer("bob")), allowed("bob", "attic"))
        self.assertEqual(await told(consumer, url), [message(401, NOT_GIVEN), None])
        self.assertEqual(await told(consumer, "/rooms/0/"), [message(404, "No Room matches the given query."), None])
        await self.room.members.aremove(self.bob)
        not_in = [message(403, "You are not in this room."), None]
        self.assertEqual(await told(consumer, url, self.bearer("bob")), not_in)

    async def test_its_other_attributes(self) -> None:
        consumer = old(queryset=Room.objects.all(), lookup_field="name", lookup_url_kwarg="room", auth_method="post")
        self.assertEqual(await told(consumer, "/x/attic/"), allowed("", "attic"))
        read = old(permission_classes=[IsAuthenticatedOrReadOnly], auth_method="post")
        self.assertEqual((await told(read))[-1], None)

    async def test_an_error_is_internal(self) -> None:
        with self.assertLogs("chanx", "ERROR") as logs:
            got = await told(old(permission_classes=[raising(LookupError("secret"))]))
        self.assertEqual(got, [message(500, "Internal server error"), None])
        self.assertIn("secret", logs.output[0])

    async def test_an_authenticator_of_ones_own_keeps_what_the_consumer_leaves_out(self) -> None:
        class Own(ChanxWebsocketAuthenticator):
            permission_classes = [IsAuthenticated]
            authentication_classes = [ByQuery]
            queryset = Room.objects.all()

        url = f"/rooms/{self.room.pk}/"
        self.assertEqual((await told(old(authenticator_class=Own), url))[-1], None)
        self.assertEqual(await told(old(authenticator_class=Own), f"{url}?name=ada"), allowed("ada", "attic"))
        everybody = old(authenticator_class=Own, permission_classes=[])
        self.assertEqual(await told(everybody, url), allowed("", "attic"))

    async def test_the_result(self) -> None:
        authenticator = ChanxWebsocketAuthenticator()
        authenticator.permission_classes = [IsAuthenticated]
        result = await authenticator.authenticate(WebsocketCommunicator(None, "/").scope)
        self.assertIsInstance(result, AuthenticationResult)
        self.assertFalse(result)
        self.assertEqual((result.status_code, result.data, result.obj), (403, {"detail": NOT_GIVEN}, None))
        self.assertIs(result.user, authenticator.user)


class Server(TransactionTestCase):
    """As on a server: nothing waits outside of the loop, so that the classes run in threads of their own."""

    def cookie(self, name: str) -> Headers:
        client = Client()
        client.force_login(User.objects.get(username=name))
        return [(b"cookie", f"sessionid={client.cookies['sessionid'].value}".encode())]

    def setUp(self) -> None:
        self.ada = User.objects.create_user("ada")

    def test_sessions(self) -> None:
        consumer = new(authentication_classes=[SessionAuthentication], permission_classes=[IsAuthenticated])
        application = AuthMiddlewareStack(routed(consumer))
        ada = self.cookie("ada")
        self.assertEqual(asyncio.run(told(application, "/", ada)), allowed("ada"))
        self.assertEqual(asyncio.run(told(application)), denied(403, NOT_GIVEN))
        self.assertEqual(asyncio.run(told(consumer, "/", ada)), denied(403, NOT_GIVEN))  # no middleware, no session
        User.objects.update(is_active=False)
        self.assertEqual(asyncio.run(told(application, "/", ada)), denied(403, NOT_GIVEN))

    def test_a_session_needs_no_token_against_forged_requests(self) -> None:
        ada = self.cookie("ada")
        for method in ("get", "post", "delete"):
            consumer = new(
                authentication_classes=[SessionAuthentication],
                permission_classes=[IsAuthenticated],
                auth_method=method,
            )
            self.assertEqual(asyncio.run(told(AuthMiddlewareStack(routed(consumer)), "/", ada)), allowed("ada"), method)

    def test_a_session_without_a_user_is_enough(self) -> None:
        consumer = new(authentication_classes=[SessionAuthentication], permission_classes=[IsAuthenticated])
        application = SessionMiddlewareStack(routed(consumer))
        self.assertEqual(asyncio.run(told(application, "/", self.cookie("ada"))), allowed("ada"))
        self.assertEqual(asyncio.run(told(application)), denied(403, NOT_GIVEN))

    def test_the_databases_connections_are_closed_after_it(self) -> None:
        seen: list[Any] = []

        class Looks(BasePermission):
            def has_permission(self, request: Any, view: Any) -> Any:
                User.objects.count()
                seen.append((threading.current_thread(), connection._connections["default"], connection.connection))
                return True

        self.assertEqual(asyncio.run(told(new(permission_classes=[Looks]))), allowed(""))
        [(thread, wrapper, inside)] = seen
        self.assertIsNot(thread, threading.main_thread())
        self.assertIsNotNone(inside)
        self.assertIsNone(wrapper.connection)

    def test_many_clients_at_once(self) -> None:
        consumer = new(authentication_classes=[ByQuery], permission_classes=[IsAuthenticated])

        async def many() -> list[Any]:
            return await asyncio.gather(*(told(consumer, "/?name=ada") for _ in range(60)))

        self.assertEqual(asyncio.run(many()), [allowed("ada")] * 60)

    def leaving(self, leave: Any) -> None:
        """A client leaves while a permission is thought about, which then ends."""
        asked, go_on, ended = threading.Event(), threading.Event(), threading.Event()

        class Thinks(BasePermission):
            def has_permission(self, request: Any, view: Any) -> Any:
                asked.set()
                assert go_on.wait(20)
                ended.set()
                return True

        async def serve() -> None:
            client = WebsocketCommunicator(new(permission_classes=[Thinks]).as_asgi(), "/")
            await client.connect(5)
            await asyncio.to_thread(asked.wait, 20)
            await leave(client)
            go_on.set()
            await asyncio.to_thread(ended.wait, 20)
            await client.wait(5)

        with self.assertNoLogs("chanx"):
            asyncio.run(serve())
        self.assertTrue(ended.is_set())

    def test_a_client_that_leaves_meanwhile(self) -> None:
        async def leave(client: Any) -> None:
            await client.send_input({"type": "websocket.disconnect", "code": 1001})

        self.leaving(leave)

    def test_a_server_that_ends_meanwhile(self) -> None:
        async def leave(client: Any) -> None:
            client.stop(exceptions=False)

        self.leaving(leave)

"""Authentication by Django REST Framework: its classes decide about a connection as they do about a request.

A view of theirs is run, in a thread, on a request that is made from the scope of the handshake. Both generations stand
on it: `DjangoAuthenticator` of chanx 2.x and `ChanxWebsocketAuthenticator` of chanx 0.12 differ in what they return.
"""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Sequence
from typing import Any, Literal, TypeAlias, cast

from chanx.compat.authenticators import AuthenticationResult, BaseAuthenticator, Scope, internal_error, refused
from chanx.compat.extra import rest_framework
from chanx.compat.settings import send_authentication_message
from chanx.compat.threads import in_thread
from chanx.exceptions import ConfigurationError

logger = logging.getLogger("chanx")


def _theirs(module: str) -> Any:
    return rest_framework(module, needed_by="Authentication by chanx.channels.authenticator")


_asgi = _theirs("django.core.handlers.asgi")
_auth = _theirs("django.contrib.auth")
_errors = _theirs("django.core.exceptions")
_functional = _theirs("django.utils.functional")
_generics = _theirs("rest_framework.generics")
_renderers = _theirs("rest_framework.renderers")
_response = _theirs("rest_framework.response")
_settings = _theirs("rest_framework.settings")

_GenericAPIView: Any = _generics.GenericAPIView

#: What `queryset` may be: a queryset, a manager, or True where there is no object to look up.
QuerysetLike: TypeAlias = Any
#: The method that permission classes see; a handshake itself is always a GET.
Method = Literal["get", "post", "put", "patch", "delete", "options", "head"]

_METHODS = ("get", "post", "put", "patch", "delete", "options", "head")
#: They describe the body of a request, and a handshake has none.
_OF_THE_BODY = (b"content-length", b"content-type", b"transfer-encoding")


class ChanxAuthView(_GenericAPIView):  # type: ignore[misc]
    """The view that a connection passes: authentication, permissions, and the object where there is a queryset.

    Throttles do not apply, and there is no content to negotiate about.

    Attributes:
        obj: the object that was looked up.
        authenticated_user: as the authentication classes have found, also where a permission is denied.
        owner: the name of the class that is configured, for what a mistake in it is told with.
    """

    throttle_classes = ()
    renderer_classes = (_renderers.JSONRenderer,)
    obj: Any = None
    authenticated_user: Any = None
    owner = "ChanxAuthView"

    def perform_content_negotiation(self, request: Any, force: bool = False) -> tuple[Any, str]:  # noqa: ARG002
        """JSON, whatever the handshake accepts."""
        renderer = self.get_renderers()[0]
        return renderer, renderer.media_type

    def perform_authentication(self, request: Any) -> None:
        """Find out who the client is."""
        self.authenticated_user = request.user

    def get_queryset(self) -> Any:
        """The objects to look in; a fresh queryset each time."""
        if self.queryset is None or self.queryset is True:
            base: Any = super()
            return base.get_queryset()  # which says what is missing
        return self.queryset.all()

    def get_object(self) -> Any:
        """The object that the URL names, where the permissions for it hold.

        Raises:
            ConfigurationError: the URL has no such parameter.
        """
        name = self.lookup_url_kwarg or self.lookup_field
        if name not in self.kwargs:
            has = ", ".join(map(repr, self.kwargs)) or "none"
            raise ConfigurationError(
                f"{self.owner} has a queryset, so the URL must have the parameter {name!r}, and it has {has}; "
                f"name it in the route, or set lookup_url_kwarg"
            )
        base: Any = super()
        return base.get_object()

    def answer(self, request: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: ARG002 - it is called as any view
        """Let the connection in."""
        if self.queryset is not None and self.queryset is not True:
            self.obj = self.get_object()
        return _response.Response({"detail": "OK"})

    get = post = put = patch = delete = options = head = answer


class _ByRestFramework:
    """What both authenticators share.

    Attributes:
        authentication_classes: of Django REST Framework; its setting where None.
        permission_classes: of Django REST Framework; its setting where None.
        queryset: where `obj` is looked up, and its permissions are checked; True to look up nothing.
        auth_method: what permission classes take for the method of the request, such as `"post"`.
        lookup_field: of the model.
        lookup_url_kwarg: the parameter of the URL; named like `lookup_field` where None.
        view_class: the view that is run.
        user: as the authentication classes have found; an anonymous user where they found none.
        obj: the object that was looked up.
        request: Django's, as the classes have seen it, with `user` and `auth`.
    """

    authentication_classes: Sequence[Any] | None = None
    permission_classes: Sequence[Any] | None = None
    queryset: QuerysetLike = True
    auth_method: Method = "get"
    lookup_field: str = "pk"
    lookup_url_kwarg: str | None = None
    view_class: Any = ChanxAuthView

    user: Any = None
    obj: Any = None
    request: Any = None

    def validate_configuration(self) -> None:
        """See that the attributes make sense together.

        Raises:
            ConfigurationError: they do not; the text says which.
        """
        owner = type(self).__qualname__
        if str(self.auth_method).lower() not in _METHODS:
            raise ConfigurationError(
                f"auth_method of {owner} is {self.auth_method!r}; it is one of {', '.join(_METHODS)}"
            )
        if not (self.queryset is None or self.queryset is True or hasattr(self.queryset, "all")):
            raise ConfigurationError(
                f"queryset of {owner} is {self.queryset!r}; write a queryset such as Model.objects.all(), "
                f"or True where there is no object to look up"
            )

    async def check(self, scope: Scope) -> AuthenticationResult:
        """Run the view on a connection, and keep `user`, `obj` and `request`; errors are logged, and never raised.

        Args:
            scope: the ASGI scope of the connection; `user` and `session` are those of `AuthMiddlewareStack`.
        """
        try:
            result = await in_thread(self._run, scope)
        except (_errors.SuspiciousOperation, _errors.BadRequest) as error:
            logger.warning("a handshake was refused: %s", error)
            return refused(400, "Bad request")
        except Exception:
            logger.exception("%s failed", type(self).__qualname__)
            return internal_error()
        self.user, self.obj = result.user, result.obj
        return result

    def _run(self, scope: Scope) -> AuthenticationResult:
        self.validate_configuration()
        self.request = request = request_from_scope(scope, self.auth_method)
        kwargs = {**scope.get("path_params", {}), **scope.get("url_route", {}).get("kwargs", {})}
        defaults = _settings.api_settings
        view = self.view_class(
            authentication_classes=_chosen(self.authentication_classes, defaults.DEFAULT_AUTHENTICATION_CLASSES),
            permission_classes=_chosen(self.permission_classes, defaults.DEFAULT_PERMISSION_CLASSES),
            queryset=None if self.queryset is True else self.queryset,
            lookup_field=self.lookup_field,
            lookup_url_kwarg=self.lookup_url_kwarg,
            owner=type(self).__qualname__,
        )
        view.setup(request, **kwargs)
        response = view.dispatch(request, **kwargs)
        allowed = 200 <= response.status_code < 300
        return AuthenticationResult(
            allowed,
            response.status_code,
            response.status_text,
            _data(response.data),
            view.authenticated_user,
            view.obj,
        )


class DjangoAuthenticator(_ByRestFramework, BaseAuthenticator):
    """Authentication of chanx 2.x by classes of Django REST Framework (document 001, "Authentication Integration").

    Attributes:
        send_authentication_message: tell the client the verdict; the setting SEND_AUTHENTICATION_MESSAGE where None.
    """

    send_authentication_message: bool | None = None

    async def authenticate(self, scope: Scope) -> bool:
        """Whether the connection may stay; sends the authentication message, and sets `status_code`."""
        result = await self.check(scope)
        self.status_code = result.status_code
        if send_authentication_message(self.send_authentication_message):
            await self.send_message(result.message())
        return result.is_authenticated


class ChanxWebsocketAuthenticator(_ByRestFramework):
    """Authentication of chanx 0.12 by classes of Django REST Framework; its consumers configure and tell."""

    async def authenticate(self, scope: Scope) -> AuthenticationResult:
        """The verdict about a connection; nothing is sent."""
        return await self.check(scope)


#: The attributes with which a consumer of chanx 0.12 configures its authenticator, and what they are when left out.
CONFIGURATION: dict[str, Any] = {
    "authentication_classes": None,
    "permission_classes": None,
    "queryset": True,
    "auth_method": "get",
    "lookup_field": "pk",
    "lookup_url_kwarg": None,
}


def authenticator_for(consumer: Any) -> Any:
    """An authenticator for a connection of chanx 0.12, configured by the attributes of its consumer.

    What the consumer leaves at its default is the authenticator class's own, which may be configured itself.

    Args:
        consumer: has the attributes in `CONFIGURATION`, and `authenticator_class`, which may be None.
    """
    authenticator = (getattr(consumer, "authenticator_class", None) or ChanxWebsocketAuthenticator)()
    for name, default in CONFIGURATION.items():
        value = getattr(consumer, name, default)
        if value is not None and value is not default and (name == "queryset" or value != default):
            setattr(authenticator, name, value)
    return authenticator


def request_from_scope(scope: Scope, method: str = "get") -> Any:
    """Django's request for a handshake: its headers, cookies, query string, user and session.

    No token against forged requests is asked for: a handshake is a GET, and cannot carry one. Check origins instead,
    with `AllowedHostsOriginValidator`.

    Args:
        scope: the ASGI scope of the connection.
        method: that the request is to have.
    """
    query: bytes | str = scope.get("query_string", b"")
    request = _asgi.ASGIRequest(
        {
            **scope,
            "type": "http",
            "method": method.upper(),
            "scheme": "https" if scope.get("scheme") in ("wss", "https") else "http",
            "query_string": (query if isinstance(query, str) else query.decode("utf-8", "replace")).encode(),
            "headers": [pair for pair in scope.get("headers", ()) if pair[0].lower() not in _OF_THE_BODY],
        },
        io.BytesIO(),
    )
    request._dont_enforce_csrf_checks = True
    if "session" in scope:
        request.session = scope["session"]
    if "user" in scope:
        request.user = scope["user"]
    elif "session" in scope:
        request.user = _functional.SimpleLazyObject(lambda: _auth.get_user(request))
    return request


def _chosen(classes: Sequence[Any] | None, default: Sequence[Any]) -> Sequence[Any]:
    return default if classes is None else classes


def _data(data: Any) -> Any:
    """What a view answers, as JSON holds it; an object, as the message has it."""
    plain = json.loads(_renderers.JSONRenderer().render(data) or b"null")
    if plain is None:
        return {}
    return cast(Any, plain) if isinstance(plain, dict) else {"detail": plain}

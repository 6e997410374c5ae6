"""Who may stay connected: the authenticators of the class API, and what a consumer does with their verdicts.

A consumer's connect flow calls one function, after which it may go on (groups, `post_authentication`) or must not:

- chanx 2.x: `if not await authenticated(self): return`
- chanx 0.12: `if not await authenticated_by_result(self, self._authenticator, tell=…): return`

Both accept first, for only an accepted connection can be told why it is closed, and neither lets an error of an
authenticator end the consumer. Nothing of Django is loaded here; `chanx.compat.drf` stands on it.
"""

from __future__ import annotations

import inspect
import logging
import weakref
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Protocol, cast, overload
from urllib.parse import parse_qs

from chanx.compat.exceptions import StopConsumer
from chanx.messages.base import BaseMessage
from chanx.messages.outgoing import AuthenticationMessage

logger = logging.getLogger("chanx")

#: The close code of a refusal without a status.
NOT_AUTHENTICATED = 4401
#: The close code where an authenticator has failed.
INTERNAL_ERROR = 4500

Scope = MutableMapping[str, Any]


class BaseAuthenticator(ABC):
    """Decides whether a connection may stay (document 002, "Authenticator"); one is made for each connection.

    Override `authenticate`, with the scope as its parameter or with none. What it raises is logged, and closes the
    connection with 4500; the client is told nothing of it.

    Args:
        send_message: sends a message to the client, which is accepted already.

    Attributes:
        scope: the ASGI scope of the connection; set before `authenticate` is called.
        credentials: what the client has shown, for whoever wants to keep it; chanx reads it nowhere.
        status_code: the HTTP status of the verdict. A refusal with 403 closes with 4403, one with none with 4401.
        close_code: the close code of a refusal, in place of the one from the status.
    """

    scope: Scope
    credentials: Any = None
    status_code: int | None = None
    close_code: int | None = None

    def __init__(self, send_message: Callable[[BaseMessage], Awaitable[None]]) -> None:
        self.send_message = send_message

    # Both documented forms are overrides of this one: to type checkers, these parameters stand for any.
    @abstractmethod
    async def authenticate(self, *args: Any, **kwargs: Any) -> bool:
        """Whether the connection may stay; called as `authenticate(scope)`, or `authenticate()` if it takes no scope.

        Args:
            args: the scope, for an override that takes it.
            kwargs: nothing.
        """

    @overload
    def get_query_param(self, name: str, default: str) -> str: ...
    @overload
    def get_query_param(self, name: str, default: None = None) -> str | None: ...
    def get_query_param(self, name: str, default: str | None = None) -> str | None:
        """A parameter of the query string; the last one where it was given more than once.

        Args:
            name: of the parameter.
            default: returned where it was not given.
        """
        query: bytes | str = self.scope.get("query_string", b"")
        text = query if isinstance(query, str) else query.decode("utf-8", "replace")
        return parse_qs(text, keep_blank_values=True).get(name, [default])[-1]


@dataclass
class AuthenticationResult:
    """The verdict of an authenticator of chanx 0.12; true where the connection may stay.

    Attributes:
        is_authenticated: may it?
        status_code: the HTTP status, such as 200 or 403.
        status_text: its phrase.
        data: for the client; `{"detail": …}`, where Django REST Framework gives nothing else.
        user: who the client is, as far as that is known.
        obj: the object that the connection is about, where there is a queryset.
    """

    is_authenticated: bool
    status_code: int
    status_text: str
    data: Any = None
    user: Any = None
    obj: Any = None

    def __bool__(self) -> bool:
        return self.is_authenticated

    def message(self) -> AuthenticationMessage:
        """The message that tells the client."""
        payload = {"status_code": self.status_code, "status_text": self.status_text, "data": self.data}
        return AuthenticationMessage.model_validate({"payload": payload})


def refused(status_code: int, detail: str, user: Any = None) -> AuthenticationResult:
    """The verdict that closes a connection, with what the client may know of the reason."""
    phrase = HTTPStatus(status_code).phrase
    return AuthenticationResult(False, status_code, phrase, {"detail": detail}, user)


def internal_error() -> AuthenticationResult:
    """The verdict where an authenticator has failed; what has happened is for the log, and not for the client."""
    return refused(500, "Internal server error")


class Guarded(Protocol):
    """What a consumer has that is to be authenticated.

    Attributes:
        scope: of the connection.
        authenticator_class: of its authenticators; None where everybody may stay.
        authenticator: this connection's; set before it is asked.
    """

    scope: Any
    authenticator_class: Any
    authenticator: Any

    async def accept(self) -> None:
        """Accept the connection; nothing happens where it is accepted already."""

    async def close(self, code: int | bool | None = None) -> None:
        """Close the connection."""

    async def send_message(self, message: BaseMessage) -> None:
        """Send a message to the client."""


class GuardedByResult(Guarded, Protocol):
    """The same in chanx 0.12; the attributes are set to what the verdict says, before the client is told.

    Attributes:
        user: who the client is.
        obj: the object that the connection is about.
        request: Django's, as the authentication and permission classes have seen it.
    """

    user: Any
    obj: Any
    request: Any


async def authenticated(consumer: Guarded) -> bool:
    """Accept a connection of chanx 2.x, and ask its authenticator; where that refuses or fails, close it.

    The authenticator itself sends what the client is to read, such as `DjangoAuthenticator` its authentication message.

    Returns:
        True, and the consumer may go on; or False, and the connection is closed: with the authenticator's `close_code`,
        with 4000 and its `status_code`, with 4401, or with 4500 after an error, which is logged.

    Raises:
        OSError: the client has left meanwhile, as a send has told.
        StopConsumer: the authenticator has raised it.
    """
    await consumer.accept()
    kind = consumer.authenticator_class
    if kind is None:
        return True
    try:
        consumer.authenticator = authenticator = kind(_sender(consumer))
        if await _asked(authenticator, consumer.scope):
            return True
        code = _close_code(authenticator)
    except Exception as error:
        _unless_over(consumer, error)
        logger.exception("%s failed; the connection is closed with %d", kind.__qualname__, INTERNAL_ERROR)
        code = INTERNAL_ERROR
    await consumer.close(code)
    return False


async def authenticated_by_result(
    consumer: GuardedByResult,
    make: Callable[[], Any],
    *,
    tell: bool,
    enter: Callable[[], Awaitable[None]] | None = None,
) -> bool:
    """Accept a connection of chanx 0.12, and ask its authenticator; where that refuses or fails, close it.

    Args:
        consumer: it gets `authenticator`, `user`, `obj` and `request`.
        make: makes the authenticator, as `chanx.compat.drf.authenticator_for(consumer)` does; what it raises is an
            error of the authenticator's. The `authenticate(scope)` of it returns an `AuthenticationResult`.
        tell: send the client an authentication message, also when it may stay; `send_authentication_message` of the
            consumer, or the setting.
        enter: called when the client may stay, before it is told so: it may count on what happens there.

    Returns:
        True, and the consumer may go on; or False, and the connection is closed, without a code. An error is logged,
        and the client is told of an internal error.

    Raises:
        OSError: the client has left meanwhile, as a send has told.
        StopConsumer: the authenticator has raised it.
    """
    await consumer.accept()
    try:
        consumer.authenticator = authenticator = make()
        result = cast(AuthenticationResult, await _asked(authenticator, consumer.scope))
        consumer.user, consumer.obj = result.user, result.obj
        consumer.request = getattr(authenticator, "request", None)
    except Exception as error:
        _unless_over(consumer, error)
        logger.exception("the authenticator of %s failed; the connection is closed", type(consumer).__qualname__)
        result = internal_error()
    if result.is_authenticated and enter is not None:
        await enter()
    if tell:
        await consumer.send_message(result.message())
    if not result.is_authenticated:
        await consumer.close()
    return result.is_authenticated


_takes_scope: weakref.WeakKeyDictionary[type[Any], bool] = weakref.WeakKeyDictionary()


async def _asked(authenticator: Any, scope: Scope) -> Any:
    kind: Any = authenticator.__class__
    with_scope = _takes_scope.get(kind)
    if with_scope is None:
        with_scope = _takes_scope[kind] = bool(inspect.signature(authenticator.authenticate).parameters)
    authenticator.scope = scope
    asked = authenticator.authenticate(scope) if with_scope else authenticator.authenticate()
    if not inspect.isawaitable(asked):
        raise TypeError(f"{kind.__qualname__}.authenticate is no coroutine function; write `async def authenticate`")
    verdict = await asked
    if inspect.isawaitable(verdict):  # it is true, whatever it would have come to
        if inspect.iscoroutine(verdict):
            verdict.close()
        raise TypeError(f"{kind.__qualname__}.authenticate returned something to be awaited; write `return await …`")
    return verdict


def _sender(consumer: Guarded) -> Callable[[BaseMessage], Awaitable[None]]:
    """What sends to a consumer without holding it: it holds its authenticator, and is to go with its connection."""
    held = weakref.ref(consumer)

    async def send_message(message: BaseMessage) -> None:
        if (alive := held()) is not None:
            await alive.send_message(message)

    return send_message


def _close_code(authenticator: Any) -> int:
    code: int | None = getattr(authenticator, "close_code", None)
    if code is not None:
        return code
    status: int | None = getattr(authenticator, "status_code", None)
    return 4000 + status if status is not None and 400 <= status < 600 else NOT_AUTHENTICATED


def _unless_over(consumer: Any, error: Exception) -> None:
    """Raise what ends the consumer, or the handler because the client has left, and is nobody's mistake."""
    pump = getattr(consumer, "_chanx_pump", None)
    if isinstance(error, StopConsumer) or (pump is not None and pump.lost is error):
        raise error

"""Consumers: classes whose methods are called by the `type` of what comes in (document 004, "Basic Layout")."""

from __future__ import annotations

import functools
import inspect
import logging
from collections.abc import Awaitable, Callable
from typing import Any, ClassVar

import anyio
from asgiref.sync import async_to_sync

from chanx import _runtime
from chanx.compat.exceptions import NoMethod, StopConsumer
from chanx.compat.layers import DEFAULT_CHANNEL_LAYER, get_channel_layer
from chanx.compat.pump import CLEANUP, Pump
from chanx.compat.threads import in_thread

logger = logging.getLogger("chanx")

Application = Callable[[Any, Any, Any], Awaitable[None]]


def get_handler_name(message: dict[str, Any]) -> str:
    """The method for a message: its `type`, with underscores for periods.

    Raises:
        ValueError: it has no type, or one that begins with an underscore, which no method may be called by.
    """
    try:
        return _method_name(message.get("type"))
    except TypeError:  # it is no hashable one
        return _method_name(None)


@functools.lru_cache(1024)
def _method_name(kind: Any) -> str:
    if not isinstance(kind, str) or not kind:
        raise ValueError("the message has no 'type'; a consumer's method is found by it")
    name = kind.replace(".", "_")
    if name.startswith("_"):
        raise NoMethod(f"the type {kind!r} begins with an underscore; no such method is called for a message")
    return name


async def _to_nobody(_message: dict[str, Any]) -> None:
    raise ConnectionResetError("the client has left")


class _Application:
    """What `as_asgi` gives: no plain function, for a route of Starlette's would call that with its own arguments."""

    def __init__(self, consumer_class: Callable[..., AsyncConsumer], consumer_initkwargs: dict[str, Any]) -> None:
        self.consumer_class = consumer_class
        self.consumer_initkwargs = consumer_initkwargs
        functools.update_wrapper(self, consumer_class, updated=())

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self.consumer_class(**self.consumer_initkwargs)(scope, receive, send)


class AsyncConsumer:
    """An ASGI application of one connection, whose methods are coroutines. Serve `as_asgi()`.

    Attributes:
        channel_layer_alias: of the channel layer.
        scope: the connection's ASGI scope.
        channel_layer: the channel layer; None where there is none.
        channel_name: of this consumer's own channel, where there is a layer.
    """

    channel_layer_alias: str = DEFAULT_CHANNEL_LAYER

    scope: Any
    channel_layer: Any
    channel_name: str
    base_send: Callable[[Any], Any]
    _chanx_pump: Pump
    _chanx_told_of: ClassVar[str] = DEFAULT_CHANNEL_LAYER

    @functools.cached_property
    def channel_receive(self) -> Callable[[], Awaitable[Any]]:
        """Waits for the next message of the consumer's channel, which otherwise goes to a method."""
        return functools.partial(self.channel_layer.receive, self.channel_name)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve one connection, until a method raises `StopConsumer`."""
        self.scope = scope
        self.channel_layer = layer = get_channel_layer(self.channel_layer_alias)
        channel: str | None = None
        if layer is not None:
            self.channel_name = channel = await layer.new_channel()
        elif self.channel_layer_alias != DEFAULT_CHANNEL_LAYER:
            self._chanx_tell_of_alias()
        self.base_send = self._chanx_sender(send)
        dispatch: Any = self.dispatch
        if getattr(dispatch, "__func__", None) is AsyncConsumer.dispatch:
            dispatch = self._chanx_called  # the same, with a coroutine less for each message
        self._chanx_pump = self._chanx_made_pump(dispatch, receive)
        try:
            await self._chanx_pump.run(layer, channel)
        except GeneratorExit:  # the loop has ended before the connection: nothing can be awaited any more
            raise
        except BaseException as error:
            if (message := self._chanx_farewell(error)) is not None:
                with anyio.move_on_after(CLEANUP, shield=True):
                    await self._chanx_give_up(message)
            if not isinstance(error, StopConsumer):
                raise

    def _chanx_tell_of_alias(self) -> None:
        """Log that there is no channel layer of the alias, once for each class."""
        cls = type(self)
        if cls.__dict__.get("_chanx_told_of") != self.channel_layer_alias:
            cls._chanx_told_of = self.channel_layer_alias
            logger.warning(
                "%s has the channel_layer_alias %r, and no channel layer is called so: its channel_layer is None",
                *(cls.__qualname__, self.channel_layer_alias),
            )

    async def _chanx_give_up(self, message: dict[str, Any]) -> None:
        """Clean up after what no event from the server will tell of."""
        try:
            await self.dispatch(message)
        except StopConsumer:
            pass
        except Exception:
            logger.exception("%s failed in cleaning up", type(self).__qualname__)

    def _chanx_farewell(self, error: BaseException) -> dict[str, Any] | None:  # noqa: ARG002
        """The event to clean up by after what has ended the consumer; None where there is nothing to clean up."""
        return None

    def _chanx_made_pump(self, dispatch: Any, receive: Any) -> Pump:
        """What runs the consumer."""
        return Pump(dispatch, receive, hasattr(self, "chanx_broadcast"), self._chanx_client_left)

    def _chanx_client_left(self) -> None:
        """The client has left while a method runs, and some servers take what is sent to nobody."""
        if self.scope.get("type") == "websocket":
            self.base_send = self._chanx_sender(_to_nobody)

    def _chanx_sender(self, send: Any) -> Callable[[Any], Any]:
        return send  # type: ignore[no-any-return]

    async def dispatch(self, message: dict[str, Any]) -> None:
        """Call the method for a message.

        Raises:
            ValueError: there is none.
            TypeError: it is a plain function.
        """
        await self._chanx_called(message)

    def _chanx_called(self, message: dict[str, Any]) -> Awaitable[None]:
        handling: Awaitable[None] | None = self._chanx_method(message)(message)
        if handling is None:
            raise TypeError(
                f"{type(self).__qualname__}.{get_handler_name(message)} is a plain function; methods of an "
                f"asynchronous consumer are coroutine functions: write `async def`"
            )
        return handling

    def _chanx_method(self, message: dict[str, Any]) -> Callable[[dict[str, Any]], Any]:
        kind = message.get("type")
        name = _method_name(kind) if kind.__class__ is str else get_handler_name(message)
        method: Callable[[dict[str, Any]], Any] | None = getattr(self, name, None)
        if not callable(method):
            raise NoMethod(f"{type(self).__qualname__} has no method {name} for messages of type {message['type']!r}")
        return method

    async def send(self, message: dict[str, Any]) -> None:
        """Send an ASGI event to the server.

        Raises:
            OSError: the client has left; a handler need not catch it.
        """
        try:
            await self.base_send(message)
        except OSError as error:  # the client has left (ASGI 2.4), which the server will tell
            self._chanx_pump.lost = error
            raise

    @classmethod
    def as_asgi(cls, **initkwargs: Any) -> Application:
        """An ASGI application that makes a consumer for each connection.

        Args:
            initkwargs: for the class.
        """
        return _Application(cls, initkwargs)


class SyncConsumer(AsyncConsumer):
    """The same, whose methods are plain functions; each call runs in a thread, one at a time for each consumer."""

    def _chanx_sender(self, send: Any) -> Callable[[Any], Any]:
        if _runtime.on_trio():
            raise RuntimeError(
                f"{type(self).__qualname__} is a synchronous consumer, which runs on asyncio only, and this is trio: "
                f"use an asynchronous consumer, or another worker class of the server"
            )

        async def sending(message: dict[str, Any]) -> None:  # a server's own need not be a coroutine function
            await send(message)

        return async_to_sync(sending)

    async def dispatch(self, message: dict[str, Any]) -> None:
        """Call the method for a message in a thread."""
        await in_thread(self._chanx_call, self._chanx_method(message), message)

    def _chanx_call(self, method: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
        """Call a method, and refuse a coroutine, which nobody would await: it would do nothing, without a word."""
        if inspect.iscoroutine(result := method(*args, **kwargs)):
            result.close()
            raise TypeError(
                f"{type(self).__qualname__}.{result.__name__} is a coroutine function; methods of a synchronous "
                f"consumer are plain functions: write `def`, or extend the asynchronous consumer"
            )

    def send(self, message: dict[str, Any]) -> None:  # type: ignore[override]  # pyright: ignore[reportIncompatibleMethodOverride]
        """Send an ASGI event to the server; returns when it was taken."""
        try:
            self.base_send(message)
        except OSError as error:  # as above
            self._chanx_pump.lost = error
            raise

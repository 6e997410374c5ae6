"""Consumers whose frames are messages: what chanx 2.x and 0.12 have in common.

A frame's way: `dispatch` -> the validator -> the method for the message's class -> what it returns -> a frame. Where no
method on that way is overridden, and nothing is to be logged or renamed, that is one coroutine (`_chanx_text`), and the
text goes straight into the compiled validator. Else it goes the long way, over all that may be overridden: `receive`,
`decode_json`, `receive_json`, `handle_json`, `receive_message`, `handle_result`, `send_message`, `send_json`. Which of
them are is looked up once for each connection. Names that are not documented begin with `_chanx_`: the others are free
for users' classes.

Nothing is dispatched before the client is known to be let in. Messages are handled concurrently (`ConcurrentPump`).
"""

from __future__ import annotations

import itertools
import json
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, ClassVar, cast

import msgspec
from pydantic import ValidationError

from chanx.compat.answering import Answering, envelope, handled
from chanx.compat.authenticators import authenticated
from chanx.compat.casing import camelized, snaked
from chanx.compat.compiled import Compiled, Described, compiled
from chanx.compat.concurrent import CONCURRENCY, ConcurrentPump, check_concurrency
from chanx.compat.exceptions import AcceptConnection, DenyConnection
from chanx.compat.layers import get_channel_layer
from chanx.compat.refused import no_json
from chanx.compat.text import compact
from chanx.compat.turns import Sending
from chanx.compat.websocket import _groups  # pyright: ignore[reportPrivateUsage]
from chanx.messages.outgoing import CompleteMessage, EventCompleteMessage, GroupCompleteMessage

logger = logging.getLogger("chanx")

_numbers = itertools.count(1)
_peek = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


def _loads(text: str) -> Any:
    """What a text holds; None where it is no JSON, which is told in a moment."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


class StructuredConsumer(Answering):
    """One WebSocket whose frames are messages, each handled by the method for its class.

    Attributes:
        discriminator_field: the name of the field that tells messages apart.
        authenticator_class: decides whether a client may stay; None where everybody may.
        authenticator: this connection's.
        user: the authenticator's, or the one that middleware has put into the scope; None where there is none.
        extra_groups: groups beside `groups`; those of all classes that a consumer extends are taken together.
        concurrency: so many messages of one connection are handled at once. Their handlers begin in the order in which
            the messages came; 64 more, or 1 MiB of them, wait, and then no more are read from the client.

    Raises:
        ConfigurationError: `concurrency` is no number above 0; raised where the class is made.
    """

    concurrency: int = CONCURRENCY
    authenticator_class: Any = None
    authenticator: Any = None
    extra_groups: Any = ()
    groups: Any = None
    user: Any

    #: A frame takes the short way in where none of these is overridden, and the short way out where none of the others.
    _chanx_in_hooks: ClassVar[tuple[str, ...]] = (
        *("websocket_receive", "receive", "decode_json", "receive_json", "handle_json", "receive_message"),
        *("handle_result", "send_message"),
    )
    _chanx_out_hooks: ClassVar[tuple[str, ...]] = ("send_json", "encode_json")
    #: Types of messages of the channel layer that have methods of their name.
    _chanx_often: ClassVar[frozenset[str]] = frozenset(
        ("handle_group_message", "handle_channel_event", "handle_topic_event")
    )
    #: What follows an event.
    _chanx_event_complete: ClassVar[type[EventCompleteMessage | CompleteMessage]] = EventCompleteMessage
    #: Tells its verdict whether or not an authenticator is named.
    _chanx_authenticates: ClassVar[bool] = False
    #: The class that all of them are compared with.
    _chanx_unchanged: ClassVar[type[Any]]

    _chanx_refused = False  # the client has not been let in, or not yet
    _chanx_quick = False  # frames take the short way in
    _chanx_replies: ClassVar[bool] = True  # what a method returns is sent
    _chanx_methods: Mapping[Any, str]
    _chanx_encoders: Mapping[Any, Callable[[Any], bytes]]
    _chanx_decode: Callable[[str], Any]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        own = getattr(type(self), "groups", None)
        if not isinstance(own, str | property):  # a string is a mistake that is told later
            self.groups = self._chanx_all_groups()
        super().__init__(*args, **kwargs)

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        check_concurrency(cls.concurrency, cls)

    @classmethod
    def _chanx_all_groups(cls) -> list[str]:
        """`groups`, and the `extra_groups` of all classes.

        Raises:
            TypeError: these are one string, whose letters would be taken for groups.
        """
        own: Any = cls.groups
        found: dict[str, None] = {} if isinstance(own, property) else dict.fromkeys(own or ())
        for one in reversed(cls.__mro__):
            extra: Any = one.__dict__.get("extra_groups") or ()
            if isinstance(extra, str):
                raise TypeError(
                    f"the extra_groups of {one.__qualname__} are a string; write them as a list: [{extra!r}]"
                )
            found.update(dict.fromkeys(extra))
        return list(found)

    @classmethod
    def _chanx_describe(cls) -> Described:
        """What the class is compiled from."""
        raise NotImplementedError

    @classmethod
    def get_channel_layer(cls) -> Any:
        """The channel layer of the class's alias; None where there is none."""
        return get_channel_layer(cls.channel_layer_alias)

    # -- the connection -----------------------------------------------------------------------------

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve one connection."""
        self.scope, self._chanx_compiled = scope, (made := compiled(type(self)))
        self._chanx_decode, self._chanx_methods, self._chanx_encoders = made.decode, made.methods, made.encoders
        self._chanx_settle()
        await super().__call__(scope, receive, send)

    def _chanx_made_pump(self, dispatch: Any, receive: Any) -> ConcurrentPump:
        check_concurrency(self.concurrency, type(self))  # that of this instance
        broadcasts = hasattr(self, "chanx_broadcast")
        return ConcurrentPump(dispatch, receive, broadcasts, self._chanx_client_left, self.concurrency)

    def _chanx_sender(self, send: Any) -> Sending:
        return Sending(send)

    def _chanx_client_left(self) -> None:
        sending: Any = self.base_send
        if isinstance(sending, Sending):  # and nothing of the application's
            sending.lose(ConnectionResetError("the client has left"))
        else:
            super()._chanx_client_left()

    async def websocket_connect(self, message: Any) -> None:  # noqa: ARG002
        """Accept a client, ask the authenticator, and join the groups."""
        self._chanx_refused = True
        groups = _groups(self)
        self._chanx_begun = True
        if not await self._chanx_let_in():
            self.groups = []  # it is in none
            return
        if not hasattr(self, "user"):
            self.user = getattr(self.authenticator, "user", self.scope.get("user"))
        for group in groups:
            await self.channel_layer.group_add(group, self.channel_name)
        await self.post_authentication()
        self._chanx_connected = True
        self._chanx_refused = False
        self._chanx_plain = self._chanx_is_unchanged(self._chanx_out_hooks)
        self._chanx_quick = self._chanx_is_unchanged(self._chanx_in_hooks) and not self._chanx_compiled.strict

    async def _chanx_let_in(self) -> bool:
        try:
            await self.connect()
        except AcceptConnection:
            await self.accept()
        except DenyConnection:
            await self.close()
        return not self._chanx_closed and await self._chanx_authenticated()

    async def _chanx_authenticated(self) -> bool:
        return await authenticated(self)

    def _chanx_is_unchanged(self, names: Iterable[str]) -> bool:
        for name in names:
            own = getattr(self, name)
            if getattr(own, "__func__", own) is not getattr(
                base := getattr(self._chanx_unchanged, name), "__func__", base
            ):
                return False
        return True

    async def post_authentication(self) -> None:
        """Called when the client was let in, and has joined its groups; nothing of it is handled before the end."""

    async def websocket_disconnect(self, message: Any) -> None:
        """Leave the groups, and call `disconnect`."""
        self._chanx_quick = False
        await super().websocket_disconnect(message)

    # -- what comes in, the short way ---------------------------------------------------------------

    def dispatch(self, message: dict[str, Any]) -> Awaitable[None]:  # type: ignore[override]  # pyright: ignore[reportIncompatibleMethodOverride]
        """Call the method for a message."""
        kind = message.get("type")
        if self._chanx_quick and kind == "websocket.receive" and not self._chanx_closed:
            text = message.get("text")
            if text is not None and not (self.camelize or self.log_websocket_message):
                if '"ref"' in text or '"topic"' in text:
                    return self._chanx_enveloped(text)
                return self._chanx_text(text, None)
        return self._chanx_else(message, kind)

    async def _chanx_else(self, message: dict[str, Any], kind: Any) -> None:
        if self._chanx_refused and kind not in ("websocket.connect", "websocket.disconnect"):
            return
        if envelope.get() is not None:
            envelope.set(None)
        await (getattr(self, kind)(message) if kind in self._chanx_often else super().dispatch(message))

    async def _chanx_text(self, text: str, beside: Mapping[str, Any] | None) -> None:
        """Handle a frame that is a message, with what stands beside it."""
        try:
            message = self._chanx_decode(text)
        except ValidationError as error:
            await self._chanx_refuse(error)
            return
        except Exception as error:  # noqa: BLE001 - a validator of the application is broken
            await self._chanx_broken(error)
            return
        try:
            result = await getattr(self, self._chanx_methods[message.__class__])(message)
            if result is not None and self._chanx_replies:
                encoder = self._chanx_encoders.get(result.__class__) if self._chanx_plain and beside is None else None
                if encoder is None:
                    await self.handle_result(result)
                elif not self._chanx_closed:
                    await self._chanx_frame(encoder(result).decode())
        except BaseException as error:  # noqa: BLE001 - of the application
            await self._chanx_handler_failed(error, message)
        if self.send_completion:
            await self.send_message(CompleteMessage())

    async def _chanx_enveloped(self, text: str) -> None:
        """Handle a frame with something beside its message, or with something within it that looks like that."""
        seen: dict[str, Any] = {}
        try:
            for key, raw in _peek(text).items():
                if key in self._chanx_compiled.reserved:
                    seen[key] = msgspec.json.decode(raw)
        except (msgspec.MsgspecError, ValueError, RecursionError):  # with NaN, or half characters, maybe
            seen = self._chanx_seen(_loads(text))
        await self._chanx_addressed(seen, self._chanx_text, text)

    def _chanx_seen(self, content: Any) -> dict[str, Any]:
        """What stands beside the message in the content of a frame."""
        if not isinstance(content, dict):
            return {}
        frame = cast("dict[str, Any]", content)
        return {key: frame[key] for key in self._chanx_compiled.reserved if key in frame}

    async def _chanx_addressed(
        self, seen: Mapping[str, Any], handle: Callable[..., Awaitable[None]], frame: Any
    ) -> None:
        """Handle a frame, with what stands beside its message remembered for all that answers it."""
        beside = self._chanx_beside(seen)
        if beside is None:
            await handle(frame, None)
            return
        token = envelope.set(beside)
        try:
            await handle(frame, beside)
        finally:
            envelope.reset(token)

    def _chanx_beside(self, seen: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """What stands beside the answers to a frame; None for nothing."""
        ref = seen.get("ref")
        return {"version": 1, "ref": ref} if isinstance(ref, str | int) and not isinstance(ref, bool) else None

    # -- what comes in, the long way ----------------------------------------------------------------

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None, **kwargs: Any) -> None:
        """Read a frame and give it to `receive_json`; one that is no JSON object is answered with an error."""
        if text_data is None:
            await self._chanx_refuse(
                no_json("a binary frame came, and messages are text" if bytes_data else "nothing came")
            )
            return
        try:
            content = await self.decode_json(text_data)
        except (ValueError, RecursionError) as error:
            await self._chanx_refuse(no_json(str(error)))
            return
        await self.receive_json(content, **kwargs)

    async def receive_json(self, content: Any, **kwargs: Any) -> None:
        """Log a frame, and handle it; what is logged meanwhile has the same number."""
        if not self.log_websocket_message:
            await self.handle_json(content, **kwargs)
            return
        token = handled.set((next(_numbers), self._chanx_action(content)))
        try:
            self._chanx_log("received", content)
            await self.handle_json(content, **kwargs)
        finally:
            handled.reset(token)

    async def handle_json(self, content: Any, **kwargs: Any) -> None:
        """Make a message of what a frame holds, and give it to `receive_message`."""
        seen = self._chanx_seen(content)
        if seen and self._chanx_compiled.strict:
            content = {key: value for key, value in content.items() if key not in seen}

        async def handle(content: Any, _: Any) -> None:
            try:
                given = snaked(content) if self.camelize else content
                message = self._chanx_compiled.validate(given, by_name=bool(self.camelize))
            except ValidationError as error:
                await self._chanx_refuse(error)
                return
            except RecursionError:
                await self._chanx_refuse(no_json("it is too deep"))
                return
            except Exception as error:  # noqa: BLE001 - as in `_chanx_text`
                await self._chanx_broken(error)
                return
            try:
                await self.receive_message(message, **kwargs)
            except BaseException as error:  # noqa: BLE001 - of the application
                await self._chanx_told(self.handle_json_processing_error(self._chanx_ordinary(error)))
            if self.send_completion:
                await self.send_message(CompleteMessage())

        await self._chanx_addressed(seen, handle, content)

    # 0.12's takes what stands beside a frame as well: to type checkers, these parameters stand for any.
    async def receive_message(self, message: Any, *args: Any, **kwargs: Any) -> None:  # noqa: ARG002
        """Call the method for a message, and send what it returns."""
        try:
            result = await getattr(self, self._chanx_methods[message.__class__])(message)
            if result is not None:
                await self.handle_result(result)
        except BaseException as error:  # noqa: BLE001 - of the application
            await self._chanx_handler_failed(error, message)

    # -- what comes from the channel layer ----------------------------------------------------------

    async def handle_channel_event(self, event_payload: Mapping[str, Any]) -> None:
        """Make an event of what has come through the channel layer, and give it to `receive_event`."""
        await self._chanx_event(self._chanx_compiled, event_payload.get("event_data"), self.receive_event)

    async def _chanx_event(self, made: Compiled, data: Any, receive: Callable[[Any], Awaitable[None]]) -> None:
        try:
            event = made.event(data)
        except (ValidationError, LookupError, AttributeError, TypeError):
            logger.exception("an event came to %s that is none", type(self).__qualname__)
            return
        if event is None:
            logger.debug("an event came to %s that no method is for", type(self).__qualname__)
            return
        try:
            await receive(event)
        except BaseException as error:  # noqa: BLE001 - of the application
            failure = self._chanx_ordinary(error)
            await self._chanx_told(self.handle_event_handler_error(failure, made.tag(event), event))
        if self.send_completion:
            await self.send_message(self._chanx_event_complete())

    async def receive_event(self, event: Any) -> None:
        """Call the method for an event, and send what it returns."""
        result = await getattr(self, self._chanx_compiled.event_methods[event.__class__])(event)
        if result is not None:
            await self.handle_result(result)

    async def handle_group_message(self, event: Mapping[str, Any]) -> None:
        """Send the client what was broadcast to a group."""
        is_current = event.get("from_channel") == self.channel_name
        if is_current and event.get("exclude_current"):
            return
        await self._chanx_push({**event["message"], "is_current": is_current})

    async def _chanx_push(self, content: dict[str, Any]) -> None:
        """Send the client what has come through a group."""
        if self._chanx_plain and not (self.camelize or self._chanx_logs_sent):
            if not self._chanx_closed:
                await self._chanx_frame(compact(content))
        else:
            await self.send_json(camelized(content) if self.camelize else content)
        if self.send_completion:
            await self.send_message(GroupCompleteMessage())


StructuredConsumer._chanx_unchanged = StructuredConsumer  # pyright: ignore[reportPrivateUsage]

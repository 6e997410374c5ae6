"""What consumers of messages send: messages, errors, and the end of what a message led to.

In all frames that answer a frame stands what that frame had beside its message: `envelope` knows it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Collection, Mapping
from contextvars import ContextVar
from typing import Any, ClassVar, cast

import anyio.lowlevel
from pydantic import BaseModel, ValidationError

from chanx import _runtime
from chanx.compat.casing import camelized
from chanx.compat.compiled import Compiled
from chanx.compat.exceptions import StopConsumer
from chanx.compat.refused import findings, is_message
from chanx.compat.settings import setting
from chanx.compat.text import compact
from chanx.compat.turns import Sending
from chanx.compat.websocket import AsyncJsonWebsocketConsumer
from chanx.messages.base import BaseMessage
from chanx.messages.outgoing import CompleteMessage, ErrorMessage

logger = logging.getLogger("chanx")

#: So many characters of a frame are logged.
_LOGGED = 1000
#: And so many of its action.
_ACTION = 100

#: What stands beside the message in all frames that answer the one that is being handled.
envelope: ContextVar[Mapping[str, Any] | None] = ContextVar("chanx_envelope", default=None)
#: The number and the action of the message that is being handled, where messages are logged.
handled: ContextVar[tuple[int, Any] | None] = ContextVar("chanx_handled", default=None)


class Answering(AsyncJsonWebsocketConsumer):
    """A consumer that sends messages.

    Attributes:
        send_completion: send a message when all is done that a message led to; None for the setting.
        send_message_immediately: let other tasks run after each message that is sent; None for the setting.
        log_websocket_message: log messages; None for the setting.
        log_ignored_actions: but not those with these actions.
        camelize: names are in camel case on the wire; None for the setting.
        discriminator_field: the name of the field that tells messages apart.
    """

    send_completion: bool | None = None
    send_message_immediately: bool | None = None
    log_websocket_message: bool | None = None
    log_ignored_actions: Collection[str] | None = None
    camelize: bool | None = None
    discriminator_field: str = "action"

    #: Attributes whose None stands for a setting.
    _chanx_settings: ClassVar[Mapping[str, str]] = {
        "send_completion": "SEND_COMPLETION",
        "send_message_immediately": "SEND_MESSAGE_IMMEDIATELY",
        "log_websocket_message": "LOG_WEBSOCKET_MESSAGE",
        "log_ignored_actions": "LOG_IGNORED_ACTIONS",
        "camelize": "CAMELIZE",
    }

    _chanx_compiled: Compiled
    _chanx_logs_sent: Any = None  # is what is sent logged?
    _chanx_trio = False  # does it run on trio?
    _chanx_plain = False  # messages are encoded and sent at once, for no method on their way is overridden

    def _chanx_settle(self) -> None:
        """Look the settings up for this connection."""
        for name, key in self._chanx_settings.items():
            if getattr(self, name) is None:
                setattr(self, name, setting(key))
        self._chanx_logs_sent = self.log_websocket_message
        self._chanx_trio = _runtime.on_trio()

    @property
    def should_send_completion(self) -> bool:
        """Is a message sent when all is done that a message led to? Asked once for each connection, when it begins."""
        return bool(setting("SEND_COMPLETION") if self.send_completion is None else self.send_completion)

    @property
    def should_camelize(self) -> bool:
        """Are names in camel case on the wire? Asked once for each connection, when it begins."""
        return bool(setting("CAMELIZE") if self.camelize is None else self.camelize)

    @property
    def all_log_ignored_actions(self) -> set[str]:
        """The actions of messages that are not logged: those of completions among them."""
        own = setting("LOG_IGNORED_ACTIONS") if self.log_ignored_actions is None else self.log_ignored_actions
        return {*own, "complete", "group_complete", "event_complete"}

    # -- messages -----------------------------------------------------------------------------------

    async def handle_result(self, result: Any) -> None:
        """Send what a handler has returned: a message, or several."""
        for one in cast("list[Any]", result) if isinstance(result, list | tuple) else (result,):
            await self.send_message(one)

    async def send_message(self, message: BaseMessage, *, validate: bool = False) -> None:
        """Send a message to the client.

        Args:
            message: a pydantic model; at run time, it may be any.
            validate: check that it is one that the class says it sends.

        Raises:
            pydantic.ValidationError: it is none of these.
            TypeError: it is no pydantic model.
        """
        if validate:
            self._chanx_compiled.outgoing_message_adapter.validate_python(message)
        encode = self._chanx_compiled.encoders.get(message.__class__)
        if encode is None:  # it was not sent before; to ask pydantic each time whether it is a model takes long
            if not isinstance(message, BaseModel):  # pyright: ignore[reportUnnecessaryIsInstance]
                raise TypeError(f"{type(message).__qualname__} is no message; send a pydantic model, or use send_json")
            encode = self._chanx_compiled.encoder(message.__class__)
        beside = envelope.get()
        if self._chanx_plain and beside is None and not (self.camelize or self._chanx_logs_sent):
            if not self._chanx_closed:
                await self._chanx_frame(encode(message).decode())
        else:
            content = message.model_dump(mode="json", by_alias=True)
            if self.camelize:
                content = camelized(content)
            await self.send_json(content if beside is None else {**content, **beside})
        if self.send_message_immediately:
            await (anyio.lowlevel.checkpoint() if self._chanx_trio else asyncio.sleep(0))  # the latter is faster

    async def send_json(self, content: Any, close: Any = False) -> None:
        """Log and send a frame, and then close the connection where `close` is True or a code."""
        if self._chanx_logs_sent:
            self._chanx_log("sent", content)
        await super().send_json(content, close)

    @classmethod
    async def encode_json(cls, content: Any) -> str:
        """The text of a frame, written as messages are that take the short way."""
        return compact(content)

    def _chanx_log(self, what: str, content: Any) -> None:
        action = self._chanx_action(content)
        if not (isinstance(action, str) and action in self.all_log_ignored_actions):
            about = handled.get()
            number = "" if about is None else f" (message {about[0]})"
            # a client's action is no text to be trusted: it may hold a line of its own
            said = action[:_ACTION] if isinstance(action, str) and action.isprintable() else repr(action)[:_ACTION]
            logger.info("%s %s %s: %.*s%s", type(self).__qualname__, what, said, _LOGGED, str(content), number)

    def _chanx_action(self, content: Any) -> Any:
        return cast("dict[str, Any]", content).get(self.discriminator_field) if isinstance(content, dict) else None

    async def _chanx_frame(self, text: str) -> None:
        event = {"type": "websocket.send", "text": text}
        sending: Any = self.base_send
        if sending.__class__ is Sending and not sending.busy:  # as it does, with a coroutine less for each frame
            sending.busy = True
            try:
                await sending.server(event)
            except OSError as error:  # as in `AsyncConsumer.send`
                self._chanx_pump.lost = lost = sending.lose(error)
                raise lost from None
            finally:
                sending.next()
        else:
            try:
                await sending(event)
            except OSError as error:
                self._chanx_pump.lost = error
                raise

    # -- what goes wrong ----------------------------------------------------------------------------

    async def _chanx_told(self, telling: Awaitable[None]) -> None:
        """Wait for what tells the client of an error; where that fails in its turn, the connection goes on, too."""
        try:
            await telling
        except BaseException as error:
            failure = self._chanx_ordinary(error)
            logger.exception("%s failed to tell its client of an error", type(self).__qualname__, exc_info=failure)

    async def _chanx_refuse(self, error: ValidationError) -> None:
        await self._chanx_told(self.handle_validation_error(error))
        if self.send_completion and is_message(error):
            await self.send_message(CompleteMessage())

    async def _chanx_broken(self, error: BaseException) -> None:
        await self._chanx_told(self.handle_json_processing_error(self._chanx_ordinary(error)))
        if self.send_completion:
            await self.send_message(CompleteMessage())

    def _chanx_ordinary(self, error: BaseException) -> Exception:
        """What the application has raised; raises what ends the handler, or the consumer, and is no mistake."""
        if error is self._chanx_pump.lost or isinstance(error, StopConsumer):
            raise error
        return error if isinstance(error, Exception) else _runtime.current().ordinary(error)

    async def _chanx_handler_failed(self, error: BaseException, message: Any) -> None:
        failure = self._chanx_ordinary(error)
        tag = self._chanx_compiled.tag(message)
        await self._chanx_told(self.handle_message_handler_error(failure, tag, message))

    async def handle_validation_error(self, error: ValidationError) -> None:
        """Answer a frame that is no message."""
        await self.send_message(ErrorMessage(payload=findings(error)))

    async def handle_json_processing_error(self, error: Exception) -> None:
        """Answer a frame that could not be handled for another reason; it is logged."""
        logger.error("%s failed to process a frame", type(self).__qualname__, exc_info=error)
        await self.send_message(ErrorMessage(payload={"detail": "Failed to process message"}))

    async def handle_message_handler_error(self, error: Exception, action: str, message: BaseMessage) -> None:  # noqa: ARG002
        """Answer a message whose handler has raised; it is logged."""
        logger.error("%s failed to process a message %r", type(self).__qualname__, action, exc_info=error)
        await self.send_message(ErrorMessage(payload={"detail": f"Failed to process message for {action}"}))

    async def handle_event_handler_error(self, error: Exception, action: str, event: BaseMessage) -> None:  # noqa: ARG002
        """Tell the client that the handler of an event has raised; it is logged."""
        logger.error("%s failed to process an event %r", type(self).__qualname__, action, exc_info=error)
        await self.send_message(ErrorMessage(payload={"detail": f"Failed to process event for {action}"}))

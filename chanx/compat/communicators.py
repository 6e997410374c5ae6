"""The communicators of chanx 2.x: one WebSocket whose frames are the messages of a class of consumers."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from types import TracebackType
from typing import Any, Self

from pydantic import BaseModel

from chanx.compat.casing import camelized, snaked
from chanx.compat.compiled import compiled
from chanx.compat.messaging import MessagingCommunicator
from chanx.compat.settings import setting
from chanx.compat.structured import StructuredConsumer
from chanx.compat.testing import Headers
from chanx.compat.testing import WebsocketCommunicator as _Communicator
from chanx.constants import ACTION_COMPLETE, COMPLETE_ACTIONS


class WebsocketCommunicatorMixin(MessagingCommunicator):
    """One WebSocket; `async with` connects it and leaves.

    Args:
        application: ASGI.
        path: with the query string, if any.
        headers: of the handshake, as pairs of bytes.
        subprotocols: that the client offers.
        spec_version: of ASGI.
        consumer: the class of consumers that is served there, which knows the classes of messages; left out, that of
            `application`, if it is one's `as_asgi()`.
    """

    def __init__(
        self,
        application: Any,
        path: str,
        headers: Headers | None = None,
        subprotocols: Iterable[str] | None = None,
        spec_version: Any = None,
        *,
        consumer: Any = None,
    ) -> None:
        super().__init__(application, path, headers, subprotocols, spec_version)
        own = getattr(application, "consumer_class", None) if consumer is None else consumer
        self.consumer: Any = own if isinstance(own, type) and issubclass(own, StructuredConsumer) else None
        if self.consumer is not None:
            self.action_key = self.consumer.discriminator_field

    async def __aenter__(self) -> Self:
        connected, detail = await self.connect()
        assert connected, f"the connection was refused with {detail}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is not None:  # that is the one to be told
            with contextlib.suppress(Exception):
                await self.disconnect()
            return
        failed = self.future.done() and not self.future.cancelled()
        await self.disconnect()
        if failed:
            self.future.result()

    async def disconnect(self, code: int = 1000, timeout: float = 1) -> None:
        """Leave, and wait for the end of the application.

        Nothing happens if the application has never begun; nor if it has ended, where the class of consumers is known.

        Args:
            code: of the close.
            timeout: in seconds.
        """
        if self.consumer is None and self._future is not None:  # as Channels', which raises what it has raised
            self._connected = False
            await _Communicator.disconnect(self, code, timeout)
        else:
            await super().disconnect(code, timeout)

    async def send_message(self, message: BaseModel) -> None:
        """Send a message; in camel case where the consumer speaks so."""
        content = message.model_dump(mode="json", by_alias=True)
        await self.send_json_to(camelized(content) if self._camelizes() else content)

    async def receive_all_json(self, timeout: float = 1, *, wait_group: bool = False) -> list[dict[str, Any]]:
        """The content of all frames up to the completion of a message, without those that tell of completions.

        Consumers tell of it where the setting SEND_COMPLETION, or their attribute, says so; without it, all of
        `timeout` is waited for.

        Args:
            timeout: in seconds, for all of it; the application goes on after it.
            wait_group: up to the completion of a group message instead.

        Raises:
            Exception: what the application has raised.
        """
        got = await super().receive_all_json(timeout, wait_group=wait_group)
        return [one for one in got if one.get(self.action_key) not in COMPLETE_ACTIONS]

    async def receive_all_messages(self, stop_action: str = ACTION_COMPLETE, timeout: float = 1) -> list[Any]:
        """All messages up to one with an action, as objects of their classes, without those that tell of completions.

        Args:
            stop_action: of the message that ends it, which is none of them.
            timeout: in seconds, for all of it; the application goes on after it.

        Raises:
            Exception: what the application has raised.
            TypeError: nobody knows the class of consumers.
            pydantic.ValidationError: a message came that is none of those that the consumer says it sends.
        """
        if self.consumer is None:
            raise TypeError("which messages may come? Give the communicator the class: consumer=ChatConsumer")
        validate = compiled(self.consumer).outgoing_message_adapter.validate_python
        camelizes = self._camelizes()
        return [
            validate(snaked(one) if camelizes else one)
            for one in await self.receive_until_action(stop_action, timeout)
            if one.get(self.action_key) not in COMPLETE_ACTIONS
        ]

    def _camelizes(self) -> bool:
        own = getattr(self.consumer, "camelize", None)
        return bool(setting("CAMELIZE") if own is None else own)


class WebsocketCommunicator(WebsocketCommunicatorMixin):
    """One WebSocket of a consumer of chanx 2.x, or of any other; see `WebsocketCommunicatorMixin`."""

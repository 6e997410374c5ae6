"""Communicators that speak in messages: what `chanx.testing` of 0.12 has beside our own test client."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any, cast

from pydantic import BaseModel

from chanx.compat.casing import camelized, snaked
from chanx.compat.settings import send_authentication_message as is_told
from chanx.compat.settings import setting
from chanx.compat.testing import WebsocketCommunicator as _Communicator
from chanx.messages.outgoing import AuthenticationMessage

#: What tells that all is sent that something led to.
COMPLETE, GROUP_COMPLETE = "complete", "group_complete"


class MessagingCommunicator(_Communicator):
    """One WebSocket whose frames are messages.

    Attributes:
        action_key: the name of the field that tells messages apart.
    """

    action_key: str = "action"

    _connected = False
    _close: dict[str, Any] | None = None  # how the application has closed the connection

    async def connect(self, timeout: float = 1) -> tuple[bool, Any]:
        """Ask for the connection: True and the subprotocol that was chosen, or False and the close code."""
        self._connected, detail = await super().connect(timeout)
        return self._connected, detail

    async def disconnect(self, code: int = 1000, timeout: float = 1) -> None:
        """Leave, and wait for the end of the application; nothing happens where it has ended, or never begun.

        Args:
            code: of the close.
            timeout: in seconds.
        """
        self._connected = False
        if self._future is not None and not self.future.done():
            await super().disconnect(code, timeout)

    async def send_message(self, message: BaseModel) -> None:
        """Send a message; in camel case where the setting CAMELIZE says so."""
        content = message.model_dump(mode="json", by_alias=True)
        await self.send_json_to(camelized(content) if setting("CAMELIZE") else content)

    async def receive_until_action(
        self, action: str, timeout: float = 5, *, inclusive: bool = False
    ) -> list[dict[str, Any]]:
        """The content of all frames up to one with an action, or to the close of the connection, or up to now.

        Args:
            action: of the frame that ends it.
            timeout: in seconds, for all of it; the application goes on after it.
            inclusive: with that frame.

        Raises:
            Exception: what the application has raised.
        """
        got: list[dict[str, Any]] = []
        until = time.monotonic() + timeout
        while (content := await self._content_until(until)) is not None:
            is_last = _action(content, self.action_key) == action
            if inclusive or not is_last:
                got.append(content)
            if is_last:
                break
        return got

    async def receive_all_json(self, timeout: float = 5, *, wait_group: bool = False) -> list[dict[str, Any]]:
        """The content of all frames up to the completion of a message, without those that tell of completions.

        Consumers tell of it where the setting SEND_COMPLETION, or their attribute, says so; without it, all of
        `timeout` is waited for.

        Args:
            timeout: in seconds, for all of it; the application goes on after it.
            wait_group: up to the completion of a group message instead.

        Raises:
            Exception: what the application has raised.
        """
        got = await self.receive_until_action(GROUP_COMPLETE if wait_group else COMPLETE, timeout)
        return [one for one in got if _action(one, self.action_key) not in (COMPLETE, GROUP_COMPLETE)]

    async def assert_closed(self, timeout: float = 1) -> None:
        """Check that the application closes the connection, or has closed it.

        Raises:
            AssertionError: it sends something else, or nothing in time.
        """
        if self._close is None:
            event = await self._output_within(timeout)
            assert event is not None, "the connection is not closed"
            assert event["type"] == "websocket.close", f"the connection is not closed: {event}"
            self._close = event
        self._connected = False

    async def wait_for_auth(
        self,
        send_authentication_message: bool | None = None,
        max_auth_time: float = 0.5,
        after_auth_time: float = 0.1,
    ) -> AuthenticationMessage | None:
        """The authentication message, which is the first that comes.

        Args:
            send_authentication_message: is it sent? The setting SEND_AUTHENTICATION_MESSAGE where None. If not, so many
                seconds are waited as it might take.
            max_auth_time: how long it may take, in seconds.
            after_auth_time: how long to wait after it, for `post_authentication`, in seconds.

        Returns:
            None where it is not sent.

        Raises:
            AssertionError: it did not come in time.
        """
        if not is_told(send_authentication_message):
            await asyncio.sleep(max_auth_time)
            return None
        content = await self._content_until(time.monotonic() + max_auth_time)
        assert content is not None, f"no authentication message came within {max_auth_time:g} s"
        await asyncio.sleep(after_auth_time)
        return AuthenticationMessage.model_validate(snaked(content))

    async def assert_authenticated_status_ok(self, max_auth_time: float = 0.5) -> None:
        """Check that the authentication message says that the client may stay.

        Args:
            max_auth_time: how long it may take, in seconds.

        Raises:
            AssertionError: it says otherwise, or did not come in time, or settings say that none is sent.
        """
        message = await self.wait_for_auth(max_auth_time=max_auth_time)
        assert message is not None, "SEND_AUTHENTICATION_MESSAGE is off: nothing tells whether the client may stay"
        assert message.payload.status_code == 200, f"the client may not stay: {message.payload}"

    async def _content_until(self, until: float) -> Any:
        """The content of the next frame; None where none comes in time, or the connection is closed."""
        if self._close is not None:
            return None
        event = await self._output_within(max(0.0, until - time.monotonic()))
        if event is None:
            if self.future.done() and not self.future.cancelled():
                self.future.result()
            return None
        if event["type"] == "websocket.close":
            self._close = event
            return None
        assert event["type"] == "websocket.send", event
        text = event.get("text")
        assert text is not None, "JSON came in a binary frame"
        return json.loads(text)


def _action(content: Any, key: str) -> Any:
    return cast("dict[str, Any]", content).get(key) if isinstance(content, dict) else None


class WebsocketCommunicator(MessagingCommunicator):
    """One WebSocket of a consumer of chanx 0.12.

    Args:
        application: ASGI.
        path: with the query string, if any.
        headers: of the handshake, as pairs of bytes.
        subprotocols: that the client offers.
        spec_version: of ASGI.
    """

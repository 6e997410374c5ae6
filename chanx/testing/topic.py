"""One topic of a connection, as a test talks to it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from chanx import _runtime
from chanx._states import State
from chanx._topics.subscription import Subscription
from chanx.testing import frames
from chanx.testing.conversation import Closed, Conversation
from chanx.testing.frames import Frame

if TYPE_CHECKING:
    from chanx.connection import Connection


class Topic(Conversation):
    """A subscription; made by `Client.subscribe`. It hears the frames of its topic, and no others.

    It is over when it is unsubscribed, when the application ends it, or when the connection ends. `send` and
    `receive` raise `Closed` from then on. Should a frame of that topic come all the same, the client hears it.

    Attributes:
        name: the topic, as in `"discussion:5"`.
    """

    def __init__(self, client: Conversation, name: str, unsubscribe: Callable[..., Awaitable[None]]) -> None:
        super().__init__(client._refs, topic=name)
        self.name = name
        self._client = client
        self._unsubscribe = unsubscribe

    async def unsubscribe(self, *, timeout: float | None = None) -> None:
        """Unsubscribe, and wait for the answer.

        Raises:
            Failed: the application refused, as it does where the topic is not subscribed.
            AssertionError: no answer came in time.
            Closed: the application closed the connection.
        """
        await self._unsubscribe(self.name, timeout=timeout)

    async def wait_closed(self, *, timeout: float | None = None) -> Closed:
        """Wait until the subscription is over; returns code and reason, 1000 where the client unsubscribed."""
        await self.wait_until(lambda: self._over, "the end of the topic", timeout)
        return self._closed or self._client._closed or Closed(1006, "the application ended without closing")

    async def settled(self, *, timeout: float | None = None) -> None:
        """Wait until nothing is left to do: for every connection on this loop, no frame to read, no handler
        running, nothing to write.
        """
        await self._client.settled(timeout=timeout)

    async def wait_until(self, condition: Callable[[], bool], what: str, timeout: float | None = None) -> None:
        """Wait until a condition of this topic holds; it is looked at whenever something happens.

        Raises:
            AssertionError: it does not come to hold in time.
        """
        try:
            await self._client.wait_until(condition, what, timeout)
        except AssertionError as error:
            raise AssertionError(f"{error}; pending in the topic {self.name}: {self.pending}") from None

    def arrived(self, frame: Frame) -> None:
        """A frame of this topic has come."""
        self._frames.append(frame)

    def ended(self, frame: Frame) -> None:
        """The subscription is over, as `unsubscribed` tells."""
        match frames.key_of(frame, "payload"):
            case {"code": int(code), "reason": str(reason)}:
                self._closed = Closed(code, reason)
            case _:
                self._closed = Closed(1000, "unsubscribed")

    def left_over(self) -> list[Frame]:
        """Take the frames that nobody will receive here."""
        taken = list(self._frames)
        self._frames.clear()
        return taken

    @property
    def _connection(self) -> Connection:
        hub = self._client._connection
        for one in _runtime.current().connections:
            if isinstance(one, Subscription) and one.hub is hub and one.name == self.name and one.state is State.OPEN:
                return one
        raise LookupError(f"the topic {self.name} has ended")

    @property
    def _over(self) -> bool:
        return self._closed is not None or self._client._over

    def _end(self) -> Exception:
        return self._closed or self._client._end()

    def _put_frame(self, frame: Frame) -> None:
        if self._closed is not None:
            raise self._closed
        self._client._put_frame(frame)

    @property
    def _discriminator(self) -> str:
        return self._client._discriminator

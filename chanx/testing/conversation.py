"""Saying and hearing: what a test does with a connection, and with each topic on it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, TypeVar, cast, overload

import anyio

from chanx.testing import frames
from chanx.testing.frames import Frame
from chanx.testing.stream import Stream
from chanx.types import RESERVED_KEYS

if TYPE_CHECKING:
    from chanx.connection import Connection

T = TypeVar("T")


class Closed(Exception):
    """The application closed the connection, or the subscription to a topic is over.

    Attributes:
        code: the close code; 1000 where the client unsubscribed.
        reason: the close reason.
    """

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(f"closed by the application with {code}: {reason or 'no reason'}")
        self.code = code
        self.reason = reason


class Conversation(ABC):
    """What `Client` and `Topic` have in common.

    Args:
        refs: numbers that make the refs; a topic takes those of its client.
        envelope: keys that every frame carries.
    """

    def __init__(self, refs: Iterator[int], **envelope: Any) -> None:
        self._refs = refs
        self._envelope = envelope
        self._frames: deque[Frame] = deque()
        self._questions: list[tuple[Any, str]] = []
        self._closed: Closed | None = None

    @property
    def pending(self) -> list[Any]:
        """Frames that arrived and were not received yet; JSON as objects."""
        return [frames.readable(frame) for frame in self._frames]

    async def send(self, message: Any) -> None:
        """Send a message (a model or struct), a dict as JSON, or a text or binary frame as it is.

        Raises:
            Closed: the application has closed the connection, or ended the topic.
        """
        self._put_frame(message if isinstance(message, (bytes, str)) else frames.write(message, **self._envelope))
        await anyio.lowlevel.checkpoint()

    @overload
    async def receive(self, type_: type[T], /, *, timeout: float | None = None) -> T: ...
    @overload
    async def receive(self, /, *, timeout: float | None = None) -> Any: ...
    async def receive(self, type_: type[Any] | None = None, /, *, timeout: float | None = None) -> Any:
        """The next frame: as a message of `type_`, or as the decoded JSON (binary frames as they are).

        Raises:
            Failed: the frame is an error, and a type was given.
            AssertionError: the frame is no `type_`, or none came in time; the text shows the pending frames.
            Closed: the application closed the connection, or ended the topic, and no frame is left.
        """
        await self.wait_until(lambda: bool(self._frames) or self._over, "a frame", timeout)
        if not self._frames:
            raise self._end()
        return self._read(self._frames.popleft(), type_)

    @overload
    async def request(
        self, message: Any, type_: type[T], /, *, chunks: Iterable[Any] | None = None, timeout: float | None = None
    ) -> T: ...
    @overload
    async def request(
        self, message: Any, /, *, chunks: Iterable[Any] | None = None, timeout: float | None = None
    ) -> Any: ...
    async def request(
        self,
        message: Any,
        type_: type[Any] | None = None,
        /,
        *,
        chunks: Iterable[Any] | None = None,
        timeout: float | None = None,
    ) -> Any:
        """Send a message with a fresh `ref` and return the frame that answers it; others stay pending.

        Of several answers the first is returned; `stream` gives them all.

        Args:
            message: a model, struct or dict.
            type_: of the answer; its decoded JSON when left out.
            chunks: messages that this client streams to the handler after it, up to the last one.
            timeout: in seconds; that of the connection when left out.

        Raises:
            Failed: the answer is an error, and a type was given.
            AssertionError: it is another message, or none came in time.
            Closed: the application closed the connection, or ended the topic.
        """
        return self._read(await self._take(self._ask(message, chunks), timeout), type_)

    @overload
    def stream(
        self, message: Any, type_: type[T], /, *, chunks: Iterable[Any] | None = None, timeout: float | None = None
    ) -> Stream[T]: ...
    @overload
    def stream(
        self, message: Any, /, *, chunks: Iterable[Any] | None = None, timeout: float | None = None
    ) -> Stream[Any]: ...
    def stream(
        self,
        message: Any,
        type_: type[Any] | None = None,
        /,
        *,
        chunks: Iterable[Any] | None = None,
        timeout: float | None = None,
    ) -> Stream[Any]:
        """Send a message with a fresh `ref`, at once, and iterate over its answers.

        For `async for word in client.stream(Count(to=3), Word)`. The arguments are those of `request`; `timeout` is
        that of each answer.

        Raises:
            Closed: the application has closed the connection, or ended the topic.
        """
        ref = self._ask(message, chunks)
        return Stream(ref, lambda ref: self._take(ref, timeout), lambda frame: self._read(frame, type_))

    async def cancel(self, ref: str | int) -> None:
        """Tell the application that no answer to a message is wanted any more; `ref` is the message's.

        Raises:
            Closed: the application has closed the connection, or ended the topic.
        """
        await self._control("cancel", ref=ref)

    async def answer(self, question: Any, message: Any) -> None:
        """Answer a question of `Context.ask`.

        Args:
            question: the message or frame that `receive` returned.
            message: a model, struct or dict.

        Raises:
            LookupError: it is no question, or was not received here.
            Closed: the application has closed the connection, or ended the topic.
        """
        await self.send(frames.write(message, ask=self._asked(question), **self._envelope))

    async def decline(self, question: Any, code: str = "declined", detail: str = "") -> None:
        """Refuse to answer a question; `Context.ask` raises `AskFailed`. See `answer`."""
        await self._control("error", ask=self._asked(question), payload={"code": code, "detail": detail})

    @property
    def id(self) -> str:
        """The `Context.id` of the connection, or of the topic's subscription; for `connection=` and `exclude=`.

        Raises:
            LookupError: it has ended, or was not made on this event loop.
        """
        return self._connection.id

    async def drain(self) -> list[Any]:
        """Wait until nothing is left to do, and take every frame that has arrived, as `receive` would."""
        await self.settled()
        frames = self.pending
        self._frames.clear()
        return frames

    @abstractmethod
    async def settled(self, *, timeout: float | None = None) -> None:
        """Wait until nothing is left to do: for every connection on this loop, no frame to read, no handler
        running, nothing to write.
        """

    # -- what the two make of it --------------------------------------------------------------------

    @abstractmethod
    async def wait_until(self, condition: Callable[[], bool], what: str, timeout: float | None = None) -> None:
        """Wait until a condition of this client holds; it is looked at whenever something happens.

        Raises:
            AssertionError: it does not come to hold in time.
        """

    @property
    @abstractmethod
    def _connection(self) -> Connection:
        """What runs in the application."""

    @property
    @abstractmethod
    def _over(self) -> bool:
        """Will nothing more come?"""

    @abstractmethod
    def _end(self) -> Exception:
        """Why nothing more comes."""

    @abstractmethod
    def _put_frame(self, frame: Frame) -> None:
        """Hand a frame to the application."""

    @property
    @abstractmethod
    def _discriminator(self) -> str:
        """The key that tells messages apart."""

    # -- with that ----------------------------------------------------------------------------------

    async def _control(self, action: str, **keys: Any) -> None:
        if self._over:
            raise self._end()
        await self.send({self._discriminator: action, **keys})

    def _ref(self) -> str:
        return f"test-{next(self._refs)}"

    def _ask(self, message: Any, chunks: Iterable[Any] | None) -> str:
        """Send a message, and what is streamed after it; returns its ref."""
        ref = self._ref()
        envelope = {"ref": ref, **self._envelope}
        self._put_frame(frames.write(message, **envelope))
        if chunks is not None:
            for chunk in chunks:
                self._put_frame(frames.write(chunk, **envelope))
            self._put_frame(frames.write({self._discriminator: "complete"}, **envelope))
        return ref

    async def _take(self, ref: str, timeout: float | None) -> Frame:
        """The next frame with a ref."""

        def found() -> Frame | None:
            return next((frame for frame in self._frames if frames.key_of(frame, "ref") == ref), None)

        await self.wait_until(lambda: found() is not None or self._over, f"the answer to {ref}", timeout)
        frame = found()
        if frame is None:
            raise self._end()
        self._frames.remove(frame)
        return frame

    def _read(self, frame: Frame, type_: type[Any] | None) -> Any:
        """A frame as what the test wants of it; a question is remembered, so that it can be answered."""
        if type_ is None:
            return frames.readable(frame)
        try:
            message = frames.parse(type_, frame, RESERVED_KEYS if self._envelope else ("ref", "ask"))
        except Exception as error:
            failed = frames.failure(frame)
            if failed is not None:
                raise failed from None
            told = ", ".join(str(one) for one in self.pending) or "nothing"
            raise AssertionError(
                f"expected {type_.__name__}, got {frames.readable(frame)!r}; after it: {told}"
            ) from error
        ask = frames.key_of(frame, "ask")
        if ask is not None:
            self._questions.append((message, ask))
        return message

    def _asked(self, question: Any) -> str:
        if isinstance(question, dict) and "ask" in question:
            return str(cast(dict[str, Any], question)["ask"])
        for asked, ask in self._questions:
            if asked is question:
                return ask
        raise LookupError(f"{question!r} is no question that was received here")

"""Questions of the server to its client, and the frames that answer them."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import anyio

from chanx import _dispatch, _questions
from chanx._dispatch import MAX_ENCODERS, BadFrame
from chanx.exceptions import AskFailed, ConfigurationError, ConnectionClosed

if TYPE_CHECKING:
    from chanx._plan import Section
    from chanx.connection import Connection


class _Question:
    """One question that waits for its answer."""

    __slots__ = ("answer", "asker", "done", "error", "section")

    def __init__(self, asker: Connection, section: Section | None) -> None:
        self.asker = asker
        self.section = section
        self.done = anyio.Event()
        self.answer: Any = None
        self.error: Exception | None = None


class Questions:
    """The questions on one socket, whose ids differ also where they are asked in different topics.

    Attributes:
        open: those that wait for an answer, by id.
        number: that of the last one.
    """

    __slots__ = ("number", "open")

    def __init__(self) -> None:
        self.open: dict[str, _Question] = {}
        self.number = 0


class Asks:
    """The open questions of one connection; made when it asks the first.

    Args:
        connection: that asks.
        questions: those of all connections that share the socket.
    """

    __slots__ = ("_connection", "questions")

    def __init__(self, connection: Connection, questions: Questions) -> None:
        self._connection = connection
        self.questions = questions

    async def ask(self, message: Any, classes: tuple[Any, ...], timeout: float) -> Any:
        """Send a question and wait for its answer; see `Context.ask`."""
        connection = self._connection
        if not connection.plan.envelope:
            raise ConfigurationError("a question is told by its `ask` key; use Channel(envelope=True) to ask")
        if connection.ahead is not None and connection.ahead.full:
            self.overloaded()
            raise _overloaded()
        question = _Question(connection, self._section(classes))
        self.questions.number += 1
        ask = f"q{self.questions.number}"
        frame = f'{_dispatch.encode(connection.plan, message)[:-1]},"ask":"{ask}"}}'
        self.questions.open[ask] = question
        try:
            with anyio.move_on_after(timeout):
                await connection.send_text(frame)
                connection.expect_answer()
                await question.done.wait()
        finally:
            del self.questions.open[ask]
        if not question.done.is_set():
            raise AskFailed("timeout", f"no answer within {timeout:g} seconds")
        if question.error is not None:
            raise question.error
        return question.answer

    def asked(self, ask: str) -> bool:
        """Was there ever a question with this id? One that is open must have been asked here, not in another topic."""
        if (question := self.questions.open.get(ask)) is not None:
            return question.asker is self._connection
        number = ask[1:] if ask[:1] == "q" else ""
        return number.isdecimal() and 1 <= int(number[:20]) <= self.questions.number

    async def answered(self, ask: str, text: str) -> None:
        """A frame with the id of a question has come. One that nobody waits for any more is dropped."""
        question = self.questions.open.get(ask)
        if question is None or question.done.is_set():
            return
        connection = question.asker
        declined = _questions.declined(connection.plan, text)
        if declined is not None:
            self._settle(question, error=AskFailed(*declined))
            return
        try:
            answer = _questions.read_answer(connection.plan, question.section, text, f'"{ask}"')
        except BadFrame as bad:
            if bad.fault is not None:
                connection.report("reading an answer", bad.fault)
            elif not connection.strike():
                return
            with contextlib.suppress(ConnectionClosed):
                await connection.send_text(bad.frame)
        else:
            self._settle(question, answer)

    def closed(self) -> None:
        """The connection is closed: nobody will answer."""
        for question in self._own():
            self._settle(question, error=ConnectionClosed(self._connection.close_code, self._connection.close_reason))

    def overloaded(self) -> None:
        """Nothing is read from the client until handlers have ended, perhaps those that ask."""
        for question in self._own():
            self._settle(question, error=_overloaded())

    def _own(self) -> list[_Question]:
        return [one for one in self.questions.open.values() if one.asker is self._connection]

    def _settle(self, question: _Question, answer: Any = None, error: Exception | None = None) -> None:
        if not question.done.is_set():
            question.answer, question.error = answer, error
            question.done.set()

    def _section(self, classes: tuple[Any, ...]) -> Section | None:
        known = self._connection.service.answers
        with contextlib.suppress(TypeError):  # not hashable, so no classes: refused below
            if classes in known:
                return known[classes]
        section = _questions.answers(self._connection.plan, classes)
        if len(known) < MAX_ENCODERS:  # classes that are made on the fly are not kept for ever
            known[classes] = section
        return section


def _overloaded() -> AskFailed:
    return AskFailed("overloaded", "the client sends so much that its answer cannot be read")

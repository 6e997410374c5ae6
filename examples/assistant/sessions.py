"""What was asked and answered in each session, and its documents.

All of it is in this process's memory, like the channel's group layer. A session lives while a tab shows it, and
some time longer, so that a reload finds it again.
"""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass

from examples.assistant.messages import Document, Turn, Welcome

KEPT_SESSIONS = 100
KEPT_TURNS = 50
DOCUMENTS = 8
LONGEST = 200_000
"""How many characters a document may have."""


class TooMuch(Exception):
    """A session holds only so much; the text says what."""


@dataclass
class Paper:
    """A document and its summary."""

    text: str
    summary: str


class Session:
    """One conversation, in as many tabs as show it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.group = f"session:{name}"
        self.tabs = 0
        self.turns: list[Turn] = []
        self.papers: dict[str, Paper] = {}
        self._next = 1

    def begin(self, question: str) -> Turn:
        turn = Turn(id=self._next, question=question)
        self._next += 1
        self.turns = [*self.turns[-KEPT_TURNS + 1 :], turn]
        return turn

    def add(self, name: str, paper: Paper) -> str:
        """Keep a document; returns its name, with a number where there is one of this name already.

        Raises:
            TooMuch: there are enough.
        """
        if len(self.papers) >= DOCUMENTS:
            raise TooMuch(f"A session has room for {DOCUMENTS} documents. Delete one first.")
        free, number = name, 2
        while free in self.papers:
            free, number = f"{name} ({number})", number + 1
        self.papers[free] = paper
        return free

    def document(self, name: str) -> Document:
        paper = self.papers[name]
        return Document(name=name, words=len(paper.text.split()), summary=paper.summary)

    def welcome(self) -> Welcome:
        return Welcome(turns=self.turns, documents=[self.document(name) for name in self.papers])


class Sessions:
    """The sessions that are open, and the last ones that were."""

    def __init__(self) -> None:
        self._sessions: dict[str, Session] = {}

    def __len__(self) -> int:
        return len(self._sessions)

    def clear(self) -> None:
        """Forget what nobody looks at."""
        self._sessions = {name: session for name, session in self._sessions.items() if session.tabs}

    @contextmanager
    def visit(self, name: str) -> Generator[Session]:
        """Have a session open in one more tab for as long as the block lasts."""
        session = self._sessions.pop(name, None) or Session(name)
        self._sessions[name] = session  # at the end, as the last that was used
        session.tabs += 1
        try:
            yield session
        finally:
            session.tabs -= 1
            closed = [name for name, session in self._sessions.items() if session.tabs == 0]
            for name in closed[: len(closed) - KEPT_SESSIONS] if len(closed) > KEPT_SESSIONS else ():
                del self._sessions[name]

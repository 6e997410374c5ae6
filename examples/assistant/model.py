"""The model. This one makes its words up; a real one has the same methods, and waits for a network instead."""

import re
from collections.abc import AsyncGenerator, Mapping
from typing import Protocol

import anyio

IDEAS = (
    "Tell me a long story",
    "What can you do?",
    "Summarise my document",
    "Delete a document",
    "Which document is the longest?",
)

STORY = (
    "There was a server that wanted to tell everything at once. It said one long word, and nobody waited for its end. "
    "So it learned to speak in small words, one after the other, and to stop when somebody had heard enough. "
    "Those who came late were told what they had missed, and those who left in the middle were not followed. "
)


class Tools(Protocol):
    """What the model may do on behalf of the user."""

    @property
    def texts(self) -> Mapping[str, str]:
        """The documents by name."""
        ...

    async def choose(self, text: str, options: list[str]) -> str | None:
        """Have the user choose; None where they will not."""
        ...

    async def delete(self, name: str) -> bool:
        """Delete a document if the user confirms it."""
        ...


class Model:
    """Knows four things to say.

    Args:
        pause: seconds that it thinks about each word.
    """

    def __init__(self, pause: float = 0.04) -> None:
        self.pause = pause

    async def think(self, words: int = 1) -> None:
        """Take the time that so many words need."""
        await anyio.sleep(self.pause * words)

    async def answer(self, text: str, tools: Tools) -> AsyncGenerator[str, None]:
        """The answer to a question, word by word."""
        for word in re.findall(r"\S+\s*", await _reply(text, tools)):
            await self.think()
            yield word

    async def summary(self, text: str) -> str:
        """The beginning of a text: its first forty words."""
        await self.think(5)
        return _first(text, 40)

    async def shorten(self, text: str) -> str:
        """Half of the words."""
        await self.think(5)
        return _first(text, max(1, len(text.split()) // 2))

    async def suggestions(self, text: str) -> list[str]:
        """What somebody who typed this may want to ask."""
        await self.think(4)
        wanted = text.casefold().split()
        return [idea for idea in IDEAS if all(word in idea.casefold() for word in wanted)][:3]


async def _reply(text: str, tools: Tools) -> str:
    wanted, texts = text.casefold(), tools.texts
    if "delete" in wanted or "remove" in wanted:
        name = await _which(wanted, "Which document shall I delete?", tools)
        if name is None:
            return "I have deleted nothing."
        return f"{name} is deleted." if await tools.delete(name) else f"I have kept {name}."
    if "summar" in wanted or "document" in wanted:
        if not texts:
            return "Please upload a document first."
        if "longest" in wanted:
            name = max(texts, key=lambda one: len(texts[one]))
        else:
            name = await _which(wanted, "Which document do you mean?", tools)
        if name is None:
            return "Then I have nothing to say."
        return f"{name} has {len(texts[name].split())} words. It says: {_first(texts[name], 60)}"
    if "story" in wanted:
        return STORY * 6
    return (
        f"You said: “{text}”. I am a very small model. I can tell a long story, summarise a document that you upload, "
        "and delete one of them if you let me."
    )


async def _which(wanted: str, text: str, tools: Tools) -> str | None:
    """The document that is named, or the only one, or the one that the user chooses."""
    names = sorted(tools.texts)
    named = [name for name in names if name.casefold() in wanted]
    if len(named) == 1:
        return named[0]
    if len(names) > 1:
        return await tools.choose(text, names)
    return names[0] if names else None


def _first(text: str, count: int) -> str:
    words = text.split()
    said = " ".join(words[:count])
    return said if len(words) <= count else said.rstrip(".,;:!?…") + "…"

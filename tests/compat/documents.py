"""Code as documents for Django Channels print it, with `chanx.` in front of what it imports from there."""

from __future__ import annotations

import asyncio
import re
import textwrap
from typing import Any


def as_chanx(text: str) -> str:
    """The same with `chanx.` in front of its imports from Channels."""
    return re.sub(r"^(\s*from )channels\b", r"\1chanx.channels", text, flags=re.MULTILINE)


def printed(block: str, **surroundings: Any) -> dict[str, Any]:
    """Run a block, and return the names that it defines.

    Args:
        block: as it stands in the document, indented or not.
        surroundings: names that the document takes for granted.
    """
    code = as_chanx(textwrap.dedent(block))
    names: dict[str, Any] = {"__name__": "printed", **surroundings}
    exec(compile(code, "the document", "exec", dont_inherit=True), names)  # noqa: S102 - code of the tests' own
    return names


def methods(block: str, base: Any, **surroundings: Any) -> Any:
    """Run a block that is the inside of a class, and return a class that it is inside of."""
    code = textwrap.indent(textwrap.dedent(block), "    ")
    return printed(f"class Consumer(Base):\n{code}", Base=base, **surroundings)["Consumer"]


class Sleeps:
    """An `asyncio` for blocks that sleep: what sleeps goes on when it is told to.

    Attributes:
        asked: for how many seconds, each time.
    """

    def __init__(self) -> None:
        self.asked: list[float] = []
        self.sleeping = asyncio.Event()
        self._enough = asyncio.Event()

    async def sleep(self, seconds: float) -> None:
        self.asked.append(seconds)
        self._enough.clear()
        self.sleeping.set()
        await self._enough.wait()

    def wake(self) -> None:
        self.sleeping.clear()
        self._enough.set()

"""What the model may do. The user is asked in the tab in which the question was written; that the answer may be "no",
or none at all, is part of each tool.
"""

from collections.abc import Mapping

from chanx import AskFailed, Context
from examples.assistant.messages import Choose, Chosen, Confirm, Confirmed, Removed
from examples.assistant.sessions import Session


class Tools:
    """The tools of one answer."""

    def __init__(self, ctx: Context, session: Session) -> None:
        self._ctx = ctx
        self._session = session

    @property
    def texts(self) -> Mapping[str, str]:
        return {name: paper.text for name, paper in self._session.papers.items()}

    async def choose(self, text: str, options: list[str]) -> str | None:
        try:
            answer = await self._ctx.ask(Choose(text=text, options=options), Chosen)
        except AskFailed:  # declined, or not answered in time
            return None
        # What was to be chosen from may have changed meanwhile, and a page may answer anything.
        return answer.option if answer.option in options and answer.option in self._session.papers else None

    async def delete(self, name: str) -> bool:
        question = Confirm(text=f"Delete {name}? This cannot be undone.", yes="Delete", no="Keep")
        try:
            answer = await self._ctx.ask(question, Confirmed)
        except AskFailed:
            return False
        if not answer.yes or self._session.papers.pop(name, None) is None:
            return False
        await self._ctx.broadcast(Removed(name=name), group=self._session.group)
        return True

"""The assistant's channel: one connection is one tab of one session."""

import re
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Annotated

import anyio

from chanx import Channel, Context, Depends, Limits, Path, Reject
from examples.assistant.messages import (
    Asked,
    Document,
    Finished,
    Piece,
    Problem,
    Question,
    Shorten,
    Suggest,
    Suggestions,
    Tabs,
    Upload,
    Word,
)
from examples.assistant.model import Model
from examples.assistant.sessions import LONGEST, Paper, Session, Sessions, TooMuch
from examples.assistant.tools import Tools

# The page's code can read the reason of a refusal only from a close frame, never from an HTTP status.
assistant = Channel("assistant", title="Assistant", refuse="close", limits=Limits(ask_timeout=120.0))

sessions = Sessions()
SESSION_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")


async def the_model() -> Model:
    """Tests replace it with one that does not wait."""
    return Model()


async def current_session(session: Annotated[str, Path()]) -> AsyncIterator[Session]:
    """The session in the address. Who knows its name may read it: a real service would look at a login here."""
    if SESSION_NAME.fullmatch(session) is None:
        raise Reject(404, "A session is named in small letters, digits and hyphens, 40 at most.")
    with sessions.visit(session) as found:
        yield found


Here = Annotated[Session, Depends(current_session, scope="connection")]
TheModel = Annotated[Model, Depends(the_model)]


@assistant.on_connect
async def stay(ctx: Context, session: Here) -> AsyncIterator[None]:
    """Joined first and greeted second, so that nothing that happens between the two is missed."""
    await ctx.join(session.group)
    await ctx.send(session.welcome())
    await assistant.broadcast(Tabs(count=session.tabs), group=session.group)
    yield
    await assistant.broadcast(Tabs(count=session.tabs - 1), group=session.group)


# With `concurrency=1` the answers of a tab come one after the other, and its other messages do not wait for them.
@assistant.on(Question, concurrency=1)
async def question(message: Question, ctx: Context, session: Here, model: TheModel) -> AsyncIterator[Asked | Word]:
    """Each item goes to the tab that asked, as its answer, and to the other tabs, as news."""
    turn = session.begin(message.text)
    try:
        asked = Asked(turn=turn.id, text=turn.question)
        await ctx.broadcast(asked, group=session.group, exclude=ctx.id)
        yield asked
        async with aclosing(model.answer(turn.question, Tools(ctx, session))) as answer:
            async for text in answer:
                turn.answer += text
                word = Word(turn=turn.id, text=text)
                await ctx.broadcast(word, group=session.group, exclude=ctx.id)
                yield word
        turn.state = "done"
    finally:
        # Also where the answer was cancelled or its tab was closed: nobody must wait for another word.
        if turn.state == "writing":
            turn.state = "stopped"
        with anyio.CancelScope(shield=True):
            finished = Finished(turn=turn.id, answer=turn.answer, state=turn.state)
            await assistant.broadcast(finished, group=session.group)


@assistant.on(Suggest, latest=True)
async def suggest(message: Suggest, model: TheModel) -> Suggestions:
    return Suggestions(texts=await model.suggestions(message.text))


@assistant.on(Upload, concurrency=2)
async def upload(
    message: Upload, pieces: AsyncIterator[Piece], ctx: Context, session: Here, model: TheModel
) -> Document:
    text = ""
    async for piece in pieces:
        text += piece.text
        if len(text) > LONGEST:  # what still comes is dropped
            raise TooMuch(f"A document has at most {LONGEST:,} characters.")
    summary = await model.summary(text)
    added = session.document(session.add(message.name, Paper(text, summary)))
    await ctx.broadcast(added, group=session.group, exclude=ctx.id)
    return added


# Two clicks shorten a summary twice, one after the other; another document need not wait for that.
@assistant.on(Shorten, key="document")
async def shorten(message: Shorten, ctx: Context, session: Here, model: TheModel) -> Document | Problem:
    paper = session.papers.get(message.document)
    if paper is not None:
        paper.summary = await model.shorten(paper.summary)
    if session.papers.get(message.document) is None:  # now, or never was
        return Problem(detail=f"There is no document {message.document}.")
    changed = session.document(message.document)
    await ctx.broadcast(changed, group=session.group, exclude=ctx.id)
    return changed


@assistant.on_error(TooMuch)
async def too_much(error: TooMuch) -> Problem:
    return Problem(detail=str(error))

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager

import anyio
import httpx
import pytest

from chanx.testing import Client, Closed, Failed, connect
from examples.assistant import app
from examples.assistant.channel import assistant, sessions, the_model
from examples.assistant.messages import (
    Asked,
    Choose,
    Chosen,
    Confirm,
    Confirmed,
    Document,
    Finished,
    Piece,
    Problem,
    Question,
    Removed,
    Shorten,
    Suggest,
    Suggestions,
    Tabs,
    Turn,
    Upload,
    Welcome,
    Word,
)
from examples.assistant.model import Model
from examples.assistant.sessions import DOCUMENTS, KEPT_SESSIONS, KEPT_TURNS, LONGEST, Session, Sessions

pytestmark = pytest.mark.anyio


class Paced(Model):
    """Thinks until the test opens the gate, where there is one."""

    def __init__(self) -> None:
        super().__init__()
        self.gate: anyio.Event | None = None
        self.thoughts = 0

    async def think(self, words: int = 1) -> None:
        self.thoughts += 1
        if self.gate is not None:
            await self.gate.wait()


@pytest.fixture
async def model() -> AsyncIterator[Paced]:
    model = Paced()

    async def paced() -> Model:
        return model

    with assistant.override({the_model: paced}):
        yield model
    sessions.clear()
    assert len(sessions) == 0


@pytest.fixture(autouse=True)
def always(model: Paced) -> Paced:
    return model


def tab(session: str = "tea") -> AbstractAsyncContextManager[Client]:
    return connect(app, f"/sessions/{session}")


async def come_in(client: Client, tabs: int = 1) -> Welcome:
    welcome = await client.receive(Welcome)
    assert await client.receive(Tabs) == Tabs(count=tabs)
    return welcome


async def add(client: Client, name: str, text: str = "one two three four") -> Document:
    return await client.request(Upload(name=name), Document, chunks=[Piece(text=text)])


# --- answers -----------------------------------------------------------------------------------------


async def test_an_answer_comes_word_by_word_and_is_remembered() -> None:
    async with tab() as client:
        assert (await come_in(client)).turns == []
        answer = client.stream(Question(text="Hello"))
        assert Asked.model_validate(await anext(answer)) == Asked(turn=1, text="Hello")
        words = [Word.model_validate(frame).text async for frame in answer]
        assert words[:4] == ["You ", "said: ", "“Hello”. ", "I "]
        assert await client.receive(Finished) == Finished(turn=1, answer="".join(words), state="done")
    async with tab() as later:
        [turn] = (await come_in(later)).turns
        assert turn == Turn(id=1, question="Hello", answer="".join(words), state="done")


async def test_other_tabs_see_it_live_and_other_sessions_do_not(model: Paced) -> None:
    model.gate = anyio.Event()
    async with tab() as first, tab() as second, tab("coffee") as elsewhere:
        await come_in(elsewhere)
        await first.drain()
        await second.drain()
        answer = first.stream(Question(text="Hello"))
        assert await second.receive(Asked) == Asked(turn=1, text="Hello")
        await anext(answer)
        model.gate.set()
        model.gate = anyio.Event()
        assert await second.receive(Word) == Word(turn=1, text="You ")
        async with tab() as third:  # one that comes late is told what it has missed
            [turn] = (await third.receive(Welcome)).turns
            assert (turn.answer, turn.state) == ("You ", "writing")
        model.gate.set()
        words = [frame["text"] async for frame in answer]
        news = [frame for frame in await second.drain() if frame["action"] != "tabs"]
        assert [frame["text"] for frame in news[:-1]] == words[1:]
        assert Finished.model_validate(news[-1]) == Finished(turn=1, answer="".join(words), state="done")
        await elsewhere.settled()
        assert elsewhere.pending == []


async def test_an_answer_is_cancelled(model: Paced) -> None:
    model.gate = anyio.Event()
    async with tab() as first, tab() as second:
        await first.drain()
        answer = first.stream(Question(text="Tell me a long story"))
        await anext(answer)
        await first.cancel(answer.ref)
        with pytest.raises(Failed, match="cancelled"):
            await anext(answer)
        assert (await second.drain())[-1] == Finished(turn=1, answer="", state="stopped").model_dump()


async def test_a_tab_that_is_closed_ends_its_answer_for_the_others(model: Paced) -> None:
    model.gate = anyio.Event()
    async with tab() as second:
        async with tab() as first:
            await anext(first.stream(Question(text="Tell me a long story")))
        frames = await second.drain()
        assert Finished(turn=1, answer="", state="stopped").model_dump() in frames
        assert frames[-1] == {"action": "tabs", "count": 1}


async def test_the_answers_of_a_tab_come_one_after_the_other(model: Paced) -> None:
    model.gate = anyio.Event()
    async with tab() as client:
        await client.drain()
        first, second = client.stream(Question(text="One")), client.stream(Question(text="Two"))
        assert (await anext(first))["turn"] == 1
        # what is no answer need not wait
        assert (await client.request(Shorten(document="x"), Problem)).detail == "There is no document x."
        await anyio.wait_all_tasks_blocked()
        assert [frame for frame in client.pending if frame.get("ref") == second.ref] == []
        model.gate.set()
        assert [frame["turn"] async for frame in first][-1] == 1
        assert [frame["turn"] async for frame in second][-1] == 2


# --- questions of the assistant ----------------------------------------------------------------------


async def deleted(client: Client, reply: Confirmed | None) -> str:
    answer = client.stream(Question(text="Delete notes.txt"))
    await anext(answer)
    question = await client.receive(Confirm)
    assert question.text == "Delete notes.txt? This cannot be undone."
    if reply is None:
        await client.decline(question)
    else:
        await client.answer(question, reply)
    return "".join([frame["text"] async for frame in answer])


@pytest.mark.parametrize("reply", [Confirmed(yes=False), None])
async def test_nothing_is_deleted_without_a_yes(reply: Confirmed | None) -> None:
    async with tab() as client:
        await come_in(client)
        await add(client, "notes.txt")
        assert await deleted(client, reply) == "I have kept notes.txt."
    async with tab() as later:
        assert [one.name for one in (await come_in(later)).documents] == ["notes.txt"]


async def test_what_is_confirmed_is_deleted_for_all_tabs() -> None:
    async with tab() as first, tab() as second:
        await first.drain()
        await add(first, "notes.txt")
        await second.drain()
        assert await deleted(first, Confirmed(yes=True)) == "notes.txt is deleted."
        frames = await second.drain()
        assert Removed(name="notes.txt").model_dump() in frames
        assert [frame for frame in frames if "ask" in frame] == []  # the other tab was not asked


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ("b.txt", "b.txt has 2 words. It says: x y"),
        ("c.txt", "Then I have nothing to say."),
        ("d.txt", "Then"),
        (None, "Then I have"),
    ],
)
async def test_a_choice_of_several(option: str | None, said: str) -> None:
    async with tab() as client:
        await come_in(client)
        await add(client, "a.txt")
        await add(client, "b.txt", "x y")
        answer = client.stream(Question(text="Summarise my document"))
        await anext(answer)
        question = await client.receive(Choose)
        assert question.options == ["a.txt", "b.txt"]
        await add(client, "c.txt")  # meanwhile; nobody was asked about that
        if option is None:
            await client.decline(question)
        else:
            await client.answer(question, Chosen(option=option))
        assert "".join([frame["text"] async for frame in answer]).startswith(said)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Summarise my document", "Please upload a document first."),
        ("Remove it", "I have deleted nothing."),
    ],
)
async def test_without_documents_nothing_is_asked(text: str, said: str) -> None:
    async with tab() as client:
        words = [frame["text"] async for frame in client.stream(Question(text=text)) if frame["action"] == "word"]
        assert "".join(words) == said


async def test_the_longest_document_needs_no_question() -> None:
    async with tab() as client:
        await add(client, "a.txt", "x")
        await add(client, "b.txt", "x " * 100)
        frames = [frame async for frame in client.stream(Question(text="Which document is the longest?"))]
        assert frames[1]["text"] == "b.txt "


# --- suggestions -------------------------------------------------------------------------------------


async def test_only_the_latest_suggestion_is_answered(model: Paced) -> None:
    model.gate = anyio.Event()
    async with tab() as client:
        first = client.stream(Suggest(text="del"), Suggestions)
        await anyio.wait_all_tasks_blocked()
        last = client.stream(Suggest(text="delete"), Suggestions)
        with pytest.raises(Failed) as failed:
            await anext(first)
        assert failed.value.code == "cancelled"
        model.gate.set()
        assert await anext(last) == Suggestions(texts=["Delete a document"])


# --- documents ---------------------------------------------------------------------------------------


async def test_an_upload_is_summarised_and_shown_to_all_tabs() -> None:
    async with tab() as first, tab() as second:
        await second.drain()
        pieces = [Piece(text="word " * 30)] * 2
        document = await first.request(Upload(name="a.txt"), Document, chunks=pieces)
        assert (document.words, len(document.summary.split())) == (60, 40)
        assert document.summary.endswith("word…")
        assert await second.receive(Document) == document
        assert (await add(first, "a.txt")).name == "a.txt (2)"


async def test_too_much_is_a_problem() -> None:
    async with tab() as client:
        pieces = [Piece(text="x" * 60_000)] * (LONGEST // 60_000 + 2)
        told = await client.request(Upload(name="a.txt"), Problem, chunks=pieces)
        assert told.detail == "A document has at most 200,000 characters."
        for number in range(DOCUMENTS):
            await add(client, f"{number}.txt")
        told = await client.request(Upload(name="one more"), Problem, chunks=[])
        assert told.detail.startswith("A session has room for 8 documents.")


async def test_an_upload_that_breaks_off_leaves_nothing() -> None:
    async with tab() as client:
        await client.send({**Upload(name="a.txt").model_dump(), "ref": 1})
        await client.send({**Piece(text="half of").model_dump(), "ref": 1})
        await anyio.wait_all_tasks_blocked()
    async with tab() as later:
        assert (await come_in(later)).documents == []


async def test_an_upload_is_cancelled() -> None:
    async with tab() as client:
        await come_in(client)
        await client.send({**Upload(name="a.txt").model_dump(), "ref": 1})
        await client.cancel(1)
        assert (await client.receive())["payload"]["code"] == "cancelled"


async def test_one_document_is_shortened_in_order_and_others_beside_it(model: Paced) -> None:
    async with tab() as client:
        await come_in(client)
        await add(client, "a.txt")
        await add(client, "b.txt")
        model.gate = anyio.Event()
        model.thoughts = 0
        shorter = [client.stream(Shorten(document=name), Document) for name in ("a.txt", "a.txt", "b.txt")]
        await anyio.wait_all_tasks_blocked()
        assert model.thoughts == 2
        model.gate.set()
        assert [(await anext(one)).summary for one in shorter] == ["one two…", "one…", "one two…"]


async def test_a_document_that_goes_meanwhile_cannot_be_shortened(model: Paced) -> None:
    async with tab() as client:
        await come_in(client)
        await add(client, "notes.txt")
        assert (await client.request(Shorten(document="other"), Problem)).detail == "There is no document other."
        model.gate = anyio.Event()
        shortened = client.stream(Shorten(document="notes.txt"), Problem)
        await anyio.wait_all_tasks_blocked()
        with sessions.visit("tea") as session:
            session.papers.clear()
        model.gate.set()
        assert (await anext(shortened)).detail == "There is no document notes.txt."


# --- sessions ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["No", "x" * 41, "-"])
async def test_a_session_has_a_plain_name(name: str) -> None:
    async with tab(name) as client:
        with pytest.raises(Closed) as closed:
            await client.receive()
    assert closed.value.code == 4404


async def test_only_so_many_sessions_and_turns_are_kept() -> None:
    kept = Sessions()
    with kept.visit("open"):
        for number in range(KEPT_SESSIONS + 5):
            with kept.visit(f"s{number}") as session:
                session.begin("hello")
        assert len(kept) == KEPT_SESSIONS + 1
        with kept.visit("s104") as session:
            assert len(session.turns) == 1
        with kept.visit("s0") as session:
            assert session.turns == []
    long = Session("long")
    ids = [long.begin("again").id for _ in range(KEPT_TURNS + 1)]
    assert [turn.id for turn in long.turns] == ids[1:]


async def test_the_model_waits_a_little() -> None:
    class Nothing:
        texts: dict[str, str] = {}

        async def choose(self, text: str, options: list[str]) -> str | None:
            raise AssertionError(text)

        async def delete(self, name: str) -> bool:
            raise AssertionError(name)

    model = await the_model()
    assert model.pause > 0
    story = model.answer("a story", Nothing())
    assert await anext(story) == "There "
    await story.aclose()


async def test_the_page_and_its_parts_are_served() -> None:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://testserver") as http:
        page = await http.get("/")
        assert page.status_code == 200
        assert "//" not in page.text.replace("<!--", "")  # nothing from elsewhere
        for part in ("/static/assistant.js", "/static/assistant.css", "/chanx/chanx.js"):
            got = await http.get(part)
            assert got.status_code == 200
            assert "://" not in got.text

import pytest

from chanx.testing import Failed, Stream, connect
from docs.snippets.howto.ask import Confirm, Confirmed, Delete, Deleted, files
from docs.snippets.howto.stream import Part, Upload, Uploaded, Word, Write, app

pytestmark = pytest.mark.anyio


# --8<-- [start:stream]
async def test_words_come_one_by_one() -> None:
    async with connect(app) as client:
        texts = [word.text async for word in client.stream(Write(words=2), Word)]
        assert texts == ["word 0", "word 1"]


async def test_a_client_may_stop_it() -> None:
    async with connect(app) as client:
        words: Stream[Word] = client.stream(Write(words=1000), Word)
        assert (await anext(words)).text == "word 0"
        await client.cancel(words.ref)
        with pytest.raises(Failed) as failed:
            async for _ in words:
                pass
        assert failed.value.code == "cancelled"


# --8<-- [end:stream]


# --8<-- [start:upload]
async def test_an_upload() -> None:
    async with connect(app) as client:
        parts = [Part(text="tea "), Part(text="time")]
        answer = await client.request(Upload(name="tea.txt"), Uploaded, chunks=parts)
        assert answer.size == 8


# --8<-- [end:upload]


# --8<-- [start:ask]
async def test_a_question() -> None:
    async with connect(files) as client:
        await client.send(Delete(name="notes.txt"))
        question = await client.receive(Confirm)
        await client.answer(question, Confirmed(yes=True))
        assert await client.receive(Deleted) == Deleted(name="notes.txt")

        await client.send(Delete(name="notes.txt"))
        await client.decline(await client.receive(Confirm))
        assert (await client.receive())["why"] == "declined"


# --8<-- [end:ask]

"""The files that the page about generated clients shows."""

from __future__ import annotations

import asyncio
import importlib
import json
from pathlib import Path
from typing import Any

import pytest
import websockets

from chanx.asyncapi import document
from chanx.cli import main
from chanx.clients import write
from chanx.testing import connect
from docs.snippets.howto import client_app, history
from tests.servers import serve

pytestmark = pytest.mark.anyio


@pytest.mark.hosts
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_client_use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    with serve("uvicorn", "docs.snippets.howto.client_app:app") as server:
        schema = server.http("/asyncapi.json")
        words = ["generate-client", "-s", schema, "-o", str(tmp_path / "chat_client")]
        assert await asyncio.to_thread(main, words) == 0
        monkeypatch.syspath_prepend(tmp_path)
        use = importlib.import_module("docs.snippets.howto.client_use")
        assert await asyncio.wait_for(use.shout(server.http(), "hello"), 20) == "HELLO"
        capsys.readouterr()
        await asyncio.wait_for(use.listen(server.http()), 20)
    assert capsys.readouterr().out == "Good morning\n"


@pytest.mark.hosts
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_client_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    write(document(history.app, title="Rooms", version="1"), tmp_path / "room_client")
    monkeypatch.syspath_prepend(tmp_path)
    back = importlib.import_module("docs.snippets.howto.client_back")
    readers: list[Any] = []

    class Reader(back.Reader):  # type: ignore[misc, name-defined]
        async def handle_connect(self) -> None:
            readers[:] = [self]

    monkeypatch.setattr(back, "Reader", Reader)
    monkeypatch.setattr(back.random, "uniform", lambda *_: 0)
    told = ""
    async with asyncio.timeout(20):
        with serve("uvicorn", "docs.snippets.howto.history:app") as server:
            reading = asyncio.create_task(back.read(server.http()))
            async with websockets.connect(server.ws("/rooms/7")) as writer:
                for text in ("one", "two", "three"):
                    await writer.send(json.dumps({"action": "say", "text": text}))
                    while text not in told:
                        await asyncio.wait([reading], timeout=0.01)
                        told += capsys.readouterr().out
                    await readers[0].close()  # it comes back, before or after the next text
            reading.cancel()
    assert told.splitlines() == ["1 one", "2 two", "3 three"]


async def test_client_app() -> None:
    async with connect(client_app.app, "/rooms/7") as client:
        said = await client.request(client_app.Say(text="hello", loud=True), client_app.Said)
    assert said.text == "HELLO"

"""The files that the page about generated clients shows."""

from __future__ import annotations

import asyncio
import importlib
from pathlib import Path

import pytest

from chanx.cli import main
from chanx.testing import connect
from docs.snippets.howto import client_app
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


async def test_client_app() -> None:
    async with connect(client_app.app, "/rooms/7") as client:
        said = await client.request(client_app.Say(text="hello", loud=True), client_app.Said)
    assert said.text == "HELLO"

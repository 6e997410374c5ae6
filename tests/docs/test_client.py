"""The files that the page about generated clients shows."""

from __future__ import annotations

import asyncio
import importlib
from pathlib import Path

import pytest

from chanx.cli import main
from tests.servers import serve


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_generated_client(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
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

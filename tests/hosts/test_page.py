"""What docs/reference/servers.md says about the servers, against the facts and against the servers' own settings."""

from __future__ import annotations

import functools
import subprocess
import sys
from pathlib import Path

import pytest

from tests.hosts.facts import SERVERS, table

PAGE = Path(__file__).parents[2] / "docs/reference/servers.md"

#: Prints how often a server pings unless told otherwise. In a process of its own: Daphne takes over the event loop.
DEFAULTS = {
    "uvicorn": "import uvicorn; print(uvicorn.Config('app').ws_ping_interval)",
    "hypercorn": "import hypercorn; print(hypercorn.Config().websocket_ping_interval)",
    "granian": "print(None)",
    "daphne": "from daphne.server import Server; print(float(Server(None, ['tcp:0']).ping_interval))",
}


def program(name: str) -> str:
    return SERVERS[name].server.split("-")[0]


@functools.cache
def run(*words: str) -> str:
    return subprocess.run([sys.executable, *words], capture_output=True, text=True, check=True, timeout=60).stdout


def test_the_table_is_that_of_the_facts() -> None:
    assert table() in PAGE.read_text("utf-8"), "the table on the page is another one: python -m tests.hosts.facts"


@pytest.mark.parametrize("name", ["uvicorn", "hypercorn-trio", "granian", "daphne"])
def test_settings_and_defaults_are_those_of_the_server(name: str) -> None:
    facts = SERVERS[name]
    assert run("-c", DEFAULTS[program(name)]).strip() == str(facts.ping_interval)
    settings = run("-m", program(name), "--help")
    if program(name) == "hypercorn":
        settings += run("-c", "import hypercorn; print(*vars(hypercorn.Config))")
    for setting in facts.frame_limit_setting.split(", "):
        assert setting in settings
    for setting in facts.pings[::2]:
        assert setting in settings
    if not facts.frame_limit_setting:
        assert "--ws-max" not in settings
    if not facts.pings:
        assert "--ws-ping" not in settings
        assert "--websocket-ping" not in settings


@pytest.mark.parametrize("name", ["uvicorn", "hypercorn-trio", "granian", "daphne"])
def test_the_options_of_the_commands_exist(name: str) -> None:
    settings = run("-m", program(name), "--help")
    lines = [line for line in PAGE.read_text("utf-8").splitlines() if f"| `{program(name)} " in line]
    assert lines
    for line in lines:
        for word in line.split("`")[1].split():
            assert not word.startswith("-") or word in settings or word == "-1"

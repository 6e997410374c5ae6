"""Generated clients: type-checked, and talking with a real server."""

from __future__ import annotations

import asyncio
import importlib
import json
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection
from websockets.asyncio.server import serve as websockets_serve

from chanx.asyncapi import document
from chanx.cli import main
from chanx.clients import SchemaError, generate, load, write
from chanx.core.decorators import ws_handler
from chanx.fast_channels.websocket import AsyncJsonWebsocketConsumer
from chanx.messages.incoming import PingMessage
from chanx.messages.outgoing import PongMessage
from tests.asyncapi import corpus
from tests.clients import history
from tests.clients.app import rooms
from tests.full import FULL
from tests.servers import HOST, ROOT, Server, serve

pytestmark = pytest.mark.hosts

HERE = Path(__file__).parent
FILES = ["rooms.py", "chat.py", "__init__.py", "messages.py", "py.typed"]


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with serve("uvicorn", "tests.clients.app:app") as running:
        yield running


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, server: Server) -> Iterator[Path]:
    """A folder with the package `rooms_client` in it, generated from what the server serves, and importable."""
    folder = tmp_path_factory.mktemp("clients")
    assert main(["generate-client", "-s", server.http("/asyncapi.json"), "-o", str(folder / "rooms_client")]) == 0
    for name in ("use", "misuse"):
        shutil.copy(HERE / f"{name}.py.txt", folder / f"clients_{name}.py")
    sys.path.insert(0, str(folder))
    importlib.invalidate_caches()
    yield folder
    sys.path.remove(str(folder))


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"  # websockets knows no other


@pytest.fixture
def use(folder: Path) -> ModuleType:
    return importlib.import_module("clients_use")


@pytest.mark.anyio
async def test_a_client_is_used_by_hand(use: ModuleType, server: Server) -> None:
    heard = await asyncio.wait_for(use.talk(server.http()), 20)
    assert heard == ["welcome 8", "Ada hello bad here 2000 a", "number 0 5", "number 1 5"]


@pytest.mark.anyio
async def test_a_client_calls_its_methods(use: ModuleType, server: Server) -> None:
    assert await use.listen(server.ws()) == ["Bob hi first"]


@pytest.mark.anyio
async def test_a_client_of_a_consumer(use: ModuleType, server: Server) -> None:
    said = await asyncio.wait_for(use.chat(f"{HOST}:{server.port}"), 20)
    assert said == "Hello json_invalid"


def test_the_command_is_installed(folder: Path, server: Server) -> None:
    words = [sys.executable, "-m", "chanx.cli", "generate-client", "-s", server.http("/asyncapi.yaml"), "-o", "again"]
    ran = subprocess.run(
        words, cwd=folder, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=60, check=True
    )
    assert ran.stdout.splitlines() == [f"again/{name}" for name in FILES]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    module, _, name = project["scripts"]["chanx"].partition(":")
    assert getattr(importlib.import_module(module), name) is main


@pytest.mark.anyio
async def test_what_the_document_does_not_tell_of_is_logged(use: ModuleType, caplog: pytest.LogCaptureFixture) -> None:
    async def talk(socket: ServerConnection) -> None:
        assert socket.request is not None
        assert socket.request.path == "/live/rooms/7?who=A+b&who=c"
        await socket.send('{"action": "heartbeat", "ask": "1"}')
        assert json.loads(await socket.recv()) == {"action": "heartbeat", "ask": "1"}
        await socket.send('{"action": "surprise"}')
        await socket.send('{"action": "welcome", "room": 1, "more": 2}')

    async with asyncio.timeout(20), websockets_serve(talk, "127.0.0.1", 0) as running:
        port = next(iter(running.sockets)).getsockname()[1]
        client = use.RoomsClient(f"http://127.0.0.1:{port}/live/", room=7, query={"who": ["A b", "c"]})
        async with client:
            got = [message async for message in client]
    assert [(type(one).__name__, one.room) for one in got] == [("Welcome", 1)]
    assert '{"action": "surprise"}' in caplog.text


def test_what_was_not_given_is_not_sent(use: ModuleType) -> None:
    assert json.loads(use.Say(text="x").model_dump_json(by_alias=True)) == {
        "action": "say", "text": "x", "mood": "good", "place": None, "class": "none",
    }  # fmt: skip
    place = use.Place(name="here")
    assert json.loads(use.Say(text="x", place=place, class_="y").model_dump_json(by_alias=True)) == {
        "action": "say", "text": "x", "mood": "good", "place": {"name": "here"}, "class": "y",
    }  # fmt: skip


def test_a_client_that_is_not_connected_says_so(use: ModuleType) -> None:
    client = use.RoomsClient("localhost:8000", room=7)
    assert client.url == "ws://localhost:8000/rooms/7"
    with pytest.raises(RuntimeError, match="RoomsClient is not connected; use it in an `async with` block"):
        client._connected()
    with pytest.raises(ValueError, match="'ftp://x' is no server"):
        use.RoomsClient("ftp://x", room=7)


CORPUS: list[Callable[[], Any]] = [
    function
    for function in vars(corpus).values()
    if isinstance(function, FunctionType) and function.__module__ == corpus.__name__
    if not function.__code__.co_argcount
]


@pytest.mark.typing
def test_type_checkers_accept_clients_and_find_mistakes(folder: Path) -> None:
    assert len(CORPUS) > 15
    for function in CORPUS:
        write(document(function(), title="Corpus", version="1"), folder / f"corpus_{function.__name__}")
        importlib.import_module(f"corpus_{function.__name__}")
    write(document(history.app, title="Rooms", version="1"), folder / "history_client")
    shutil.copy(HERE / "follow.py.txt", folder / "clients_follow.py")
    lines = (folder / "clients_misuse.py").read_text().splitlines()
    wanted = [(number, line.partition("# E: ")[2]) for number, line in enumerate(lines, 1) if "# E: " in line]
    (folder / "mypy.ini").write_text("[mypy]\nstrict = true\ncache_dir = cache\n")
    words = [sys.executable, "-m", "mypy", "--config-file", "mypy.ini", "--no-error-summary", "."]
    env = {"MYPYPATH": str(ROOT), "PATH": ""}
    ran = subprocess.run(words, cwd=folder, env=env, capture_output=True, text=True, timeout=300, check=False)
    found = [line for line in ran.stdout.splitlines() if ": error:" in line]
    told = [(int(one.split(":")[1]), one.rpartition("[")[2].rstrip("]")) for one in found if "clients_misuse" in one]
    assert list(dict.fromkeys(told)) == wanted, ran.stdout + ran.stderr
    assert len(found) == len(told), ran.stdout


@pytest.mark.typing
def test_pyright_finds_nothing_in_clients_where_it_is_strict(folder: Path) -> None:
    chosen = [function for function in CORPUS if FULL or function.__name__ in ("streams", "types", "unions")]
    assert len(chosen) >= 3
    packages = [f"corpus_{function.__name__}" for function in chosen]
    for function, package in zip(chosen, packages, strict=True):
        write(document(function(), title="Corpus", version="1"), folder / package)
    config = {"typeCheckingMode": "strict", "include": [*packages, "rooms_client"], "extraPaths": [str(ROOT)]}
    (folder / "pyrightconfig.json").write_text(json.dumps(config))
    words = [sys.executable, "-m", "pyright", "--pythonpath", sys.executable]
    ran = subprocess.run(words, cwd=folder, capture_output=True, text=True, timeout=300, check=False)
    assert ran.returncode == 0, ran.stdout


NO_SCHEMA = json.dumps(
    {
        "asyncapi": "3.0.0",
        "channels": {"a": {"messages": {"m": {"payload": {"$ref": "#/components/schemas/m"}}}}},
    }
)


def made(tmp_path: Path, text: str, name: str = "schema.json") -> str:
    path = tmp_path / name
    path.write_text(text)
    return str(path)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "is no JSON: "),
        ("a: [", "is neither JSON nor YAML: "),
        ("[]", "an AsyncAPI document is an object, and this is list"),
        ("{}", 'this is no AsyncAPI document: it has no "asyncapi"'),
        ('{"openapi": "3.1.0"}', 'this is an OpenAPI document: it has no "asyncapi"'),
        ("asyncapi: 2.6.0", "AsyncAPI 2.6.0; clients are generated from AsyncAPI 3"),
        ("asyncapi: 3.0.0", "the document has no channels"),
        (
            '{"asyncapi": "3.0.0", "channels": {"a": {"messages": {"m": {"$ref": "#/components/messages/m"}}}}}',
            "the message #/channels/a/messages/m is not in the document",
        ),
        (
            NO_SCHEMA,
            "the schema #/components/schemas/m is not in the document",
        ),
        (
            '{"asyncapi": "3.0.0", "channels": {"a": {"messages": {"m": {"payload": {"type": "string"}}}}}}',
            "the message #/channels/a/messages/m is no object with properties",
        ),
    ],
)
def test_wrong_documents(text: str, says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["generate-client", "-s", made(tmp_path, text), "-o", str(tmp_path / "out")]) == 1
    told = capsys.readouterr()
    assert told.err.startswith("chanx: ")
    assert says in told.err
    assert told.out == ""
    assert not (tmp_path / "out").exists()


def test_sources_that_cannot_be_read(tmp_path: Path, server: Server) -> None:
    with pytest.raises(SchemaError, match=r"nothing\.json cannot be read: "):
        load(str(tmp_path / "nothing.json"))
    with pytest.raises(SchemaError, match="/nothing answers with 404 Not Found"):
        load(server.http("/nothing"))
    with pytest.raises(SchemaError, match=r"http://127\.0\.0\.1:1/ cannot be fetched: "):
        load("http://127.0.0.1:1/")
    with pytest.raises(SystemExit) as ended:
        main(["generate-client", "-s", "x"])
    assert ended.value.code == 2


def test_yaml_and_json_give_the_same_files(tmp_path: Path, server: Server) -> None:
    assert generate(load(server.http("/asyncapi.yaml"))) == generate(load(server.http("/asyncapi.json")))


def test_files_are_replaced_only_where_they_were_generated(tmp_path: Path) -> None:
    told = document({"/rooms/{room}": rooms}, title="Rooms", version="1")
    target = tmp_path / "client"
    first = {path.name for path in write(told, target)}
    assert first == {"__init__.py", "messages.py", "py.typed", "rooms.py"}
    (target / "rooms.py").rename(target / "old.py")
    write(told, target)
    assert {path.name for path in target.iterdir()} == first
    (target / "mine.py").write_text("x = 1\n")
    with pytest.raises(SchemaError, match=r"mine\.py was not generated; choose a folder of its own"):
        write(told, target)
    with pytest.raises(SchemaError, match="'my-client' is no such name"):
        write(told, tmp_path / "my-client")


def test_nothing_in_a_document_becomes_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    evil = '"""\nimport os; raise SystemExit("run")\n"""\\'
    schema = {
        "type": "object",
        "title": evil,
        "description": evil,
        "properties": {"action": {"const": evil}, evil: {"type": "string"}, "class": {"enum": [evil, "b"]}, "str": {}},
    }
    told = {
        "asyncapi": "3.0.0",
        "info": {"title": evil, "version": evil},
        "servers": {"a": {"host": evil, "protocol": "ws"}},
        "channels": {
            evil.replace("/", ""): {
                "address": evil,
                "title": evil,
                "parameters": {evil: {"x-schema": {"enum": [evil]}}},
                "messages": {evil.replace("/", ""): {"name": evil, "payload": schema}},
            }
        },
        "operations": {
            evil: {
                "action": "receive",
                "summary": evil,
                "channel": {"$ref": f"#/channels/{evil}"},
                "messages": [{"$ref": f"#/channels/{evil}/messages/{evil}"}],
            }
        },
    }
    for path in write(told, tmp_path / "evil_client"):
        compile(path.read_text(), path.name, "exec")
    monkeypatch.syspath_prepend(tmp_path)
    messages = importlib.import_module("evil_client.messages")
    (cls,) = (one for one in vars(messages).values() if getattr(one, "__module__", "") == "evil_client.messages")
    made = cls(**{"class": evil, evil: "x"})
    assert json.loads(made.model_dump_json(by_alias=True)) == {"action": evil, evil: "x", "class": evil}


def test_a_client_is_told_of_completions_and_sends_none() -> None:
    class Completing(AsyncJsonWebsocketConsumer):
        send_completion = True

        @ws_handler
        async def handle_ping(self, message: PingMessage) -> PongMessage:
            return PongMessage()

    files = generate(document(Completing.as_asgi(), title="x", version="1"))
    (text,) = (text for name, text in files.items() if name not in ("__init__.py", "messages.py", "py.typed"))
    assert "OutgoingMessage: TypeAlias = PingMessage\n" in text
    assert "async def on_complete_message(self" in text

"""The benchmarks run, and their limits do the work that they are limits of. No times are judged here."""

import json
import subprocess
import sys
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest

from benchmarks import link
from benchmarks.__main__ import main
from benchmarks.across.contestants import OURS
from benchmarks.across.contestants import PEERS as REDIS_PEERS
from benchmarks.backend import BACKENDS, BackendName
from benchmarks.capacity import serving
from benchmarks.contestants import Contestant, heats
from benchmarks.crowds import WRITERS, Consumers, Crowd, Loop, Members, Sends
from benchmarks.fanout import HEATS
from benchmarks.lifecycle import timed as connections
from benchmarks.lives import LIVES, Life
from benchmarks.stream import Streamer, frame, streamers
from benchmarks.visitors import texts
from benchmarks.wire import App, UnansweredError, answers, timed
from tests.brokers import Broker
from tests.full import FULL
from tests.servers import ROOT
from tests.tables import assert_rows, benchmark, names

FRAMEWORKS = ("Starlette", "FastAPI")
PEERS = "Channels'"  # they want Django's settings, of which a process has one; the tables run them in processes apart


@pytest.mark.parametrize("backend", BACKENDS if FULL else ["asyncio"])  # the tables below are made on both
def test_dispatch_prints_every_row(backend: BackendName) -> None:
    assert_rows(benchmark("dispatch", "--quick", "--backend", backend), names(heats(BACKENDS[backend])))


def test_a_heat_that_is_not_there_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["dispatch", "--quick", "--heat", "11 types"]) == 2
    told = capsys.readouterr().err
    assert "'11 types'" in told
    assert "10 types" in told


@pytest.mark.parametrize("backend", BACKENDS)
def test_fanout_prints_every_row(backend: BackendName) -> None:
    expected = [row.name for heat in HEATS if heat.size <= 100 for row in heat.contestants(backend)]
    assert_rows(benchmark("fanout", "--quick", "--backend", backend), expected)


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.parametrize("life", [life for life in LIVES if PEERS not in life.name], ids=lambda life: life.name)
async def test_every_life_accepts_and_ends_with_its_client(life: Life) -> None:
    assert await connections(life.build(), 3) > 0


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_an_application_that_does_not_accept_has_no_time() -> None:
    async def mute(scope: object, receive: object, send: object) -> None:
        """An application that does nothing."""

    app: App = mute
    with pytest.raises(UnansweredError, match="0 of 3"):
        await connections(app, 3)


@pytest.mark.redis
def test_redis_prints_every_row_and_nothing_is_lost(broker: Broker) -> None:
    table = benchmark("redis", "--quick", "--url", broker.url)
    told = table.index("")
    assert_rows(table[:told], [one.name for one in OURS])
    for line in table[:told]:
        assert " 100 %  " in line
        assert "publish" in line
    assert sum(line.startswith("target: ") for line in table[told:]) == 3


@pytest.mark.redis
def test_the_link_to_redis_has_every_row(broker: Broker) -> None:
    table = benchmark("redis", "--link", "--quick", "--url", broker.url)
    expected = [name for name, _ in link.races(broker.url, 1)]
    assert_rows(table, expected)
    assert all(float(line.split()[-1]) > 0 for line in table)


@pytest.mark.redis
def test_redis_tells_how_to_get_the_peers(broker: Broker, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert (
        main(
            [
                "redis",
                "--url",
                broker.url,
                "--peers",
                str(tmp_path),
                "--members",
                "2",
                "--rounds",
                "1",
                "--seconds",
                "0.1",
                "--only",
                "Litestar",
            ]
        )
        == 0
    )
    told = capfd.readouterr()
    assert told.err.count("--install") == len(REDIS_PEERS)
    assert "redis-py" in told.out


@pytest.mark.parametrize("backend", BACKENDS)
def test_stream_prints_every_row(backend: BackendName) -> None:
    expected = [one.name for heat in streamers() for one in heat]
    assert_rows(benchmark("stream", "--quick", "--backend", backend), expected)


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.parametrize("heat", list(streamers()), ids=lambda heat: heat[0].name)
async def test_streamers_send_the_same_items(heat: tuple[Streamer, ...]) -> None:
    async def turn() -> None:
        await anyio.lowlevel.checkpoint()

    sent = {one.name: await answers(one.build(), [frame(3)], turn) for one in heat}
    wanted = sent[heat[0].name]
    assert len(wanted) == heat[0].items
    assert all(frames == wanted for frames in sent.values())


@pytest.mark.parametrize("framing", [False, True])
@pytest.mark.parametrize("kind", ["loop", "writers", "chanx", "consumers"])
async def test_every_member_of_a_crowd_gets_every_message(kind: str, framing: bool, anyio_backend: BackendName) -> None:
    sends = Sends(framing=framing)
    kinds: dict[str, type[Crowd]] = {"loop": Loop, "writers": WRITERS[anyio_backend], "chanx": Members}
    kinds["consumers"] = Consumers
    crowd = kinds[kind](sends)
    async with anyio.create_task_group() as tasks:
        await crowd.open(tasks, 7)
        for _ in range(3):
            await crowd.publish()
        await anyio.wait_all_tasks_blocked()
        assert sends.sent == 21
        crowd.close()
        await anyio.wait_all_tasks_blocked()
        tasks.cancel_scope.cancel()


def limited() -> list[tuple[Contestant, Contestant]]:
    """chanx's contestants, each with its limit."""
    pairs: list[tuple[Contestant, Contestant]] = []
    for heat in heats(BACKENDS["asyncio"]):
        known = {contestant.name: contestant for contestant in heat.contestants}
        pairs += [
            (contestant, known[contestant.limit])
            for contestant in heat.contestants
            if contestant.limit is not None and not contestant.name.startswith((*FRAMEWORKS, PEERS))
        ]
    return pairs


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.parametrize("pair", limited(), ids=lambda pair: pair[0].name)
async def test_contestant_answers_what_its_limit_answers(pair: tuple[Contestant, Contestant]) -> None:
    contestant, limit = pair
    got = [json.loads(text) for text in await answers(contestant.build(), contestant.frames, contestant.pause)]
    wanted = [json.loads(text) for text in await answers(limit.build(), limit.frames, limit.pause)]
    assert got == wanted
    assert len(got) == len(contestant.frames)


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_contestant_that_does_not_answer_has_no_time() -> None:
    async def mute(scope: object, receive: object, send: object) -> None:
        """An application that does nothing."""

    app: App = mute
    with pytest.raises(UnansweredError, match="6 frames expected, 0 sent"):
        await timed(app, ["{}"], 2, 3)


def capacity(*arguments: str) -> dict[str, str]:
    """What the command prints: each figure by its name."""
    command = [sys.executable, "-m", "benchmarks", "capacity", "--quick", *arguments]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=300)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "; 50 connections\n" in ended.stdout
    table = ended.stdout.split("\n", 2)[2].strip()
    return {line[:55].strip(): line[55:].strip() for line in table.splitlines()}


@pytest.mark.skipif(not FULL, reason="three servers, one after another; make full has it")
def test_capacity_prints_every_figure(redis_server: str) -> None:
    found = capacity()
    assert len(found) == 16, redis_server
    assert all(figure[0].isdigit() for figure in found.values())
    for name in ("an open connection, memory of the process", "Redis: each of 10 messages"):
        assert float(found[name].split()[0]) > 0


def test_capacity_measures_a_server_of_ones_own() -> None:
    with serving() as (url, process):
        assert len(capacity("--url", url, "--pid", str(process.pid), "--deflate")) == 4


def test_capacity_wants_both_the_address_and_the_process(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["capacity", "--url", "ws://127.0.0.1:8000/"]) == 2
    assert "--url and --pid" in capsys.readouterr().err


def test_frames_of_a_server_are_counted() -> None:
    short, long = b"\x81\x02hi", b"\x81\x7e\x00\x80" + bytes(128)
    ping = b"\x89\x03abc"
    assert texts(short + ping + long + short[:3]) == (2, len(short + ping + long), [b"abc"])
    assert texts(b"\x81\x7f" + (70_000).to_bytes(8) + bytes(70_000)) == (1, 70_010, [])
    assert texts(b"") == texts(b"\x81") == (0, 0, [])

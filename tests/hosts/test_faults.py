"""Clients that break, vanish, or take more than they read: they are noticed, the server's memory stays bounded, and
nobody else waits for them.
"""

from __future__ import annotations

import sys
from typing import Any
from unittest.mock import ANY

import pytest
from websockets.sync.client import ClientConnection

from tests.hosts.host import Host, Running, address, echo, receive, send
from tests.servers import serve

pytestmark = [pytest.mark.hosts, pytest.mark.faults]

reads_memory = pytest.mark.skipif(sys.platform != "linux", reason="reads the memory of the server's process from /proc")

FRAME = 64 * 1024
# More than the sockets' buffers (a few MiB on loopback) and the outbox hold together.
FRAMES = 400
# Bytes; the outbox, what the server itself buffers, and what an interpreter takes for work as such. All that is
# broadcast in a test would be 25 MiB.
GROWTH = 14 * 1024 * 1024

PATIENT, STRICT = "/patient", "/strict"


def shout(client: ClientConnection, times: int) -> list[dict[str, Any]]:
    """Broadcast one by one, and take each back before the next; what else came in between."""
    others: list[dict[str, Any]] = []
    for _ in range(times):
        send(client, action="shout", size=FRAME)
        while (frame := receive(client))["action"] != "text":
            others.append(frame)
    return others


# -- clients that do not read -----------------------------------------------------------------------


@reads_memory
def test_a_client_that_stops_reading_is_closed_and_can_read_why(host: Host) -> None:
    with host.client("ada", PATIENT) as ada, host.raw("bob", PATIENT, receive_buffer=4096) as bob:
        shout(ada, 1)
        before = host.server.memory()
        others = shout(ada, FRAMES)
        growth = host.server.memory() - before
        if host.facts.backpressure:
            assert growth < GROWTH
            frames, _, code = bob.read_to_the_end()
            assert code == 1013
            assert 0 < frames < FRAMES
            assert (others or [receive(ada)]) == [{"action": "left", "who": "bob", "code": 1013}]
        else:  # the server keeps it all, so that we do not learn of the client's slowness
            assert growth > GROWTH
            assert others == []


def test_a_client_that_stops_reading_and_breaks_is_noticed(host: Host) -> None:
    with host.client("ada", PATIENT) as ada, host.raw("bob", PATIENT, receive_buffer=4096) as bob:
        others = shout(ada, FRAMES)
        assert others == []  # bob has some seconds to read what waits for him
        bob.reset()
        left = receive(ada)
        assert (left["action"], left["who"]) == ("left", "bob")
        shout(ada, 1)
    host.no_traceback_of_ours()


def test_a_client_that_never_reads_again_is_let_go(host: Host) -> None:
    if not host.facts.backpressure:
        pytest.skip("this server keeps what the client does not read, and says nothing")
    with host.client("ada", STRICT) as ada, host.raw("bob", STRICT, receive_buffer=4096):
        others = shout(ada, FRAMES)
        assert (others or [receive(ada)]) == [{"action": "left", "who": "bob", "code": 1013}]
        shout(ada, 1)


@reads_memory
def test_a_client_that_asks_and_never_reads_is_let_go(host: Host) -> None:
    if not host.facts.backpressure:
        pytest.skip("this server keeps what the client does not read, and says nothing")
    with host.client("ada", STRICT) as ada, host.raw("bob", STRICT, receive_buffer=4096) as bob:
        shout(ada, 1)
        before = host.server.memory()
        bob.write_until_blocked(action="give", size=FRAME)
        assert host.server.memory() - before < GROWTH
        assert receive(ada) == {"action": "left", "who": "bob", "code": 1013}
        shout(ada, 1)


# -- clients that break -----------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["reset", "half_close"])
@pytest.mark.parametrize("busy", [False, True], ids=["idle", "in a handler"])
def test_a_connection_that_breaks_is_noticed(host: Host, busy: bool, how: str) -> None:
    with host.client("bob") as bob:
        echo(bob, "bob is in")
        with host.raw("ada") as ada:
            if busy:
                ada.write(action="wait")
                assert receive(bob) == {"action": "waiting", "who": "ada"}
            else:
                ada.write(action="say", text="in")
                assert receive(bob) == {"action": "said", "who": "ada", "text": "in"}
            getattr(ada, how)()
            assert receive(bob) == {"action": "left", "who": "ada", "cancelled": int(busy)}
        echo(bob, "and only once")
    host.no_traceback_of_ours()


@pytest.mark.parametrize("garbage", [b"\x81\x02{}", b"\xff\xff\xff\xff"], ids=["unmasked", "no frame"])
def test_a_client_that_breaks_the_protocol_is_thrown_out(host: Host, garbage: bytes) -> None:
    with host.client("bob") as bob:
        echo(bob, "bob is in")
        with host.raw("ada") as ada:
            ada.write(action="say", text="in")
            assert receive(bob) == {"action": "said", "who": "ada", "text": "in"}
            assert ada.read() == {"action": "said", "who": "ada", "text": "in"}
            ada.socket.sendall(garbage)
            ada.half_close()
            ada.read_to_the_end()
        assert receive(bob) == {"action": "left", "who": "ada", "cancelled": 0}
        echo(bob, "and only once")
    host.no_traceback_of_ours()


def test_a_client_that_answers_no_heartbeat(host: Host) -> None:
    """The same on every server, also on those that do not ping: the channel itself asks, and closes."""
    with host.client("bob", "/beating") as bob, host.raw("ada", "/beating") as ada:
        beats = 0
        while (frame := receive(bob)) != {"action": "left", "who": "ada", "cancelled": 0}:
            assert frame["action"] == "heartbeat"
            send(bob, **frame)
            beats += 1
        assert beats >= 1
        assert ada.read_to_the_end() == (1, ANY, host.our_code(1011))
    host.no_traceback_of_ours()


def test_a_client_that_answers_no_ping(running: Running) -> None:
    """A laptop that was shut, a cable that was pulled: nothing comes any more, not even an end."""
    facts = running.facts
    if not facts.pings:
        pytest.skip("this server sends no pings")
    with serve(facts.server, address(running.app), *facts.options, *facts.pings) as server:
        other = Running(running.name, running.app, server)
        host = Host(other)
        with host.client("bob") as bob, host.raw("ada") as ada:
            echo(bob, "bob is in")
            if facts.unanswered == 0:
                pings = 0
                while pings < 2:  # it goes on like that
                    pings += ada.read_pings(answer=False)
                echo(bob, "nothing was noticed")
            else:
                _, pings, code = ada.read_to_the_end(answer=False)
                assert pings >= 1
                assert code == facts.unanswered
                assert receive(bob) == {"action": "left", "who": "ada", "cancelled": 0}

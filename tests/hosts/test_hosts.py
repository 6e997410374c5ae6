"""A channel over real sockets, under real servers, in every documented way of serving one.

The clients here are an independent implementation (`websockets`), used from plain threads: these tests look at what
arrives on a socket and at nothing else. One server process per server and application, shared by its tests; each
test has a topic of its own, so that they do not hear each other. What differs between servers stands in facts.py.
"""

from __future__ import annotations

import json

import httpx
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.frames import Frame, Opcode
from websockets.sync.client import ClientConnection

from tests.full import FULL
from tests.hosts import apps
from tests.hosts.apps import MAX_SIZE
from tests.hosts.host import TIMEOUT, Host, echo, receive, send

pytestmark = pytest.mark.hosts


def closed(client: ClientConnection) -> tuple[int, str]:
    """Code and reason of the close that is the next to come."""
    with pytest.raises(ConnectionClosed) as caught:
        client.recv(timeout=TIMEOUT)
    assert caught.value.rcvd is not None
    return caught.value.rcvd.code, caught.value.rcvd.reason


# -- the handshake ----------------------------------------------------------------------------------


def test_the_lifespan_runs_where_the_server_knows_it(host: Host) -> None:
    if host.routed and not host.app.endswith("_without_lifespan"):
        assert (apps.STARTED in host.server.log) == host.facts.lifespan


def test_what_the_address_says_reaches_the_handler(host: Host) -> None:
    with host.client("ada") as client:
        send(client, action="where")
        if host.routed:
            assert receive(client) == {"action": "here", "room": "kitchen", "number": 7}
        else:  # no router, and so no path parameters: the handler reads the path itself
            assert receive(client) == {"action": "here", "room": host.path, "number": 0}


def test_a_refusal_is_an_http_status(host: Host) -> None:
    with pytest.raises(InvalidStatus) as caught, host.client(None):
        pass
    response = caught.value.response
    if host.facts.denial:
        assert response.status_code == 401
        assert response.headers["WWW-Authenticate"] == "Name"
        assert b"a name is needed" in response.body
    else:
        assert response.status_code == 403
        assert "WWW-Authenticate" not in response.headers


def test_a_refusal_can_be_a_close_code(host: Host) -> None:
    with host.client(None, host.closing) as client:
        assert closed(client) == (4401, host.our_reason("a name is needed"))


def test_plain_http_is_told_to_upgrade(host: Host) -> None:
    response = httpx.get(host.server.http(host.path), timeout=TIMEOUT, trust_env=False, verify=False)
    if host.app.startswith(("bare", "mount")):
        assert response.status_code == 426
        assert response.headers["upgrade"].lower() == "websocket"
    else:
        assert response.status_code == 404  # the host's router offers this path to WebSockets only


# -- messages ---------------------------------------------------------------------------------------


def test_a_message_is_answered_with_its_ref(host: Host) -> None:
    with host.client("ada") as client:
        echo(client, "plain")
        send(client, action="echo", text="with a ref", ref="r1")
        assert receive(client) == {"action": "echoed", "text": "with a ref", "ref": "r1"}
        send(client, action="no such thing", ref=2)
        answer = receive(client)
        assert (answer["action"], answer["payload"]["code"], answer["ref"]) == ("error", "unknown_action", 2)
        echo(client, "still here")


def test_a_broadcast_reaches_both_clients(host: Host) -> None:
    with host.client("ada") as ada, host.client("bob") as bob:
        echo(bob, "bob is in")  # his on_connect has joined the topic
        send(ada, action="say", text="hello", ref="r1")
        said = {"action": "said", "who": "ada", "text": "hello"}
        assert receive(bob) == said
        frames = sorted((receive(ada) for _ in range(2)), key=lambda frame: str(frame["action"]))
        assert frames == [{"action": "ack", "ref": "r1"}, said]


def test_bad_frames_are_answered(host: Host) -> None:
    with host.client("ada") as client:
        frames: list[str | bytes] = ["not JSON", '"a string"', '{"action": "echo"}', b"binary"]
        codes = ["malformed_json", "invalid_message", "invalid_message", "unsupported_frame"]
        for frame, code in zip(frames, codes, strict=True):
            client.send(frame)
            assert receive(client)["payload"]["code"] == code
        echo(client, "still here")


def sized(size: int) -> str:
    """An echo of so many bytes."""
    return json.dumps({"action": "echo", "text": "x" * (size - len('{"action": "echo", "text": ""}'))})


def test_a_frame_may_be_as_large_as_the_limit_and_no_larger(host: Host) -> None:
    with host.client("ada") as client:
        client.send(sized(MAX_SIZE))
        assert receive(client)["action"] == "echoed"
        client.send(sized(MAX_SIZE + 1))
        assert closed(client) == (host.our_code(1009), host.our_reason(f"a frame may have at most {MAX_SIZE} bytes"))


def test_what_the_server_lets_through_is_ours_to_judge(host: Host) -> None:
    with host.client("ada") as client:
        client.send("x" * host.facts.frame_limit)
        assert closed(client)[0] == host.our_code(1009)


def test_a_frame_beyond_the_limit_of_the_server_itself_ends_the_connection(host: Host) -> None:
    """The server ends it by itself: `Limits.max_size` is never asked."""
    with host.client("bob") as bob:
        echo(bob, "bob is in")
        with host.raw("ada") as ada:
            ada.write_until_answered(Frame(Opcode.TEXT, b"x" * (host.facts.frame_limit + 1)).serialize(mask=True))
            assert ada.read_to_the_end() == (0, 0, host.facts.too_large)
        if host.facts.tells_too_large or FULL:  # else it takes ten seconds
            assert receive(bob) == {"action": "left", "who": "ada", "cancelled": 0}
            echo(bob, "and only once")


def test_text_that_is_no_utf8_ends_the_connection(host: Host) -> None:
    with host.client("bob") as bob:
        echo(bob, "bob is in")
        with host.raw("ada") as ada:
            ada.socket.sendall(Frame(Opcode.TEXT, b"\xff\xfe").serialize(mask=True))
            assert ada.read_to_the_end() == (0, 0, host.facts.invalid_utf8)
        assert receive(bob) == {"action": "left", "who": "ada", "cancelled": 0}
        echo(bob, "and only once")


# -- the end ----------------------------------------------------------------------------------------


def test_a_client_that_closes_is_noticed(host: Host) -> None:
    with host.client("bob") as bob:
        echo(bob, "bob is in")
        with host.client("ada") as ada:
            echo(ada, "ada is in")
        assert receive(bob) == {"action": "left", "who": "ada", "cancelled": 0}
        echo(bob, "and only once")


def test_a_client_that_leaves_while_a_handler_runs_is_noticed(host: Host) -> None:
    with host.client("bob") as bob:
        echo(bob, "bob is in")
        with host.client("ada") as ada:
            send(ada, action="wait")
            assert receive(bob) == {"action": "waiting", "who": "ada"}
        assert receive(bob) == {"action": "left", "who": "ada", "cancelled": 1}
        echo(bob, "and only once")


def test_a_handler_whose_client_has_left_may_finish(host: Host) -> None:
    with host.client("bob") as bob:
        echo(bob, "bob is in")
        with host.raw("ada") as ada:
            ada.write(action="finish")
            assert receive(bob) == {"action": "waiting", "who": "ada"}
            ada.close(1000)
            if host.facts.answers_close:
                assert ada.read_to_the_end() == (1, 0, 1000)
            else:  # not before the application has ended
                assert ada.read() == {"action": "waiting", "who": "ada"}
                assert not ada.readable(0.3)
            send(bob, action="go")
            assert receive(bob) == {"action": "said", "who": "ada", "text": "finished"}
            assert receive(bob) == {"action": "left", "who": "ada", "cancelled": 0}
        echo(bob, "and only once")
    host.no_traceback_of_ours()


@pytest.mark.parametrize("code", [1000, 1012, 4321])
@pytest.mark.parametrize("busy", [False, True], ids=["idle", "in a handler"])
def test_the_application_can_close_a_connection_from_outside(host: Host, busy: bool, code: int) -> None:
    """While the connection waits for a frame, and while another task reads ahead of a handler."""
    with host.client("bob") as bob:
        echo(bob, "bob is in")
        with host.client("ada") as ada:
            if busy:
                send(ada, action="wait")
                assert receive(bob) == {"action": "waiting", "who": "ada"}
            else:
                echo(ada, "ada is in")
            send(bob, action="dismiss", who="ada", code=code)
            if busy:
                assert receive(ada) == {"action": "waiting", "who": "ada"}
            assert closed(ada) == (host.our_code(code), host.our_reason("dismissed"))
            assert receive(bob) == {"action": "left", "who": "ada", "cancelled": int(busy)}
        echo(bob, "and only once")
    host.no_traceback_of_ours()

"""Topics over real sockets: one connection, several streams."""

from __future__ import annotations

from typing import Any

import pytest
from websockets.sync.client import ClientConnection

from tests.hosts.host import Host, echo, receive, send

pytestmark = pytest.mark.hosts

PATH = "/topics"


def ask(client: ClientConnection, action: str, topic: str) -> dict[str, Any]:
    """Subscribe or unsubscribe, and return the next frame."""
    send(client, action=action, topic=topic, ref=action)
    return receive(client)


def told(action: str, topic: str) -> dict[str, Any]:
    return {"action": f"{action}d", "payload": None, "version": 1, "topic": topic, "ref": action}


def said(topic: str, who: str, text: str) -> dict[str, Any]:
    return {"action": "said", "who": who, "text": text, "version": 1, "topic": topic}


def test_two_topics_on_one_connection(host: Host) -> None:
    one, two = f"room:{host.topic}-1", f"room:{host.topic}-2"
    with host.client("ada", PATH) as ada, host.client("bob", PATH) as bob:
        for topic in (one, two):
            assert ask(ada, "subscribe", topic) == told("subscribe", topic)
        assert ask(bob, "subscribe", one) == told("subscribe", one)
        send(bob, action="say", topic=one, text="hello", ref="1")
        frames = [receive(bob), receive(bob)]
        assert {"action": "ack", "version": 1, "topic": one, "ref": "1"} in frames
        assert said(one, "bob", "hello") in frames
        assert receive(ada) == said(one, "bob", "hello")
        send(ada, action="say", topic=two, text="alone")
        assert receive(ada) == said(two, "ada", "alone")
        echo(ada, "nothing else came")
        echo(bob, "nothing else came")

        assert ask(ada, "unsubscribe", one) == told("unsubscribe", one)
        assert receive(bob) == said(one, "ada", "left")
        send(bob, action="say", topic=one, text="without ada")
        assert receive(bob) == said(one, "bob", "without ada")
        send(ada, action="say", topic=one, text="x", ref="2")
        assert receive(ada)["payload"]["code"] == "not_subscribed"
        echo(ada, "still here")
    host.no_traceback_of_ours()


def test_topics_that_are_refused(host: Host) -> None:
    with host.client("ada", PATH) as ada:
        for topic, code in (("vault", "unauthorized"), ("nowhere", "unknown_topic")):
            answer = ask(ada, "subscribe", topic)
            assert (answer["action"], answer["topic"], answer["payload"]["code"]) == ("error", topic, code)
        echo(ada, "still here")


def test_a_topic_that_the_application_ends(host: Host) -> None:
    topic = f"room:{host.topic}"
    with host.client("ada", PATH) as ada:
        assert ask(ada, "subscribe", topic) == told("subscribe", topic)
        send(ada, action="close", topic=topic)
        ended = {"action": "unsubscribed", "payload": {"code": 4000, "reason": "closed"}, "version": 1, "topic": topic}
        assert receive(ada) == ended
        echo(ada, "still here")
        assert ask(ada, "subscribe", topic) == told("subscribe", topic)


@pytest.mark.parametrize("how", ["closes", "resets"])
def test_a_client_that_goes_leaves_all_its_topics(host: Host, how: str) -> None:
    topics = [f"room:{host.topic}-{number}" for number in range(3)]
    with host.client("bob", PATH) as bob:
        for topic in topics:
            assert ask(bob, "subscribe", topic) == told("subscribe", topic)
        with host.raw("ada", PATH) as ada:
            for topic in topics:
                ada.write(action="subscribe", topic=topic, ref="subscribe")
                assert ada.read() == told("subscribe", topic)
            if how == "closes":
                ada.close(1000)
            else:
                ada.reset()
            left = [receive(bob) for _ in topics]
        assert sorted(left, key=lambda frame: str(frame["topic"])) == [said(topic, "ada", "left") for topic in topics]
        echo(bob, "and only once")
    host.no_traceback_of_ours()

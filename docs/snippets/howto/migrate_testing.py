from chanx.constants import EVENT_ACTION_COMPLETE
from chanx.core.testing import capture_broadcast_events, capture_topic_broadcasts
from chanx.fast_channels.testing import WebsocketCommunicator
from chanx.messages.incoming import PingMessage
from chanx.messages.outgoing import PongMessage
from docs.snippets.howto.migrate_2x import Hired, OfficeConsumer, Said, app
from docs.snippets.howto.migrate_topics import RunTopic, work


class Consumer(OfficeConsumer):
    send_completion = True  # or "SEND_COMPLETION": True in the setting CHANX


async def test_the_office() -> None:
    async with WebsocketCommunicator(Consumer.as_asgi(), "/office", consumer=Consumer) as client:
        await client.send_message(PingMessage())
        assert await client.receive_all_messages() == [PongMessage()]
        await Consumer.broadcast_event(Hired(payload="Ada"))
        welcome = await client.receive_all_messages(stop_action=EVENT_ACTION_COMPLETE)
        assert welcome == [Said(payload="welcome Ada")]


async def test_what_is_broadcast() -> None:
    with capture_broadcast_events() as events, capture_topic_broadcasts(RunTopic) as broadcasts:
        await OfficeConsumer.broadcast_event(Hired(payload="Ada"))
        await work()
    assert [(one.event, one.groups) for one in events] == [(Hired(payload="Ada"), ["office"])]
    assert [(one.topic, one.seq) for one in broadcasts] == [("run:7", 1), ("run:7", 2)]


async def test_without_completions() -> None:
    async with WebsocketCommunicator(app, "/office", consumer=OfficeConsumer) as client:
        await client.send_message(PingMessage())
        assert await client.receive_json_from() == {"action": "pong", "payload": None}

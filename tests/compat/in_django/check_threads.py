"""Sync consumers, the threads they run in, and their databases."""

from __future__ import annotations

import asyncio
import contextvars
import os
import threading
from typing import Any
from unittest import skipIf, skipUnless

from asgiref.sync import async_to_sync
from django.contrib.auth.models import User
from django.db import connection
from django.test import SimpleTestCase, TestCase, TransactionTestCase

from chanx.channels.db import database_sync_to_async
from chanx.channels.generic.websocket import AsyncJsonWebsocketConsumer, JsonWebsocketConsumer
from chanx.channels.testing import WebsocketCommunicator

IN_MEMORY = "CHANX_TEST_IN_MEMORY" in os.environ


class Users(JsonWebsocketConsumer):
    def receive_json(self, content: Any, **kwargs: Any) -> None:
        User.objects.create(username=content)
        self.send_json(sorted(User.objects.values_list("username", flat=True)))


class AsyncUsers(AsyncJsonWebsocketConsumer):
    async def receive_json(self, content: Any, **kwargs: Any) -> None:
        await self.send_json(await self.create(content))

    @database_sync_to_async
    def create(self, name: str) -> list[str]:
        User.objects.create(username=name)
        return sorted(User.objects.values_list("username", flat=True))


async def told(consumer: Any, *messages: Any) -> list[Any]:
    client = WebsocketCommunicator(getattr(consumer, "as_asgi", lambda: consumer)(), "/")
    await client.connect(5)
    answers: list[Any] = []
    for message in messages:
        await client.send_json_to(message)
        answers.append(await client.receive_json_from(5))
    await client.disconnect(timeout=5)
    return answers


class InATransaction(TestCase):
    """A test of Django's sees what it has written and not committed, and its consumers write into its transaction."""

    async def test_a_sync_consumer_is_in_the_transaction_of_the_test(self) -> None:
        await User.objects.acreate(username="before")
        self.assertEqual(await told(Users, "ada"), [["ada", "before"]])
        self.assertTrue(await User.objects.filter(username="ada").aexists())

    @skipUnless(
        IN_MEMORY, "database_sync_to_async of Channels closes the connection of the test, but for one in memory"
    )
    async def test_a_coroutine_is_too(self) -> None:
        await User.objects.acreate(username="before")
        self.assertEqual(await told(AsyncUsers, "ada", "bob"), [["ada", "before"], ["ada", "before", "bob"]])

    async def test_nothing_of_it_is_left(self) -> None:
        self.assertEqual(await User.objects.acount(), 0)


class Committed(TransactionTestCase):
    """As on a server, where nothing waits outside of the loop."""

    def test_a_sync_consumer_reads_and_writes(self) -> None:
        User.objects.create(username="before")
        self.assertEqual(asyncio.run(told(Users, "ada", "bob")), [["ada", "before"], ["ada", "before", "bob"]])
        self.assertEqual(User.objects.count(), 3)

    @skipIf(IN_MEMORY, "Django never closes a database in memory")
    def test_no_connection_is_left_open_after_a_method(self) -> None:
        seen: list[Any] = []

        class Looks(JsonWebsocketConsumer):
            def receive_json(self, content: Any, **kwargs: Any) -> None:
                User.objects.count()
                seen.append((threading.current_thread(), connection._connections["default"], connection.connection))
                self.send_json("ok")
                raise RuntimeError("after it")

        async def look() -> None:
            client = WebsocketCommunicator(Looks.as_asgi(), "/")
            await client.connect(5)
            await client.send_json_to(1)
            await client.receive_json_from(5)
            with self.assertRaisesRegex(RuntimeError, "after it"):
                await client.wait(5)

        asyncio.run(look())
        [(thread, wrapper, inside)] = seen
        self.assertIsNot(thread, threading.main_thread())
        self.assertIsNotNone(inside)
        self.assertIsNone(wrapper.connection)


class Threads(SimpleTestCase):
    def test_a_slow_consumer_does_not_stop_others(self) -> None:
        slow, go_on = threading.Event(), threading.Event()

        class Slow(JsonWebsocketConsumer):
            def receive_json(self, content: Any, **kwargs: Any) -> None:
                slow.set()
                assert go_on.wait(20)
                self.send_json("slow")

        class Fast(JsonWebsocketConsumer):
            def receive_json(self, content: Any, **kwargs: Any) -> None:
                self.send_json("fast")

        async def both() -> None:
            first = WebsocketCommunicator(Slow.as_asgi(), "/")
            await first.connect(5)
            await first.send_json_to(1)
            await asyncio.to_thread(slow.wait, 20)
            self.assertEqual(await told(Fast, 1, 2), ["fast", "fast"])
            self.assertTrue(await first.receive_nothing(0.01))
            go_on.set()
            self.assertEqual(await first.receive_json_from(5), "slow")
            await first.disconnect(timeout=5)

        asyncio.run(both())

    def test_messages_of_one_consumer_run_one_at_a_time_and_in_order(self) -> None:
        running: list[int] = []

        class Counts(JsonWebsocketConsumer):
            def receive_json(self, content: Any, **kwargs: Any) -> None:
                running.append(content)
                assert len(running) == 1, running
                async_to_sync(asyncio.sleep)(0)
                running.remove(content)
                self.send_json(content)

        async def flood() -> None:
            client = WebsocketCommunicator(Counts.as_asgi(), "/")
            await client.connect(5)
            for number in range(30):
                await client.send_json_to(number)
            self.assertEqual([await client.receive_json_from(5) for _ in range(30)], list(range(30)))
            await client.disconnect(timeout=5)

        asyncio.run(flood())

    def test_more_consumers_than_threads_are_all_served(self) -> None:
        class Echo(JsonWebsocketConsumer):
            def receive_json(self, content: Any, **kwargs: Any) -> None:
                async_to_sync(asyncio.sleep)(0.001)  # each holds its thread while the loop works for it
                self.send_json(content)

        async def many() -> list[Any]:
            return await asyncio.gather(*(told(Echo, number) for number in range(120)))

        self.assertEqual(asyncio.run(many()), [[number] for number in range(120)])
        alive = [one for one in threading.enumerate() if one.name.startswith("chanx-consumer")]
        self.assertLessEqual(len(alive), 40)

    def test_context_variables_go_in_and_out(self) -> None:
        variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="unset")

        class Reads(JsonWebsocketConsumer):
            def connect(self) -> None:
                self.outside = variable.get()
                variable.set("by connect")
                self.accept()

            def receive_json(self, content: Any, **kwargs: Any) -> None:
                self.send_json([self.outside, variable.get()])

        async def server(scope: Any, receive: Any, send: Any) -> None:
            variable.set("by the server")
            await Reads.as_asgi()(scope, receive, send)

        self.assertEqual(asyncio.run(told(server, 1)), [["by the server", "by connect"]])

    def test_what_a_method_raises_ends_the_consumer(self) -> None:
        class Raises(JsonWebsocketConsumer):
            def receive_json(self, content: Any, **kwargs: Any) -> None:
                raise LookupError("not there")

        async def fails() -> None:
            client = WebsocketCommunicator(Raises.as_asgi(), "/")
            await client.connect(5)
            await client.send_json_to(1)
            with self.assertRaisesRegex(LookupError, "not there"):
                await client.wait(5)

        asyncio.run(fails())

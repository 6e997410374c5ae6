"""What other processes send: a worker of Celery, and a command."""

import asyncio
import os
import subprocess
import sys
from io import StringIO
from unittest import skipUnless

from django.conf import settings
from django.core.management import call_command
from django.db import connection

from chanx.core.testing import capture_broadcast_events
from rooms.consumers import NoticeConsumer
from rooms.messages import AskForDigest
from rooms.models import Message

from .base import RoomsTestCase

LONG = 30  # seconds; a process has to start


def environment() -> dict[str, str]:
    """Another process is to see the database of the test."""
    return {**os.environ, "ROOMS_DATABASE": str(connection.settings_dict["NAME"])}


@skipUnless(settings.REDIS, "without Redis there is one process only: set ROOMS_REDIS")
class OtherProcesses(RoomsTestCase):
    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        words = "-m celery -A config --quiet worker --pool solo --loglevel WARNING"
        worker = subprocess.Popen([sys.executable, *words.split()], cwd=settings.BASE, env=environment())
        cls.addClassCleanup(worker.wait)
        cls.addClassCleanup(worker.terminate)

    async def test_a_task_answers_the_connection_that_asked(self) -> None:
        ada, bob = await self.enter(self.ada), await self.enter(self.bob)
        for user in (self.ada, self.bob, self.ada):
            await Message.objects.acreate(room=self.room, author=user, text="…")
        await ada.send_message(AskForDigest())
        await self.frame(ada, "digest_begun")
        self.assertEqual(await self.frame(ada, "digest_ready", LONG), {"lines": 3, "by_author": {"ada": 2, "bob": 1}})
        self.assertTrue(await bob.receive_nothing())

    async def test_a_task_that_a_view_has_begun_tells_the_room(self) -> None:
        ada, bob = await self.enter(self.ada), await self.enter(self.bob)
        self.assertEqual((await self.api(self.ada).post(f"/api/rooms/{self.room.pk}/digest/")).status_code, 202)
        for client in (ada, bob):
            self.assertEqual(await self.frame(client, "digest_ready", LONG), {"lines": 0, "by_author": {}})

    async def test_a_command_tells_everybody(self) -> None:
        eve = await self.enter(self.eve, "/ws/notices/")
        words = [sys.executable, "-W", "error", "manage.py", "announce", "We close at eight."]
        command = await asyncio.create_subprocess_exec(*words, cwd=settings.BASE, env=environment())
        self.assertEqual(await self.frame(eve, "announcement", LONG), {"text": "We close at eight."})
        self.assertEqual(await command.wait(), 0)


@skipUnless(settings.REDIS is None, "with Redis, tasks run in workers")
class OneProcess(RoomsTestCase):
    async def test_a_task_runs_where_it_is_called(self) -> None:
        ada = await self.enter(self.ada)
        await ada.send_message(AskForDigest())
        frames = [await ada.receive_json_from(5) for _ in range(2)]
        self.assertEqual({one["action"] for one in frames}, {"digest_begun", "digest_ready"})

    def test_a_command_that_reaches_nobody_says_so(self) -> None:
        said = StringIO()
        with capture_broadcast_events(NoticeConsumer) as told:
            call_command("announce", "Is anybody there?", stderr=said)
        self.assertEqual([one.groups for one in told], [["notices"]])
        self.assertIn("ROOMS_REDIS", said.getvalue())

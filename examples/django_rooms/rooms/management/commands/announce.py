"""`python manage.py announce "We close at eight."`"""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser

from rooms.consumers import NoticeConsumer
from rooms.messages import Announcement, AnnouncementPayload


class Command(BaseCommand):
    help = "Tells something to everybody who is connected."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("text")

    def handle(self, *args: Any, **options: Any) -> None:
        if settings.REDIS is None:
            self.stderr.write("Without ROOMS_REDIS this reaches nobody: the server's channel layer is in its memory.")
        NoticeConsumer.broadcast_event_sync(Announcement(payload=AnnouncementPayload(text=options["text"])))

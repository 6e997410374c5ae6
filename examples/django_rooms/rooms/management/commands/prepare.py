"""`python manage.py prepare`: tables, three users and three rooms, to try it out with."""

from typing import Any

from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.core.management.base import BaseCommand

from rooms.models import Room

PASSWORD = "rooms"
ROOMS = {"library": ("ada", "bob", "cleo"), "garden": ("bob", "ada"), "attic": ("cleo",)}


class Command(BaseCommand):
    help = "Makes the tables, the users ada, bob and cleo, and rooms for them; what is there already stays."

    def handle(self, *args: Any, **options: Any) -> None:
        call_command("migrate", verbosity=0)
        users = {}
        for name in ("ada", "bob", "cleo"):
            users[name], new = get_user_model().objects.get_or_create(username=name)
            if new:
                users[name].set_password(PASSWORD)
                users[name].save()
        for slug, members in ROOMS.items():
            defaults = {"name": slug.capitalize(), "owner": users[members[0]]}
            room, new = Room.objects.get_or_create(slug=slug, defaults=defaults)
            if new:
                for name in members:
                    room.memberships.create(user=users[name])
        self.stdout.write(f"Log in as ada, bob or cleo; the password is {PASSWORD!r}.")

"""Rooms, who is in them, and what was said."""

from django.conf import settings
from django.db import models


class Room(models.Model):
    """A room; whoever has made it is its owner."""

    name = models.CharField(max_length=80)
    slug = models.SlugField(unique=True)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="own_rooms")

    class Meta:
        ordering = ("name",)

    def __str__(self) -> str:
        return str(self.name)

    @property
    def group(self) -> str:
        """The group of its connections."""
        return f"room.{self.pk}"

    def has(self, user: object) -> bool:
        """Is the user a member?"""
        return bool(self.memberships.filter(user=user).exists())


class Membership(models.Model):
    """One user in one room."""

    room = models.ForeignKey(Room, on_delete=models.CASCADE, related_name="memberships")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="memberships")
    hand_up = models.BooleanField(default=False)

    class Meta:
        constraints = (models.UniqueConstraint(fields=("room", "user"), name="once_in_a_room"),)

    def __str__(self) -> str:
        return f"{self.user} in {self.room}"


class Message(models.Model):
    """Something that was said in a room."""

    room = models.ForeignKey(Room, on_delete=models.CASCADE, related_name="messages")
    author = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="messages")
    text = models.TextField()
    sent_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("pk",)

    def __str__(self) -> str:
        return f"{self.author}: {self.text}"


def group_of(user_pk: int) -> str:
    """The group of a user's connections."""
    return f"member.{user_pk}"

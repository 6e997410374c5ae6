"""Chats of groups, their members, and what these write."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import models


class Room(models.Model):
    objects: Any = models.Manager()
    name: Any = models.CharField(max_length=100)

    class Meta:
        app_label = "chat"


class GroupChat(models.Model):
    objects: Any = models.Manager()
    title: Any = models.CharField(max_length=100)
    members: Any

    class Meta:
        app_label = "chat"


class ChatMember(models.Model):
    objects: Any = models.Manager()
    group_chat: Any = models.ForeignKey(GroupChat, models.CASCADE, related_name="members")
    user: Any = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE)

    class Meta:
        app_label = "chat"


class ChatMessage(models.Model):
    objects: Any = models.Manager()
    content: Any = models.TextField()
    group_chat: Any = models.ForeignKey(GroupChat, models.CASCADE)
    sender: Any = models.ForeignKey(ChatMember, models.CASCADE)

    class Meta:
        app_label = "chat"

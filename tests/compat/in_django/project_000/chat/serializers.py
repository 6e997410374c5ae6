"""What clients see of a message."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from .models import ChatMessage


class ChatMessageSerializer(serializers.ModelSerializer):
    sender: Any = serializers.CharField(source="sender.user.username")

    class Meta:
        model = ChatMessage
        fields = ("id", "content", "sender")

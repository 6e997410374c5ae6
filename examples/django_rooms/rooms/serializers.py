"""What the REST API takes and gives."""

from django.contrib.auth import get_user_model
from rest_framework import serializers

from .models import Message, Room


class RoomSerializer(serializers.ModelSerializer):
    owner = serializers.CharField(source="owner.username", read_only=True)

    class Meta:
        model = Room
        fields = ("id", "name", "slug", "owner")


class MessageSerializer(serializers.ModelSerializer):
    author = serializers.CharField(source="author.username", read_only=True)
    text = serializers.CharField(max_length=2000)

    class Meta:
        model = Message
        fields = ("id", "author", "text", "sent_at")


class MemberSerializer(serializers.Serializer):
    member = serializers.SlugRelatedField(slug_field="username", queryset=get_user_model().objects.all())

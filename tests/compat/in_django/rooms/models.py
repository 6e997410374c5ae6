"""Rooms, and who may enter them."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import models


class Room(models.Model):
    objects: Any = models.Manager()
    name: Any = models.SlugField(unique=True)
    owner: Any = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="owned")
    members: Any = models.ManyToManyField(settings.AUTH_USER_MODEL, related_name="rooms")

    class Meta:
        app_label = "rooms"

"""The playground, and a view that sends an event."""

from __future__ import annotations

from django.urls import include, path

from tests.compat.in_django.project_000 import consumers

urlpatterns = [
    path("playground/", include("chanx.playground.urls")),
    path("notify/", consumers.send_notification),
]

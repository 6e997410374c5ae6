"""The AsyncAPI document of the project, and no other pages."""

from typing import Any

from django.urls import include, path

urlpatterns: list[Any] = [
    path("asyncapi/", include("chanx.channels.urls")),
    path("named/", include(("chanx.channels.urls", "sockets"), namespace="live")),
]

"""Routes for a project's URLs: `path("playground/", include("chanx.playground.urls"))`."""

from typing import Any

from chanx.compat.playground import WebSocketInfoView
from chanx.compat.project import django

path: Any = django("urls").path

urlpatterns: list[Any] = [
    path("websocket-info/", WebSocketInfoView.as_view(), name="websocket_info"),
]

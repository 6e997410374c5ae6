"""Where the consumers are."""

from __future__ import annotations

from chanx.channels.routing import URLRouter
from chanx.routing import path, re_path
from tests.compat.in_django.project_000 import consumers

router = URLRouter(
    [
        path("minimal/", consumers.MyConsumer.as_asgi()),
        path("secure/<int:pk>/", consumers.SecureConsumer.as_asgi()),
        re_path(r"^rooms/(?P<room_id>\w+)/$", consumers.GroupConsumer.as_asgi()),
        path("rooms/", consumers.GroupConsumer.as_asgi()),
        path("events/", consumers.EventConsumer.as_asgi()),
        path("context/<int:pk>/", consumers.ContextConsumer.as_asgi()),
        path("chats/<int:pk>/", consumers.ChatDetailConsumer.as_asgi()),
        path("configured/<int:pk>/", consumers.ConfiguredConsumer.as_asgi()),
    ]
)

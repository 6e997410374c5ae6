"""The WebSockets."""

from chanx.channels.routing import URLRouter, path

from .consumers import NoticeConsumer, RoomConsumer
from .hands import HandsConsumer

router = URLRouter(
    [
        path("rooms/<int:pk>/", RoomConsumer.as_asgi()),
        path("hands/<slug:room>/", HandsConsumer.as_asgi()),
        path("notices/", NoticeConsumer.as_asgi()),
    ]
)

"""The WebSockets."""

from django.urls import path

from .channels import talk
from .consumers import TalkConsumer

websocket_urlpatterns = [
    path("ws/consumer/<slug:room>/", TalkConsumer.as_asgi()),
    path("ws/channel/<slug:room>/", talk),
]

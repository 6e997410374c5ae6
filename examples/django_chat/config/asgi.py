"""What a server serves: pages by Django, WebSockets by the consumer."""

import os

import chat.routing
from django.core.asgi import get_asgi_application

from chanx.channels.auth import AuthMiddlewareStack
from chanx.channels.routing import ProtocolTypeRouter, URLRouter

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

application = ProtocolTypeRouter(
    {
        "http": get_asgi_application(),
        "websocket": AuthMiddlewareStack(URLRouter(chat.routing.websocket_urlpatterns)),
    }
)

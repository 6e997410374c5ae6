"""What a server serves: pages and the REST API by Django, WebSockets by consumers."""

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
pages = get_asgi_application()  # before what needs Django's models

from chanx.channels.auth import AuthMiddlewareStack
from chanx.channels.routing import ProtocolTypeRouter, URLRouter, include, path
from chanx.channels.security.websocket import AllowedHostsOriginValidator

application = ProtocolTypeRouter(
    {
        "http": pages,
        "websocket": AllowedHostsOriginValidator(
            AuthMiddlewareStack(URLRouter([path("ws/", include("rooms.routing"))]))
        ),
    }
)

"""What a server serves: pages by Django, WebSockets by a consumer and a channel, and the browser's chanx.js."""

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")
pages = get_asgi_application()  # before what needs Django's models

from django.urls import re_path
from starlette.routing import Mount
from talk.routing import websocket_urlpatterns

from chanx import static
from chanx.channels.auth import AuthMiddlewareStack
from chanx.channels.routing import ProtocolTypeRouter, URLRouter
from chanx.channels.security.websocket import AllowedHostsOriginValidator

application = ProtocolTypeRouter(
    {
        "http": URLRouter([Mount("/chanx", static.app), re_path(r"", pages)]),
        "websocket": AllowedHostsOriginValidator(AuthMiddlewareStack(URLRouter(websocket_urlpatterns))),
    }
)

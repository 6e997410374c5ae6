"""The application: consumers by path, behind origins and users, as a project of chanx 0.12 writes it."""

from __future__ import annotations

from django.core.asgi import get_asgi_application

from chanx.channels.auth import AuthMiddlewareStack
from chanx.channels.routing import ProtocolTypeRouter, URLRouter
from chanx.channels.security.websocket import AllowedHostsOriginValidator
from chanx.routing import include, path

application = ProtocolTypeRouter(
    {
        "http": get_asgi_application(),
        "websocket": AllowedHostsOriginValidator(
            AuthMiddlewareStack(
                URLRouter([path("ws/", include("tests.compat.in_django.project_000.routing"))]),
            )
        ),
    }
)

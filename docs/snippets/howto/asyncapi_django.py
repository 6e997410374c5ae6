from channels.auth import AuthMiddlewareStack
from channels.routing import ProtocolTypeRouter, URLRouter
from django.core.asgi import get_asgi_application
from django.http import HttpRequest, HttpResponse
from django.urls import path, re_path

from chanx.asyncapi import document, to_json
from docs.snippets.howto.asyncapi_serve import chat

# --8<-- [start:app]
sockets = URLRouter([path("ws/rooms/<int:room>/", chat), re_path(r"^ws/lobby/(?P<name>[-\w]+)/$", chat)])
application = ProtocolTypeRouter({"http": get_asgi_application(), "websocket": AuthMiddlewareStack(sockets)})


def asyncapi(_: HttpRequest) -> HttpResponse:
    text = to_json(document(application, title="Shop", version="2.0.0"))
    return HttpResponse(text, content_type="application/json")


urlpatterns = [path("asyncapi.json", asyncapi)]
# --8<-- [end:app]

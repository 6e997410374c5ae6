"""The pages, the REST API, and what the WebSockets speak."""

from django.urls import include, path

urlpatterns = [
    path("", include("rooms.urls")),
    path("asyncapi/", include("chanx.channels.urls")),
]

from typing import Any

from django.urls import include, path

# --8<-- [start:app]
urlpatterns: list[Any] = [path("asyncapi/", include("chanx.channels.urls"))]
# --8<-- [end:app]

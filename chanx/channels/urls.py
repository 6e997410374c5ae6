"""Routes of the AsyncAPI document, for a project's URLs: `path("asyncapi/", include("chanx.channels.urls"))`."""

from typing import Any

from chanx.compat.project import django
from chanx.compat.views import AsyncAPIDocsView, AsyncAPISchemaView

path: Any = django("urls").path

urlpatterns: list[Any] = [
    path("", AsyncAPIDocsView.as_view(), name="asyncapi_docs"),
    path("docs/", AsyncAPIDocsView.as_view(), name="asyncapi_docs_page"),
    path("schema/", AsyncAPISchemaView.as_view(), name="asyncapi_schema"),
]

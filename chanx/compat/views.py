"""Views of Django that show the project's AsyncAPI document: `chanx.channels.views` of 2.x."""

from __future__ import annotations

import logging
from typing import Any, ClassVar

from chanx.asyncapi.page import PAGE_HEADERS, page
from chanx.asyncapi.text import to_json, to_yaml
from chanx.compat.project import django, project_application
from chanx.compat.schema import described, project_config
from chanx.exceptions import ConfigurationError

View: Any = django("views").View
HttpResponse: Any = django("http").HttpResponse

logger = logging.getLogger("chanx")


def generate_asyncapi_schema(request: Any = None) -> dict[str, Any]:
    """The AsyncAPI document of the project: of the application that `ASGI_APPLICATION` names.

    Args:
        request: tells the server's address, where neither `ASYNCAPI_SERVER_URL` nor `ASYNCAPI_SERVERS` is set.

    Raises:
        ConfigurationError: there is nothing to document, or a setting is wrong.
    """
    origin = None
    if request is not None:
        origin = f"{'wss' if request.is_secure() else 'ws'}://{request.get_host()}"
    return described(project_application(), project_config(), origin)


class _View(View):  # type: ignore[misc]
    """Answers with 500 where there is no document; the reason is logged, and is not told to clients."""

    http_method_names: ClassVar[list[str]] = ["get", "head", "options"]

    def get(self, request: Any, **kwargs: Any) -> Any:
        try:
            return self.answer(request, generate_asyncapi_schema(request), **kwargs)
        except ConfigurationError:
            logger.exception("the AsyncAPI document cannot be made")
            text = "The AsyncAPI document cannot be made; the server's log says why."
            return HttpResponse(text, status=500, content_type="text/plain")

    def answer(self, request: Any, document: dict[str, Any], **kwargs: Any) -> Any:
        raise NotImplementedError


class AsyncAPISchemaView(_View):
    """The document, as JSON, or as YAML where the client asks for it: `?format=yaml`, or in its `Accept` header."""

    def answer(self, request: Any, document: dict[str, Any], **kwargs: Any) -> Any:  # noqa: D102
        wanted = kwargs.get("format") or request.GET.get("format") or ""
        if not wanted and "yaml" in request.headers.get("accept", ""):
            wanted = "yaml"
        if wanted not in ("", "json", "yaml"):
            return HttpResponse('The formats are "json" and "yaml".', status=400, content_type="text/plain")
        if wanted == "yaml":
            return HttpResponse(to_yaml(document), content_type="application/yaml")  # RFC 9512
        return HttpResponse(to_json(document), content_type="application/json")


class AsyncAPIDocsView(_View):
    """The document as a page for people. It has no scripts, and nothing in it comes from elsewhere.

    Attributes:
        schema_url: where `AsyncAPISchemaView` is; left out, the route named `asyncapi_schema`, where there is one.
    """

    schema_url: str | None = None

    def answer(self, request: Any, document: dict[str, Any], **kwargs: Any) -> Any:  # noqa: ARG002, D102
        urls = django("urls")
        url = self.schema_url
        if url is None:
            namespace = getattr(request.resolver_match, "namespace", "")
            try:
                url = urls.reverse(f"{namespace}:asyncapi_schema" if namespace else "asyncapi_schema")
            except urls.NoReverseMatch:
                url = None
        links = {} if url is None else {"JSON": url, "YAML": f"{url}?format=yaml"}
        return HttpResponse(page(document, links), headers=PAGE_HEADERS)

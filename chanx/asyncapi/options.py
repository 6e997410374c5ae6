"""The keywords of `document`, which `routes` takes too."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypedDict

from chanx.exceptions import ConfigurationError

#: One server as its URL, or as the fields of an AsyncAPI 3.0 Server Object.
Servers = Mapping[str, str | Mapping[str, Any]] | Iterable[str | Mapping[str, Any]]


class DocumentOptions(TypedDict, total=False):
    """The keywords of `document` and `routes` beside title and version; all may be left out.

    Attributes:
        description: what the application is for; CommonMark.
        servers: where it is served, each as a URL such as `"wss://example.com/live"`, or as the fields of a Server
            Object, in which `"url"` may stand for `"host"`, `"protocol"` and `"pathname"`. By name, or as a list; then
            they are named after their hosts.
        security_schemes: Security Scheme Objects by name.
        security: names of schemes, any one of which is enough: of all servers, or of all operations where no servers
            are given.
        id: a URI of the application.
        terms_of_service: a URL.
        contact: a Contact Object.
        license: a License Object.
        tags: of the application, each as a name or as a Tag Object.
        external_docs: an External Documentation Object.
    """

    description: str | None
    servers: Servers | None
    security_schemes: Mapping[str, Mapping[str, Any]] | None
    security: Iterable[str] | None
    id: str | None
    terms_of_service: str | None
    contact: Mapping[str, Any] | None
    license: Mapping[str, Any] | None
    tags: Iterable[str | Mapping[str, Any]]
    external_docs: Mapping[str, Any] | None


def check(title: Any, version: Any, options: Mapping[str, Any]) -> None:
    """Refuse wrong keywords where they are written, not in the document.

    Raises:
        TypeError: there is no such keyword.
        ConfigurationError: a text is none.
    """
    for name in options:
        if name not in DocumentOptions.__annotations__:
            known = ", ".join(DocumentOptions.__annotations__)
            raise TypeError(f"there is no keyword {name!r}; beside title and version there are: {known}")
    for name, value in (("title", title), ("version", version)):
        if not isinstance(value, str) or not value:
            raise ConfigurationError(f"{name}={value!r}; give a text")
    for name in ("description", "id", "terms_of_service"):
        value = options.get(name)
        if value is not None and not isinstance(value, str):
            raise ConfigurationError(f"{name}={value!r}; give a text, or leave it out")

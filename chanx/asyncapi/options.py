"""The keywords of `document`, which `routes` takes too."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypedDict

#: One server as its URL, or as the fields of an AsyncAPI 3.0 Server Object.
Servers = Mapping[str, str | Mapping[str, Any]] | Iterable[str | Mapping[str, Any]]


class DocumentOptions(TypedDict, total=False):
    """The keywords of `document` beside title and version."""

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

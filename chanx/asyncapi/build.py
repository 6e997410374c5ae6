"""Makes the document."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Unpack

from chanx.asyncapi.options import DocumentOptions
from chanx.asyncapi.served import Served
from chanx.router import Channel

#: What a document can be made of; anything else is taken for an application, which is walked.
Documented = Channel | Mapping[str, Channel] | Iterable[Channel | Served]


def document(
    app_or_channels: Documented | Any,  # noqa: ARG001 - being written
    *,
    title: str,
    version: str,
    **options: Unpack[DocumentOptions],  # noqa: ARG001 - being written
) -> dict[str, Any]:
    """An AsyncAPI 3.0 document of what an application serves."""
    return {"asyncapi": "3.0.0", "info": {"title": title, "version": version}}

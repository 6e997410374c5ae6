"""Wrong keywords of documents are refused where they are written."""

from __future__ import annotations

from typing import Any

import pytest

from chanx import Channel, ConfigurationError
from chanx.asyncapi import document, routes


@pytest.mark.parametrize("make", [document, routes])
@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"title": 3}, "title=3; give a text"),
        ({"title": ""}, "title=''; give a text"),
        ({"version": 1.0}, r"version=1\.0; give a text"),
        ({"description": 3}, "description=3; give a text, or leave it out"),
        ({"id": b"x"}, "id=b'x'; give a text"),
        ({"terms_of_service": 3}, "terms_of_service=3"),
    ],
)
def test_a_text_that_is_none(make: Any, options: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigurationError, match=says):
        make(Channel("chat"), **{"title": "Chat", "version": "1", **options})


@pytest.mark.parametrize("make", [document, routes])
def test_an_unknown_keyword(make: Any) -> None:
    with pytest.raises(TypeError, match=r"no keyword 'server'; .* there are: description, servers"):
        make(Channel("chat"), title="Chat", version="1", server="wss://example.com")

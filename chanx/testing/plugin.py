"""The pytest plugin: `chanx_connect`, as a fixture."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import pytest

from chanx.testing.client import Client, connect


@pytest.fixture
def chanx_connect() -> Callable[..., AbstractAsyncContextManager[Client]]:
    """`chanx.testing.connect`, for tests that take their tools as fixtures."""
    return connect

"""The origin check: which pages of which sites a browser may connect from."""

from __future__ import annotations

import logging

import pytest

from chanx import Channel
from chanx.testing import Refused, connect
from tests.kernel.wire import serve


async def verdict(channel: Channel, *fields: tuple[str, str]) -> int:
    """The status: 101 where the connection is accepted."""
    try:
        async with connect(channel, headers=list(fields)):
            return 101
    except Refused as refused:
        return refused.status


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("http://example.com", "example.com"),
        ("http://example.com:80", "example.com"),
        ("http://example.com", "example.com:80"),
        ("https://example.com", "example.com"),  # TLS may end before this server
        ("https://example.com", "example.com:443"),
        ("https://example.com:443", "example.com"),
        ("http://localhost:8000", "localhost:8000"),
        ("http://localhost:59999", "localhost:59999"),
        ("http://localhost:65535", "localhost:65535"),
        ("http://EXAMPLE.com", "example.COM"),
        ("http://[::1]:8000", "[::1]:8000"),
        ("http://[2001:db8::1]", "[2001:db8::1]"),
        ("http://[2001:db8::1]:80", "[2001:db8::1]"),
    ],
)
async def test_the_same_host_is_let_in(origin: str, host: str) -> None:
    assert await verdict(Channel(), ("origin", origin), ("host", host)) == 101


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("http://evil.example", "example.com"),
        ("http://example.com.evil.example", "example.com"),
        ("http://evil.example/example.com", "example.com"),
        ("http://example.com@evil.example", "example.com"),
        ("http://example.com:8080", "example.com"),
        ("http://example.com", "example.com:8080"),
        ("https://example.com", "example.com:80"),  # the default port is that of the origin's scheme
        ("http://example.com", "example.com:443"),
        ("http://[::1]:8000", "[::2]:8000"),
        ("http://[::1]:8000", "[::1]:8001"),
        ("null", "example.com"),
        ("null", "null"),
        ("", "example.com"),
        ("", ""),
        ("example.com", "example.com"),
        ("file://", "example.com"),
        ("chrome-extension://example.com", "example.com"),
        ("http://example.com:99999", "example.com:99999"),
        ("http://example.com/a", "example.com/a"),
        ("http://[::1", "[::1"),
        ("http://" + "a" * 300, "a" * 300),  # no host is so long
    ],
)
async def test_everything_else_is_refused(origin: str, host: str) -> None:
    assert await verdict(Channel(), ("origin", origin), ("host", host)) == 403


async def test_no_origin_is_no_browser_and_let_in() -> None:
    assert await verdict(Channel(), ("host", "example.com")) == 101


@pytest.mark.parametrize("allowed", [None, ["http://example.com"]])
async def test_doubled_headers_are_refused(allowed: list[str] | None) -> None:
    channel = Channel(allowed_origins=allowed)
    origin, host = ("origin", "http://example.com"), ("host", "example.com")
    assert await verdict(channel, origin, host) == 101
    assert await verdict(channel, origin, origin, host) == 403
    assert await verdict(channel, origin, host, host) == 403
    assert await verdict(channel, ("Origin", "http://example.com"), ("origin", "http://evil.example"), host) == 403


async def test_no_host_is_refused_where_it_is_needed() -> None:
    fields = [(b"origin", b"http://example.com")]
    async with serve(Channel(), headers=fields) as wire:
        await wire.end()
    assert wire.sent[0]["status"] == 403
    async with serve(Channel(allowed_origins=["http://example.com"]), headers=fields) as wire:
        await wire.accepted()


async def test_a_list_replaces_the_rule() -> None:
    channel = Channel(allowed_origins=["https://example.com"])
    host = ("host", "api.example.com")
    assert await verdict(channel, ("origin", "https://example.com"), host) == 101
    assert await verdict(channel, ("origin", "https://api.example.com"), host) == 403
    assert await verdict(channel, ("origin", "http://example.com"), host) == 403
    assert await verdict(channel, ("origin", "https://example.com:444"), host) == 403
    assert await verdict(channel, ("origin", "null"), host) == 403
    assert await verdict(channel, host) == 101


async def test_an_empty_list_lets_no_page_in() -> None:
    channel = Channel(allowed_origins=[])
    assert await verdict(channel, ("origin", "http://example.com"), ("host", "example.com")) == 403


async def test_forwarded_headers_are_not_read() -> None:
    forwarded = (
        ("x-forwarded-host", "evil.example"),
        ("x-forwarded-proto", "https"),
        ("forwarded", "host=evil.example"),
    )
    evil = ("origin", "https://evil.example")
    assert await verdict(Channel(), evil, ("host", "example.com"), *forwarded) == 403
    good = ("origin", "http://example.com")
    assert await verdict(Channel(), good, ("host", "example.com"), *forwarded) == 101


async def test_the_scopes_own_scheme_does_not_matter() -> None:
    fields = [(b"origin", b"https://example.com"), (b"host", b"example.com:443")]
    for scheme in ("ws", "wss"):
        async with serve(Channel(), headers=fields, extra={"scheme": scheme}) as wire:
            await wire.accepted()


async def test_the_log_names_both_headers_and_the_setting(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "chanx"):
        assert await verdict(Channel(), ("origin", "https://shop.example"), ("host", "api.example")) == 403
    (told,) = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert "https://shop.example" in told
    assert "api.example" in told
    assert "allowed_origins=['https://shop.example']" in told


async def test_hooks_and_dependencies_are_not_asked_first() -> None:
    channel = Channel()
    asked: list[str] = []

    @channel.on_connect
    async def enter() -> None:
        asked.append("hook")

    assert await verdict(channel, ("origin", "http://evil.example"), ("host", "example.com")) == 403
    assert asked == []

"""How connections to the broker are made: from a URL and options, by redis-py.

One server is all there is to find today. What asks Sentinel for the master, each time that a connection is made, is
another `Dial`. A cluster needs more: what a script of a group's history is sent to is the node of its keys.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol, cast

from chanx.exceptions import ConfigurationError

SCHEMES = ("redis://", "rediss://", "unix://", "valkey://", "valkeys://")


class Line(Protocol):
    """A connection of redis-py for asyncio, as far as it is used here."""

    async def connect(self) -> None:
        """Connect, authenticate, choose the database."""
        ...

    async def send_packed_command(self, command: Iterable[bytes], check_health: bool = True) -> None:
        """Write."""
        ...

    async def read_response(self, disable_decoding: bool = False) -> Any:
        """Read the next answer."""
        ...

    async def disconnect(self, nowait: bool = False) -> None:
        """Let go."""
        ...


class SyncLine(Protocol):
    """A connection of redis-py for threads, as far as it is used here."""

    def connect(self) -> None:
        """Connect, authenticate, choose the database."""
        ...

    def send_packed_command(self, command: Iterable[bytes], check_health: bool = True) -> None:
        """Write."""
        ...

    def read_response(self, disable_decoding: bool = False) -> Any:
        """Read the next answer."""
        ...

    def can_read(self, timeout: float = 0) -> bool:
        """Is there something to read, or the end?"""
        ...

    def disconnect(self) -> None:
        """Let go."""
        ...


class Dial:
    """Makes connections to one server.

    Args:
        url: `redis://`, `rediss://` (TLS) or `unix://`; `valkey://` and `valkeys://` mean the same as the first two.
        options: more arguments of `redis.Connection`, as `password` or `ssl_ca_certs`; the URL wins.
        timeout: how long connecting may take, and for threads each answer; in seconds.

    Raises:
        ConfigurationError: redis-py is missing, or the URL or an option is wrong.
    """

    def __init__(self, url: str, options: dict[str, Any], timeout: float) -> None:
        if any(word in url.partition("://")[0].lower() for word in ("sentinel", "cluster")):
            raise ConfigurationError(
                f"{_safe(url)!r}: Redis Sentinel and Redis Cluster cannot be used yet; give the URL of one server, "
                'as in "redis://localhost"'
            )
        if not url.startswith(SCHEMES):
            raise ConfigurationError(f"{_safe(url)!r} is no URL of a broker; use one of {', '.join(SCHEMES)}")
        self._url = url.replace("valkey", "redis", 1) if url.startswith("valkey") else url
        self._options = {"protocol": 2, "socket_connect_timeout": timeout, "health_check_interval": 0, **options}
        self._timeout = timeout
        self.where = _safe(url)
        try:
            import redis.exceptions
        except ImportError:
            raise ConfigurationError('groups over Redis need redis-py: pip install "chanx[redis]"') from None
        try:
            protocol: Any = getattr(self.sync_line(), "protocol", 2)
        except (TypeError, ValueError, redis.exceptions.RedisError) as error:
            raise ConfigurationError(f"no connection can be made for {self.where}: {error}") from None
        if protocol != 2:
            raise ConfigurationError(f"protocol={protocol!r} for {self.where}: only RESP2 is spoken; leave it out")

    def line(self, name: str) -> Line:
        """A connection for asyncio, which waits without end; it is called `name` in CLIENT LIST."""
        import redis.asyncio

        pool = redis.asyncio.ConnectionPool
        return cast(Line, _made(pool, self._url, {**self._options, "socket_timeout": None}, name))

    def sync_line(self, name: str = "chanx") -> SyncLine:
        """A connection for threads."""
        import redis

        pool = redis.ConnectionPool
        return cast(SyncLine, _made(pool, self._url, {**self._options, "socket_timeout": self._timeout}, name))


def _made(pool: Any, url: str, options: dict[str, Any], name: str) -> Any:
    """A connection of its own: the pool only reads the URL."""
    return pool.from_url(url, **{"client_name": name, **options}).make_connection()


class Grip:
    """The socket of a connection, to close it at once: what waits to be written is of no use any more, and a dead link,
    or the polite end of TLS, would keep it for long. redis-py has closed it politely where an operation was cancelled.

    Args:
        line: connected.
    """

    def __init__(self, line: Line) -> None:
        writer: Any = getattr(line, "_writer", None)
        self._transport = None if writer is None else writer.transport
        socket: Any = None if writer is None else writer.get_extra_info("socket")
        self.number: int | None = None if socket is None else socket.fileno()

    def abort(self) -> None:
        """Close it."""
        if self._transport is not None:
            self._transport.abort()


def broker_errors() -> tuple[type[Exception], ...]:
    """What is raised where the broker cannot be reached, or says no."""
    import redis.exceptions

    return (redis.exceptions.RedisError, OSError, EOFError)


def refusals() -> type[Exception]:
    """What is raised where the broker refuses one command, and goes on."""
    import redis.exceptions

    return redis.exceptions.ResponseError


def unknown_script() -> type[Exception]:
    """What is raised where the broker has forgotten a script; nothing was done."""
    import redis.exceptions

    return redis.exceptions.NoScriptError


def _safe(url: str) -> str:
    """The URL without user, password and query."""
    scheme, found, rest = url.partition("://")
    if not found:
        return scheme[:20]
    return f"{scheme}://{rest.partition('?')[0].rpartition('@')[2]}"

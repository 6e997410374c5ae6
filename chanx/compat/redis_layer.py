"""The channel layer over Redis: channels and groups of channels in many processes, on the Redis group layer.

Rules: a channel belongs to the process whose layer made its name, and its messages wait there; sending from another
process is one PUBLISH on that layer's own channel of the broker. Nothing is stored at the broker. A fork makes another
process, with names of its own.
"""

from __future__ import annotations

import os
import re
import secrets
import weakref
from collections.abc import Iterable, Mapping
from typing import Any, cast

from chanx.compat.layer import ChannelLayer
from chanx.compat.names import check_channel
from chanx.exceptions import ConfigurationError
from chanx.groups.redis import RedisLayer
from chanx.groups.redis.wire import owner_of

#: Ids of native connections.
_NATIVE = re.compile(r"[0-9a-f]{12}-\d+")

_layers: weakref.WeakSet[RedisChannelLayer] = weakref.WeakSet()


class RedisChannelLayer(ChannelLayer):
    """Channels and groups of channels in many processes, over one Redis or Valkey server. Needs `chanx[redis]`.

    For `CHANNEL_LAYERS`, with the names that `channels_redis` has for the same things.

    Args:
        hosts: one server: a URL, a pair of host and port, or a dictionary with the URL as `address` and more arguments
            of redis-py's connections, in a list. `redis://localhost:6379` when left out.
        prefix: what the names at the broker begin with.
        expiry: how long a message may wait in a channel, in seconds.
        group_expiry: how long a channel may be in a group without being added anew, in seconds.
        capacity: how many messages may wait in a channel.
        channel_capacity: other capacities, by a pattern of names.
        options: of the group layer, such as `unavailable` and `timeout`; see `chanx.groups.redis.RedisLayer`.

    Raises:
        ConfigurationError: there are several hosts, an option is wrong or not supported, or redis-py is missing.
        ValueError: a capacity is no positive integer.
    """

    def __init__(
        self,
        hosts: Any = None,
        prefix: str = "asgi",
        expiry: float = 60,
        group_expiry: float = 86400,
        capacity: int = 100,
        channel_capacity: Mapping[Any, int] | None = None,
        **options: Any,
    ) -> None:
        if options.pop("symmetric_encryption_keys", None):
            raise ConfigurationError("RedisChannelLayer encrypts nothing by itself; use rediss:// (TLS) and a password")
        url, more = _address(hosts)
        layer = RedisLayer(url, prefix=prefix, **{**more, **options})
        super().__init__(expiry, group_expiry, capacity, channel_capacity, layer)
        self._redis = layer
        layer.stray = self._stray
        layer.answer_to(self._prefix)
        _layers.add(self)

    async def new_channel(self, prefix: str = "specific") -> str:
        """A name that no other channel has, of a channel of this process; others reach it, if they reach the broker.

        Raises:
            TypeError: such a prefix makes no name.
        """
        name = await super().new_channel(prefix)
        await self._redis.answering(self._prefix)  # a consumer need not be in a group to be told something
        return name

    async def send(self, channel: str, message: dict[str, Any]) -> None:
        """Put a message into a channel, of this process or another; the id of a native connection is one, too.

        Raises:
            ChannelFull: the channel is in this process, and as many wait there as may. In another process, the message
                is dropped there, and counted.
            LayerUnavailable: the broker cannot be reached.
            TypeError: it is no name, or no message.
            ValueError: the channel belongs to no process; see `receive`.
        """
        _check_owned(channel)
        await super().send(channel, message)

    async def receive(self, channel: str) -> dict[str, Any]:
        """The next message of a channel; waits for one. Each message goes to one receiver.

        Raises:
            TypeError: it is no name.
            ValueError: the channel belongs to no process, as that of workers: its messages would have to wait at the
                broker until one of them comes.
        """
        _check_owned(channel)
        return await super().receive(channel)

    def _is_here(self, channel: str) -> bool:
        return owner_of(channel) == self._prefix

    def _stray(self, channel: str) -> None:
        """A message has come for a channel of ours that nobody receives from just now: it waits there."""
        if self._is_here(channel):
            with self._lock:
                if channel not in self._mailboxes:
                    self._made(channel)

    def forked(self) -> None:
        """This process is a copy of another one, which has the channels."""
        self._prefix = secrets.token_hex(8)
        self._mailboxes.clear()
        self._unheard.clear()
        self._redis.answer_to(self._prefix)


def _check_owned(channel: Any) -> None:
    check_channel(channel)
    if "!" not in channel and not _NATIVE.fullmatch(channel):
        raise ValueError(
            f"{channel!r} belongs to no process (its name has no !), and RedisChannelLayer keeps no messages at the "
            f"broker; for channels of workers, name another layer in CHANNEL_LAYERS"
        )


def _address(hosts: Any) -> tuple[str, dict[str, Any]]:
    """The URL of the one host, and the options that came with it."""
    listed: list[Any] = [hosts] if isinstance(hosts, str | Mapping) else list(cast(Iterable[Any], hosts or ()))
    if len(listed) > 1:
        raise ConfigurationError(
            f"RedisChannelLayer takes one host, not {len(listed)}: name one server, and let it have replicas"
        )
    if not listed:
        return "redis://localhost:6379", {}
    host = listed[0]
    if isinstance(host, str):
        return host, {}
    if isinstance(host, Mapping):
        more = dict(cast(Mapping[str, Any], host))
        address = more.pop("address", None)
        if address is None and "host" in more:
            address = (more.pop("host"), more.pop("port", 6379))
        if address is None or "sentinels" in more:
            raise ConfigurationError(
                "a dictionary in hosts= names its server by address=, a URL; there is no Sentinel yet"
            )
        return _address([address])[0], more
    try:
        name, port = host
    except (TypeError, ValueError):
        raise ConfigurationError(f"hosts= holds {host!r}; give a URL, or (host, port)") from None
    return f"redis://{f'[{name}]' if ':' in name else name}:{port}", {}


def _forked() -> None:
    for layer in tuple(_layers):
        layer.forked()


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=_forked)  # after that of the group layer, which stands above

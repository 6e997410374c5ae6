"""The settings of a Redis layer."""

from __future__ import annotations

from typing import Any

import msgspec

from chanx.exceptions import ConfigurationError


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """See `RedisLayer`; times are seconds.

    Attributes:
        timeout: how long who publishes or joins may wait for the broker.
        wait: wait so long while the link is broken, or raise at once?
        heartbeat: the time between two checks.
        heartbeat_timeout: how long a check may take.
        connect_timeout: how long connecting, and the first subscriptions, may take.
        max_pause: the longest pause between two attempts.
        queue: publications that may wait to be sent.
        queue_bytes: the same in bytes.
        run_id: does a history begin another epoch where the server tells another `run_id`?
    """

    timeout: float = 5.0
    wait: bool = True
    heartbeat: float = 5.0
    heartbeat_timeout: float = 5.0
    connect_timeout: float = 5.0
    max_pause: float = 5.0
    queue: int = 10_000
    queue_bytes: int = 64 * 1024 * 1024
    run_id: bool = True

    def __post_init__(self) -> None:
        for name in self.__struct_fields__:
            value: Any = getattr(self, name)
            if name == "run_id":
                if not isinstance(value, bool):
                    raise ConfigurationError(f"RedisLayer(run_id={value!r}): give True or False")
            elif name != "wait" and (isinstance(value, bool) or not isinstance(value, (int, float)) or value <= 0):
                raise ConfigurationError(f"RedisLayer({name}={value!r}): give a number above 0")

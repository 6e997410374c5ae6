"""Channel layers: the one in memory, the one over Redis, and which layer an alias means."""

from typing import Any

from chanx.compat.extra import needed
from chanx.compat.layer import ChannelLayer as InMemoryChannelLayer
from chanx.compat.layers import (
    DEFAULT_CHANNEL_LAYER,
    channel_layers,
    get_channel_layer,
    register_channel_layer,
)
from chanx.compat.redis_layer import RedisChannelLayer

__all__ = [
    "DEFAULT_CHANNEL_LAYER",
    "InMemoryChannelLayer",
    "RedisChannelLayer",
    "channel_layers",
    "get_channel_layer",
    "register_channel_layer",
]


def __getattr__(name: str) -> Any:
    """`BaseChannelLayer`, which layers of other people extend, comes from Channels: only where it is asked for."""
    if name == "BaseChannelLayer":
        return needed("channels.layers").BaseChannelLayer
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

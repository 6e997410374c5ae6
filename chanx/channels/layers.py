"""Channel layers: the one in memory, and which layer an alias means."""

from chanx.compat.layer import ChannelLayer as InMemoryChannelLayer
from chanx.compat.layers import (
    DEFAULT_CHANNEL_LAYER,
    channel_layers,
    get_channel_layer,
    register_channel_layer,
)

__all__ = [
    "DEFAULT_CHANNEL_LAYER",
    "InMemoryChannelLayer",
    "channel_layers",
    "get_channel_layer",
    "register_channel_layer",
]

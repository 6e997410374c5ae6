"""The Redis group layer. In this folder is what talks to Redis; redis-py is imported when a layer is made."""

from __future__ import annotations

import weakref

from chanx.groups.redis.layer import RedisLayer

__all__ = ["RedisLayer", "layer_at"]

_by_url: weakref.WeakValueDictionary[str, RedisLayer] = weakref.WeakValueDictionary()


def layer_at(url: str) -> RedisLayer:
    """The layer that `Channel(groups=url)` means: the same one for all channels of a process that name the same URL.

    Raises:
        ConfigurationError: redis-py is missing, or it is no URL of a broker.
    """
    layer = _by_url.get(url)
    if layer is None:
        layer = _by_url[url] = RedisLayer(url)
    return layer

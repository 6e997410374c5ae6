"""Which channel layer an alias means: Django's `CHANNEL_LAYERS` inside Django, else what was registered."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from typing import Any

from chanx.compat.exceptions import InvalidChannelLayerError

#: The layer of consumers that name no other one.
DEFAULT_CHANNEL_LAYER = "default"


class ChannelLayers:
    """All layers of this process by their alias."""

    def __init__(self) -> None:
        self._registered: dict[str, Any] = {}
        self._made: dict[str, Any] = {}

    def register(self, alias: str, layer: Any) -> None:
        """Use a layer under an alias; it takes the place of one that settings name."""
        self._registered[alias] = layer

    def unregister(self, alias: str) -> None:
        """Use it no longer."""
        self._registered.pop(alias, None)

    def get(self, alias: str) -> Any:
        """The layer of an alias; None where there is none.

        Raises:
            InvalidChannelLayerError: Django's settings name one that cannot be made.
        """
        if alias in self._registered:
            return self._registered[alias]
        theirs = _theirs(alias)
        if theirs is not None:
            return theirs
        return self._from_settings(alias)

    def __getitem__(self, alias: str) -> Any:
        layer = self.get(alias)
        if layer is None:
            raise InvalidChannelLayerError(f"no channel layer is called {alias!r}; register it, or set CHANNEL_LAYERS")
        return layer

    def __contains__(self, alias: str) -> bool:
        return self.get(alias) is not None

    def _from_settings(self, alias: str) -> Any:
        config = _settings().get(alias)
        if config is None:
            return None
        if alias not in self._made:
            if "BACKEND" not in config:
                raise InvalidChannelLayerError(f"CHANNEL_LAYERS[{alias!r}] names no BACKEND")
            module, _, name = config["BACKEND"].rpartition(".")
            try:
                made = getattr(importlib.import_module(module), name)
            except (ImportError, AttributeError, ValueError) as error:
                raise InvalidChannelLayerError(
                    f"the BACKEND {config['BACKEND']!r} of CHANNEL_LAYERS[{alias!r}] cannot be imported: {error}"
                ) from error
            self._made[alias] = made(**config.get("CONFIG", {}))
        return self._made[alias]


def _settings() -> dict[str, Any]:
    """Django's `CHANNEL_LAYERS`, where Django is configured."""
    conf = sys.modules.get("django.conf")
    if conf is None or not conf.settings.configured:
        return {}
    return getattr(conf.settings, "CHANNEL_LAYERS", None) or {}


def _theirs(alias: str) -> Any:
    """The layer of Channels itself, where that is in use: both then speak through the same one."""
    if _settings() and importlib.util.find_spec("channels") is not None:
        return importlib.import_module("channels.layers").get_channel_layer(alias)
    fast = sys.modules.get("fast_channels.layers")
    return None if fast is None else fast.get_channel_layer(alias)


channel_layers = ChannelLayers()


def get_channel_layer(alias: str = DEFAULT_CHANNEL_LAYER) -> Any:
    """The channel layer of an alias; None where there is none."""
    return channel_layers.get(alias)


def register_channel_layer(alias: str, layer: Any) -> None:
    """Use a channel layer under an alias, with or without Django."""
    channel_layers.register(alias, layer)

"""Which channel layer an alias means: one that was registered, else what Django's `CHANNEL_LAYERS` names.

Inside Django, where Channels is installed too, it is Channels itself that makes the layers and keeps them: so its
consumers and ours, and `get_channel_layer` by either import path, mean the same objects, and settings that a test
overrides count at once.
"""

from __future__ import annotations

import importlib
import sys
from typing import Any

from chanx.compat.exceptions import InvalidChannelLayerError
from chanx.compat.settings import django_settings, installed

#: The layer of consumers that name no other one.
DEFAULT_CHANNEL_LAYER = "default"


class ChannelLayers:
    """All layers of this process by their alias."""

    def __init__(self) -> None:
        self._registered: dict[str, Any] = {}
        self._made: dict[str, tuple[Any, Any]] = {}  # what the settings said, and what was made of that

    def register(self, alias: str, layer: Any) -> None:
        """Use a layer under an alias; it takes the place of one that settings name."""
        self._registered[alias] = layer

    def unregister(self, alias: str) -> None:
        """Use it no longer."""
        self._registered.pop(alias, None)

    def set(self, alias: str, layer: Any) -> Any:
        """Use a layer under an alias, and none that was registered where it is None; what was used before."""
        before = self._registered.pop(alias, None)
        try:
            named = self.get(alias)
        except InvalidChannelLayerError:  # a test may use another one for that very reason
            named = None
        if layer is not None and layer is not named:  # what settings name is put back: let it follow them again
            self.register(alias, layer)
        return named if before is None else before

    def get(self, alias: str) -> Any:
        """The layer of an alias; None where there is none.

        Raises:
            InvalidChannelLayerError: Django's settings name one that cannot be made.
        """
        if alias in self._registered:
            return self._registered[alias]
        if settings := _settings():
            theirs = _channels()
            return self._from_settings(settings, alias) if theirs is None else theirs.get_channel_layer(alias)
        fast = sys.modules.get("fast_channels.layers")
        return None if fast is None else fast.get_channel_layer(alias)

    def __getitem__(self, alias: str) -> Any:
        layer = self.get(alias)
        if layer is None:
            raise InvalidChannelLayerError(f"no channel layer is called {alias!r}; register it, or set CHANNEL_LAYERS")
        return layer

    def __contains__(self, alias: str) -> bool:
        return self.get(alias) is not None

    def _from_settings(self, settings: dict[str, Any], alias: str) -> Any:
        """The layer that settings name, made once for as long as they are the same."""
        config = settings.get(alias)
        if config is None:
            return None
        made = self._made.get(alias)
        if made is None or made[0] is not config:
            made = self._made[alias] = (config, _make(alias, config))
        return made[1]


def _make(alias: str, config: dict[str, Any]) -> Any:
    if "BACKEND" not in config:
        raise InvalidChannelLayerError(f"CHANNEL_LAYERS[{alias!r}] names no BACKEND")
    module, _, name = config["BACKEND"].rpartition(".")
    try:
        backend = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise InvalidChannelLayerError(
            f"the BACKEND {config['BACKEND']!r} of CHANNEL_LAYERS[{alias!r}] cannot be imported: {error}"
        ) from error
    return backend(**config.get("CONFIG", {}))


def _settings() -> dict[str, Any]:
    """Django's `CHANNEL_LAYERS`; nothing where Django is not in use."""
    return getattr(django_settings(), "CHANNEL_LAYERS", None) or {}


def _channels() -> Any:
    """The layers of Channels itself, where it is installed."""
    return importlib.import_module("channels.layers") if installed("channels") else None


channel_layers = ChannelLayers()


def get_channel_layer(alias: str = DEFAULT_CHANNEL_LAYER) -> Any:
    """The channel layer of an alias; None where there is none."""
    return channel_layers.get(alias)


def register_channel_layer(alias: str, layer: Any) -> None:
    """Use a channel layer under an alias, with or without Django."""
    channel_layers.register(alias, layer)

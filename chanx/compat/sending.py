"""Events and messages to groups, over a channel layer, from consumers and from anywhere else."""

from __future__ import annotations

from collections.abc import Callable, Collection, Coroutine, Mapping
from typing import Any, cast

from asgiref.sync import async_to_sync
from pydantic import BaseModel

from chanx import _runtime
from chanx.compat.exceptions import InvalidChannelLayerError


def event_payload(event: Any) -> dict[str, Any]:
    """An event as it travels on the channel layer.

    Raises:
        TypeError: it is no pydantic model.
    """
    if not isinstance(event, BaseModel):
        raise TypeError(
            f"an event is a pydantic model, such as a subclass of BaseMessage, not {type(event).__qualname__}"
        )
    return {"type": "handle_channel_event", "event_data": event.model_dump(mode="json", by_alias=False)}


def frame_content(message: Any) -> dict[str, Any]:
    """What the frames to groups are to hold.

    Raises:
        TypeError: it is no dictionary, and no message.
    """
    content = message.model_dump(mode="json", by_alias=True) if isinstance(message, BaseModel) else message
    if not isinstance(content, dict):
        raise TypeError(f"a frame to groups is a dictionary or a message, not {type(content).__qualname__}")
    return cast("dict[str, Any]", content)


def names(groups: Collection[str] | str | None, default: Collection[str]) -> list[str]:
    """The groups that are meant, each once."""
    given = default if groups is None else [groups] if isinstance(groups, str) else groups
    return list(dict.fromkeys(given))


def needed(layer: Any, owner: type[Any]) -> Any:
    """The channel layer.

    Raises:
        InvalidChannelLayerError: there is none.
    """
    if layer is None:
        raise InvalidChannelLayerError(
            f"{owner.__qualname__} has no channel layer to send through; register one with register_channel_layer, or "
            f"name it in Django's CHANNEL_LAYERS"
        )
    return layer


async def to_groups(layer: Any, groups: Collection[str], message: Mapping[str, Any]) -> None:
    """Send a message to groups, one after another."""
    for group in groups:
        await layer.group_send(group, dict(message))


def from_thread(function: Callable[..., Coroutine[Any, Any, None]], name: str, *args: Any) -> None:
    """Run a coroutine function to its end, from a thread that runs no event loop.

    Args:
        function: the asynchronous form.
        name: its name, for whoever runs one.
        args: its arguments.

    Raises:
        RuntimeError: this thread runs an event loop.
    """
    if _runtime.on_a_loop():
        raise RuntimeError(f"this would block the event loop of this thread; write `await {name}(…)`")
    async_to_sync(function)(*args)

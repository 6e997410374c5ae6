"""The decorators of chanx 2.x, by the import path that document 001 gives."""

from chanx.compat.decorators import channel, event_handler, ws_handler

__all__ = ["channel", "event_handler", "ws_handler"]

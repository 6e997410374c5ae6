"""What messages of the class API extend: pydantic models that are told by a literal `action`."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel


class BaseMessage(BaseModel):
    """A message between client and server, or an event (chanx 2.x).

    Attributes:
        action: tells messages apart; a subclass gives it a literal: `action: Literal["chat"] = "chat"`.
        payload: what the message says; a subclass gives it its type.
    """

    action: Any
    payload: Any


class BaseGroupMessage(BaseMessage):
    """A message to the members of groups (chanx 0.12); what each of them gets tells whose it is.

    Attributes:
        is_mine: it came from a connection of the same user.
        is_current: it came from this connection.
    """

    is_mine: bool = False
    is_current: bool = False


class BaseChannelEvent(BaseModel):
    """An event from server code to consumers, told by a literal `handler`.

    Attributes:
        handler: tells events apart; a subclass gives it a literal: `handler: Literal["notify"] = "notify"`.
        payload: what the event says; a subclass gives it its type.
    """

    handler: Any
    payload: Any

"""Messages that clients get."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel

from chanx.messages.base import BaseMessage


class PongMessage(BaseMessage):
    """The answer to `PingMessage`."""

    action: Literal["pong"] = "pong"
    payload: None = None


class ErrorMessage(BaseMessage):
    """Something went wrong.

    Attributes:
        payload: what: a dictionary with `detail`, or pydantic's findings.
    """

    action: Literal["error"] = "error"
    payload: Any = None


class AuthenticationPayload(BaseModel):
    """The verdict on a connection.

    Attributes:
        status_code: the HTTP status, such as 200 or 403.
        status_text: its phrase.
        data: details, such as `{"detail": "OK"}`.
    """

    status_code: int
    status_text: str
    data: Any = None


class AuthenticationMessage(BaseMessage):
    """Tells the client whether it may stay, when it has connected."""

    action: Literal["authentication"] = "authentication"
    payload: AuthenticationPayload


class CompleteMessage(BaseMessage):
    """A client's message has been handled; all that it led to was sent before."""

    action: Literal["complete"] = "complete"
    payload: None = None


class GroupCompleteMessage(BaseMessage):
    """A message to a group has been sent to this client."""

    action: Literal["group_complete"] = "group_complete"
    payload: None = None


class EventCompleteMessage(BaseMessage):
    """An event has been handled; all that it led to was sent before."""

    action: Literal["event_complete"] = "event_complete"
    payload: None = None

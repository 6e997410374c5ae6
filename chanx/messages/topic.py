"""Messages about topics (chanx 2.x). The topic stands beside them in the frame, as `topic`."""

from __future__ import annotations

from typing import Literal

from chanx.messages.base import BaseMessage


class SubscribeMessage(BaseMessage):
    """The client wants to get what a topic sends."""

    action: Literal["subscribe"] = "subscribe"
    payload: None = None


class UnsubscribeMessage(BaseMessage):
    """The client wants it no longer."""

    action: Literal["unsubscribe"] = "unsubscribe"
    payload: None = None


class SubscribedMessage(BaseMessage):
    """The client gets what the topic sends from now on."""

    action: Literal["subscribed"] = "subscribed"
    payload: None = None


class UnsubscribedMessage(BaseMessage):
    """The client gets no more of it."""

    action: Literal["unsubscribed"] = "unsubscribed"
    payload: None = None

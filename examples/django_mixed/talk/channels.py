"""The connection of the other page: a native channel on the same layer."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, StringConstraints
from starlette.requests import HTTPConnection

from chanx import Channel, Context, Depends, Path, Reject
from chanx.channels.layers import get_channel_layer


class Say(BaseModel):
    """From the page."""

    action: Literal["say"] = "say"
    text: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=2000)]


class Said(BaseModel):
    """To the page."""

    action: Literal["said"] = "said"
    who: str
    text: str


class TalkSaid(BaseModel):
    """Through the layer: what consumers know as `{"type": "talk.said", …}`, and handle in `talk_said`."""

    action: Literal["talk.said"] = "talk.said"
    who: str
    text: str


async def signed_in(connection: HTTPConnection) -> str:
    """The user's name, by Django's session."""
    user: Any = connection.scope["user"]
    if not user.is_authenticated:
        raise Reject(401, "Please sign in.")
    return str(user.get_username())


async def group_of(room: Annotated[str, Path()]) -> str:
    return f"talk.{room}"


User = Annotated[str, Depends(signed_in, scope="connection")]
Group = Annotated[str, Depends(group_of, scope="connection")]

# `refuse="close"`: so that the page can read why it is refused.
talk = Channel("talk", title="Talk", refuse="close", groups=get_channel_layer().group_layer)


@talk.on_connect
async def enter(ctx: Context, user: User, group: Group) -> None:
    await ctx.join(group)


@talk.on(Say)
async def say(message: Say, ctx: Context, user: User, group: Group) -> None:
    await ctx.emit(TalkSaid(who=user, text=message.text), group=group)


@talk.event(TalkSaid)
async def said(event: TalkSaid) -> Said:
    """Somebody on either page has said something."""
    return Said(who=event.who, text=event.text)

from typing import Literal

from pydantic import BaseModel

from chanx import Channel, ConfigurationError


class Say(BaseModel):
    action: Literal["say"] = "say"
    text: str


def two_handlers() -> str:
    app = Channel("twice")

    @app.on(Say)
    async def first(message: Say) -> None: ...

    @app.on(Say)
    async def second(message: Say) -> None: ...

    try:
        app.compile()
    except ConfigurationError as error:
        return str(error)
    return "no mistake was found"

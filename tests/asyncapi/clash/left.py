from typing import Literal

import msgspec
from pydantic import BaseModel


class Detail(BaseModel):
    value: int


class Say(BaseModel):
    action: Literal["left"] = "left"
    detail: Detail


class Spot(msgspec.Struct):
    value: int


class Mark(msgspec.Struct, tag_field="action", tag="mark-left"):
    spot: Spot


class Same(BaseModel):
    """The same in both modules."""

    value: bool = False

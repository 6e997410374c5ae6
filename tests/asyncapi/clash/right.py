from typing import Literal

import msgspec
from pydantic import BaseModel


class Detail(BaseModel):
    value: str


class Say(BaseModel):
    action: Literal["right"] = "right"
    detail: Detail


class Spot(msgspec.Struct):
    value: str


class Mark(msgspec.Struct, tag_field="action", tag="mark-right"):
    spot: Spot


class Same(BaseModel):
    """The same in both modules."""

    value: bool = False

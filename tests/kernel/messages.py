"""Messages and events that the tests of the kernel share."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel


class Say(BaseModel):
    action: Literal["say"] = "say"
    text: str


class Said(BaseModel):
    action: Literal["said"] = "said"
    text: str


class Wait(BaseModel):
    """A handler that is told to wait for the test."""

    action: Literal["wait"] = "wait"
    name: str = ""


class Boom(BaseModel):
    """A handler that is told to raise."""

    action: Literal["boom"] = "boom"


class Hired(BaseModel):
    """An event."""

    action: Literal["hired"] = "hired"
    name: str


class Fired(BaseModel):
    """An event that not everybody handles."""

    action: Literal["fired"] = "fired"
    name: str = ""


class Job(BaseModel):
    """Work that takes as long as the test says; see `desk`."""

    action: Literal["job"] = "job"
    name: str = ""
    key: str = ""


class Done(BaseModel):
    """The answer to a job."""

    action: Literal["done"] = "done"
    name: str

import hashlib
from collections.abc import AsyncIterator
from typing import Literal

import anyio
from pydantic import BaseModel

from chanx import Channel


class Write(BaseModel):
    action: Literal["write"] = "write"
    words: int


class Word(BaseModel):
    action: Literal["word"] = "word"
    text: str


class Upload(BaseModel):
    action: Literal["upload"] = "upload"
    name: str


class Part(BaseModel):
    action: Literal["part"] = "part"
    text: str


class Uploaded(BaseModel):
    action: Literal["uploaded"] = "uploaded"
    name: str
    size: int
    sha256: str


class Shout(BaseModel):
    action: Literal["shout"] = "shout"


app = Channel("streams")
working: set[int] = set()


# --8<-- [start:out]
@app.on(Write)
async def write(message: Write) -> AsyncIterator[Word]:
    working.add(message.words)
    try:
        for number in range(message.words):
            await anyio.sleep(0.01)  # waits for a model, say
            yield Word(text=f"word {number}")
    finally:
        working.discard(message.words)  # also where the client cancels it, or leaves


# --8<-- [end:out]


# --8<-- [start:in]
@app.on(Upload)
async def upload(message: Upload, parts: AsyncIterator[Part]) -> Uploaded:
    digest, size = hashlib.sha256(), 0
    async for part in parts:
        digest.update(part.text.encode())
        size += len(part.text)
    return Uploaded(name=message.name, size=size, sha256=digest.hexdigest())


# --8<-- [end:in]


# --8<-- [start:both]
@app.on(Shout)
async def shout(_: Shout, parts: AsyncIterator[Part]) -> AsyncIterator[Word]:
    async for part in parts:
        yield Word(text=part.text.upper())


# --8<-- [end:both]

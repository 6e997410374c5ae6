from typing import Annotated, Literal

import anyio
from pydantic import BaseModel

from chanx import Channel, Depends


class Save(BaseModel):
    action: Literal["save"] = "save"
    document: str
    text: str


class Saved(BaseModel):
    action: Literal["saved"] = "saved"
    document: str


class Search(BaseModel):
    action: Literal["search"] = "search"
    text: str


class Found(BaseModel):
    action: Literal["found"] = "found"
    titles: list[str]


class Render(BaseModel):
    action: Literal["render"] = "render"
    page: int


class Rendered(BaseModel):
    action: Literal["rendered"] = "rendered"
    page: int


class Rename(BaseModel):
    action: Literal["rename"] = "rename"
    title: str


class Renamed(BaseModel):
    action: Literal["renamed"] = "renamed"
    title: str


class Store:
    """Stands for something slow."""

    def __init__(self) -> None:
        self.texts: dict[str, str] = {}

    async def write(self, document: str, text: str) -> None:
        await anyio.sleep(0.1)
        self.texts[document] = text

    async def titles(self, text: str) -> list[str]:
        await anyio.sleep(0.1)
        return [title for title in ("Tea", "Teapots") if text in title]


async def the_store() -> Store:
    return Store()


Stored = Annotated[Store, Depends(the_store)]

app = Channel("documents")


# --8<-- [start:key]
@app.on(Save, key="document")
async def save(message: Save, store: Stored) -> Saved:
    await store.write(message.document, message.text)
    return Saved(document=message.document)


# --8<-- [end:key]


# --8<-- [start:latest]
@app.on(Search, latest=True)
async def search(message: Search, store: Stored) -> Found:
    return Found(titles=await store.titles(message.text))


# --8<-- [end:latest]


# --8<-- [start:concurrency]
@app.on(Render, concurrency=4, timeout=10.0)
async def render(message: Render, store: Stored) -> Rendered:
    await store.write(f"page {message.page}", "…")
    return Rendered(page=message.page)


# --8<-- [end:concurrency]


# --8<-- [start:serial]
@app.event(Renamed, serial=True)
async def renamed(event: Renamed) -> Renamed:
    return event


@app.on(Rename)
async def rename(message: Rename) -> Renamed:
    return Renamed(title=message.title)


# --8<-- [end:serial]

from collections.abc import AsyncIterator
from typing import Annotated, Literal

from pydantic import BaseModel
from starlette.requests import HTTPConnection

from chanx import Channel, Cookie, Depends, Header, Path, Query


class Look(BaseModel):
    action: Literal["look"] = "look"


class Seen(BaseModel):
    action: Literal["seen"] = "seen"
    item: int
    limit: int
    language: str
    session: str | None
    address: str
    steps: list[str]


# --8<-- [start:values]
Item = Annotated[int, Path("item")]
Limit = Annotated[int, Query()]
Language = Annotated[str, Header("accept-language")]
Session = Annotated[str | None, Cookie("session")]
# --8<-- [end:values]


# --8<-- [start:functions]
class Database:
    """Stands for a pool of connections."""

    def __init__(self) -> None:
        self.log: list[str] = []


database = Database()


async def transaction() -> AsyncIterator[list[str]]:
    database.log.append("begin")
    yield database.log
    database.log.append("commit")


def address(connection: HTTPConnection) -> str:  # a plain def runs in a worker thread
    return connection.client.host if connection.client else "unknown"


Transaction = Annotated[list[str], Depends(transaction)]
Address = Annotated[str, Depends(address, scope="connection")]
# --8<-- [end:functions]

app = Channel("items")


# --8<-- [start:handler]
@app.on(Look)
async def look(
    _: Look,
    item: Item,
    address: Address,
    transaction: Transaction,
    session: Session = None,
    limit: Limit = 10,
    language: Language = "en",
) -> Seen:
    return Seen(item=item, limit=limit, language=language, session=session, address=address, steps=list(transaction))


# --8<-- [end:handler]

from typing import Annotated, Literal

from fastapi import FastAPI
from pydantic import BaseModel
from starlette.routing import WebSocketRoute

from chanx import Channel, Context, Query


class Paid(BaseModel):
    action: Literal["paid"] = "paid"
    order: int
    cents: int


class Notice(BaseModel):
    action: Literal["notice"] = "notice"
    text: str


orders = Channel("orders")

Language = Annotated[str, Query("lang")]


# --8<-- [start:event]
@orders.on_connect
async def enter(ctx: Context) -> None:
    await ctx.join("orders")


@orders.event(Paid)
async def paid(event: Paid, language: Language = "en") -> Notice:
    amount = f"{event.cents / 100:.2f}"
    return Notice(text=f"Bezahlt: {amount}" if language == "de" else f"Paid: {amount}")


# --8<-- [end:event]

app = FastAPI()
app.router.routes.append(WebSocketRoute("/orders", orders))


# --8<-- [start:publish]
@app.post("/async/{order}")
async def pay(order: int, cents: int) -> None:
    await orders.emit(Paid(order=order, cents=cents), group="orders")


@app.post("/thread/{order}")
def pay_in_a_thread(order: int, cents: int) -> None:  # FastAPI runs a plain def in a worker thread
    orders.emit_sync(Paid(order=order, cents=cents), group="orders")


@app.post("/notice")
def notice(text: str) -> None:
    orders.broadcast_sync(Notice(text=text), group="orders")


# --8<-- [end:publish]

import logging
from typing import Literal

from pydantic import BaseModel

from chanx import Channel, ChanxError, ConnectionClosed, Context, Reject

logger = logging.getLogger(__name__)


class Withdraw(BaseModel):
    action: Literal["withdraw"] = "withdraw"
    cents: int


class Audit(BaseModel):
    action: Literal["audit"] = "audit"


class Crash(BaseModel):
    action: Literal["crash"] = "crash"


class Report(BaseModel):
    action: Literal["report"] = "report"


class Done(BaseModel):
    action: Literal["done"] = "done"


class Problem(BaseModel):
    action: Literal["problem"] = "problem"
    code: str
    detail: str


app = Channel("bank")


# --8<-- [start:on_error]
class TooLittle(Exception):
    """There is not enough on the account."""


@app.on(Withdraw)
async def withdraw(message: Withdraw) -> Done:
    if message.cents > 100:
        raise TooLittle("100 cents are left")
    return Done()


@app.on_error(TooLittle)
async def too_little(error: TooLittle) -> Problem:
    return Problem(code="too_little", detail=str(error))


@app.on_error(LookupError)
async def ignore(error: LookupError) -> None:
    """Returning nothing settles it: the client gets a plain acknowledgement."""


# --8<-- [end:on_error]


# --8<-- [start:reject]
@app.on(Audit)
async def audit(_: Audit) -> Done:
    raise Reject(403, "ask your manager")


# --8<-- [end:reject]


@app.on(Crash)
async def crash(_: Crash, ctx: Context) -> None:
    raise {"lookup": KeyError("nobody"), "": ZeroDivisionError("secret")}[ctx.connection.query_params.get("how", "")]


# --8<-- [start:closed]
@app.on(Report)
async def report(_: Report, ctx: Context) -> None:
    try:
        for _number in range(3):
            await ctx.send(Done())
    except ConnectionClosed as closed:
        logger.info("the client left with %s", closed.code)


# --8<-- [end:closed]


# --8<-- [start:why]
@app.on_disconnect
async def left(ctx: Context) -> None:
    logger.info("%s has left: %s %s", ctx.id, ctx.close_code, ctx.close_reason or "without a reason")


# --8<-- [end:why]


# --8<-- [start:check]
def check() -> str:
    """What is wrong with the set-up; for a start-up check of your own."""
    try:
        app.compile()
    except ChanxError as error:  # here a ConfigurationError: ChanxError is the root of all of them
        return str(error)
    return "fine"


# --8<-- [end:check]

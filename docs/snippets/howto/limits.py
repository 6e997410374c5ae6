from typing import Literal

from pydantic import BaseModel

from chanx import Channel, Limits, Stats


class Say(BaseModel):
    action: Literal["say"] = "say"
    text: str


app = Channel("small", limits=Limits(max_size=1024, strikes=3, outbox=100, linger=2.0))


@app.on(Say)
async def say(message: Say) -> Say:
    return message


def health() -> dict[str, int]:
    stats: Stats = app.stats()
    return {"open": stats.connections, "bad frames": stats.bad_frames, "too slow": stats.slow_closed}

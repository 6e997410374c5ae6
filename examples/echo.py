"""The smallest channel: one message, one handler, and the channel is the application.

Run it with `uvicorn examples.echo:app`, connect to `ws://127.0.0.1:8000/` and send
`{"action": "echo", "text": "hello"}`. Add `"ref": 1` to see the answer carry it.
"""

from typing import Literal

from pydantic import BaseModel

from chanx import Channel


class Echo(BaseModel):
    action: Literal["echo"] = "echo"
    text: str


app = Channel("echo")


@app.on
async def echo(message: Echo) -> Echo:
    return message

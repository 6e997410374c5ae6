"""One server process. It prints `ready` when it serves, and ends when its standard input does: so with its supervisor.

Started by `supervisor.py` as `python -m examples.scale.process PATH`, with the path of a socket file to listen on.
"""

import os
import socket
import sys
import threading

import uvicorn

GRACE = 3
"""How long connections may take to end in order, in seconds."""


class Server(uvicorn.Server):
    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        print("ready", flush=True)


def end_with_supervisor(server: Server) -> None:
    sys.stdin.buffer.read()  # nothing is written there: it ends when the supervisor does, even if that was killed
    server.should_exit = True
    threading.Event().wait(2 * GRACE)
    os._exit(1)


def main(path: str) -> None:
    config = uvicorn.Config(
        "examples.scale:app",
        uds=path,
        ws="websockets-sansio",
        log_level="warning",
        timeout_graceful_shutdown=GRACE,
    )
    server = Server(config)
    threading.Thread(target=end_with_supervisor, args=(server,), daemon=True).start()
    server.run()


if __name__ == "__main__":
    main(sys.argv[1])

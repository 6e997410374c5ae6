"""The command: `python -m examples.scale [--host HOST] [--port PORT] [--redis URL] [--back-after SECONDS]`."""

import argparse
import os
import secrets
import shutil
import signal
import subprocess
import tempfile
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import anyio
from anyio.abc import SocketAttribute

from chanx import Channel, ConfigurationError, LayerUnavailable
from chanx.groups.redis import RedisLayer
from examples.scale import channel
from examples.scale.balancer import Balancer
from examples.scale.supervisor import Supervisor, say

NO_REDIS = """There is no redis-server here that could be started. Install Redis (Debian and Ubuntu: apt install
redis-server; macOS: brew install redis), or name a server that runs:

    python -m examples.scale --redis redis://localhost:6379"""

# Its end is that of the standard input, and so of this process, whatever ends it.
UNTIL_INPUT_ENDS = '"$@" & cat > /dev/null; kill $!; wait'


@asynccontextmanager
async def redis_server(program: str, folder: str) -> AsyncGenerator[str]:
    """A Redis server with nothing stored, on a socket file; its URL."""
    path = f"{folder}/redis"
    server = [program, "--port", "0", "--unixsocket", path, "--save", "", "--appendonly", "no", "--dir", folder]
    async with await anyio.open_process(
        ["sh", "-c", UNTIL_INPUT_ENDS, "sh", *server],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=None,
        start_new_session=True,  # Ctrl-C is for the supervisor
    ) as running:
        try:
            yield f"unix://{path}"
        finally:
            with anyio.move_on_after(10, shield=True):
                assert running.stdin is not None
                await running.stdin.aclose()
                await running.wait()


async def serve(options: argparse.Namespace, redis: str, folder: str) -> str | None:
    """Until it is cancelled; why not, if it cannot be."""
    prefix = f"scale-{secrets.token_hex(4)}"  # what an earlier run has left there does not count
    os.environ.update({channel.REDIS: redis, channel.PREFIX: prefix})
    try:
        layer = RedisLayer(redis, prefix=prefix)
    except ConfigurationError as error:
        return str(error)
    try:
        await layer.echo()
        try:
            listener = await anyio.create_tcp_listener(local_host=options.host, local_port=options.port)
        except (OSError, OverflowError) as error:  # the latter is for a number that is no port
            return f"{options.host}, port {options.port}: {error}; name others with --host and --port"
        supervisor = Supervisor(Channel("scale", groups=layer, history=channel.HISTORIES), folder, options.back_after)
        balancer = Balancer(worker.path for worker in supervisor.workers)
        async with listener, anyio.create_task_group() as tasks:
            say(f"http://{options.host}:{listener.extra(SocketAttribute.local_port)}/ (Ctrl-C ends all)")
            tasks.start_soon(supervisor.run)
            await listener.serve(balancer.carry)
    except (LayerUnavailable, OSError) as error:
        return str(error)
    finally:
        with anyio.CancelScope(shield=True):
            await layer.aclose()
    return None


async def run(options: argparse.Namespace) -> str | None:
    """Until SIGINT or SIGTERM; why not, if it cannot be."""
    why: str | None = None
    with tempfile.TemporaryDirectory(prefix="scale-") as folder:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(until_signal, tasks.cancel_scope)
            if options.redis is not None:
                why = await serve(options, options.redis, folder)
            else:
                async with redis_server(options.redis_server, folder) as url:
                    why = await serve(options, url, folder)
            tasks.cancel_scope.cancel()
    return why


async def until_signal(scope: anyio.CancelScope) -> None:
    with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async for _ in signals:
            scope.cancel()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m examples.scale", description="Two server processes; kill one.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--redis", metavar="URL", help="a Redis server that runs; else one is started")
    parser.add_argument(
        "--back-after", type=float, default=15.0, metavar="SECONDS", help="how long a killed one is away"
    )
    options = parser.parse_args()
    options.redis_server = shutil.which("redis-server") or shutil.which("valkey-server")
    if options.redis is None and options.redis_server is None:
        parser.exit(2, f"{NO_REDIS}\n")
    if (why := anyio.run(run, options)) is not None:
        parser.exit(1, f"{why}\n")


if __name__ == "__main__":
    main()

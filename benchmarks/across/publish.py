"""The publisher: `python publish.py MODULE`, in the environment of a contestant, so nothing else is imported here.

A line `FIRST COUNT RATE` on its standard input makes it publish so many numbered messages, so many a second, each with
the time when it is published. It answers with a line `done`.
"""

import asyncio
import sys
import time
from importlib import import_module

TEXT = "x" * 100


async def main(module: str) -> None:
    async with import_module(module).publishing() as publish:
        print("ready", flush=True)
        while line := await asyncio.to_thread(sys.stdin.readline):
            words = line.split()
            first, count, pause = int(words[0]), int(words[1]), 1 / float(words[2])
            began = time.monotonic()
            for index in range(count):
                await asyncio.sleep(began + index * pause - time.monotonic())
                await publish({"action": "said", "number": first + index, "sent": time.monotonic(), "text": TEXT})
            print("done", flush=True)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))

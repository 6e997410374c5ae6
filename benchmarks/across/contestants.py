"""Who takes part, and the environments of those who need one of their own."""

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PROGRAMS = ROOT / "benchmarks" / "peers"


@dataclass(frozen=True, slots=True)
class Contestant:
    """One row.

    Attributes:
        name: of the row.
        module: with `app` and `publishing()`.
        kind: tells the module which variant it is.
        peer: the folder in `peers/` that it is in; empty for ours.
        path: what clients ask for.
        greeting: what they send first.
    """

    name: str
    module: str = "server"
    kind: str = ""
    peer: str = ""
    path: str = "/room"
    greeting: str = ""

    @property
    def folder(self) -> Path:
        """Where its programs run."""
        return PROGRAMS / self.peer if self.peer else ROOT


LIMIT = Contestant("redis-py and ASGI, bare", "benchmarks.across.bare")
AGAIN = Contestant("the same once more", "benchmarks.across.bare")
CHANX = Contestant("chanx", "benchmarks.across.ours")
KEPT = Contestant("chanx, with history", "benchmarks.across.ours", "history")
OURS = (LIMIT, AGAIN, CHANX, KEPT)
SOCKETIO = "/socket.io/?EIO=4&transport=websocket"
PEERS = (
    Contestant("Litestar, pub/sub backend", kind="pubsub", peer="litestar"),
    Contestant("Litestar, stream backend", kind="stream", peer="litestar"),
    Contestant("python-socketio", peer="socketio", path=SOCKETIO, greeting="40"),
    Contestant("channels_redis, pub/sub layer", kind="pubsub", peer="channels"),
    Contestant("channels_redis, core layer", kind="core", peer="channels"),
)


def interpreter(contestant: Contestant, environments: Path) -> Path:
    """The Python that runs it, whether it is there or not."""
    return environments / contestant.peer / "bin" / "python" if contestant.peer else Path(sys.executable)


def install(environments: Path) -> None:
    """Make the environments that are not there.

    Raises:
        subprocess.CalledProcessError: pip could not.
    """
    for peer in dict.fromkeys(one.peer for one in PEERS):
        folder = environments / peer
        if (folder / "bin" / "python").exists():
            continue
        print(f"installing {peer} into {folder}", flush=True)
        try:
            subprocess.run([sys.executable, "-m", "venv", folder], check=True)
            wanted = PROGRAMS / peer / "requirements.txt"
            pip = (folder / "bin" / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
            subprocess.run([*pip, "-r", wanted], check=True)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)  # not half of one
            raise

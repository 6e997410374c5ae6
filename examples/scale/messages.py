"""What the page and the server say to each other."""

from typing import Annotated, Literal

from pydantic import BaseModel, StringConstraints

Name = Literal["one", "two"]
"""The server processes."""

# --- from the page -----------------------------------------------------------------------------------


class Say(BaseModel):
    """Something to say to all clients.

    The page chooses `id` and repeats it when it sends the message again after a lost connection: it is said once.
    """

    action: Literal["say"] = "say"
    id: Annotated[str, StringConstraints(min_length=1, max_length=64)]
    text: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]


class Kill(BaseModel):
    """Kill a process, as `kill -9` does."""

    action: Literal["kill"] = "kill"
    process: Name


class Start(BaseModel):
    """Start a process that was killed, without waiting any longer."""

    action: Literal["start"] = "start"
    process: Name


# --- from the server ---------------------------------------------------------------------------------


class Welcome(BaseModel):
    """The first frame: who is at the other end. `at` is in milliseconds since the Unix epoch, as in `Tick`."""

    action: Literal["welcome"] = "welcome"
    process: str
    pid: int
    at: int


class Answered(BaseModel):
    """The answer to `Say`: which process gave it."""

    action: Literal["answered"] = "answered"
    process: str


class Said(BaseModel):
    """Somebody said something, and this process handled it."""

    action: Literal["said"] = "said"
    text: str
    process: str
    at: int


class Tick(BaseModel):
    """The supervisor counts, so that a client can tell by itself whether one is missing or came twice."""

    action: Literal["tick"] = "tick"
    number: int
    at: int


class Process(BaseModel):
    """A server process. `back_in` is in seconds, where it was killed."""

    name: Name
    pid: int | None
    state: Literal["starting", "running", "down"]
    back_in: int | None


class Processes(BaseModel):
    """How the processes are; sent whenever that changes, and every second."""

    action: Literal["processes"] = "processes"
    processes: list[Process]

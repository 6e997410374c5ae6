"""What the page and the server say to each other."""

from typing import Annotated, Literal

from pydantic import BaseModel, StringConstraints

Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=2000)]
Level = Literal["debug", "info", "error"]

# --- the hub: the socket itself ----------------------------------------------------------------------


class IncidentSummary(BaseModel):
    pk: int
    title: str


class Welcome(BaseModel):
    """The first frame: who the visitor is, and what may be opened."""

    action: Literal["welcome"] = "welcome"
    you: str
    on_call: bool
    services: list[str]
    incidents: list[IncidentSummary]


class Present(BaseModel):
    """Who is here now; sent whenever that changes: by the hub of all, by an incident of those who follow it."""

    action: Literal["present"] = "present"
    people: list[str]


class Report(BaseModel):
    """Open an incident."""

    action: Literal["report"] = "report"
    title: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=60)]


class Reported(BaseModel):
    action: Literal["reported"] = "reported"
    pk: int


class Incidents(BaseModel):
    """The incidents that are open now; sent whenever that changes."""

    action: Literal["incidents"] = "incidents"
    incidents: list[IncidentSummary]


# --- service:{name} ----------------------------------------------------------------------------------


class Reading(BaseModel):
    """The measurements of one moment. `number` counts them."""

    action: Literal["reading"] = "reading"
    number: int
    up: bool
    load: int
    """In percent."""
    requests: int
    """Per second."""
    latency: int
    """In milliseconds."""


class Readings(BaseModel):
    """The first frame: the measurements so far, oldest first."""

    action: Literal["readings"] = "readings"
    readings: list[Reading]


class Restart(BaseModel):
    """Restart the service. Whoever wants that is asked first."""

    action: Literal["restart"] = "restart"


class Confirm(BaseModel):
    action: Literal["confirm"] = "confirm"
    text: str


class Confirmed(BaseModel):
    action: Literal["confirmed"] = "confirmed"
    yes: bool


class Restarted(BaseModel):
    """Whether it was."""

    action: Literal["restarted"] = "restarted"
    yes: bool


# --- logs:{name} -------------------------------------------------------------------------------------


class Follow(BaseModel):
    """Stream the log from this level up, for as long as it is not cancelled."""

    action: Literal["follow"] = "follow"
    level: Level = "info"


class Line(BaseModel):
    """`at` is in milliseconds since the Unix epoch."""

    action: Literal["line"] = "line"
    at: int
    level: Level
    text: str


# --- incident:{pk} -----------------------------------------------------------------------------------


class Say(BaseModel):
    action: Literal["say"] = "say"
    text: Text


class Said(BaseModel):
    """`at` is in milliseconds since the Unix epoch."""

    action: Literal["said"] = "said"
    who: str
    text: str
    at: int


class Story(BaseModel):
    """The first frame: what was said so far."""

    action: Literal["story"] = "story"
    title: str
    said: list[Said]


class Resolve(BaseModel):
    """The incident is over. It ends for all who follow it."""

    action: Literal["resolve"] = "resolve"


class Resolved(BaseModel):
    """An event, which the members are not sent: it ends their part in the incident."""

    action: Literal["resolved"] = "resolved"
    by: str

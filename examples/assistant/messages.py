"""What the page and the server say to each other."""

from typing import Annotated, Literal

from pydantic import BaseModel, StringConstraints

Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=80)]
Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=2000)]
State = Literal["writing", "done", "stopped"]

# --- from the page -----------------------------------------------------------------------------------


class Question(BaseModel):
    """A question to the assistant: `asked`, then the answer word by word. May be cancelled."""

    action: Literal["question"] = "question"
    text: Text


class Suggest(BaseModel):
    """What may the one who types this want to ask? Only the latest is answered."""

    action: Literal["suggest"] = "suggest"
    text: Annotated[str, StringConstraints(max_length=2000)]


class Upload(BaseModel):
    """A document, which follows in pieces."""

    action: Literal["upload"] = "upload"
    name: Name


class Piece(BaseModel):
    """A part of the document that is being uploaded."""

    action: Literal["piece"] = "piece"
    text: Annotated[str, StringConstraints(max_length=65_536)]


class Shorten(BaseModel):
    """Make the summary of a document shorter."""

    action: Literal["shorten"] = "shorten"
    document: Name


# --- questions of the server to the page, and their answers ------------------------------------------


class Confirm(BaseModel):
    """Before the assistant does what cannot be undone."""

    action: Literal["confirm"] = "confirm"
    text: str
    yes: str
    no: str


class Confirmed(BaseModel):
    action: Literal["confirmed"] = "confirmed"
    yes: bool


class Choose(BaseModel):
    """One of several, where the assistant cannot tell which is meant."""

    action: Literal["choose"] = "choose"
    text: str
    options: list[str]


class Chosen(BaseModel):
    action: Literal["chosen"] = "chosen"
    option: str


# --- from the server ---------------------------------------------------------------------------------


class Asked(BaseModel):
    """A question was asked, in this tab or another one."""

    action: Literal["asked"] = "asked"
    turn: int
    text: str


class Word(BaseModel):
    """The next word of an answer."""

    action: Literal["word"] = "word"
    turn: int
    text: str


class Finished(BaseModel):
    """No more words come, to none of the tabs. The whole answer, since a tab that stops it may miss the last word."""

    action: Literal["finished"] = "finished"
    turn: int
    answer: str
    state: State


class Suggestions(BaseModel):
    action: Literal["suggestions"] = "suggestions"
    texts: list[str]


class Document(BaseModel):
    """A document that was uploaded, or whose summary has changed."""

    action: Literal["document"] = "document"
    name: str
    words: int
    summary: str


class Removed(BaseModel):
    """A document is gone."""

    action: Literal["removed"] = "removed"
    name: str


class Problem(BaseModel):
    """What was asked for cannot be done."""

    action: Literal["problem"] = "problem"
    detail: str


class Tabs(BaseModel):
    """So many tabs show this session now."""

    action: Literal["tabs"] = "tabs"
    count: int


class Turn(BaseModel):
    """A question and its answer, as far as it is written."""

    id: int
    question: str
    answer: str = ""
    state: State = "writing"


class Welcome(BaseModel):
    """The first frame: all that there is to show."""

    action: Literal["welcome"] = "welcome"
    turns: list[Turn]
    documents: list[Document]

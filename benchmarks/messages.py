"""Message classes, handlers and frames, generated for a number of types.

The classes and handlers are written as source text and executed, because that is what an application has: one class
and one function for each action. A single function registered five hundred times would sit in every cache and flatter
the larger unions.
"""

import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import count
from types import ModuleType
from typing import Any, Literal

Handler = Callable[..., Awaitable[Any]]
FamilyName = Literal["msgspec", "pydantic"]

CLASSES: Mapping[FamilyName, tuple[str, str]] = {
    "msgspec": (
        """
import msgspec

class Said(msgspec.Struct, tag="said", tag_field="action"):
    text: str
""",
        """
class Say{n}(msgspec.Struct, tag="say{n}", tag_field="action"):
    text: str
    count: int
""",
    ),
    "pydantic": (
        """
from typing import Literal
from pydantic import BaseModel

class Said(BaseModel):
    action: Literal["said"] = "said"
    text: str
""",
        """
class Say{n}(BaseModel):
    action: Literal["say{n}"] = "say{n}"
    text: str
    count: int
""",
    ),
}

HANDLER = """
async def say{n}(message: Say{n}{parameters}) -> Said:
{body}    return Said(text=message.text)
"""

_serial = count()


@dataclass(frozen=True, slots=True)
class Family:
    """The inbound classes of one library, `Say0` to `Say<size - 1>`, and the class of the reply."""

    name: FamilyName
    size: int
    types: tuple[type[Any], ...]
    reply: type[Any]


def execute(source: str, names: Mapping[str, object]) -> dict[str, Any]:
    """Run generated source as a module of its own, findable by whoever resolves annotations."""
    module = ModuleType(f"benchmarks.generated_{next(_serial)}")
    vars(module).update(names)
    sys.modules[module.__name__] = module
    exec(compile(source, f"<{module.__name__}>", "exec"), vars(module))
    return vars(module)


@cache
def family(name: FamilyName, size: int) -> Family:
    """`size` message classes and a reply class; the same objects each time it is asked."""
    reply, inbound = CLASSES[name]
    made = execute(reply + "".join(inbound.format(n=n) for n in range(size)), {})
    return Family(name, size, tuple(made[f"Say{n}"] for n in range(size)), made["Said"])


def handlers(
    messages: Family, parameters: str = "", names: Mapping[str, object] | None = None, body: str = ""
) -> dict[type[Any], Handler]:
    """One handler for each class, by class. `parameters` follow the message in each signature; `names` are what
    these and the `body` mention; the body runs before the reply is made.
    """
    known: dict[str, object] = {kind.__name__: kind for kind in messages.types}
    known |= {"Said": messages.reply, **(names or {})}
    parameters = f", {parameters}" if parameters else ""
    body = f"    {body}\n" if body else ""
    source = "".join(HANDLER.format(n=n, parameters=parameters, body=body) for n in range(messages.size))
    made = execute(source, known)
    return {kind: made[f"say{n}"] for n, kind in enumerate(messages.types)}


def frames(size: int) -> tuple[str, ...]:
    """One valid frame for each of `size` actions."""
    return tuple(f'{{"action":"say{n}","text":"hello there","count":{n}}}' for n in range(size))


WRONG_SHAPE = ('{"action":"say3","text":5,"count":7}',)
UNKNOWN_ACTION = ('{"action":"shout","text":"hello there","count":7}',)
NOT_JSON = ('{"action":"say3","text":"hello th',)

"""Names for definitions: equal ones become one, and each gets the shortest name that no other one has.

Two definitions are equal when they have one base name and their schemas are the same down to the definitions that
they refer to. Names do not depend on the order in which definitions come, and legal keys of AsyncAPI components are
all that comes out.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Hashable, Iterable, Mapping
from typing import TypeVar

import msgspec

from chanx.asyncapi.draft7 import Schema, references, rename

K = TypeVar("K", bound=Hashable)

_ILLEGAL = re.compile(r"[^a-zA-Z0-9.\-_]+")

#: What the two modes of pydantic's schemas are called behind a name, where they differ.
SUFFIX = {"validation": "Input", "serialization": "Output"}


class Definition(msgspec.Struct, frozen=True, eq=False):
    """One schema that others may refer to by its id.

    Attributes:
        base: the name that it should have.
        module: where the class was written; empty where that is not known.
        mode: of what is received or of what is sent.
        rank: those of lower rank get their names first: messages as they travel, then the envelope's own.
        marks: words that tell it from others of the same base.
    """

    schema: Schema
    base: str
    module: str = ""
    mode: str = ""
    rank: int = 2
    marks: tuple[str, ...] = ()


def legal(text: str) -> str:
    """Text as part of a key: letters, digits, dots, dashes and underscores."""
    return _ILLEGAL.sub("_", text).strip("_") or "_"


def slug(text: str) -> str:
    """A prefix, an address or a pattern as part of a key, before what follows it."""
    return legal(text).strip("._-") or "_"


def names(definitions: Mapping[str, Definition]) -> dict[str, str]:
    """The name of each definition by its id; equal definitions have the same."""
    groups: dict[int, list[str]] = {}
    for one, group in _partition(definitions).items():
        groups.setdefault(group, []).append(one)
    ranks: dict[int, list[list[str]]] = {}
    for ids in groups.values():
        ranks.setdefault(min(definitions[one].rank for one in ids), []).append(ids)
    found: dict[str, str] = {}
    taken: set[str] = set()
    for _, some in sorted(ranks.items()):
        ladders = {ids[0]: _ladder([definitions[one] for one in ids]) for ids in some}
        chosen = choose(ladders, taken)
        found.update({one: chosen[ids[0]] for ids in some for one in ids})
    return found


def _partition(definitions: Mapping[str, Definition]) -> dict[str, int]:
    """A number for each definition, the same for equal ones: begin with those that look alike, then tell apart."""
    numbers = dict.fromkeys(definitions, 0)
    while True:
        seen: dict[str, int] = {}
        refined: dict[str, int] = {}
        known = {one: str(number) for one, number in numbers.items()}
        for one, definition in definitions.items():
            schema = rename(definition.schema, known.__getitem__)
            look = json.dumps([definition.base, numbers[one], schema], sort_keys=True)
            refined[one] = seen.setdefault(look, len(seen))
        if len(seen) == len(set(numbers.values())):
            return refined
        numbers = refined


def _ladder(equal: list[Definition]) -> list[str]:
    """The names that some equal definitions might have, the best first."""
    first = equal[0]
    modes = {one.mode for one in equal}
    suffix = SUFFIX.get(first.mode) if len(modes) == 1 else None
    marks = [mark for mark in first.marks if all(mark in one.marks for one in equal)]
    long = f"{legal(first.module).replace('.', '__')}__{first.base}" if first.module else first.base
    steps: list[str] = []
    for base in dict.fromkeys((first.base, long)):
        steps.append(base)
        steps += [f"{base}-{one}" for one in (*marks, suffix) if one]
        steps += [f"{base}-{suffix}-{mark}" for mark in marks if suffix]
    return steps


def choose(ladders: Mapping[K, list[str]], taken: set[str]) -> dict[K, str]:
    """A name for each, of those that it might have, the best first: where two meet, both go on to their next."""
    chosen: dict[K, str] = {}
    for step in range(max(map(len, ladders.values()), default=0)):
        wanted = {one: ladder[step] for one, ladder in ladders.items() if one not in chosen and step < len(ladder)}
        meet = Counter(wanted.values())
        chosen.update({one: name for one, name in wanted.items() if meet[name] == 1 and name not in taken})
        taken.update(wanted.values())
    for one, ladder in ladders.items():  # the same name in the same place: only their order tells them apart
        if one not in chosen:
            chosen[one] = free(f"{ladder[0]}-1", taken)
    return chosen


def free(name: str, taken: set[str]) -> str:
    """The name, with a higher number where it is taken already; it is taken from now on."""
    stem, _, last = name.rpartition("-")
    stem, number = (stem, int(last)) if stem and last.isdecimal() else (name, 1)
    found = name
    while found in taken:
        number += 1
        found = f"{stem}-{number}"
    taken.add(found)
    return found


def reachable(roots: Iterable[str], definitions: Mapping[str, Definition]) -> dict[str, None]:
    """The ids of the roots and of all that they refer to, in order."""
    found: dict[str, None] = {}
    waiting = list(roots)
    while waiting:
        one = waiting.pop(0)
        if one not in found and one in definitions:
            found[one] = None
            waiting += references(definitions[one].schema)
    return found

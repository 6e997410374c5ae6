"""What the kernel asks of a family of message types (pydantic models, msgspec structs)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Protocol

#: What a validator found wrong: whether the text is no JSON at all, one sentence for the client, and the
#: errors, each with `loc` (the path from the frame's top), `type` and `msg`. A plain tuple: an invalid frame
#: should not cost much more than a valid one.
Finding = tuple[bool, str, list[dict[str, Any]]]

#: More findings than this in one frame are counted, not listed: an answer must not outgrow its question.
MAX_ERRORS = 20

#: So many characters of a client's own key are repeated to it.
MAX_TEXT = 100


class Codec(Protocol):
    """One family of message types. Stateless; all methods may be called from any thread."""

    def owns(self, cls: Any) -> bool:
        """Is this a class of the family that could be a message?"""
        ...

    def tags(self, cls: Any, discriminator: str) -> tuple[str, ...]:
        """The literal tags of a class in the discriminator field.

        Raises:
            ConfigurationError: the tag is missing, not literal, or not a string.
        """
        ...

    def names(self, cls: Any) -> frozenset[str]:
        """All field names and aliases that may stand at the top level of its frame."""
        ...

    def extra(self, cls: Any) -> bool:
        """Does the class look at keys it has no field for (by refusing or by keeping them)?"""
        ...

    def union(self, classes: Iterable[Any], discriminator: str) -> Callable[[str], Any]:
        """One validator for all the classes, told apart by the discriminator.

        The returned function raises whatever the family raises; `explain` reads it.
        """
        ...

    def single(self, cls: Any) -> Callable[[str], Any]:
        """A validator that reads back what `encoder(cls, names=True)` wrote."""
        ...

    def encoder(self, cls: Any, *, names: bool = False) -> Callable[[Any], bytes]:
        """A function from an instance to JSON: by alias for clients, by field name where `names`."""
        ...

    def explain(self, error: Exception, tags: frozenset[str]) -> Finding | None:
        """Read an exception of `union`'s validator; None when it is not one of the family's.

        `tags` are those of the union: some families put the tag in front of the path of a finding.
        """
        ...

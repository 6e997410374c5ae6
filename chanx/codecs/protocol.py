"""What the kernel asks of a family of message types (pydantic models, msgspec structs)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Protocol


class InvalidMessage(Exception):
    """A text that a codec could not turn into a message.

    Attributes:
        detail: one sentence for the client.
        errors: each with `loc` (path from the frame's top), `type` and `msg`; at most `MAX_ERRORS`.
        malformed: True when the text is not JSON at all.
    """

    def __init__(self, detail: str, errors: list[dict[str, Any]], *, malformed: bool = False) -> None:
        super().__init__(detail)
        self.detail = detail
        self.errors = errors
        self.malformed = malformed


#: More findings than this in one frame are counted, not listed: an answer must not outgrow its question.
MAX_ERRORS = 20


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

    def explain(self, error: Exception, tags: frozenset[str]) -> InvalidMessage | None:
        """Read an exception of `union`'s validator; None when it is not one of the family's.

        `tags` are those of the union: some families put the tag in front of the path of a finding.
        """
        ...

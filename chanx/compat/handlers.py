"""Classes whose methods are marked as handlers: what consumers of chanx 2.x and their topics have in common."""

from __future__ import annotations

import inspect
from typing import Any, ClassVar

from pydantic import TypeAdapter

from chanx.compat.casing import snake_case
from chanx.compat.compiled import Described, compiled
from chanx.compat.decorators import described
from chanx.compat.marks import check, entry, explicit, marks_of, merged, pass_through


class Adapter:
    """An adapter of a class, made when somebody asks for it."""

    def __set_name__(self, owner: type[Any], name: str) -> None:
        self._name = name

    def __get__(self, instance: Any, owner: type[Any]) -> TypeAdapter[Any] | None:
        found: TypeAdapter[Any] | None = getattr(compiled(owner), self._name)
        return found


class Handlers:
    """A class whose methods decorators mark.

    Attributes:
        passthrough_events: events that are sent to the client as they are; for each there is a method.
        passthrough_method_prefix: of the names of these methods; the class's name in snake case follows.
        emits: what else the class sends, for documents.
        discriminator_field: the name of the field that tells messages apart.
        name: of the class; `snake_name` in snake case.
        incoming_message_adapter: takes what clients may send; None where nothing.
        incoming_event_adapter: takes its events; None where there are none.
        outgoing_message_adapter: takes what it sends.
    """

    # Lists of classes: a mixin that is no consumer has them too, of another type to checkers.
    passthrough_events: Any = ()
    passthrough_method_prefix: str = "handle_passthrough_"
    emits: Any = ()
    discriminator_field: str = "action"
    name: ClassVar[str] = "Handlers"
    snake_name: ClassVar[str] = "handlers"

    incoming_message_adapter = Adapter()
    incoming_event_adapter = Adapter()
    outgoing_message_adapter = Adapter()

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "name" not in cls.__dict__:
            cls.name = cls.__name__
        if "snake_name" not in cls.__dict__:
            cls.snake_name = snake_case(cls.name)
        marks = explicit(cls)
        check(cls, marks)
        pass_through(cls, marks)

    @classmethod
    def _chanx_check(cls) -> None:
        """Refuse what can be seen to be wrong before anybody connects."""
        check(cls, explicit(cls), served=True)

    @classmethod
    def _chanx_describe(cls) -> Described:
        """What the class is compiled from."""
        check(cls, explicit(cls), late=True)
        marks = marks_of(cls)
        said = described(cls)
        doc = inspect.getdoc(cls) if cls.__doc__ else None
        return Described(
            name=said.name or cls.name,
            title=None,
            description=said.description or doc,
            tags=said.tags,
            discriminator=cls.discriminator_field,
            entries=tuple(entry(name, mark) for name, mark in marks.items()),
            emits=merged(cls, "emits"),
        )

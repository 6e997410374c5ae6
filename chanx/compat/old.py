"""Consumers of chanx 0.12: one method for all messages, and one for all events (document 000)."""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Mapping
from typing import Any, ClassVar, Generic, Literal, Self

from pydantic import ValidationError
from typing_extensions import TypeVar

from chanx.compat.authenticators import AuthenticationResult, authenticated_by_result
from chanx.compat.casing import snake_case
from chanx.compat.compiled import Compiled, Described, Entry, own_doc
from chanx.compat.consumer import Application
from chanx.compat.decorators import is_coroutine_function
from chanx.compat.parameters import arguments, is_open, parameter_classes
from chanx.compat.sending import event_payload, frame_content, from_thread, names, needed, to_groups
from chanx.compat.settings import django_settings, setting
from chanx.compat.structured import StructuredConsumer
from chanx.compat.websocket import _groups  # pyright: ignore[reportPrivateUsage]
from chanx.messages.base import BaseChannelEvent, BaseGroupMessage, BaseMessage
from chanx.messages.outgoing import CompleteMessage

IC = TypeVar("IC", bound=BaseMessage)
Event = TypeVar("Event", bound=BaseChannelEvent | None, default=None)
OG = TypeVar("OG", bound=BaseGroupMessage | None, default=None)
M = TypeVar("M", default=None)

Kind = Literal["json", "message"]

#: With these attributes a consumer configures its authentication.
_AUTHENTICATION = (
    *("authentication_classes", "permission_classes", "queryset", "auth_method", "lookup_field", "lookup_url_kwarg"),
)


class Groups(list[str]):
    """The groups of a consumer. A string that it is extended by is one name, and not a name for each letter."""

    def extend(self, more: Iterable[str], /) -> None:
        """Add groups; one where `more` is a string, as document 000 writes it."""
        super().extend([more] if isinstance(more, str) else more)

    def __iadd__(self, more: Iterable[str], /) -> Self:  # type: ignore[misc,override]
        self.extend(more)
        return self


class _Everybody:
    """Lets everybody in, where nothing of Django is in use and nothing is configured."""

    def __init__(self, user: Any) -> None:
        self._user = user

    async def authenticate(self) -> AuthenticationResult:
        return AuthenticationResult(True, 200, "OK", {"detail": "OK"}, self._user)


class AsyncJsonWebsocketConsumer(StructuredConsumer, ABC, Generic[IC, Event, OG, M]):
    """One WebSocket whose messages go to `receive_message`, and whose events go to `receive_event` (document 000).

    `AsyncJsonWebsocketConsumer[IC, Event, OG, M]` names the messages of clients, the events, the messages to groups
    (each a class, a union, or an alias of one) and the model of `obj`; all but the first may be left out, or None.

    Attributes:
        concurrency: so many messages of one connection are handled at once.
        authentication_classes: of Django REST Framework; its setting where None.
        permission_classes: of Django REST Framework; its setting where None.
        queryset: where `obj` is looked up; True to look up nothing.
        auth_method: what permission classes take for the method of the request.
        lookup_field: of the model.
        lookup_url_kwarg: the parameter of the URL; named like `lookup_field` where None.
        authenticator_class: in place of `ChanxWebsocketAuthenticator`.
        send_authentication_message: tell the client the verdict; None for the setting.
        log_received_message: log what comes; None for the setting.
        log_sent_message: log what is sent; None for the setting.
        user: who the client is.
        obj: the object that the connection is about.
        request: Django's, as the authentication and permission classes have seen it.
        group_name: for whoever sets it; chanx reads it nowhere.
        connecting: the client has not been let in yet.
    """

    authentication_classes: Any = None
    permission_classes: Any = None
    queryset: Any = True
    auth_method: Literal["get", "post", "put", "patch", "delete", "options", "head"] = "get"
    lookup_field: str = "pk"
    lookup_url_kwarg: str | None = None
    send_authentication_message: bool | None = None
    log_received_message: bool | None = None
    log_sent_message: bool | None = None

    user: Any = None
    obj: M | None = None
    request: Any = None
    group_name: Any = None
    connecting: bool = False

    _chanx_settings: ClassVar[Mapping[str, str]] = {
        "send_completion": "SEND_COMPLETION",
        "send_message_immediately": "SEND_MESSAGE_IMMEDIATELY",
        "send_authentication_message": "SEND_AUTHENTICATION_MESSAGE",
        "log_received_message": "LOG_RECEIVED_MESSAGE",
        "log_sent_message": "LOG_SENT_MESSAGE",
        "log_ignored_actions": "LOG_IGNORED_ACTIONS",
        "camelize": "CAMELIZE",
    }
    _chanx_in_hooks = ("websocket_receive", "receive", "decode_json", "receive_json", "handle_json")
    _chanx_often = frozenset(("send_group_member", "handle_channel_event"))
    _chanx_event_complete = CompleteMessage
    _chanx_authenticates = True
    _chanx_replies = False
    _chanx_parameters: ClassVar[tuple[Any, ...] | None] = None

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        given = arguments(cls, AsyncJsonWebsocketConsumer, "_chanx_parameters")
        if not given or not (is_open(cls, given[0]) or _says_something(given[0])):
            raise ValueError(
                f"{cls.__qualname__} does not say what its clients may send; write "
                f"`class {cls.__name__}(AsyncJsonWebsocketConsumer[IC])`, where IC is a message class or a union of "
                f"some, or AsyncJsonWebsocketConsumer[IC, Event, OG, M] with its events, its group messages and a model"
            )
        cls._chanx_parameters = given

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._chanx_own_groups: list[str] = []
        own: Any = self.groups
        if isinstance(own, list):
            self._chanx_own_groups, self.groups = own, Groups()
        made: Compiled | None = type(self).__dict__.get("_chanx_compiled")
        if made is not None and made.discriminator != setting("MESSAGE_ACTION_KEY"):
            del type(self)._chanx_compiled  # the setting has changed, as in a test that overrides it

    @classmethod
    def as_asgi(cls, **initkwargs: Any) -> Application:
        """An ASGI application that makes a consumer for each connection.

        Args:
            initkwargs: for the class.

        Raises:
            TypeError: the class has no `receive_message`, or one that cannot be awaited.
        """
        if inspect.isabstract(cls):
            raise TypeError(
                f"{cls.__qualname__} has no receive_message; write "
                f"`async def receive_message(self, message, **kwargs)`, which gets each message of the client"
            )
        if not is_coroutine_function(cls.receive_message):
            raise TypeError(f"{cls.__qualname__}.receive_message is no coroutine function; write `async def`")
        return super().as_asgi(**initkwargs)

    @classmethod
    def _chanx_all_groups(cls) -> list[str]:
        """`groups` alone: `extra_groups` is a name of 2.x."""
        return list(cls.groups or ())

    @classmethod
    def _chanx_describe(cls) -> Described:
        """What the class is compiled from."""
        given = (*(cls._chanx_parameters or ()), None, None)
        incoming, events, outgoing = (parameter_classes(cls, one) for one in given[:3])
        entries = [
            Entry(
                kind="on",
                method="receive_message",
                name=f"receive_{snake_case(one.__name__)}",
                inputs=(one,),
                silent=True,
                description=own_doc(one),
                function=cls.receive_message,
            )
            for one in incoming
        ]
        entries += [
            Entry(
                kind="event",
                method="receive_event",
                name=f"receive_{snake_case(one.__name__)}",
                inputs=(one,),
                silent=True,
                description=own_doc(one),
                function=cls.receive_event,
            )
            for one in events
        ]
        return Described(
            name=cls.__name__,
            title=None,
            description=inspect.getdoc(cls) if cls.__doc__ else None,
            tags=(),
            discriminator=setting("MESSAGE_ACTION_KEY"),
            entries=tuple(entries),
            emits=outgoing,
            reserved=(),
        )

    # -- what users write ---------------------------------------------------------------------------

    @abstractmethod
    async def receive_message(self, message: IC, **kwargs: Any) -> None:
        """Handle a message of the client.

        Args:
            message: validated.
            kwargs: what `receive_json` was given beside the frame.
        """

    async def receive_event(self, event: Event) -> None:
        """Handle an event from server code.

        Raises:
            NotImplementedError: it is not overridden.
        """
        raise NotImplementedError(
            f"an event {type(event).__qualname__} came; write `async def receive_event(self, event)` in "
            f"{type(self).__qualname__}"
        )

    async def build_groups(self) -> Iterable[str]:
        """The groups to be in, beside those in `groups`; the client is known already."""
        return []

    async def add_groups(self) -> None:
        """Be in the groups that `build_groups` and the attribute `groups` name.

        Raises:
            InvalidChannelLayerError: there are some, and no channel layer with groups.
            TypeError: they are one string.
        """
        built = await self.build_groups()
        if isinstance(built, str):
            raise TypeError(f"{type(self).__qualname__}.build_groups returned a string; return a list: [{built!r}]")
        self.groups = Groups(dict.fromkeys([*self._chanx_own_groups, *built, *self.groups]))
        for group in _groups(self):
            await self.channel_layer.group_add(group, self.channel_name)

    # -- the connection -----------------------------------------------------------------------------

    async def websocket_connect(self, message: Any) -> None:
        """Accept a client, ask the authenticator, and join the groups."""
        self.connecting = True
        try:
            await super().websocket_connect(message)
        finally:
            self.connecting = False

    def _chanx_settle(self) -> None:
        super()._chanx_settle()
        self.discriminator_field = self._chanx_compiled.discriminator
        self.log_websocket_message, self._chanx_logs_sent = self.log_received_message, self.log_sent_message

    async def _chanx_authenticated(self) -> bool:
        return await authenticated_by_result(
            self, self._chanx_authenticator, tell=bool(self.send_authentication_message), enter=self.add_groups
        )

    def _chanx_authenticator(self) -> Any:
        unchanged = AsyncJsonWebsocketConsumer
        if all(getattr(self, name) is getattr(unchanged, name) for name in _AUTHENTICATION):
            if self.authenticator_class is not None:
                return self.authenticator_class()
            if django_settings() is None:
                return _Everybody(self.scope.get("user"))
        from chanx.compat.drf import authenticator_for  # it needs Django REST Framework

        return authenticator_for(self)

    # -- what goes wrong ----------------------------------------------------------------------------

    async def _chanx_refuse(self, error: ValidationError) -> None:
        await self._chanx_told(self.handle_validation_error(error))
        if self.send_completion:
            await self.send_message(CompleteMessage())

    async def _chanx_handler_failed(self, error: BaseException, message: Any) -> None:  # noqa: ARG002
        await self._chanx_told(self.handle_json_processing_error(self._chanx_ordinary(error)))

    async def handle_event_handler_error(self, error: Exception, action: str, event: BaseMessage) -> None:  # noqa: ARG002
        """Tell the client that `receive_event` has raised; it is logged."""
        await self.handle_json_processing_error(error)

    # -- to groups, and to other consumers ----------------------------------------------------------

    async def send_group_message(
        self,
        message: OG,
        groups: Collection[str] | str | None = None,
        *,
        kind: Kind = "message",
        exclude_current: bool = True,
    ) -> None:
        """Send a message to the clients in groups; each gets `is_mine` and `is_current` in it.

        Args:
            message: one of `OG`.
            groups: the consumer's own when left out.
            kind: as it travels on the channel layer.
            exclude_current: not to this client.

        Raises:
            InvalidChannelLayerError: there is no channel layer.
        """
        await self.send_to_groups(message, groups, exclude_current=exclude_current, kind=kind)

    async def send_to_groups(
        self,
        content: Any,
        groups: Collection[str] | str | None = None,
        *,
        exclude_current: bool = True,
        kind: Kind = "json",
    ) -> None:
        """Send what a frame is to hold to the clients in groups, with `is_mine` and `is_current` beside it.

        Args:
            content: a dictionary, or a message.
            groups: the consumer's own when left out.
            exclude_current: not to this client.
            kind: as it travels on the channel layer.

        Raises:
            InvalidChannelLayerError: there is no channel layer.
            TypeError: `content` is no dictionary.
        """
        payload: dict[str, Any] = {
            "type": "send_group_member",
            "content": frame_content(content),
            "kind": kind,
            "exclude_current": exclude_current,
            "from_channel": self.channel_name,
            "from_user_pk": _key(self.user),
        }
        await to_groups(needed(self.channel_layer, type(self)), names(groups, self.groups), payload)

    async def send_group_member(self, event: Mapping[str, Any]) -> None:
        """Send the client what was sent to a group that it is in."""
        is_current = event["from_channel"] == self.channel_name
        if is_current and event["exclude_current"]:
            return
        sender = event["from_user_pk"]
        is_mine = bool(sender) and sender == _key(self.user)
        await self._chanx_push({**event["content"], "is_mine": is_mine, "is_current": is_current})

    @classmethod
    async def asend_channel_event(cls, group_name: str, event: Event) -> None:
        """Send an event to the consumers in a group.

        Args:
            group_name: of the group.
            event: one of `Event`.

        Raises:
            InvalidChannelLayerError: there is no channel layer.
        """
        await to_groups(needed(cls.get_channel_layer(), cls), [group_name], event_payload(event))

    @classmethod
    def send_channel_event(cls, group_name: str, event: Event) -> None:
        """`asend_channel_event` from a thread without an event loop: a view, a task, a script.

        Raises:
            RuntimeError: this thread runs an event loop.
        """
        from_thread(cls.asend_channel_event, f"{cls.__qualname__}.asend_channel_event", group_name, event)


AsyncJsonWebsocketConsumer._chanx_unchanged = AsyncJsonWebsocketConsumer  # pyright: ignore[reportPrivateUsage]


def _says_something(given: Any) -> bool:
    return not isinstance(given, TypeVar) and given not in (None, type(None), Any)


def _key(user: Any) -> Any:
    """The primary key of a user as the channel layer takes it; None for nobody."""
    key = getattr(user, "pk", None)
    return key if key is None or isinstance(key, int | str) else str(key)

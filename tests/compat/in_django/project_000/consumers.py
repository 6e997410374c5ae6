"""The consumers of document 000: its blocks as they stand there, with what they take for granted around them."""

from __future__ import annotations

from typing import Any, Literal

from django.http import JsonResponse
from pydantic import BaseModel
from rest_framework.authentication import SessionAuthentication
from rest_framework.permissions import IsAuthenticated

from chanx.generic.websocket import AsyncJsonWebsocketConsumer
from chanx.messages.base import BaseMessage
from chanx.messages.incoming import PingMessage
from chanx.messages.outgoing import PongMessage
from tests.compat.documents import methods, printed

MINIMAL = """
from typing import Any

from chanx.generic.websocket import AsyncJsonWebsocketConsumer
from chanx.messages.base import BaseMessage
from chanx.messages.incoming import PingMessage
from chanx.messages.outgoing import PongMessage


class MyConsumer(AsyncJsonWebsocketConsumer[PingMessage]):
    \"\"\"Basic WebSocket consumer.\"\"\"

    async def receive_message(self, message: PingMessage, **kwargs: Any) -> None:
        \"\"\"Handle incoming validated messages.\"\"\"
        # Handle message using pattern matching
        match message:
            case PingMessage():
                await self.send_message(PongMessage())
"""

AUTHENTICATION = """
from typing import Any

from rest_framework.authentication import SessionAuthentication
from rest_framework.permissions import IsAuthenticated

from chanx.generic.websocket import AsyncJsonWebsocketConsumer
from chanx.messages.base import BaseMessage
from chat.models import Room


class SecureConsumer(AsyncJsonWebsocketConsumer[PingMessage, None, None, Room]):
    # Authentication classes determine how users are identified
    authentication_classes = [SessionAuthentication]

    # Permission classes determine if authenticated users have access
    permission_classes = [IsAuthenticated]

    # For object-level permissions, provide a queryset
    queryset = Room.objects.all()

    # HTTP method to emulate for authentication
    auth_method = "get"  # Default is "get"

    async def receive_message(self, message: PingMessage, **kwargs: Any) -> None:
        # Only authenticated users reach this point
        pass
"""

PARAMETERS = """
# Simple consumer with just incoming message type
class SimpleConsumer(AsyncJsonWebsocketConsumer[PingMessage]):
    ...

# Full consumer with all generic parameters
class FullConsumer(AsyncJsonWebsocketConsumer[
    ChatIncomingMessage,       # Incoming message types
    ChatEvent,                 # Channel events
    ChatGroupMessage,          # Outgoing group message
    Room                       # Model for object permissions
]):
    ...
"""

HANDLING = """
async def receive_message(self, message: ChatIncomingMessage, **kwargs: Any) -> None:
    \"\"\"
    Process a validated received message.

    Args:
        message: The validated message object (typed as ChatIncomingMessage)
        **kwargs: Additional arguments from receive_json
    \"\"\"
    # Use pattern matching for cleaner message handling
    match message:
        case ChatMessage(payload=payload):
            # Handle chat message with extracted payload
            await self.handle_chat(payload)

        case NotificationMessage(payload=notification_payload):
            # Handle notification with direct access to payload
            await self.handle_notification(notification_payload)

        case PingMessage():
            # Handle standard ping message
            await self.send_message(PongMessage())
"""

SENDING = """
# Create a message instance with structured payload
notification = NotificationMessage(payload={"type": "info", "text": "Update received"})

# Send it to the client
await self.send_message(notification)
"""

GROUP_MESSAGE = """
from typing import Literal
from chanx.messages.base import BaseGroupMessage

# Define a group message type
class ChatGroupMessage(BaseGroupMessage):
    \"\"\"Message type for group chat.\"\"\"
    action: Literal["chat_group"] = "chat_group"
    payload: dict[str, str]
"""

GROUPS = """
class ChatConsumer(AsyncJsonWebsocketConsumer[ChatIncomingMessage, None, ChatGroupMessage]):
    async def build_groups(self) -> list[str]:
        \"\"\"
        Define which groups this consumer should join.

        Returns:
            Iterable of group names
        \"\"\"
        # Get room ID from URL parameters
        room_id = self.scope["url_route"]["kwargs"].get("room_id", "default")

        # Return list of groups to join
        return [f"chat_room_{room_id}"]

    async def receive_message(self, message: ChatIncomingMessage, **kwargs: Any) -> None:
        \"\"\"Handle incoming messages and broadcast to groups.\"\"\"
        match message:
            case ChatMessage(payload=payload):
                # Using send_group_message
                username = getattr(self.user, 'username', 'Anonymous')
                await self.send_group_message(
                    ChatGroupMessage(payload={"username": username, "content": payload.content}),
                    exclude_current=False  # Include sender in recipients
                )
            case _:
                pass
"""

EVENTS = """
from typing import Literal
from chanx.messages.base import BaseChannelEvent
from pydantic import BaseModel

# Define channel event types
class NotifyEvent(BaseChannelEvent):
    class Payload(BaseModel):
        content: str
        level: str = "info"

    handler: Literal["notify"] = "notify"
    payload: Payload

# Define event union type
ChatEvent = NotifyEvent  # Can be a union of multiple event types
"""

RECEIVING_EVENTS = """
class ChatConsumer(AsyncJsonWebsocketConsumer[ChatIncomingMessage, ChatEvent]):
    # Configure groups to receive events
    groups = ["announcements"]

    # Override receive_event method to handle all event types
    async def receive_event(self, event: ChatEvent) -> None:
        \"\"\"Handle channel events using pattern matching.\"\"\"
        match event:
            case NotifyEvent():
                notification = f"{event.payload.level.upper()}: {event.payload.content}"
                await self.send_message(MessageResponse(payload={"text": notification}))
"""

SENDING_EVENTS = """
# Using synchronous code (e.g., in a Django view)
def send_notification(request):
    ChatConsumer.send_channel_event(
        "announcements",  # Group name to send to
        NotifyEvent(payload=NotifyEvent.Payload(
            content="Important system notice",
            level="warning"
        ))
    )
    return JsonResponse({"status": "sent"})

# Using asynchronous code
async def async_send_notification():
    await ChatConsumer.asend_channel_event(
        "announcements",
        NotifyEvent(payload=NotifyEvent.Payload(
            content="Important system notice",
            level="warning"
        ))
    )
"""

CONTEXT = """
async def receive_message(self, message: ChatIncomingMessage, **kwargs: Any) -> None:
    # Access the authenticated user
    user = self.user

    # Access the Django request (from authentication)
    request = self.request

    # For consumers with object-level permissions, access the object
    obj = self.obj  # Typed based on M generic parameter

    # Access the raw ASGI connection scope
    scope = self.scope

    # Access URL parameters
    url_params = self.scope["url_route"]["kwargs"]

    # Access query string parameters
    from urllib.parse import parse_qs
    query_params = parse_qs(self.scope["query_string"].decode())
"""

POST_AUTHENTICATION = """
async def post_authentication(self) -> None:
    \"\"\"Execute after successful authentication.\"\"\"
    # Perform custom initialization
    self.user_status = "online"

    # Record connection in database
    await self.update_user_status()

    # For object-based consumers, access the object
    if self.obj:
        # Initialize object-specific state
        self.room = self.obj
        self.member = await self.room.members.aget(user=self.user)
"""

ERRORS = """
async def receive_message(self, message: ChatIncomingMessage, **kwargs: Any) -> None:
    try:
        match message:
            case ChatMessage(payload=payload):
                result = await self.process_chat(payload)
                await self.send_message(SuccessMessage(payload=result))
    except ValueError as e:
        # Send custom error for specific exceptions
        from chanx.messages.outgoing import ErrorMessage
        await self.send_message(ErrorMessage(payload={"detail": str(e)}))
    # Other exceptions are handled automatically
"""

REAL_WORLD = """
from typing import Any, cast

from chanx.generic.websocket import AsyncJsonWebsocketConsumer
from chanx.messages.incoming import PingMessage
from chanx.messages.outgoing import PongMessage

from chat.messages.chat import (
    ChatIncomingMessage,
    JoinGroupMessage,
    NewChatMessage,
)
from chat.messages.group import MemberMessage
from chat.models import ChatMember, ChatMessage, GroupChat
from chat.permissions import IsGroupChatMember
from chat.serializers import ChatMessageSerializer
from chat.utils import name_group_chat


class ChatDetailConsumer(
    AsyncJsonWebsocketConsumer[
        ChatIncomingMessage, None, MemberMessage, GroupChat
    ]
):
    permission_classes = [IsGroupChatMember]
    queryset = GroupChat.objects.get_queryset()

    member: ChatMember
    groups: list[str]

    async def build_groups(self) -> list[str]:
        assert self.obj
        self.group_name = name_group_chat(self.obj.pk)
        return [self.group_name]

    async def post_authentication(self) -> None:
        assert self.user is not None
        assert self.obj
        self.member = await self.obj.members.select_related("user").aget(user=self.user)

    async def receive_message(self, message: ChatIncomingMessage, **kwargs: Any) -> None:
        match message:
            case PingMessage():
                await self.send_message(PongMessage())
            case NewChatMessage(payload=message_payload):
                assert self.obj
                new_message = await ChatMessage.objects.acreate(
                    content=message_payload.content,
                    group_chat_id=self.obj.pk,
                    sender=self.member,
                )
                groups = message_payload.groups

                message_serializer = ChatMessageSerializer(instance=new_message)

                await self.send_group_message(
                    MemberMessage(payload=cast(Any, message_serializer.data)),
                    groups=groups,
                    exclude_current=False,
                )
            case JoinGroupMessage(payload=join_group_payload):
                await self.channel_layer.group_add(
                    join_group_payload.group_name, self.channel_name
                )
                self.groups.extend(join_group_payload.group_name)
"""

CONFIGURED = """
class ConfiguredConsumer(AsyncJsonWebsocketConsumer[ChatIncomingMessage, None, ChatGroupMessage]):
    # Authentication
    authentication_classes = [SessionAuthentication]
    permission_classes = [IsAuthenticated]
    queryset = Room.objects.all()
    auth_method = "get"

    # Behavior flags
    send_completion = True  # Send completion messages
    send_message_immediately = True  # Yield control after sending
    log_received_message = True  # Log received messages
    log_sent_message = True  # Log sent messages
    log_ignored_actions = ["ping", "pong"]  # Don't log these actions
    send_authentication_message = True  # Send auth status
"""


class ChatPayload(BaseModel):
    content: str


class ChatMessage(BaseMessage):
    action: Literal["chat"] = "chat"
    payload: ChatPayload


class NotificationPayload(BaseModel):
    type: str
    text: str


class NotificationMessage(BaseMessage):
    action: Literal["notification"] = "notification"
    payload: NotificationPayload


class MessageResponse(BaseMessage):
    action: Literal["message"] = "message"
    payload: dict[str, str]


class SuccessMessage(BaseMessage):
    action: Literal["success"] = "success"
    payload: Any


ChatIncomingMessage = ChatMessage | NotificationMessage | PingMessage

AROUND: dict[str, Any] = {
    "Any": Any,
    "AsyncJsonWebsocketConsumer": AsyncJsonWebsocketConsumer,
    "ChatIncomingMessage": ChatIncomingMessage,
    "ChatMessage": ChatMessage,
    "IsAuthenticated": IsAuthenticated,
    "JsonResponse": JsonResponse,
    "MessageResponse": MessageResponse,
    "NotificationMessage": NotificationMessage,
    "PingMessage": PingMessage,
    "PongMessage": PongMessage,
    "SessionAuthentication": SessionAuthentication,
    "SuccessMessage": SuccessMessage,
}

MyConsumer: Any = printed(MINIMAL)["MyConsumer"]
secure = printed(AUTHENTICATION, PingMessage=PingMessage)
SecureConsumer: Any = secure["SecureConsumer"]
AROUND["Room"] = secure["Room"]
AROUND |= printed(GROUP_MESSAGE)
AROUND |= printed(EVENTS)
ChatGroupMessage: Any = AROUND["ChatGroupMessage"]
NotifyEvent: Any = AROUND["NotifyEvent"]
SimpleConsumer, FullConsumer = (printed(PARAMETERS, **AROUND)[name] for name in ("SimpleConsumer", "FullConsumer"))
GroupConsumer: Any = printed(GROUPS, **AROUND)["ChatConsumer"]


class EventConsumer(printed(RECEIVING_EVENTS, **AROUND)["ChatConsumer"]):  # type: ignore[misc]
    """The block does not show what the consumer does with messages."""

    async def receive_message(self, message: Any, **kwargs: Any) -> None:
        await self.send_message(PongMessage())


around = {**AROUND, "ChatConsumer": EventConsumer}
send_notification: Any = printed(SENDING_EVENTS, **around)["send_notification"]
async_send_notification: Any = printed(SENDING_EVENTS, **around)["async_send_notification"]

ChatDetailConsumer: Any = printed(REAL_WORLD)["ChatDetailConsumer"]
_GroupChat: Any = ChatDetailConsumer.queryset.model

Context: Any = methods(
    CONTEXT + "\n    await self.told(locals())\n" + POST_AUTHENTICATION,
    AsyncJsonWebsocketConsumer[ChatIncomingMessage, None, None, _GroupChat],
    **AROUND,
)


class ContextConsumer(Context):
    """It tells what the block has found."""

    queryset = _GroupChat.objects.all()

    async def update_user_status(self) -> None:
        self.updated = self.user_status

    async def told(self, found: dict[str, Any]) -> None:
        request, obj, scope = found["request"], found["obj"], found["scope"]
        await self.send_json(
            {
                "user": found["user"].username,
                "request": [request.path, request.user == found["user"]],
                "obj": [type(obj).__name__, obj.title],
                "scope": scope["type"],
                "url_params": found["url_params"],
                "query_params": found["query_params"],
                "state": [self.updated, self.room == obj, self.member.user_id == found["user"].pk],
            }
        )


Handling: Any = methods(HANDLING, AsyncJsonWebsocketConsumer[ChatIncomingMessage], **AROUND)


class HandlingConsumer(Handling):
    """What the block calls."""

    async def handle_chat(self, payload: Any) -> None:
        await self.send_message(SuccessMessage(payload=payload.content))

    async def handle_notification(self, payload: Any) -> None:
        send = methods("async def send(self):\n" + SENDING.replace("\n", "\n    "), object, **AROUND).send
        await send(self)


Errors: Any = methods(ERRORS, AsyncJsonWebsocketConsumer[ChatIncomingMessage], **AROUND)


class ErrorsConsumer(Errors):
    """What the block calls."""

    async def process_chat(self, payload: Any) -> Any:
        if payload.content == "wrong":
            raise ValueError("no such thing")
        if payload.content == "broken":
            raise LookupError("a secret")
        return payload.content


class ConfiguredConsumer(printed(CONFIGURED, **AROUND)["ConfiguredConsumer"]):  # type: ignore[misc]
    """The block does not show what the consumer does with messages."""

    async def receive_message(self, message: Any, **kwargs: Any) -> None:
        await self.send_message(PongMessage())
        if isinstance(message, ChatMessage):
            await self.send_group_message(ChatGroupMessage(payload={"content": "x"}), exclude_current=False)

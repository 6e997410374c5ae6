"""The blocks of document 001, as they are printed; what surrounds them is supplied by the tests."""

IMPORTS = """
# For Django Channels
from chanx.channels.websocket import AsyncJsonWebsocketConsumer

# For FastAPI / other ASGI frameworks
from chanx.fast_channels.websocket import AsyncJsonWebsocketConsumer

# Decorators are framework-agnostic
from chanx.core.decorators import ws_handler, event_handler, channel

@channel(name="chat", description="Real-time chat system")
class ChatConsumer(AsyncJsonWebsocketConsumer):
    # Your handlers go here
    pass
"""

GENERIC = """
# Without generic type (perfectly fine)
class ChatConsumer(AsyncJsonWebsocketConsumer):
    pass

# With generic type for enhanced type checking
class ChatConsumer(AsyncJsonWebsocketConsumer[SystemNotifyEvent]):
    pass
"""

CHANNEL = """
@channel(
    name="notifications",
    description="User notification system",
    tags=["notifications", "real-time"]
)
class NotificationConsumer(AsyncJsonWebsocketConsumer):
    pass
"""

WS_HANDLER = """
from chanx.messages.incoming import PingMessage
from chanx.messages.outgoing import PongMessage

@channel(name="example")
class ExampleConsumer(AsyncJsonWebsocketConsumer):
    @ws_handler(summary="Handle ping requests")
    async def handle_ping(self, message: PingMessage) -> PongMessage:
        return PongMessage()

    @ws_handler(
        summary="Handle chat messages",
        description="Process chat messages and broadcast to room members",
        output_type=ChatNotificationMessage,
        tags=["chat", "messaging"]
    )
    async def handle_chat(self, message: ChatMessage) -> None:
        # Broadcast to group instead of direct response
        await self.broadcast_message(
            ChatNotificationMessage(
                payload=ChatPayload(
                    message=f"User: {message.payload.message}"
                )
            )
        )
"""

RETURNING = """
@ws_handler
async def handle_user_message(self, message: UserMessage) -> SystemEchoMessage:
    # What you return goes back to the sender only
    return SystemEchoMessage(payload=...)
"""

BROADCASTING = """
@ws_handler(output_type=RoomNotificationMessage)
async def handle_chat(self, message: ChatMessage) -> None:
    # Explicitly broadcast to send to multiple users
    await self.broadcast_message(
        RoomNotificationMessage(payload=...),
        groups=["room_general"]  # Can be omitted if groups defined as class attribute
    )
"""

SILENT = """
@ws_handler
async def handle_log_event(self, message: LogMessage) -> None:
    logger.info(f"Received: {message.payload}")
    # No response sent
"""

TWO_KINDS = """
# Receives messages from WebSocket clients
@ws_handler
async def handle_user_message(self, message: UserMessage) -> Response:
    ...

# Receives messages from channel layer (server-to-server)
@event_handler
async def handle_job_result(self, event: JobResult) -> Response:
    ...
"""

EVENT_RETURNING = """
@event_handler
async def handle_job_result(self, event: JobResult) -> JobStatusMessage:
    # What you return is sent to the WebSocket client
    return JobStatusMessage(payload={"status": "result", "message": event.payload})
"""

EVENT_SENDING = """
@event_handler(output_type=Notification)
async def handle_complex_event(self, event: ComplexEvent) -> None:
    # Send multiple messages
    await self.send_message(Notification(payload="Processing..."))
    await self.send_message(Notification(payload="Complete!"))
"""

REPETITIVE = """
class ChatConsumer(AsyncJsonWebsocketConsumer):
    @event_handler
    async def handle_user_joined(self, event: UserJoinedNotification) -> UserJoinedNotification:
        return event

    @event_handler
    async def handle_user_left(self, event: UserLeftNotification) -> UserLeftNotification:
        return event

    @event_handler
    async def handle_message_updated(self, event: MessageUpdated) -> MessageUpdated:
        return event
"""

PASSTHROUGH = """
class ChatConsumer(AsyncJsonWebsocketConsumer):
    passthrough_events = [UserJoinedNotification, UserLeftNotification, MessageUpdated]
"""

MIXING = """
class ChatConsumer(AsyncJsonWebsocketConsumer):
    passthrough_events = [UserJoinedNotification, UserLeftNotification]

    # This explicit handler takes priority over passthrough for UserJoinedNotification
    @event_handler
    async def handle_user_joined(self, event: UserJoinedNotification) -> UserJoinedNotification:
        log_user_joined(event)
        return event
"""

PREFIX = """
class ChatConsumer(AsyncJsonWebsocketConsumer):
    passthrough_events = [UserJoinedNotification, UserLeftNotification]
    passthrough_method_prefix = "forward_"

    # Generated methods will be:
    # forward_user_joined_notification
    # forward_user_left_notification
"""

MIXIN = """
class PresenceMixin:
    passthrough_events = [UserJoinedNotification, UserLeftNotification]

class ChatConsumer(PresenceMixin, AsyncJsonWebsocketConsumer):
    passthrough_events = [MessageUpdated]

# ChatConsumer forwards all three:
# UserJoinedNotification, UserLeftNotification (from the mixin)
# MessageUpdated (from the consumer)
"""

ASYNCAPI_MESSAGES = """
# Generates: RECEIVE action with reply field
@ws_handler
async def handle_ping(self, message: PingMessage) -> PongMessage:
    return PongMessage()
# AsyncAPI: "ping" action - receive (input_type=PingMessage) with reply field (output_type=PongMessage)

# Generates: RECEIVE action with reply field
@ws_handler(output_type=ChatNotificationMessage)
async def handle_chat(self, message: ChatMessage) -> None:
    await self.broadcast_message(ChatNotificationMessage(...))
# AsyncAPI: "chat" action - receive (input_type=ChatMessage) with reply field (output_type=ChatNotificationMessage)

# Generates: RECEIVE action (no reply field)
@ws_handler
async def handle_log(self, message: LogMessage) -> None:
    logger.info(message.payload)  # No response sent
# AsyncAPI: "log" action - receive (input_type=LogMessage) with no reply
"""

ASYNCAPI_EVENTS = """
# Generates: SEND operation (send only)
@event_handler
async def handle_job_result(self, event: JobResult) -> JobResult:
    return event
# AsyncAPI: "job_result" action - send (output_type=JobResult)
# Note: input_type (event parameter) is NOT in AsyncAPI docs

# Generates: SEND operation (send only)
@event_handler(output_type=SystemNotification)
async def handle_system_notify(self, event: SystemNotifyEvent) -> None:
    await self.send_message(SystemNotification(...))
# AsyncAPI: "system_notification" action - send (output_type=SystemNotification)
# Note: SystemNotifyEvent is NOT in AsyncAPI docs (internal event)
"""

MESSAGES = """
from chanx.messages.base import BaseMessage
from typing import Literal

class ChatMessage(BaseMessage):
    action: Literal["chat"] = "chat"  # Discriminator field
    payload: ChatPayload

class PingMessage(BaseMessage):
    action: Literal["ping"] = "ping"
    payload: None = None
"""

EVENTS = """
class UserJoinedEvent(BaseMessage):
    action: Literal["user_joined"] = "user_joined"  # Discriminator field
    payload: UserPayload

class SystemNotifyEvent(BaseMessage):
    action: Literal["system_notify"] = "system_notify"
    payload: NotificationPayload
"""

DIRECT = """
@ws_handler
async def handle_get_status(self, message: GetStatusMessage) -> StatusMessage:
    return StatusMessage(
        payload=StatusPayload(
            status="online",
            timestamp=datetime.now()
        )
    )
"""

TO_GROUPS = """
@ws_handler(output_type=ChatNotificationMessage)
async def handle_chat(self, message: ChatMessage) -> None:
    # Broadcast to all connections in the same groups
    await self.broadcast_message(
        ChatNotificationMessage(payload=message.payload)
    )

    # Broadcast to specific groups
    await self.broadcast_message(
        ChatNotificationMessage(payload=message.payload),
        groups=["room_123", "moderators"]
    )
"""

GROUPS = """
class RoomChatConsumer(AsyncJsonWebsocketConsumer):
    async def post_authentication(self) -> None:
        \"\"\"Called after successful authentication.\"\"\"
        # Extract room from URL parameters
        room_id = self.scope["path_params"]["room_id"]
        group_name = f"room_{room_id}"

        # Join the room group
        await self.channel_layer.group_add(group_name, self.channel_name)
        self.groups.append(group_name)

        # Notify others about the join
        await self.broadcast_message(
            UserJoinedMessage(payload={"user_id": self.user.id}),
            groups=[group_name],
            exclude_current=True  # Don't send to self
        )
"""

VIEW = """
# views.py
from django.http import JsonResponse
from myapp.consumers import NotificationConsumer
from myapp.events import NewPostEvent

def create_post(request):
    post = Post.objects.create(...)

    # Send event to WebSocket consumers
    NotificationConsumer.broadcast_event_sync(
        NewPostEvent(payload={"post_id": post.id, "title": post.title}),
        groups=["news_feed"]
    )

    return JsonResponse({"status": "created"})
"""

TASK = """
# tasks.py
from celery import shared_task
from myapp.consumers import PaymentConsumer
from myapp.events import PaymentCompleteEvent

@shared_task
def process_payment(payment_id):
    result = process_payment_logic(payment_id)

    # Notify specific user
    PaymentConsumer.send_event_sync(
        PaymentCompleteEvent(payload={"status": result}),
        channel_name=f"user_{payment.user_id}"
    )
"""

COMMAND = """
# management/commands/send_announcement.py
from django.core.management.base import BaseCommand
from myapp.consumers import AnnouncementConsumer

class Command(BaseCommand):
    def add_arguments(self, parser):
        parser.add_argument('message', type=str)

    def handle(self, *args, **options):
        AnnouncementConsumer.broadcast_event_sync(
            SystemAnnouncementEvent(payload=options['message']),
            groups=["all_users"]
        )
"""

CONFIGURATION = """
class MyConsumer(AsyncJsonWebsocketConsumer):
    # Message behavior
    send_completion = False  # Whether to send completion signals
    send_message_immediately = True  # Yield control after sending
    log_websocket_message = True  # Log messages
    log_ignored_actions = ["ping", "pong"]  # Skip logging these

    # Message formatting
    camelize = False  # Convert snake_case <-> camelCase
    discriminator_field = "action"  # Field for message routing

    # Channel layer (required for non-Django frameworks)
    channel_layer_alias = "default"

    # Authentication
    authenticator_class = MyAuthenticator
"""

DJANGO_AUTHENTICATION = """
from chanx.channels.authenticator import DjangoAuthenticator
from rest_framework.permissions import IsAuthenticated

class ChatAuthenticator(DjangoAuthenticator):
    permission_classes = [IsAuthenticated]

    # Optional: object-level permissions
    queryset = ChatRoom.objects.all()
    obj: ChatRoom

@channel(name="chat")
class ChatConsumer(AsyncJsonWebsocketConsumer):
    authenticator_class = ChatAuthenticator
    authenticator: ChatAuthenticator  # Type hint

    async def post_authentication(self) -> None:
        \"\"\"Called after successful authentication.\"\"\"
        # Access authenticated user and object
        user = self.authenticator.user
        room = self.authenticator.obj  # If using object-level auth

        # Join room-specific group
        await self.channel_layer.group_add(
            f"room_{room.id}",
            self.channel_name
        )
"""

CUSTOM_AUTHENTICATION = """
from chanx.core.authenticator import BaseAuthenticator

class TokenAuthenticator(BaseAuthenticator):
    async def authenticate(self) -> bool:
        token = self.get_query_param("token")
        if not token:
            return False

        # Validate token logic here
        self.user = await get_user_by_token(token)
        return self.user is not None

class MyConsumer(AsyncJsonWebsocketConsumer):
    authenticator_class = TokenAuthenticator
"""

COMPLETE = """
from chanx.core.decorators import ws_handler, event_handler, channel
from chanx.channels.websocket import AsyncJsonWebsocketConsumer
from chanx.channels.authenticator import DjangoAuthenticator
from rest_framework.permissions import IsAuthenticated

# Messages
class ChatMessage(BaseMessage):
    action: Literal["chat"] = "chat"
    payload: ChatPayload

class JoinRoomMessage(BaseMessage):
    action: Literal["join_room"] = "join_room"
    payload: JoinRoomPayload

# Events
class UserJoinedEvent(BaseChannelEvent):
    handler: Literal["user_joined"] = "user_joined"
    payload: UserPayload

# Authenticator
class RoomAuthenticator(DjangoAuthenticator):
    permission_classes = [IsAuthenticated]
    queryset = ChatRoom.objects.all()
    obj: ChatRoom

# Consumer (generic type is optional - either approach works)
@channel(
    name="room_chat",
    description="Real-time chat for specific rooms",
    tags=["chat", "rooms"]
)
class RoomChatConsumer(AsyncJsonWebsocketConsumer[UserJoinedEvent]):  # Optional generic for type hints
    authenticator_class = RoomAuthenticator
    authenticator: RoomAuthenticator

    # Configuration
    log_ignored_actions = ["ping", "pong"]

    async def post_authentication(self) -> None:
        \"\"\"Join room group after authentication.\"\"\"
        room_group = f"room_{self.authenticator.obj.id}"
        await self.channel_layer.group_add(room_group, self.channel_name)
        self.groups.append(room_group)

    @ws_handler(
        summary="Handle chat messages",
        output_type=ChatNotificationMessage
    )
    async def handle_chat(self, message: ChatMessage) -> None:
        \"\"\"Process and broadcast chat messages.\"\"\"
        await self.broadcast_message(
            ChatNotificationMessage(
                payload=ChatNotificationPayload(
                    message=message.payload.message,
                    username=self.authenticator.user.username,
                    room_id=self.authenticator.obj.id
                )
            )
        )

    @event_handler(output_type=UserJoinedMessage)
    async def user_joined(self, event: UserJoinedEvent) -> UserJoinedMessage:
        \"\"\"Handle user join events from other parts of the app.\"\"\"
        return UserJoinedMessage(
            payload=UserJoinedPayload(
                username=event.payload.username,
                message=f"{event.payload.username} joined the room"
            )
        )
"""

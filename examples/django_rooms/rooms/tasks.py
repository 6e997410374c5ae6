"""What workers do."""

from collections import Counter

from celery import shared_task


@shared_task
def digest(room_pk: int, channel_name: str | None = None) -> None:
    """Count what was said in a room, and tell one connection, or the whole room."""
    from .consumers import RoomConsumer  # which knows the tasks
    from .messages import DigestPayload, DigestReady
    from .models import Room

    room = Room.objects.get(pk=room_pk)
    authors = room.messages.values_list("author__username", flat=True)
    by_author = Counter(authors)
    event = DigestReady(payload=DigestPayload(lines=by_author.total(), by_author=dict(by_author.most_common())))
    if channel_name is None:
        RoomConsumer.broadcast_event_sync(event, groups=[room.group])
    else:
        RoomConsumer.send_event_sync(event, channel_name)

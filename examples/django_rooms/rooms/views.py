"""The REST API, whose views send events to WebSockets, and the pages."""

from functools import partial
from typing import Any

from django.contrib.auth.decorators import login_required
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from rest_framework.decorators import action
from rest_framework.mixins import CreateModelMixin, ListModelMixin, RetrieveModelMixin
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from . import tasks
from .consumers import NoticeConsumer, RoomConsumer
from .hands import HandsConsumer, HandsLowered, MemberGone, hands_group
from .messages import LetIn, Line, Member, MemberJoined, MemberRemoved, MessagePosted, RoomEvent, RoomName
from .models import Membership, Room, group_of
from .permissions import IsMember, IsOwner
from .serializers import MemberSerializer, MessageSerializer, RoomSerializer


def tell(room: Room, event: RoomEvent) -> None:
    """Tell everybody who is connected to a room, once that is true which they are told."""
    transaction.on_commit(partial(RoomConsumer.broadcast_event_sync, event, groups=[room.group]))


class RoomViewSet(ListModelMixin, CreateModelMixin, RetrieveModelMixin, GenericViewSet):
    queryset = Room.objects.select_related("owner")
    serializer_class = RoomSerializer
    permission_classes = (IsAuthenticated, IsMember)

    def filter_queryset(self, queryset: QuerySet) -> QuerySet:
        return queryset.filter(memberships__user=self.request.user) if self.action == "list" else queryset

    @transaction.atomic
    def perform_create(self, serializer: Any) -> None:
        room = serializer.save(owner=self.request.user)
        room.memberships.create(user=self.request.user)

    @action(detail=True, methods=["get", "post"], serializer_class=MessageSerializer)
    def messages(self, request: Request, pk: int) -> Response:
        """What was said; a POST says something, and all who are connected hear it."""
        room = self.get_object()
        if request.method == "GET":
            last = room.messages.select_related("author").order_by("-pk")[:50]
            return Response(self.get_serializer(reversed(last), many=True).data)
        new = self.get_serializer(data=request.data)
        new.is_valid(raise_exception=True)
        message = new.save(room=room, author=request.user)
        tell(room, MessagePosted(payload=Line.of(message)))
        return Response(new.data, status=201)

    @action(
        detail=True, methods=["post"], serializer_class=MemberSerializer, permission_classes=[IsAuthenticated, IsOwner]
    )
    @transaction.atomic
    def members(self, request: Request, pk: int) -> Response:
        """Let somebody in: those in the room are told, and so is the new member, wherever in the site."""
        room = self.get_object()
        new = self.get_serializer(data=request.data)
        new.is_valid(raise_exception=True)
        user = new.validated_data["member"]
        _, is_new = Membership.objects.get_or_create(room=room, user=user)
        if is_new:
            tell(room, MemberJoined(payload=Member(member=user.username)))
            let_in = LetIn(payload=RoomName(id=room.pk, name=room.name))
            transaction.on_commit(partial(NoticeConsumer.broadcast_event_sync, let_in, groups=group_of(user.pk)))
        return Response(new.data, status=201 if is_new else 200)

    @action(
        detail=True,
        methods=["delete"],
        url_path="members/(?P<name>[^/]+)",
        permission_classes=[IsAuthenticated, IsOwner],
    )
    @transaction.atomic
    def member(self, request: Request, pk: int, name: str) -> Response:
        """Send somebody out; the connections of that member are closed."""
        room = self.get_object()
        get_object_or_404(Membership, room=room, user__username=name).delete()
        tell(room, MemberRemoved(payload=Member(member=name)))
        gone = MemberGone(payload=MemberGone.Payload(member=name))
        transaction.on_commit(partial(HandsConsumer.send_channel_event, hands_group(room), gone))
        return Response(status=204)

    @action(detail=True, methods=["delete"], permission_classes=[IsAuthenticated, IsOwner])
    @transaction.atomic
    def hands(self, request: Request, pk: int) -> Response:
        """Lower all hands."""
        room = self.get_object()
        room.memberships.update(hand_up=False)
        lowered = HandsLowered(payload=HandsLowered.Payload(by=request.user.username))
        transaction.on_commit(partial(HandsConsumer.send_channel_event, hands_group(room), lowered))
        return Response(status=204)

    @action(detail=True, methods=["post"])
    def digest(self, request: Request, pk: int) -> Response:
        """Have a worker make a digest, for the whole room."""
        transaction.on_commit(partial(tasks.digest.delay, self.get_object().pk))
        return Response(status=202)


@login_required
def index(request: HttpRequest) -> HttpResponse:
    rooms = Room.objects.filter(memberships__user=request.user)
    return render(request, "rooms/index.html", {"rooms": rooms})


@login_required
def room(request: HttpRequest, pk: int) -> HttpResponse:
    found = get_object_or_404(Room, pk=pk, memberships__user=request.user)
    return render(request, "rooms/room.html", {"room": found})

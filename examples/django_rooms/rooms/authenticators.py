"""Who may connect, by classes of Django REST Framework."""

from typing import Any

from rest_framework.authentication import SessionAuthentication
from rest_framework.permissions import IsAuthenticated

from chanx.channels.authenticator import DjangoAuthenticator

from .models import Room
from .permissions import IsMember


class RoomAuthenticator(DjangoAuthenticator):
    """Members of the room, by session or by token: the authentication classes are those of the settings."""

    permission_classes = (IsAuthenticated, IsMember)
    queryset = Room.objects.all()
    user: Any
    obj: Room


class PageAuthenticator(DjangoAuthenticator):
    """Everybody who has logged in on a page."""

    authentication_classes = (SessionAuthentication,)
    permission_classes = (IsAuthenticated,)
    user: Any

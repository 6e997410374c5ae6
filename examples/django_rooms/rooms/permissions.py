"""Who may do what in a room; views and WebSockets ask the same classes."""

from typing import Any

from rest_framework.permissions import BasePermission

from .models import Room


class IsMember(BasePermission):
    message = "You are not in this room."

    def has_object_permission(self, request: Any, view: Any, obj: Room) -> bool:
        return obj.has(request.user)


class IsOwner(BasePermission):
    message = "Only its owner may do this."

    def has_object_permission(self, request: Any, view: Any, obj: Room) -> bool:
        return bool(obj.owner_id == request.user.pk)

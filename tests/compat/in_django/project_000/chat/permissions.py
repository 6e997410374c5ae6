"""Who may write in a group's chat."""

from __future__ import annotations

from typing import Any

from rest_framework.permissions import IsAuthenticated


class IsGroupChatMember(IsAuthenticated):
    def has_object_permission(self, request: Any, view: Any, obj: Any) -> Any:
        return bool(obj.members.filter(user=request.user).exists())

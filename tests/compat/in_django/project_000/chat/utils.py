"""Names of groups."""

from __future__ import annotations


def name_group_chat(pk: int) -> str:
    return f"group_chat.{pk}"

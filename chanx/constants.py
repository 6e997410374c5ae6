"""Actions that tell that all is sent that something led to (chanx 2.x and 0.12)."""

from __future__ import annotations

#: A client's message has been handled.
ACTION_COMPLETE = "complete"
#: A message to a group was delivered.
GROUP_ACTION_COMPLETE = "group_complete"
#: An event has been handled.
EVENT_ACTION_COMPLETE = "event_complete"

COMPLETE_ACTIONS = frozenset((ACTION_COMPLETE, GROUP_ACTION_COMPLETE, EVENT_ACTION_COMPLETE))

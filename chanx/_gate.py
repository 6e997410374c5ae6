"""Whether a channel takes connections; one per channel, looked at on every loop that serves it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chanx.exceptions import Reject

if TYPE_CHECKING:
    from chanx._drain import Drain

#: Seconds until a client that was refused may try again; by then another process should be there.
RETRY_AFTER = 1


class Gate:
    """Open until the channel is drained.

    Attributes:
        drain: what closed the gate; None while it is open.
    """

    __slots__ = ("drain",)

    def __init__(self) -> None:
        self.drain: Drain | None = None

    def check(self) -> None:
        """Let a connection in.

        Raises:
            Reject: the channel is being drained.
        """
        if self.drain is not None:
            raise self.refusal()

    def refusal(self) -> Reject:
        """What a connection is told that comes too late."""
        return Reject(503, self.drain.reason if self.drain else None, {"Retry-After": str(RETRY_AFTER)})

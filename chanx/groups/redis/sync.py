"""Publishing from threads without an event loop: one connection per process, whoever uses it one at a time.

Rules: a connection that the server has closed while nothing was to be said is noticed before it is written to; so what
was written is never written again, and nothing is published twice.
"""

from __future__ import annotations

import random
import threading
import time
from typing import Any

from chanx.exceptions import LayerUnavailable
from chanx.groups.redis import dial
from chanx.groups.redis.options import Options
from chanx.groups.redis.scripts import Call, life_of, load

#: How long the first pause after a failure is, in seconds; each is twice the last one.
FIRST_PAUSE = 0.05


class SyncPublisher:
    """Publishes from any thread.

    Args:
        dialer: makes connections.
        options: of the layer.
    """

    def __init__(self, dialer: dial.Dial, options: Options) -> None:
        self._dial = dialer
        self._options = options
        self._lock = threading.Lock()
        self._line: dial.SyncLine | None = None
        self._life: bytes | None = None  # once the connection knows the scripts

    def forked(self) -> None:
        """This process is a copy; the connection is the other one's."""
        self._lock = threading.Lock()
        self._life = None
        self._line = None  # redis-py closes the socket, and does not shut it down for the other process

    def publish(self, commands: list[bytes]) -> None:
        """Send commands, and wait for their answers.

        Raises:
            LayerUnavailable: the broker could not be reached in time, or refused.
        """
        deadline = time.monotonic() + self._options.timeout
        if not self._lock.acquire(timeout=self._options.timeout):
            raise LayerUnavailable("other threads published all the time")
        try:
            self._publish(self._connected(deadline), commands)
        finally:
            self._lock.release()

    def close(self) -> None:
        """Let go of the connection, unless it is being used."""
        if self._lock.acquire(blocking=False):
            try:
                self._drop()
            finally:
                self._lock.release()

    def _publish(self, line: dial.SyncLine, commands: list[bytes]) -> None:
        refusal: Exception | None = None
        calls = any(isinstance(one, Call) for one in commands)
        try:
            if calls and self._life is None:
                self._life = life_of(self._asked(line, load(self._options.run_id)))
            life = self._life or b""
            asked = [one + life if isinstance(one, Call) else one for one in commands] if calls else commands
            for answer in self._asked(line, asked):
                if isinstance(answer, Exception):
                    refusal = answer
        except BaseException as error:
            self._drop()
            if isinstance(error, dial.broker_errors()):
                raise LayerUnavailable(f"the connection broke: {error}", sent=True) from error
            raise
        if isinstance(refusal, dial.unknown_script()):
            self._life = None  # the next one brings it
        if refusal is not None:
            raise LayerUnavailable(f"the broker refused: {refusal}", sent=True) from refusal

    def _asked(self, line: dial.SyncLine, commands: list[bytes]) -> list[Any]:
        """The answers to commands; a refusal is one."""
        line.send_packed_command(commands, check_health=False)
        answers: list[Any] = []
        for _ in commands:
            try:
                answers.append(line.read_response(disable_decoding=True))
            except dial.refusals() as error:
                answers.append(error)
        return answers

    def _connected(self, deadline: float) -> dial.SyncLine:
        if self._line is not None:
            try:
                stale = self._line.can_read(timeout=0)
            except dial.broker_errors():
                stale = True
            if not stale:
                return self._line
            self._drop()
        pause = FIRST_PAUSE
        while True:
            line = self._dial.sync_line("chanx-sync")
            try:
                line.connect()
            except dial.broker_errors() as error:
                left = deadline - time.monotonic()
                if not self._options.wait or left <= 0:
                    raise LayerUnavailable(f"{self._dial.where} cannot be reached: {error}") from error
                time.sleep(min(left, pause * random.uniform(0.5, 1.0)))
                pause *= 2
            else:
                self._line = line
                return line

    def _drop(self) -> None:
        line, self._line, self._life = self._line, None, None
        if line is not None:
            line.disconnect()

"""The books of a bounded queue: whatever comes and goes, nothing is lost that is not counted."""

from __future__ import annotations

from typing import Any, Literal, cast

from hypothesis import given, settings
from hypothesis import strategies as st

from chanx._queue import Queue
from chanx._service import Counters
from chanx.groups.layer import Publication
from tests.full import examples

Overflow = Literal["close", "drop_oldest", "coalesce"]

MOST, MOST_BYTES, CLAIM = 5, 100, 30


class Service:
    """What a queue asks of the channel that is served."""

    def __init__(self, overflow: Overflow) -> None:
        self.overflow = overflow
        self.counters = Counters()


class Owner:
    """What a queue asks of its connection."""

    def __init__(self, overflow: Overflow) -> None:
        self.service = Service(overflow)
        self.told: list[str] = []

    def dropping(self, what: str) -> None:
        self.told.append(what)


#: A push (size and key), an answer (size), a claim that begins or ends, or the writer's turn.
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("push"), st.integers(4, 150), st.sampled_from([None, "one", "two"])),
        st.tuples(st.just("answer"), st.integers(1, 60), st.none()),
        st.tuples(st.sampled_from(["claim", "take"]), st.just(0), st.none()),
    ),
    max_size=60,
)


@settings(max_examples=examples(300))
@given(overflow=st.sampled_from(["close", "drop_oldest", "coalesce"]), steps=STEPS)
def test_what_is_pushed_is_taken_waits_or_is_counted(
    overflow: Overflow, steps: list[tuple[str, int, str | None]]
) -> None:
    owner = Owner(overflow)
    counters = owner.service.counters
    queue = Queue(cast(Any, owner), MOST, MOST_BYTES)
    pushed = refused = taken = answers = 0
    numbers: list[int] = []
    for number, (kind, size, key) in enumerate(steps):
        before, dropped = queue._size, counters.frames_dropped
        room = len(queue.waiting) + queue.claims < MOST and before + queue.claimed + size <= MOST_BYTES
        if kind == "push":
            body = f"{number}:".ljust(size, ".")
            pushed += 1
            refused += not queue.push(Publication(body, key=key))
        elif kind == "answer" and not queue.full(size):
            queue.add("a" * size, size)
            answers += 1
        elif kind == "claim":
            queue.claims = 1 - queue.claims
            queue.claimed = CLAIM * queue.claims
        elif kind == "take" and queue.waiting:
            item = queue.take()
            if isinstance(item, Publication):
                taken += 1
                numbers.append(int(item.body.split(":")[0]))
            else:
                answers -= 1

        waiting = [getattr(item, "latest", item) for item in queue.waiting]
        pushes = [item for item in waiting if isinstance(item, Publication)]
        sizes = [item.size if isinstance(item, Publication) else len(cast(str, item)) for item in waiting]
        assert pushed == refused + taken + len(pushes) + counters.frames_dropped + counters.coalesced
        assert len(waiting) - len(pushes) == answers  # none was dropped
        assert len(waiting) <= MOST
        assert len(waiting) <= 1 or sum(sizes) <= MOST_BYTES
        assert (queue._size, queue._pushed, queue._pushed_size) == (
            sum(sizes),
            len(pushes),
            sum(p.size for p in pushes),
        )
        if queue.claims and kind == "push" and overflow == "drop_oldest":
            left = len(waiting) < MOST and sum(sizes) + CLAIM <= MOST_BYTES
            assert left or sum(sizes) <= before  # the room of the claim is there, or nothing was taken of it
        if overflow != "drop_oldest":
            assert counters.frames_dropped == 0
        else:
            assert refused == 0
            assert bool(owner.told) is (counters.frames_dropped > 0)
        if room:  # nothing is dropped without need
            assert counters.frames_dropped == dropped
        if overflow != "coalesce":
            assert counters.coalesced == 0
            assert numbers == sorted(numbers)

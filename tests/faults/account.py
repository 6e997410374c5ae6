"""What clients heard, held against what was published."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from itertools import pairwise
from typing import Any

from tests.faults.client import Client, Closed, Entry, Gap, Kind, Lost, Mark, Opened, Push
from tests.faults.publisher import Sent

#: The close code of a channel that closes where others are told of a gap.
RESTARTING = 1012

WHO: dict[Kind, str] = {
    "stream": "history, stream",
    "member": "history, no stream",
    "plain": "no history",
}


@dataclass
class Row:
    """What became of the messages of one room, for all clients of one kind. All are counts of messages.

    Attributes:
        case: what broke.
        who: which clients.
        sent: were published.
        expected: were for the clients: one for each message and client.
        live: came as they were published.
        recovered: came in answer to `recover`.
        announced: did not come, and the client was told, or was itself away.
        dropped: did not come since the policy of the channel is to drop, without a word to the client.
        duplicated: came twice; to who counts no positions, only on two connections.
        silent: did not come, and nobody told.
    """

    case: str
    who: str
    sent: int = 0
    expected: int = 0
    live: int = 0
    recovered: int = 0
    announced: int = 0
    dropped: int = 0
    duplicated: int = 0
    silent: int = 0


HEADS = (
    "case",
    "clients",
    "sent",
    "expected",
    "live",
    "recovered",
    "announced",
    "dropped",
    "duplicated",
    "lost silently",
)


def account(
    case: str, kind: Kind, clients: Sequence[Client], sent: Sent, *, dropping: bool = False
) -> tuple[Row, list[str]]:
    """The row of a case, and what was wrong, in words; `dropping`: where the policy is to drop."""
    row = Row(case, WHO[kind], sent=len(sent.at))
    wrong: list[str] = []
    for client in clients:
        pushes = [entry for entry in client.log if isinstance(entry, Push)]
        numbers = [push.number for push in pushes]
        expected = sent.at.keys() | set(numbers)
        missing = sorted(expected - set(numbers))
        if strangers := set(numbers) - sent.at.keys() - sent.unsure:
            wrong.append(f"{client.name} heard what was never published: {sorted(strangers)[:5]}")
        repeated = len(numbers) - len(set(numbers))
        if not all(map(_in_order, [numbers] if kind == "stream" else _by_connection(client.log))):
            wrong.append(f"{client.name} heard messages twice, or out of order: {_digest(client)}")
        told = _told_stream if kind == "stream" else _told_member
        silent = [number for number in missing if not told(client.log, number, sent.at[number])]
        row.announced += len(missing) - len(silent)
        if dropping:
            row.dropped += len(silent)
            silent = []
        elif silent:
            wrong.append(
                f"{client.name} was not told of {len(silent)} lost ones, the first {silent[0]}: {_digest(client)}"
            )
        wrong += [f"{client.name}: {what}" for what in client.wrong]
        if client.jumps and not dropping:
            wrong.append(f"{client.name} jumped: {client.jumps}")
        row.expected += len(expected)
        row.recovered += sum(push.recovered for push in pushes)
        row.live += sum(not push.recovered for push in pushes) - repeated
        row.duplicated += repeated + client.duplicates
        row.silent += len(silent)
    if kind == "stream":
        wrong += _miscounted(clients, sent)
    return row, wrong


def _in_order(numbers: Sequence[int]) -> bool:
    return all(one < other for one, other in pairwise(numbers))


def _by_connection(log: Iterable[Entry]) -> list[list[int]]:
    """The numbers that came on each connection."""
    found: list[list[int]] = []
    for entry in log:
        if isinstance(entry, Opened):
            found.append([])
        elif isinstance(entry, Push):
            found[-1].append(entry.number)
    return found


def _told_stream(log: Sequence[Entry], number: int, at: float) -> bool:
    """A stream has lost what lies between the last push before, and the position that it is told next."""
    before, after = _around(log, number)
    return any(isinstance(entry, Lost) for entry in log[before:after])


def _told_member(log: Sequence[Entry], number: int, at: float) -> bool:
    """Without positions: it was away when that was published, or is told of a gap later.

    What came after a gap that is told only then, may be newer than what was lost. But it may not be older than what had
    come before the link was broken, nor be published after the word of the gap.
    """
    mark, opened = 0, -1.0
    newer = False  # a later one has come, so that this one cannot be on its way any more
    for index, entry in enumerate(log):
        if isinstance(entry, Mark):
            mark = entry.number
        elif isinstance(entry, Push):
            newer = newer or entry.number > number
        elif isinstance(entry, Opened):
            opened, newer = entry.at, False
        elif isinstance(entry, Gap) and opened < at < entry.at and mark < number:
            return True
        elif isinstance(entry, Closed):
            back = next((one.at for one in log[index:] if isinstance(one, Opened)), float("inf"))
            if at <= back and (not newer or (entry.code == RESTARTING and mark < number)):
                return True
    return False


def _around(log: Sequence[Entry], number: int) -> tuple[int, int]:
    before, after = 0, len(log)
    for index, entry in enumerate(log):
        if isinstance(entry, Push):
            if entry.number < number:
                before = index
            else:
                after = index
                break
    return before, after


def _miscounted(clients: Sequence[Client], sent: Sent) -> list[str]:
    """All that heard a number of an epoch heard it at the same position; positions have no hole, and nobody is told
    of one that is not given yet.

    Of what comes between a `recover` and its answer, the epoch is known with the answer only.
    """
    offsets: dict[str, int] = {}
    for client in clients:
        for entry in client.log:
            if isinstance(entry, Push) and not entry.recovered:
                epoch, seq = entry.place
                if offsets.setdefault(epoch, seq - entry.number) != seq - entry.number:
                    return [
                        f"{client.name} heard number {entry.number} at {seq}, not at {offsets[epoch] + entry.number}"
                    ]
    return []


def _digest(client: Client) -> str:
    """The log of a client, with runs of pushes drawn together."""
    parts: list[str] = []
    first = last = 0
    for entry in [*client.log, None]:
        if isinstance(entry, Push) and first and entry.number == last + 1:
            last = entry.number
            continue
        if first:
            parts.append(f"{first}-{last}")
        first = last = entry.number if isinstance(entry, Push) else 0
        if entry is not None and not first:
            parts.append(repr(entry))
    return ", ".join(parts[-60:])


def table(rows: Iterable[dict[str, Any]]) -> str:
    """Rows as a Markdown table."""
    cells: list[list[str]] = [list(HEADS)]
    for row in rows:
        made = Row(**row)
        cells.append([f"{value:,}" if isinstance(value, int) else str(value) for value in asdict(made).values()])
    widths = [max(len(line[at]) for line in cells) for at in range(len(fields(Row)))]
    lines = ["| " + " | ".join(_put(at, cell, widths[at]) for at, cell in enumerate(line)) + " |" for line in cells]
    rule = (
        "| " + " | ".join("-" * width if at < 2 else "-" * (width - 1) + ":" for at, width in enumerate(widths)) + " |"
    )
    return "\n".join([lines[0], rule, *lines[1:]])


def _put(at: int, cell: str, width: int) -> str:
    return cell.ljust(width) if at < 2 else cell.rjust(width)

"""Histories at the broker: what of them is stored, and the scripts that give positions and read them.

Rules: a group with history has a hash, the count (`epoch`, `seq`), and a stream of packets, whose ids are their
positions. One script gives the position, stores and publishes, so that all processes hear of positions in order. The
count outlives the stream; where the count is gone, so is the stream, and another epoch begins. A packet ends with its
place, for which the publisher leaves room: the script need not know anything else of it.

A server that was restarted, or a replica that took its place, may have less than was given before. So a count knows
the life of the server that it was last used in, which each connection asks for. In another life it begins another
epoch, and remembers where the one before ended: who stands at most there has lost nothing.
"""

from __future__ import annotations

import hashlib
import logging
import secrets
from typing import Any

import msgspec

from chanx.groups.history import PAGE_BYTES, History, Kept, Recalled
from chanx.groups.redis import wire

logger = logging.getLogger("chanx")

#: What is written first takes memory, so that a server that has none left refuses; later it would not.
_COUNT = """
local known = redis.call('HMGET', KEYS[1], 'epoch', 'life', 'seq')
local epoch, life = known[1], ARGV[#ARGV]
if not epoch then
  epoch = ARGV[1]
  redis.call('HSET', KEYS[1], 'epoch', epoch, 'life', life)
  redis.call('DEL', KEYS[2])
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
elseif life ~= '' and known[2] ~= life then
  redis.call('HSET', KEYS[1], 'epoch', ARGV[1], 'life', life, 'before', epoch, 'ended', known[3] or '0')
  epoch = ARGV[1]
end
"""

#: KEYS: count, stream, and the idempotency key, if there is one. ARGV: a new epoch, the ttl of the count, that of the
#: stream, its size, the channel, the packet, the life of the server.
_PUBLISH = f"""
if KEYS[3] and not redis.call('SET', KEYS[3], '1', 'NX', 'PX', ARGV[3]) then return 0 end
{_COUNT}
local seq = redis.call('HINCRBY', KEYS[1], 'seq', 1)
local packet = string.sub(ARGV[6], 1, -33) .. string.format('%016d', seq) .. epoch
redis.call('XADD', KEYS[2], 'MAXLEN', ARGV[4], string.format('%d-0', seq), 'p', packet)
redis.call('PEXPIRE', KEYS[1], ARGV[2])
redis.call('PEXPIRE', KEYS[2], ARGV[3])
redis.call('PUBLISH', ARGV[5], packet)
return seq
""".strip().encode()

#: KEYS: count, stream. ARGV: a new epoch, the ttl of the count, after (empty for the last ones), epoch, last, most,
#: `1` where a process says so that has heard what came before: then the count has gone back, and another epoch begins;
#: how many are wanted at once, and how many bytes; the life of the server.
_RECALL = f"""
{_COUNT}
local seq, after, most, page = tonumber(known[3] or '0'), tonumber(ARGV[3]), tonumber(ARGV[6]), tonumber(ARGV[8])
local packets, size = {{}}, 0
if not after then
  after = seq - math.min(tonumber(ARGV[5]), most, redis.call('XLEN', KEYS[2]))
elseif ARGV[4] ~= epoch then
  local before = redis.call('HMGET', KEYS[1], 'before', 'ended')
  if before[1] ~= ARGV[4] or after > tonumber(before[2]) then return {{epoch, seq, 0, packets}} end
elseif after > seq and ARGV[7] == '1' then
  redis.call('DEL', KEYS[2])
  redis.call('HDEL', KEYS[1], 'before', 'ended')
  redis.call('HSET', KEYS[1], 'epoch', ARGV[1], 'seq', 0)
  return {{ARGV[1], 0, 0, packets}}
end
local missing = seq - after
if missing < 0 or missing > most then return {{epoch, seq, 0, packets}} end
if missing > 0 then
  local wanted = math.min(missing, page)
  local first, last = string.format('%d-0', after + 1), string.format('%d-0', after + wanted)
  local found = redis.call('XRANGE', KEYS[2], first, last)
  if #found ~= wanted then return {{epoch, seq, 0, packets}} end
  for at = 1, wanted do
    local packet = found[at][2][2]
    size = size + #packet
    if at > 1 and size > tonumber(ARGV[9]) then break end
    packets[at] = packet
  end
end
return {{epoch, seq, 1, packets}}
""".strip().encode()

_LOAD = [wire.command(b"SCRIPT", b"LOAD", script) for script in (_PUBLISH, _RECALL)]
_LOAD_AND_ASK = [*_LOAD, wire.command(b"INFO", b"server")]


def load(run_id: bool) -> list[bytes]:
    """What is said on a connection before the first of these commands; `run_id`: ask for the life of the server."""
    return _LOAD_AND_ASK if run_id else _LOAD


class Call(bytes):
    """The command of a script, without its last argument: the life of the server, which the connection knows."""

    __slots__ = ()


def life_of(answers: list[Any]) -> bytes:
    """The last argument of each `Call` on a connection, from the answers to `load`.

    It is empty where the broker does not say, or was not asked: then a count that has gone back is noticed by a process
    that has heard more, and not before.
    """
    told: Any = answers[-1]
    lines: list[bytes] = told.splitlines() if isinstance(told, bytes) else []
    runs = [line.partition(b":")[2].strip() for line in lines if line.startswith(b"run_id:")]
    life = runs[0][:16] if runs else b""
    return b"$%d\r\n%b\r\n" % (len(life), life)


class Keeper:
    """The commands for the histories of one layer.

    Args:
        names: of the broker's channels.
        prefix: what all keys begin with.
    """

    def __init__(self, names: wire.Names, prefix: str) -> None:
        self._names = names
        self._prefix = wire.to_bytes(prefix)

    def publishing(self, kept: Kept, history: History) -> Call:
        """The command that gives a broadcast its position, stores and publishes it."""
        group = wire.to_bytes(kept.groups[0])
        keys = self._keys(group)
        if kept.idempotency_key is not None:
            keys.append(b"%b:once:%d:%b:%b" % (self._prefix, len(group), group, wire.to_bytes(kept.idempotency_key)))
        return _called(
            _SHA_PUBLISH,
            keys,
            _new_epoch(),
            _ms(history.count_ttl),
            _ms(history.ttl),
            b"%d" % history.size,
            self._names.group(kept.groups[0]),
            wire.kept_packet(kept),
        )

    def recalling(
        self,
        group: str,
        history: History,
        after: int | None,
        epoch: str,
        last: int,
        most: int,
        page: int,
        *,
        heard: bool = False,
    ) -> Call:
        """The command that reads a history; see `HistoryLayer.recall`. `heard`: `after` is known to have been given."""
        return _called(
            _SHA_RECALL,
            self._keys(wire.to_bytes(group)),
            _new_epoch(),
            _ms(history.count_ttl),
            b"" if after is None else b"%d" % after,
            wire.to_bytes(epoch),
            b"%d" % last,
            b"%d" % most,
            b"%d" % heard,
            b"%d" % page,
            b"%d" % PAGE_BYTES,
        )

    def read(self, group: str, answer: Any) -> Recalled:
        """What the broker has answered to that; nothing can be had where something is stored that is no packet."""
        epoch, seq, complete, packets = answer
        channel = self._names.group(group)
        entries: list[Kept] = []
        try:
            for packet in packets:
                one = self._names.read(channel, packet)[0]
                if not isinstance(one, Kept) or (entries and one.seq != entries[-1].seq + 1):
                    raise msgspec.ValidationError("it does not follow the one before")
                entries.append(one)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            logger.warning("the history of %r holds what is no packet of ours: %s", group, error)
            complete, entries = 0, []
        return Recalled(epoch.decode(), seq, bool(complete), entries)

    def _keys(self, group: bytes) -> list[bytes]:
        return [b"%b:count:%b" % (self._prefix, group), b"%b:history:%b" % (self._prefix, group)]


def _sha(script: bytes) -> bytes:
    return hashlib.sha1(script, usedforsecurity=False).hexdigest().encode()


_SHA_PUBLISH, _SHA_RECALL = _sha(_PUBLISH), _sha(_RECALL)


def _called(sha: bytes, keys: list[bytes], *arguments: bytes) -> Call:
    return Call(wire.command(b"EVALSHA", sha, b"%d" % len(keys), *keys, *arguments, more=1))


def _new_epoch() -> bytes:
    return secrets.token_hex(8).encode()


def _ms(seconds: float) -> bytes:
    return b"%d" % max(1, round(seconds * 1000))

"""Histories at the broker: what of them is stored, and the scripts that give positions and read them.

Rules: a group with history has a hash, the count (`epoch`, `seq`), and a stream of packets, whose ids are their
positions. One script gives the position, stores and publishes, so that all processes hear of positions in order. The
count outlives the stream; where the count is gone, so is the stream, and another epoch begins. A packet ends with its
place, for which the publisher leaves room: the script need not know anything else of it.
"""

from __future__ import annotations

import logging
import secrets
from typing import Any

import msgspec

from chanx.groups.history import History, Kept, Recalled
from chanx.groups.redis import wire

logger = logging.getLogger("chanx")

_COUNT = """
local epoch = redis.call('HGET', KEYS[1], 'epoch')
if not epoch then
  epoch = ARGV[1]
  redis.call('DEL', KEYS[2])
  redis.call('HSET', KEYS[1], 'epoch', epoch)
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
end
"""

#: KEYS: count, stream, and the idempotency key, if there is one. ARGV: a new epoch, the ttl of the count, that of the
#: stream, its size, the channel, the packet.
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

#: KEYS: count, stream. ARGV: a new epoch, the ttl of the count, after (empty for the last ones), epoch, last, most, and
#: `1` where a process says so that has heard what came before: then the count has gone back, as after a failover to a
#: replica that was behind, and another epoch begins; and how many of what comes after are wanted at once.
_RECALL = f"""
{_COUNT}
local seq, most = tonumber(redis.call('HGET', KEYS[1], 'seq') or '0'), tonumber(ARGV[6])
local found, packets = {{}}, {{}}
if ARGV[3] == '' then
  local last = math.min(tonumber(ARGV[5]), most)
  if last > 0 then found = redis.call('XREVRANGE', KEYS[2], '+', '-', 'COUNT', last) end
  for at = #found, 1, -1 do packets[#packets + 1] = found[at][2][2] end
  return {{epoch, seq, 1, packets}}
end
local missing = seq - tonumber(ARGV[3])
if missing < 0 and ARGV[4] == epoch and ARGV[7] == '1' then
  redis.call('DEL', KEYS[2])
  redis.call('HSET', KEYS[1], 'epoch', ARGV[1], 'seq', 0)
  return {{ARGV[1], 0, 0, packets}}
end
if ARGV[4] ~= epoch or missing < 0 or missing > most then return {{epoch, seq, 0, packets}} end
if missing > 0 then
  local first = string.format('%d-0', tonumber(ARGV[3]) + 1)
  found = redis.call('XRANGE', KEYS[2], first, '+', 'COUNT', ARGV[8])
  if #found == 0 or found[1][1] ~= first then return {{epoch, seq, 0, packets}} end
end
if #found ~= math.min(missing, tonumber(ARGV[8])) then return {{epoch, seq, 0, packets}} end
for at = 1, #found do packets[at] = found[at][2][2] end
return {{epoch, seq, 1, packets}}
""".strip().encode()


class Keeper:
    """The commands for the histories of one layer.

    Args:
        names: of the broker's channels.
        prefix: what all keys begin with.
    """

    def __init__(self, names: wire.Names, prefix: str) -> None:
        self._names = names
        self._prefix = wire.to_bytes(prefix)

    def publishing(self, kept: Kept, history: History) -> bytes:
        """The command that gives a broadcast its position, stores and publishes it."""
        group = wire.to_bytes(kept.groups[0])
        keys = self._keys(group)
        if kept.idempotency_key is not None:
            keys.append(b"%b:once:%d:%b:%b" % (self._prefix, len(group), group, wire.to_bytes(kept.idempotency_key)))
        return _eval(
            _PUBLISH,
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
    ) -> bytes:
        """The command that reads a history; see `HistoryLayer.recall`. `heard`: `after` is known to have been given."""
        return _eval(
            _RECALL,
            self._keys(wire.to_bytes(group)),
            _new_epoch(),
            _ms(history.count_ttl),
            b"" if after is None else b"%d" % after,
            wire.to_bytes(epoch),
            b"%d" % last,
            b"%d" % most,
            b"%d" % heard,
            b"%d" % page,
        )

    def read(self, group: str, answer: Any) -> Recalled:
        """What the broker has answered to that; nothing can be had where something is stored that is no packet."""
        epoch, seq, complete, packets = answer
        channel = self._names.group(group)
        try:
            entries = [one for packet in packets if isinstance(one := self._names.read(channel, packet)[0], Kept)]
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            logger.warning("the history of %r holds what is no packet of ours: %s", group, error)
            complete, entries = 0, []
        return Recalled(epoch.decode(), seq, bool(complete), entries)

    def _keys(self, group: bytes) -> list[bytes]:
        return [b"%b:count:%b" % (self._prefix, group), b"%b:history:%b" % (self._prefix, group)]


def _eval(script: bytes, keys: list[bytes], *arguments: bytes) -> bytes:
    return wire.command(b"EVAL", script, b"%d" % len(keys), *keys, *arguments)


def _new_epoch() -> bytes:
    return secrets.token_hex(8).encode()


def _ms(seconds: float) -> bytes:
    return b"%d" % max(1, round(seconds * 1000))

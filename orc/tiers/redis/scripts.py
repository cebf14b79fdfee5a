"""What has to be one step in the server, as Lua for Redis 6.2 and later and for Valkey.

A key of a wrong type, or with a string that is no row, counts as a key that is not there. Each
script works for any number of keys (in one slot, on a cluster), and answers for each in order. A
script that ran, but whose answer was lost, does no harm when it is run again.
"""

from __future__ import annotations

from _sha1 import sha1  # type: ignore[import-not-found]

from orc.model.freshness import LONGEST_LEASE

MOST_HELD = 60_000
"""Milliseconds that no lease and no rest exceeds: if one seems to, the clock was set back."""

AFTER_LEASE = 60_000
"""Milliseconds that a row without a payload outlives its lease: for slow loads."""

assert LONGEST_LEASE * 1000 <= MOST_HELD  # noqa: S101 - what is held is held for at most this

_COMMON = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local function number(text, from)
  local all = 0
  for _, byte in ipairs({string.byte(text, from, from + 5)}) do all = all * 256 + byte end
  return all
end

local function text(number)
  local bytes = {}
  for place = 6, 1, -1 do
    bytes[place] = string.char(number % 256)
    number = math.floor(number / 256)
  end
  return table.concat(bytes)
end

-- marks, etag, end of the lease, end of the payload, payload; nothing for what is no row
local function read(key)
  local stored = redis.pcall('GET', key)
  if type(stored) ~= 'string' or #stored < 25 then return nil end
  local marks = string.byte(stored)
  if marks < 16 or marks > 31 then return nil end
  local lease, over = number(stored, 14), number(stored, 20)
  local payload = marks % 2 == 1 and string.sub(stored, 26) or nil
  if over > 0 and over <= now then payload = nil end
  if lease > now + MOST_HELD then lease = 0 end
  return string.sub(stored, 2, 13), lease, over, payload, marks % 4 >= 2
end

local function row(etag, lease, over, payload, failed)
  local marks = 16 + (payload and 1 or 0) + (failed and 2 or 0)
  return string.char(marks) .. etag .. text(lease) .. text(payload and over or 0) .. (payload or '')
end
""".replace("MOST_HELD", str(MOST_HELD))


class Script:
    """A script, and the name that a server has it under once it has seen it."""

    __slots__ = ("sha", "source")

    def __init__(self, body: str) -> None:
        self.source = (_COMMON + body).encode()
        self.sha = sha1(self.source).hexdigest().encode()


CLAIM = Script(
    """
-- for each key: token, milliseconds of the lease, etag that was seen or '', tokens of the
-- claimer's own loads that have ended, one after the other: a lease of theirs is no hindrance
-- answers for each: milliseconds that it is held (0: not held), the row as it is now
local answers = {}
for index, key in ipairs(KEYS) do
  local token, lasts = ARGV[index * 4 - 3], tonumber(ARGV[index * 4 - 2])
  local seen, own = ARGV[index * 4 - 1], ARGV[index * 4]
  local etag, lease, over, payload, failed = read(key)
  local held = 0
  if etag ~= token then
    if etag and lease > now and not string.find(own, etag, 1, true) then
      held = lease - now
    elseif not (payload and etag ~= seen) then
      local least = lasts + AFTER_LEASE
      etag, lease, failed = token, now + lasts, false
      local left = payload and redis.call('PTTL', key) or 0
      if left == -1 or left >= least then
        redis.call('SET', key, row(etag, lease, over, payload, false), 'KEEPTTL')
      else
        if payload and over == 0 then over = now + left end
        redis.call('SET', key, row(etag, lease, over, payload, false), 'PX', least)
      end
    end
  end
  answers[index] = {held, etag and row(etag, lease, over, payload, failed) or ''}
end
return answers
""".replace("AFTER_LEASE", str(AFTER_LEASE))
)

FILL = Script(
    """
-- for each key: token, new etag, milliseconds to keep (or to rest), payload with its mark before it
-- answers for each: 1 if it was accepted
local answers = {}
for index, key in ipairs(KEYS) do
  local token, new, lasts = ARGV[index * 4 - 3], ARGV[index * 4 - 2], tonumber(ARGV[index * 4 - 1])
  local given = ARGV[index * 4]
  local etag, lease, over, payload = read(key)
  local accepted = etag == token or etag == new
  if etag == token then
    if given ~= '' then
      if lasts > 0 then
        redis.call('SET', key, row(new, 0, 0, string.sub(given, 2), false), 'PX', lasts)
      else
        redis.call('DEL', key)
      end
    elseif payload then
      local rests = lasts > 0 and now + lasts or 0
      local kept = redis.pcall('SET', key, row(new, rests, over, payload, lasts > 0), 'KEEPTTL')
      -- A server that is full takes no SET; to keep the claim would be worse than to lose the row.
      if type(kept) == 'table' and kept.err then redis.call('DEL', key) end
    elseif lasts > 0 then
      redis.call('SET', key, row(new, now + lasts, 0, nil, true), 'PX', lasts)
    else
      redis.call('DEL', key)
    end
  end
  answers[index] = accepted and 1 or 0
end
return answers
"""
)

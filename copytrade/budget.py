"""How much may be sent to an exchange: one budget for all processes behind one network address.

Binance counts request weight by address and orders by account, and bans an address that goes on
after a 429. So every process asks here first: what was granted in the last minute is kept in Redis,
in seconds, and no window of 60 seconds, wherever it begins, gets more than the limit. A share is
kept for urgent work (closes, cancellations, look-ups). What the exchange itself says it has counted
is carried along and raises the count, never lowers it. Without Redis each process falls back to a
small share of its own; a flushed Redis is told again what each process was granted. Nothing here
raises.
"""

import functools
import secrets
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID

import redis
import structlog
from django.conf import settings

# What Binance lets one account place in any 10 seconds (exchangeInfo, rateLimits, ORDERS).
ORDERS_PER_10_SECONDS = 100
# A process that cannot reach Redis does not know of the others: this many percent of the limit.
ALONE_SHARE = 10
_WINDOW = 60
_REDIS_PAUSE_SECONDS = 1.0

# KEYS: the budget, then (previous, current) order count of each item's account, if given.
# ARGV: now in ms or "", cap of weight, cap of orders, known epoch, fresh epoch, weight granted here
# that Redis has not counted, all weight granted here, used weight seen, age of that in ms, ms that
# the exchange still blocks us, then the weights.
_SCRIPT = """
local key = KEYS[1]
local now = tonumber(ARGV[1])
if not now then
  local t = redis.call('TIME')
  now = t[1] * 1000 + math.floor(t[2] / 1000)
end
local cap, orders, known = tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4]
local second, minute = math.floor(now / 1000), math.floor(now / 60000)
local state, held, taken, used = {}, {}, {}, 0
local flat = redis.call('HGETALL', key)
for i = 1, #flat, 2 do
  local at = tonumber(flat[i])
  if not at then
    state[flat[i]] = flat[i + 1]
  elseif at + 60 < second then
    redis.call('HDEL', key, flat[i])
  else
    taken[#taken + 1] = {(at + 61) * 1000, tonumber(flat[i + 1]), at}
    used = used + tonumber(flat[i + 1])
  end
end

local debt = tonumber(ARGV[6])
if state.epoch ~= known then debt = tonumber(ARGV[7]) end
if not state.epoch then
  state.epoch = ARGV[5]
  redis.call('HSET', key, 'epoch', state.epoch)
end
local added = debt
used = used + debt

local seen, at = tonumber(ARGV[8]), now - tonumber(ARGV[9])
local foreign = 0
if state.foreign_minute == tostring(minute) then foreign = tonumber(state.foreign) end
if seen > 0 and math.floor(at / 60000) == minute and at % 60000 >= 2000 then
  local own = debt
  for _, b in ipairs(taken) do
    if b[3] >= minute * 60 and b[3] <= at / 1000 then own = own + b[2] end
  end
  if seen - own > foreign then
    foreign = seen - own
    redis.call('HSET', key, 'foreign', foreign, 'foreign_minute', minute)
  end
end
if foreign > 0 then
  taken[#taken + 1] = {(minute + 1) * 60000, foreign, 0}
  used = used + foreign
end

local blocked = math.max(tonumber(state.blocked or 0), now + tonumber(ARGV[10]))
if tonumber(ARGV[10]) > 0 and blocked > tonumber(state.blocked or 0) then
  redis.call('HSET', key, 'blocked', string.format('%d', blocked))
end
local granted, wait, count = 0, 0, #ARGV - 10
if blocked > now then
  wait = blocked - now
else
  for i = 1, count do
    local weight = tonumber(ARGV[10 + i])
    if used + weight > cap then
      table.sort(taken, function(a, b) return a[1] < b[1] end)
      local need = used + weight - cap
      wait = 60000
      for _, b in ipairs(taken) do
        need = need - b[2]
        if need <= 0 then
          wait = math.max(1, b[1] - now)
          break
        end
      end
      break
    end
    granted = i
    local full = false
    if #KEYS > 1 then
      local before, current = KEYS[2 * i], KEYS[2 * i + 1]
      full = tonumber(redis.call('GET', before) or 0) + tonumber(redis.call('GET', current) or 0) >= orders
      if not full then
        redis.call('INCR', current)
        redis.call('EXPIRE', current, 30)
      end
    end
    if full then
      held[#held + 1] = i - 1
    else
      used = used + weight
      added = added + weight
    end
  end
end
if added > 0 then redis.call('HINCRBY', key, string.format('%d', second), added) end
redis.call('EXPIRE', key, 180)
return {granted, math.ceil(wait), added - debt, state.epoch, held}
"""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Grant:
    """What may be sent now: the first `granted` items, but for those whose index is in `held`.

    `held` ones would pass their account's own limit; they cost nothing and are to be asked for
    again after some seconds. The rest is to be asked for after `wait_seconds` (0: nothing is left).
    """

    granted: int
    wait_seconds: float
    held: frozenset[int] = frozenset()


@dataclass(slots=True)
class _Memory:
    """What this process knows by itself of one exchange. Times in seconds since 1970."""

    epoch: str = ""
    # Weight granted here in the last minute, by second; and what of that Redis has not counted.
    granted: dict[int, int] = field(default_factory=dict)
    uncounted: dict[int, int] = field(default_factory=dict)
    used_weight: int = 0
    used_at: float = 0.0
    blocked_until: float = 0.0
    redis_down_until: float = 0.0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def prune(self, now: float) -> None:
        for kept in (self.granted, self.uncounted):
            for second in [second for second in kept if second + 1 <= now - _WINDOW]:
                del kept[second]

    def add(self, now: float, weight: int, *, counted: bool) -> None:
        for kept in (self.granted,) if counted else (self.granted, self.uncounted):
            kept[int(now)] = kept.get(int(now), 0) + weight

    @property
    def used(self) -> int:
        return sum(self.granted.values())


@functools.cache
def _memory(exchange: str) -> _Memory:
    return _Memory()


@functools.cache
def _client(url: str) -> redis.Redis:
    return redis.Redis.from_url(url, socket_timeout=0.25, socket_connect_timeout=0.25)


def take(
    *,
    exchange: str,
    weights: Sequence[int],
    urgent: bool,
    accounts: Sequence[UUID] = (),
    now: float | None = None,
) -> Grant:
    """Ask for the right to send a batch now, in one round trip; what is granted counts as spent.

    `weights` are Binance's request weights (`copytrade.exchange.weights`), `accounts` the accounts
    of orders among them, item by item, or nothing where no orders are placed. `urgent` may use the
    reserved share. `now` (seconds since 1970) is Redis's clock unless given.
    """
    if accounts and len(accounts) != len(weights):
        raise ValueError("Name an account for each weight, or none.")
    if not weights:
        return Grant(0, 0.0)
    memory = _memory(exchange)
    clock = time.time() if now is None else now
    with memory.lock:
        memory.prune(clock)
        if clock >= memory.redis_down_until or clock < memory.redis_down_until - 60:
            try:
                return _shared(
                    memory, exchange=exchange, weights=weights, urgent=urgent,
                    accounts=accounts, clock=clock, now=now,
                )  # fmt: skip
            except redis.RedisError as error:
                memory.redis_down_until = clock + _REDIS_PAUSE_SECONDS
                log.warning("Shared Budget Unavailable", error=type(error).__name__)
        return _alone(memory, weights=weights, urgent=urgent, clock=clock)


def _shared(
    memory: _Memory,
    *,
    exchange: str,
    weights: Sequence[int],
    urgent: bool,
    accounts: Sequence[UUID],
    clock: float,
    now: float | None,
) -> Grant:
    """Ask Redis; raises redis.RedisError."""
    key = _key(exchange)
    window = int(clock // 10)
    keys = [key]
    for account in accounts:
        keys += [f"{key}:{account}:{window - 1}", f"{key}:{account}:{window}"]
    cap, orders = _caps(settings.EXCHANGE_WEIGHT_PER_MINUTE, urgent=urgent)
    arguments: list[str | int] = [
        "" if now is None else int(now * 1000),
        cap,
        orders,
        memory.epoch,
        secrets.token_hex(8),
        sum(memory.uncounted.values()),
        memory.used,
        memory.used_weight,
        int(max(0.0, clock - memory.used_at) * 1000),
        int(max(0.0, memory.blocked_until - clock) * 1000),
        *weights,
    ]
    granted, wait, added, epoch, held = _script(settings.REDIS_URL)(keys=keys, args=arguments)
    memory.epoch = epoch.decode()
    memory.uncounted.clear()
    memory.add(clock, int(added), counted=True)
    return Grant(int(granted), int(wait) / 1000, frozenset(int(index) for index in held))


def _alone(memory: _Memory, *, weights: Sequence[int], urgent: bool, clock: float) -> Grant:
    """Grant from this process's own small share, for a while without Redis."""
    if memory.blocked_until > clock:
        return Grant(0, memory.blocked_until - clock)
    limit = settings.EXCHANGE_WEIGHT_PER_MINUTE
    share = _caps(limit * ALONE_SHARE // 100, urgent=urgent)[0]
    used = memory.used
    seen = memory.used_weight if int(memory.used_at // _WINDOW) == int(clock // _WINDOW) else 0
    granted = spent = 0
    for weight in weights:
        total = spent + weight
        if used + total > share or seen + total > _caps(limit, urgent=urgent)[0]:
            break
        granted, spent = granted + 1, total
    memory.add(clock, spent, counted=False)
    oldest = min(memory.granted) + 1 + _WINDOW - clock
    return Grant(granted, 0.0 if granted == len(weights) else max(0.1, oldest))


def observe(*, exchange: str, used_weight: int, now: float | None = None) -> None:
    """Note the weight that the exchange says it has counted in this minute; kept in memory only."""
    memory = _memory(exchange)
    memory.used_weight, memory.used_at = used_weight, time.time() if now is None else now


def heard(*, exchange: str, seconds: float, now: float | None = None) -> bool:
    """Note in memory that the exchange wants nothing for so long; whether others must be told."""
    memory = _memory(exchange)
    until = (time.time() if now is None else now) + seconds
    news = until > memory.blocked_until + 0.5
    memory.blocked_until = max(memory.blocked_until, until)
    return news


def block(*, exchange: str, seconds: float, now: float | None = None) -> None:
    """Let no process send anything to the exchange for so long (its 429 or 418 said so)."""
    heard(exchange=exchange, seconds=seconds, now=now)
    # An empty batch is granted nothing but carries the news.
    arguments = ["" if now is None else int(now * 1000), 0, 0, "", secrets.token_hex(8), 0, 0, 0, 0]
    try:
        _script(settings.REDIS_URL)(
            keys=[_key(exchange)], args=[*arguments, int(max(0.0, seconds) * 1000)]
        )
    except redis.RedisError as error:
        log.warning("Shared Budget Unavailable", error=type(error).__name__)


def forget() -> None:
    """Drop what this process knows by itself; what Redis keeps stays."""
    _memory.cache_clear()


@functools.cache
def _script(url: str) -> "redis.commands.core.Script":
    return _client(url).register_script(_SCRIPT)


def _key(exchange: str) -> str:
    return f"agora:budget:{settings.EGRESS_NAME}:{exchange}"


def _caps(weight: int, *, urgent: bool) -> tuple[int, int]:
    """Weight a minute and orders in 10 seconds up to which a request may be granted."""
    share = 100 if urgent else 100 - settings.EXCHANGE_RESERVED_SHARE
    return weight * share // 100, ORDERS_PER_10_SECONDS * share // 100

"""Limits that hold over all processes: token buckets, in Redis where there is one, else one database row each.

A bucket holds `limit` and fills again evenly within `seconds`, so "600/min" lets 600 requests through at once and then
ten a second. It is kept as one number, the moment at which it is full again, which one atomic statement moves. A moment
further ahead than an empty bucket takes was written before the clock jumped back: it counts as an empty one.
"""

import logging
import math
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from time import time
from typing import Any

from django.conf import settings
from django.db import DatabaseError
from django.db.models import F, FloatField, Value
from django.db.models.functions import Greatest

from classifier.models import RateBucket, User
from classifier.running import redis_server

logger = logging.getLogger("facet.rates")

UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}  # by the first letter: "600/min", "600/m", "600/minute"
ROUNDING_SECONDS = 0.001
MOST_OWED = 2  # buckets, of what is charged: more than one holds, since work that has begun is charged when it is done
KEEP_FULL_SECONDS = 86_400  # rows of buckets that have been full this long are removed

# KEYS: the bucket. ARGV: seconds to fill it, seconds that this costs, rounding. Answers the seconds to wait.
REDIS_SCRIPT = """
local clock = redis.call('TIME')
local now = tonumber(clock[1]) + tonumber(clock[2]) / 1000000
local full_at = tonumber(redis.call('GET', KEYS[1]) or '0')
local cost = tonumber(ARGV[2])
if full_at > now + tonumber(ARGV[1]) + tonumber(ARGV[3]) then
    full_at = now + tonumber(ARGV[1])
    redis.call('SET', KEYS[1], string.format('%.6f', full_at), 'EX', math.ceil(ARGV[1]) + 1)
end
local wait = full_at - (now + tonumber(ARGV[1]) - cost)
if wait > tonumber(ARGV[3]) then return tostring(wait) end
redis.call('SET', KEYS[1], string.format('%.6f', math.max(full_at, now) + cost), 'EX', math.ceil(ARGV[1]) + 1)
return '0'
"""

# KEYS: the bucket. ARGV: seconds to give back. A bucket that is full, or gone, stays so.
REDIS_GIVE_BACK_SCRIPT = """
local full_at = redis.call('GET', KEYS[1])
if full_at then redis.call('SET', KEYS[1], string.format('%.6f', tonumber(full_at) - tonumber(ARGV[1])), 'KEEPTTL') end
return '0'
"""

# As the first, without rounding, of what is spent already: it is taken in any case. Answers the seconds until the
# bucket holds something again.
REDIS_CHARGE_SCRIPT = """
local clock = redis.call('TIME')
local now = tonumber(clock[1]) + tonumber(clock[2]) / 1000000
local full_at = math.max(tonumber(redis.call('GET', KEYS[1]) or '0'), now) + tonumber(ARGV[2])
local is_wrong = full_at > now + MOST_OWED * tonumber(ARGV[1]) + tonumber(ARGV[2])
if is_wrong then full_at = now + tonumber(ARGV[1]) + tonumber(ARGV[2]) end
if is_wrong or tonumber(ARGV[2]) > 0 then
    redis.call('SET', KEYS[1], string.format('%.6f', full_at), 'EX', math.ceil(full_at - now) + 1)
end
return tostring(math.max(full_at - now - tonumber(ARGV[1]), 0))
"""
REDIS_CHARGE_SCRIPT = REDIS_CHARGE_SCRIPT.replace("MOST_OWED", str(MOST_OWED))
REDIS_PREFIX = "facet:rate:"


@dataclass(frozen=True)
class Rate:
    limit: int
    seconds: int

    def cost(self, amount: int) -> float:
        """Seconds of filling that `amount` takes; never more than the whole bucket, or it could never be had."""
        return self.seconds * min(amount, self.limit) / self.limit


def parse_rate(text: str) -> Rate | None:
    """ "600/min" as a Rate, None for no limit (an empty text or "off"). Raises ValueError for anything else."""
    if text.strip().lower() in ("", "off"):
        return None
    limit, slash, unit = text.partition("/")
    if not slash or not unit.strip() or unit.strip()[0].lower() not in UNITS or int(limit) < 1:
        raise ValueError(f"a rate is written like 600/min or 50/hour, not {text!r}")
    return Rate(int(limit), UNITS[unit.strip()[0].lower()])


def take(key: str, *, rate: Rate | None, amount: int = 1) -> float:
    """Take `amount` from a bucket: 0.0 when it was there, else nothing is taken and the seconds until it will be."""
    if rate is None or amount < 1:
        return 0.0
    arguments = [rate.seconds, rate.cost(amount), ROUNDING_SECONDS]
    wait = _ask_redis(lambda client: client.register_script(REDIS_SCRIPT)(keys=[REDIS_PREFIX + key], args=arguments))
    if wait is not None:
        return float(wait)
    try:
        return _take_from_database(key, rate=rate, amount=amount)
    except DatabaseError:
        logger.warning("limits cannot be counted: the database cannot be written")
        return 0.0  # a full disk must not lock readers out as well


def give_back(key: str, *, rate: Rate, amount: int = 1) -> None:
    """Put back what `take` took, because it turned out not to count."""
    keys, cost = [REDIS_PREFIX + key], rate.cost(amount)
    _ask_redis(lambda client: client.register_script(REDIS_GIVE_BACK_SCRIPT)(keys=keys, args=[cost]))
    with suppress(DatabaseError):  # which `take` has logged
        RateBucket.objects.filter(key=key, full_at__gt=time()).update(full_at=F("full_at") - cost)


def forget(prefix: str) -> list[str]:
    """Fill all buckets whose keys begin so, wherever they are counted; the keys of those that were not full."""
    buckets = RateBucket.objects.filter(key__startswith=prefix)
    found = set(buckets.filter(full_at__gt=time()).values_list("key", flat=True))
    buckets.delete()
    return sorted(found | set(_ask_redis(lambda client: _forget_in_redis(client, prefix)) or ()))


def charge(key: str, *, rate: Rate | None, amount: float) -> float:
    """Take from a bucket what was used already, more than it holds if need be; 0 only asks.

    Answers the seconds until it holds something again, 0.0 when it does.
    """
    if rate is None:
        return 0.0
    cost = rate.seconds * amount / rate.limit
    keys, args = [REDIS_PREFIX + key], [rate.seconds, cost]
    answer = _ask_redis(lambda client: client.register_script(REDIS_CHARGE_SCRIPT)(keys=keys, args=args))
    if answer is not None:
        return float(answer)
    try:
        return _charge_in_database(key, rate=rate, cost=cost)
    except DatabaseError:
        logger.warning("limits cannot be counted: the database cannot be written")
        return 0.0


def charge_decoding(user: User, *, seconds: float) -> float:
    """Count CPU time that somebody's photos took; the seconds to wait before more may, 0.0 when they may at once."""
    return charge(f"decode:{user.pk}", rate=parse_rate(settings.DECODE_RATE), amount=seconds)


def take_upload(user: User, *, files: int) -> float:
    """Count photos that somebody sends, by page or API; the seconds to wait, 0.0 when they may come."""
    if wait := charge_decoding(user, seconds=0):
        return wait
    return take(f"upload:{user.pk}", rate=parse_rate(settings.UPLOAD_RATE), amount=files)


def _take_from_database(key: str, *, rate: Rate, amount: int) -> float:
    now, cost = time(), rate.cost(amount)
    latest = now + rate.seconds - cost  # a bucket that is full by then holds enough
    wanted = RateBucket.objects.filter(key=key, full_at__lte=latest + ROUNDING_SECONDS)
    full_at = Greatest(F("full_at"), Value(now, output_field=FloatField())) + cost
    if wanted.update(full_at=full_at):
        return 0.0
    bucket, is_new = RateBucket.objects.get_or_create(key=key, defaults={"full_at": now})  # 0 would be swept at once
    if is_new:
        RateBucket.objects.filter(full_at__lt=now - KEEP_FULL_SECONDS).exclude(pk=bucket.pk).delete()
    if wanted.update(full_at=full_at):  # it is new, or another request made it since the first look
        return 0.0
    bucket.refresh_from_db()
    if bucket.full_at > now + rate.seconds + ROUNDING_SECONDS:
        RateBucket.objects.filter(key=key, full_at=bucket.full_at).update(full_at=now + rate.seconds)
        return cost
    return max(bucket.full_at - latest, ROUNDING_SECONDS)


def _charge_in_database(key: str, *, rate: Rate, cost: float) -> float:
    now = time()
    bucket = RateBucket.objects.filter(key=key)
    if cost:
        later = Greatest(F("full_at"), Value(now, output_field=FloatField())) + cost
        if not bucket.update(full_at=later):
            _, is_new = RateBucket.objects.get_or_create(key=key, defaults={"full_at": now + cost})
            if is_new:
                return max(cost - rate.seconds, 0.0)
            bucket.update(full_at=later)  # another process was first
    full_at = bucket.values_list("full_at", flat=True).first() or 0.0
    if full_at > now + MOST_OWED * rate.seconds + cost:
        bucket.filter(full_at=full_at).update(full_at=now + rate.seconds + cost)
        return cost
    return max(full_at - now - rate.seconds, 0.0)


def _forget_in_redis(client: Any, prefix: str) -> list[str]:
    keys = [key.decode() for key in client.scan_iter(match=f"{REDIS_PREFIX}{prefix}*", count=1000)]
    if keys:
        client.delete(*keys)
    return [key.removeprefix(REDIS_PREFIX) for key in keys]


def _ask_redis(question: Callable[[Any], Any]) -> Any:
    """What Redis answers; None where there is none or it does not serve, and the database counts."""
    server = redis_server.find_server()
    if server is None or not server.is_up():
        return None
    from redis.exceptions import RedisError

    try:
        return question(server.client)
    except RedisError as error:
        server.note_failure(error)
        return None


def whole_seconds(wait: float) -> int:
    """For Retry-After: rounded up, at least 1."""
    return max(1, math.ceil(wait))

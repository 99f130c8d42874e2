"""Limits that hold over all processes: token buckets, in Redis where there is one, else one database row each.

A bucket holds `limit` and fills again evenly within `seconds`, so "600/min" lets 600 requests through at once and then
ten a second. It is kept as one number, the moment at which it is full again, which one atomic statement moves.
"""

import logging
import math
from dataclasses import dataclass
from functools import lru_cache
from time import time
from typing import Any

from django.conf import settings
from django.db import DatabaseError
from django.db.models import F, FloatField, Value
from django.db.models.functions import Greatest

from classifier.models import RateBucket, User

logger = logging.getLogger("facet.rates")

UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}  # by the first letter: "600/min", "600/m", "600/minute"
ROUNDING_SECONDS = 0.001
KEEP_FULL_SECONDS = 86_400  # rows of buckets that have been full this long are removed
REDIS_TIMEOUT_SECONDS = 0.5

# KEYS: the bucket. ARGV: seconds to fill it, seconds that this costs, rounding. Answers the seconds to wait.
REDIS_SCRIPT = """
local clock = redis.call('TIME')
local now = tonumber(clock[1]) + tonumber(clock[2]) / 1000000
local full_at = tonumber(redis.call('GET', KEYS[1]) or '0')
local cost = tonumber(ARGV[2])
local wait = full_at - (now + tonumber(ARGV[1]) - cost)
if wait > tonumber(ARGV[3]) then return tostring(wait) end
redis.call('SET', KEYS[1], string.format('%.6f', math.max(full_at, now) + cost), 'EX', math.ceil(ARGV[1]) + 1)
return '0'
"""

# The same for what is spent already: it is taken in any case. Answers the seconds until the bucket holds something.
REDIS_CHARGE = """
local clock = redis.call('TIME')
local now = tonumber(clock[1]) + tonumber(clock[2]) / 1000000
local full_at = math.max(tonumber(redis.call('GET', KEYS[1]) or '0'), now) + tonumber(ARGV[2])
if tonumber(ARGV[2]) > 0 then
    redis.call('SET', KEYS[1], string.format('%.6f', full_at), 'EX', math.ceil(full_at - now) + 1)
end
return tostring(math.max(full_at - now - tonumber(ARGV[1]), 0))
"""


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
    if settings.REDIS_URL:
        from redis.exceptions import RedisError

        try:
            return _take_from_redis(key, rate=rate, amount=amount)
        except RedisError as error:
            logger.warning("Redis cannot be reached (%s); limits are counted in the database", error)
    try:
        return _take_from_database(key, rate=rate, amount=amount)
    except DatabaseError:
        logger.warning("limits cannot be counted: the database cannot be written")
        return 0.0  # a full disk must not lock readers out as well


def charge(key: str, *, rate: Rate | None, amount: float) -> float:
    """Take from a bucket what was used already, more than it holds if need be; 0 only asks.

    Answers the seconds until it holds something again, 0.0 when it does.
    """
    if rate is None:
        return 0.0
    cost = rate.seconds * amount / rate.limit
    if settings.REDIS_URL:
        from redis.exceptions import RedisError

        try:
            return _run_redis_script(REDIS_CHARGE, key=key, rate=rate, cost=cost)
        except RedisError as error:
            logger.warning("Redis cannot be reached (%s); limits are counted in the database", error)
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
    bucket, is_new = RateBucket.objects.get_or_create(key=key)
    if is_new:
        RateBucket.objects.filter(full_at__lt=now - KEEP_FULL_SECONDS).exclude(pk=bucket.pk).delete()
        if wanted.update(full_at=full_at):
            return 0.0
        bucket.refresh_from_db()
    return max(bucket.full_at - latest, ROUNDING_SECONDS)


def _charge_in_database(key: str, *, rate: Rate, cost: float) -> float:
    now = time()
    bucket = RateBucket.objects.filter(key=key)
    if cost:
        later = Greatest(F("full_at"), Value(now, output_field=FloatField())) + cost
        if not bucket.update(full_at=later):
            _, is_new = RateBucket.objects.get_or_create(key=key, defaults={"full_at": now + cost})
            if not is_new:  # another process was first
                bucket.update(full_at=later)
    full_at = bucket.values_list("full_at", flat=True).first() or 0.0
    return max(full_at - now - rate.seconds, 0.0)


def _take_from_redis(key: str, *, rate: Rate, amount: int) -> float:
    return _run_redis_script(REDIS_SCRIPT, key=key, rate=rate, cost=rate.cost(amount))


def _run_redis_script(text: str, *, key: str, rate: Rate, cost: float) -> float:
    script = _redis_script(settings.REDIS_URL, text)
    return float(script(keys=[f"facet:rate:{key}"], args=[rate.seconds, cost, ROUNDING_SECONDS]))


@lru_cache(maxsize=4)
def _redis_script(url: str, text: str) -> Any:
    import redis

    client = redis.Redis.from_url(
        url, socket_timeout=REDIS_TIMEOUT_SECONDS, socket_connect_timeout=REDIS_TIMEOUT_SECONDS
    )
    return client.register_script(text)


def whole_seconds(wait: float) -> int:
    """For Retry-After: rounded up, at least 1."""
    return max(1, math.ceil(wait))

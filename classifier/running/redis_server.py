"""Redis as something that may be away: nobody waits long for it, and once it failed nobody asks it for a while.

The cache, the limits and the messages to workers share what this process knows about the server, so that only the
first of them waits for one that hangs.
"""

import logging
import threading
from functools import lru_cache
from time import monotonic
from typing import Any

from django.conf import settings

logger = logging.getLogger("facet.redis")

TIMEOUT_SECONDS = 0.2  # to connect, and for each answer: on a network of one's own these take a millisecond
REST_SECONDS = 5.0  # after a failure the server is left alone this long
PROBE_KEY = "facet:probe"


class RedisServer:
    """One server, with a client that neither waits nor tries again by itself."""

    def __init__(self, url: str) -> None:
        import redis  # here, since an instance without Redis need not load it
        from redis.backoff import NoBackoff
        from redis.retry import Retry

        self.client: Any = redis.Redis.from_url(url, **client_options(), retry=Retry(NoBackoff(), 0))
        self._error = redis.RedisError
        self._is_down = False
        self._look_again_at = 0.0
        self._looking = threading.Lock()

    def is_up(self) -> bool:
        """Whether to ask the server; after a failure one caller looks again every `REST_SECONDS`.

        The look is a write: a server that is out of memory still answers reads, and limits that are read from it but
        counted elsewhere would begin anew each time.
        """
        if not self._is_down:
            return True
        if monotonic() < self._look_again_at or not self._looking.acquire(blocking=False):
            return False
        try:
            self.client.set(PROBE_KEY, 1, ex=60)
        except self._error:
            self._look_again_at = monotonic() + REST_SECONDS
            return False
        else:
            self._is_down = False
            logger.warning("Redis answers again")
            return True
        finally:
            self._looking.release()

    def note_failure(self, error: Exception) -> None:
        """Leave the server alone for a while."""
        self._look_again_at = monotonic() + REST_SECONDS
        if not self._is_down:
            self._is_down = True
            logger.warning("Redis does not serve (%s); going on without it", error)


def client_options() -> dict[str, float]:
    """Time limits of a client, as redis-py and kombu's transport name them."""
    return {"socket_timeout": TIMEOUT_SECONDS, "socket_connect_timeout": TIMEOUT_SECONDS}


def find_server() -> RedisServer | None:
    """The server that REDIS_URL names; None where there is none."""
    return _open_server(settings.REDIS_URL) if settings.REDIS_URL else None


@lru_cache(maxsize=2)
def _open_server(url: str) -> RedisServer:
    return RedisServer(url)
